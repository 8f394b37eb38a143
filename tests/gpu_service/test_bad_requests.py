"""Requests that nobody should send: each gets 4xx and one sentence, and the service lives on."""

from __future__ import annotations

import base64
import json
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import httpx2
import numpy as np
import pytest

from gpu_service.host.registry import ROUTINES
from gpu_service.pictures import encode_jpeg, encode_png
from tests.gpu_service.live import MEAN, ServiceConfig, live_server

GOOD = encode_jpeg(np.full((48, 64, 3), 90, np.uint8))
GOOD_PNG = encode_png(np.full((48, 64, 3), 90, np.uint8))
GOOD_B64 = base64.b64encode(GOOD).decode()
CONFIG = ServiceConfig(
    preload={}, body_mb=1, request_pictures=4, debug_pictures=1, request_references=2, picture_megapixels=1
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with live_server(CONFIG, {**ROUTINES, "mean": MEAN}) as url:
        yield url


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


def other_format(extension: str) -> bytes:
    done, encoded = cv2.imencode(extension, np.zeros((8, 8, 3), np.uint8))
    assert done
    return encoded.tobytes()


@dataclass(frozen=True)
class Bad:
    """A request: JSON (`body`), parts, or raw bytes with a type."""

    path: str = "/mean"
    body: Any = None
    parts: list[tuple[str, bytes]] = field(default_factory=list)
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"


def parts(request: object, *pictures: bytes, path: str = "/mean") -> Bad:
    text = request if isinstance(request, bytes) else json.dumps(request).encode()
    return Bad(path, parts=[("request", text), *(("picture", picture) for picture in pictures)])


def raw(content: bytes, content_type: str) -> Bad:
    return Bad(raw=content, headers={"Content-Type": content_type})


JSON, FORM = "application/json", "multipart/form-data; boundary=b"
BOX = {"x": 0, "y": 0, "w": 5, "h": 5}

BAD: dict[str, tuple[Bad, int, str]] = {
    "empty body": (raw(b"", JSON), 400, "The body is not JSON"),
    "no type": (raw(b"{}", ""), 415, "A body of type `` is not understood"),
    "text": (raw(b"hello", "text/plain"), 415, "A body of type `text/plain` is not understood"),
    "url-encoded": (raw(b"a=b", "application/x-www-form-urlencoded"), 415, "is not understood"),
    "broken JSON": (raw(b'{"image_b64": ', JSON), 400, "The body is not JSON"),
    "JSON that is not UTF-8": (raw(b'{"image_b64": "\xff\xfe"}', JSON), 400, "The body is not JSON"),
    "JSON too deep": (raw(b"[" * 100_000, JSON), 400, "The body is not JSON"),
    "JSON null": (Bad(raw=b"null", headers={"Content-Type": JSON}), 422, "The body is not usable"),
    "JSON list": (Bad(body=[1, 2]), 422, "The body is not usable"),
    "no picture in JSON": (Bad(body={}), 422, "at `image_b64`: Field required"),
    "foreign key": (Bad(body={"image_b64": GOOD_B64, "model_path": "/etc/passwd"}), 422, "at `model_path`"),
    "not base64": (Bad(body={"image_b64": "%%%"}), 422, "`image_b64` is not base64"),
    "base64 that is not ASCII": (Bad(body={"image_b64": "é"}), 422, "`image_b64` is not base64"),
    "base64 of nothing": (Bad(body={"image_b64": ""}), 422, "Picture 0 (0 bytes) is not a JPEG"),
    "picture of wrong type": (Bad(body={"image_b64": 5}), 422, "at `image_b64`"),
    "a setting that is not": (Bad(body={"image_b64": GOOD_B64, "settings": {"scael": 1}}), 422, "at `settings.scael`"),
    "a setting out of range": (
        Bad(body={"image_b64": GOOD_B64, "settings": {"scale": 11}}),
        422,
        "at `settings.scale`",
    ),
    "a setting of wrong type": (
        Bad(body={"image_b64": GOOD_B64, "settings": {"scale": []}}),
        422,
        "at `settings.scale`",
    ),
    "a setting that is NaN": (raw(b'{"image_b64": "", "settings": {"scale": NaN}}', JSON), 422, "at `settings.scale`"),
    "a setting that is infinite": (
        raw(b'{"image_b64": "", "settings": {"scale": 1e999}}', JSON),
        422,
        "at `settings.scale`",
    ),
    "an engine that is not": (
        Bad("/detect", body={"image_b64": GOOD_B64, "settings": {"engines": ["/tmp/evil.pt"]}}),
        422,
        "at `settings.engines",
    ),
    "a yes where a number should be": (
        Bad(body={"image_b64": GOOD_B64, "settings": {"scale": True}}),
        422,
        "at `settings.scale`",
    ),
    "a number as text": (Bad(body={"image_b64": GOOD_B64, "settings": {"scale": "1"}}), 422, "at `settings.scale`"),
    "an item of wrong type": (Bad(body={"image_b64": GOOD_B64, "item": 3}), 422, "at `item`"),
    "a quad of three corners": (
        Bad("/ocr", body={"image_b64": GOOD_B64, "item": {"quads": [[[0, 0], [1, 0], [1, 1]]]}}),
        422,
        "at `item.quads",
    ),
    "a corner beyond all pixels": (
        Bad("/ocr", body={"image_b64": GOOD_B64, "item": {"quads": [[[0, 0], [1e30, 0], [1, 1], [0, 1]]]}}),
        422,
        "at `item.quads",
    ),
    "a box of negative width": (
        Bad("/preprocess", body={"image_b64": GOOD_B64, "item": {"crops": [{"box": {**BOX, "w": -1}}]}}),
        422,
        "at `item.crops.0.box.w`",
    ),
    "a box beyond all integers": (
        Bad("/preprocess", body={"image_b64": GOOD_B64, "item": {"crops": [{"box": {**BOX, "x": 10**40}}]}}),
        422,
        "at `item.crops.0.box.x`",
    ),
    "more crops than a frame has": (
        Bad("/preprocess", body={"image_b64": GOOD_B64, "item": {"crops": [{"box": BOX}] * 501}}),
        422,
        "at `item.crops`: Tuple should have at most 500 items",
    ),
    "more threads than any machine has": (
        Bad("/ocr", body={"image_b64": GOOD_B64, "settings": {"threads": 257}}),
        422,
        "at `settings.threads`",
    ),
    "reference that is not base64": (
        Bad("/detect", body={"image_b64": GOOD_B64, "references": [{"brand": "a", "name": "b", "image_b64": "!"}]}),
        422,
        "`references.0.image_b64` is not base64",
    ),
    "hash that is not one": (
        parts({"references": [{"brand": "a", "name": "b", "sha256": "../x"}]}, GOOD),
        422,
        "at `references.0.sha256`",
    ),
    "unknown reference": (
        parts({"references": [{"brand": "a", "name": "b", "sha256": "0" * 64}]}, GOOD),
        424,
        "1 of 1 reference pictures are not known here",
    ),
    "reference that nothing names": (
        Bad(parts=[("picture", GOOD), ("reference", GOOD)]),
        422,
        "a part `reference` that no entry of `references` names",
    ),
    "multipart without boundary": (raw(b"x", "multipart/form-data"), 400, "not multipart/form-data"),
    "multipart that is none": (raw(b"hello", FORM), 400, "not multipart/form-data"),
    "multipart cut short": (
        raw(b'--b\r\nContent-Disposition: form-data; name="picture"\r\n\r\nabc', FORM),
        400,
        "not multipart/form-data",
    ),
    "multipart with an endless header": (raw(b"--b\r\nX: " + b"a" * 9000 + b"\r\n\r\n\r\n--b--", FORM), 413, "limit"),
    "part without a name": (raw(b"--b\r\nX: y\r\n\r\nz\r\n--b--\r\n", FORM), 400, "not multipart/form-data"),
    "foreign part": (Bad(parts=[("file", GOOD)]), 422, "There is a part `file`"),
    "no picture": (parts({}), 422, "There is no picture in the request"),
    "too many pictures": (parts({}, *[GOOD] * 5), 413, "There are 5 pictures in the request"),
    "too many pictures to debug": (parts({}, GOOD, GOOD, path="/mean/debug"), 413, "There are 2 pictures"),
    "too many crops": (
        Bad("/preprocess", body={"image_b64": GOOD_B64, "item": {"crops": [{"box": BOX}] * 501}}),
        422,
        "at `item.crops`: Tuple should have at most 500 items",
    ),
    "too many corners": (
        Bad("/detect_edges", body={"image_b64": GOOD_B64, "item": {"field": [[0, 0]] * 1001}}),
        422,
        "at `item.field`: Tuple should have at most 1000 items",
    ),
    "too many lines": (
        Bad("/ocr", body={"image_b64": GOOD_B64, "item": {"quads": [[[0, 0], [9, 0], [9, 9], [0, 9]]] * 5001}}),
        422,
        "at `item.quads`: Tuple should have at most 5000 items",
    ),
    "too many parts": (parts({}, *[b""] * 9), 413, "at most 7 parts"),
    "items for other pictures": (parts({"items": [{}]}, GOOD, GOOD), 422, "There are 1 items for 2 pictures"),
    "request part that is not JSON": (parts(b"settings=1", GOOD), 400, "The part `request` is not JSON"),
    "text as picture": (parts({}, b"hello"), 422, "Picture 0 (5 bytes) is not a JPEG, PNG or WebP file"),
    "second picture is none": (parts({}, GOOD, b"\xff\xd8\xff"), 422, "Picture 1 (3 bytes) is not"),
    "JPEG cut short": (parts({}, GOOD, GOOD[:-20]), 422, "Picture 1 cannot be decoded"),
    "PNG cut short": (parts({}, GOOD_PNG[:60]), 422, "Picture 0 cannot be decoded"),
    "BMP": (parts({}, other_format(".bmp")), 422, "is not a JPEG, PNG or WebP file"),
    "TIFF": (parts({}, other_format(".tiff")), 422, "is not a JPEG, PNG or WebP file"),
    "SVG as picture": (parts({}, b'<svg xmlns="http://www.w3.org/2000/svg"/>'), 422, "is not a JPEG, PNG or WebP file"),
    "decompression bomb": (parts({}, png_that_claims(60_000, 60_000)), 413, "Picture 0 has far too many pixels"),
    "just too many pixels": (parts({}, png_that_claims(1001, 1000)), 413, "1001 x 1000 pixels; this host takes 1 mega"),
    "no pixels": (parts({}, png_that_claims(0, 0)), 422, "Picture 0"),
    "size claimed, pixels missing": (parts({}, png_that_claims(900, 900)), 422, "Picture 0 cannot be decoded"),
    "body too large": (parts({}, bytes(1_100_000)), 413, "larger than the 1 MB"),
    "compressed body": (
        Bad(raw=b"x", headers={"Content-Type": JSON, "Content-Encoding": "gzip"}),
        415,
        "A compressed request body is not supported",
    ),
    "identity of settings that are not": (
        Bad("/mean/identity", body={"settings": {"scale": -1}}),
        422,
        "at `settings.scale`",
    ),
    "no such routine": (Bad("/guess", body={}), 404, "There is nothing at this path"),
    "path that climbs": (Bad("/..%2f..%2fetc/passwd", body={}), 404, "There is nothing at this path"),
    "wrong method": (Bad(method="GET"), 405, "Method Not Allowed"),
    "wrong method on health": (Bad("/health", method="DELETE"), 405, "Method Not Allowed"),
    "routine that refuses": (
        Bad(body={"image_b64": GOOD_B64, "settings": {"fail": "bad_input"}}),
        422,
        "The picture is upside down.",
    ),
    "engine that is not here": (
        Bad(body={"image_b64": GOOD_B64, "settings": {"fail": "missing"}}),
        422,
        "The engine `yolo` needs the extra `yolo`.",
    ),
}


HTTP = httpx2.Client(timeout=10)


@pytest.fixture(scope="module", autouse=True)
def _connections() -> Iterator[None]:
    yield
    HTTP.close()


def send(url: str, bad: Bad) -> httpx2.Response:
    if bad.raw is not None:
        return HTTP.request(bad.method, url + bad.path, content=bad.raw, headers=bad.headers)
    if bad.parts:
        files = [(name, ("file", content)) for name, content in bad.parts]
        return HTTP.request(bad.method, url + bad.path, files=files)
    if bad.body is None:
        return HTTP.request(bad.method, url + bad.path)
    return HTTP.request(bad.method, url + bad.path, json=bad.body)


@pytest.mark.parametrize("name", BAD)
def test_each_gets_one_sentence(url: str, name: str) -> None:
    bad, status, sentence = BAD[name]
    response = send(url, bad)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
    said = response.json()
    assert sentence in said["error"]
    assert len(said["error"]) < 600
    assert send(url, parts({}, GOOD)).json()["answers"][0]["mean"] == 90


def test_a_fault_of_a_routine_is_its_own_alone(url: str) -> None:
    response = send(url, Bad(body={"image_b64": GOOD_B64, "settings": {"fail": "bug"}}))
    assert (response.status_code, response.json()["kind"]) == (500, "internal")
    assert response.json()["error"] == "The routine mean failed on the host (ZeroDivisionError); see its log."
    assert send(url, Bad(body={"image_b64": GOOD_B64})).status_code == 200


def talk(url: str, *pieces: bytes) -> bytes:
    """Say the pieces over a plain socket and hear until the server closes it or two seconds pass."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=2) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        heard = b""
        try:
            while chunk := connection.recv(65536):
                heard += chunk
        except TimeoutError:
            pass
        return heard


HEAD = b"POST /mean HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b""], id="nothing"),
        pytest.param([b"\x16\x03\x01\x02\x00"], id="TLS"),
        pytest.param([b"GET / HTTP/9.9\r\n\r\n"], id="a version that is not"),
        pytest.param([HEAD + b"Content-Length: 100\r\n\r\n", b'{"image'], id="hangs up in the body"),
        pytest.param([HEAD + b"Content-Length: -5\r\n\r\n"], id="negative length"),
        pytest.param([HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"ZZ\r\n"], id="a chunk that is not"),
        pytest.param([HEAD + b"X: " + b"a" * 200_000 + b"\r\n\r\n"], id="an endless header"),
    ],
)
def test_what_is_not_http_does_not_disturb(url: str, pieces: list[bytes]) -> None:
    heard = talk(url, *pieces)
    assert heard == b"" or heard.split()[1].startswith(b"4")
    assert HTTP.get(url + "/health").status_code == 200


def test_a_body_without_length_is_cut_off_at_the_limit(url: str) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 50_000_000:
            sent += 65536
            yield bytes(65536)

    try:
        response = HTTP.post(url + "/mean", content=endless(), headers={"Content-Type": JSON})
        assert response.status_code == 413
    except httpx2.WriteError:
        pass
    assert HTTP.get(url + "/health").status_code == 200


def test_a_body_that_trickles_is_given_up() -> None:
    def slow() -> Iterator[bytes]:
        yield b"{"
        time.sleep(0.5)
        yield b"}"

    with live_server(ServiceConfig(preload={}, body_timeout_s=0.1)) as url:
        response = HTTP.post(url + "/mean", content=slow(), headers={"Content-Type": JSON})
    assert (response.status_code, response.json()["error"]) == (408, "The request body did not arrive within 0.1 s.")


def test_bodies_together_stay_under_their_limit() -> None:
    config = ServiceConfig(preload={}, bodies_mb=1, body_mb=3)
    with live_server(config) as url:
        response = HTTP.post(url + "/mean", content=bytes(2_000_000), headers={"Content-Type": JSON})
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert "holds as many request bodies as it can" in response.json()["error"]
        assert "inference_body_bytes 0.0" in HTTP.get(url + "/metrics").text


@pytest.mark.parametrize(
    ("path", "header", "status"),
    [
        ("/health", None, 200),
        ("/docs", None, 200),
        ("/openapi.json", None, 200),
        ("/info", None, 401),
        ("/metrics", None, 401),
        ("/mean", None, 401),
        ("/mean/debug", None, 401),
        ("/mean/identity", None, 401),
        ("/info", "Bearer wrong", 401),
        ("/info", "Bearer", 401),
        ("/info", "Bearer sécret", 401),
        ("/info", "Basic c2VjcmV0", 401),
        ("/info", "Bearer secret", 200),
        ("/metrics", "Bearer secret", 200),
        ("/mean/identity", "Bearer secret", 200),
    ],
)
def test_token(guarded: str, path: str, header: str | None, status: int) -> None:
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    method = "POST" if path.startswith("/mean") else "GET"
    response = HTTP.request(method, guarded + path, headers=headers)
    assert response.status_code == status
    if status == 401:
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.json()["error"].startswith("This host requires its bearer token")


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    with live_server(ServiceConfig(preload={}, token="secret")) as url:
        yield url
