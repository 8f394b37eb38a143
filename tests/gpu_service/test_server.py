"""What the service does for requests that are in order."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx2
import msgpack
import numpy as np
import pytest

from gpu_service.errors import BadInput
from gpu_service.host.app import create_app
from gpu_service.host.config import ServiceConfig, from_arguments
from gpu_service.host.registry import ROUTINES
from gpu_service.pictures import decode, encode_jpeg, encode_png
from gpu_service.routines import Batch, Reference, Routine
from gpu_service.wire import NoItem
from tests.gpu_service.live import (
    MEAN,
    MeanAnswer,
    MeanSettings,
    live_server,
)


def grey(value: int) -> bytes:
    return encode_png(np.full((10, 20, 3), value, np.uint8))


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    with live_server() as url, httpx2.Client(base_url=url, timeout=10) as client:
        yield client


def post(http: httpx2.Client, pictures: list[bytes], request: dict[str, Any] | None = None, **more: Any) -> Any:
    files = [("request", ("r", json.dumps(request or {})))] + [("picture", ("p", picture)) for picture in pictures]
    response = http.post(more.pop("path", "/mean"), files=files, **more)
    assert response.status_code == 200, response.text
    return response.json()


def test_many_pictures_in_one_request(http: httpx2.Client) -> None:
    items = [{"add": 0}, {"add": 0.5}, {"add": 1}]
    said = post(http, [grey(1), grey(2), grey(3)], {"settings": {"scale": 2}, "items": items})
    assert [answer["mean"] for answer in said["answers"]] == [2.0, 4.5, 7.0]
    assert (said["routine"], said["identity"]) == ("mean", "mean/1")
    assert set(said["ms"]) == {"queue_ms", "decode_ms", "run_ms"}
    assert all(0 <= ms < 5000 for ms in said["ms"].values())


@pytest.mark.parametrize("picture", [grey(90), encode_jpeg(np.full((16, 16, 3), 90, np.uint8))], ids=["PNG", "JPEG"])
@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"], ids=["plain", "data URL"])
def test_single_picture_as_json(http: httpx2.Client, picture: bytes, prefix: str) -> None:
    body = {"image_b64": prefix + base64.b64encode(picture).decode(), "item": {"add": 1}}
    assert http.post("/mean", json=body).json()["answers"][0]["mean"] == 91


def test_pictures_alone_take_the_defaults(http: httpx2.Client) -> None:
    response = http.post("/mean", files=[("picture", ("p", grey(5)))])
    assert response.json()["answers"][0]["mean"] == 5


def test_debug_brings_the_intermediate_pictures_in_order(http: httpx2.Client) -> None:
    said = post(http, [grey(7)], path="/mean/debug")
    assert said["answers"][0]["mean"] == 7
    [pictures] = said["pictures"]
    assert list(pictures) == ["grey", "half"]
    assert decode(base64.urlsafe_b64decode(pictures["half"])).shape == (5, 10, 3)


def test_messagepack_has_the_same_answer_with_plain_bytes(http: httpx2.Client) -> None:
    response = http.post("/mean", files=[("picture", ("p", grey(5)))], headers={"Accept": "application/msgpack"})
    assert response.headers["content-type"] == "application/msgpack"
    assert msgpack.unpackb(response.content)["answers"][0]["raw"] == b"\x00\xff"


def test_identity(http: httpx2.Client) -> None:
    expected = {"routine": "mean", "identity": "mean/1"}
    assert http.post("/mean/identity", json={"settings": {"scale": 2}}).json() == expected
    assert http.post("/mean/identity").json() == expected


def test_references_travel_once(http: httpx2.Client) -> None:
    reference = Reference("Acme", "logo.png", b"picture of a logo")
    request = {"references": [{"brand": "Acme", "name": "logo.png", "sha256": reference.sha256}]}
    files = [("request", ("r", json.dumps(request))), ("picture", ("p", grey(1)))]
    unknown = http.post("/mean", files=files)
    assert (unknown.status_code, unknown.json()["missing"]) == (424, [reference.sha256])
    for sent in ([("reference", ("x", reference.encoded))], []):
        response = http.post("/mean", files=files + sent)
        assert response.json()["answers"][0]["references"] == ["Acme/logo.png/17"]


def test_references_inline_in_json(http: httpx2.Client) -> None:
    body = {
        "image_b64": base64.b64encode(grey(1)).decode(),
        "references": [{"brand": "A", "name": "b", "image_b64": base64.b64encode(b"xyz").decode()}],
    }
    assert http.post("/mean", json=body).json()["answers"][0]["references"] == ["A/b/3"]


def test_forgotten_references_are_asked_for_again() -> None:
    with live_server(ServiceConfig(preload={}, reference_mb=1)) as url, httpx2.Client(base_url=url) as http:
        for name in ("one", "two", "one"):
            reference = Reference("A", name, name.encode() + bytes(600_000))
            key = {"brand": "A", "name": name, "sha256": reference.sha256}
            files = [("request", ("r", json.dumps({"references": [key]}))), ("picture", ("p", grey(1)))]
            assert http.post("/mean", files=files).status_code == 424
            assert http.post("/mean", files=[*files, ("reference", ("x", reference.encoded))]).status_code == 200


def together(http: httpx2.Client, requests: list[tuple[list[bytes], dict[str, Any]]]) -> list[httpx2.Response]:
    """Send the requests at once."""

    def send(request: tuple[list[bytes], dict[str, Any]]) -> httpx2.Response:
        files = [("request", ("r", json.dumps(request[1])))] + [("picture", ("p", picture)) for picture in request[0]]
        return http.post("/mean", files=files)

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))


def test_requests_of_several_clients_share_a_batch() -> None:
    settings = {"batch": 8}
    with (
        live_server(ServiceConfig(preload={}, deadline_ms=500)) as url,
        httpx2.Client(base_url=url, timeout=10) as http,
    ):
        requests = [([grey(10 * i), grey(10 * i + 1)], {"settings": settings}) for i in range(4)]
        answers = [response.json()["answers"] for response in together(http, requests)]
    assert [[answer["mean"] for answer in pair] for pair in answers] == [[0, 1], [10, 11], [20, 21], [30, 31]]
    assert {answer["batch"] for pair in answers for answer in pair} == {8}


def test_a_batch_that_does_not_fill_leaves_at_its_deadline() -> None:
    with live_server(ServiceConfig(preload={}, deadline_ms=50)) as url, httpx2.Client(base_url=url) as http:
        post(http, [grey(1)])
        began = time.monotonic()
        said = post(http, [grey(1)] * 3, {"settings": {"batch": 64}})
        took_s = time.monotonic() - began
    assert [answer["batch"] for answer in said["answers"]] == [3, 3, 3]
    assert 0.05 <= took_s < 1


def test_other_settings_are_another_batch() -> None:
    with live_server(ServiceConfig(preload={}, deadline_ms=200)) as url, httpx2.Client(base_url=url) as http:
        requests = [([grey(1)], {"settings": {"batch": 8, "scale": scale}}) for scale in (1, 1, 2)]
        answers = [response.json()["answers"][0] for response in together(http, requests)]
    assert [(answer["mean"], answer["batch"]) for answer in answers] == [(1, 2), (1, 2), (2, 1)]


def test_one_bad_picture_in_a_batch_fails_its_own_request_alone() -> None:
    settings = {"batch": 8, "fail": "bad_input"}
    with live_server(ServiceConfig(preload={}, deadline_ms=200)) as url, httpx2.Client(base_url=url) as http:
        bad = ([grey(1)], {"settings": settings, "items": [{"add": 666}]})
        broken = ([grey(1)[:-30]], {"settings": settings})
        good = ([grey(2)], {"settings": settings})
        responses = together(http, [bad, good, broken, good])
    assert [response.status_code for response in responses] == [422, 200, 422, 200]


def test_a_full_queue_says_so_and_when_to_come_back() -> None:
    config = ServiceConfig(preload={}, queue_pictures=4, threads=1)
    with live_server(config) as url, httpx2.Client(base_url=url, timeout=10) as http:
        slow = ([grey(1)] * 2, {"settings": {"sleep_ms": 250}})
        responses = together(http, [slow] * 6)
        statuses = sorted(response.status_code for response in responses)
        assert statuses == [200, 200, 503, 503, 503, 503]
        refused = next(response for response in responses if response.status_code == 503)
        assert refused.json() == {
            "error": "The queue is full: 4 of 4 pictures wait; try again later.",
            "kind": "busy",
            "missing": [],
        }
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        assert post(http, [grey(3)])["answers"][0]["mean"] == 3


def test_a_client_that_goes_away_frees_its_place() -> None:
    config = ServiceConfig(preload={}, queue_pictures=20, threads=1)
    with live_server(config) as url, httpx2.Client(base_url=url, timeout=10) as http:
        files = [("request", ("r", json.dumps({"settings": {"sleep_ms": 200}})))] + [("picture", ("p", grey(1)))] * 20
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(url + "/mean", files=files, timeout=0.3)
        time.sleep(0.3)
        assert post(http, [grey(1)] * 20)["answers"][0]["mean"] == 1


@contextmanager
def counting() -> Iterator[tuple[Routine[MeanSettings, NoItem, MeanAnswer], list[str], threading.Event]]:
    """A routine whose model loads once the event is set, and the list of its loads."""
    loads: list[str] = []
    gate = threading.Event()
    loaded: dict[str, bool] = {}

    def run(batch: Batch[MeanSettings, NoItem]) -> list[MeanAnswer]:
        if not loaded:
            gate.wait(5)
            time.sleep(0.05)
            loads.append("model")
            loaded["model"] = True
        return [MeanAnswer(mean=0, batch=1) for _ in batch.images]

    routine = Routine(
        name="heavy",
        settings=MeanSettings,
        item=NoItem,
        answer=MeanAnswer,
        run=run,
        debug=lambda batch: [(answer, {}) for answer in run(batch)],
        identity=lambda _: "heavy/1",
    )
    try:
        yield routine, loads, gate
    finally:
        gate.set()


def test_health_waits_for_the_chosen_models_and_each_is_loaded_once() -> None:
    with counting() as (heavy, loads, gate):
        config = ServiceConfig(preload={"heavy": {}}, threads=8)
        with live_server(config, {"heavy": heavy}) as url, httpx2.Client(base_url=url, timeout=10) as http:
            waiting = http.get("/health")
            assert (waiting.status_code, waiting.json()["loading"]) == (503, ["heavy"])
            assert waiting.headers["retry-after"] == "2"
            with ThreadPoolExecutor(8) as pool:
                asked = [pool.submit(http.post, "/heavy", files=[("picture", ("p", grey(1)))]) for _ in range(8)]
                time.sleep(0.1)
                gate.set()
                assert {future.result().status_code for future in asked} == {200}
            assert http.get("/health").json() == {"ready": True, "loading": [], "failed": {}}
    assert loads == ["model"]


def test_a_model_that_cannot_be_loaded_shows_in_health_and_the_rest_works() -> None:
    config = ServiceConfig(preload={"mean": {"fail": "missing"}})
    with live_server(config) as url, httpx2.Client(base_url=url) as http:
        while http.get("/health").json()["loading"]:
            time.sleep(0.01)
        health = http.get("/health")
        assert health.status_code == 503
        assert health.json()["failed"] == {"mean": "The engine `yolo` needs the extra `yolo`."}
        assert post(http, [grey(1)])["answers"][0]["mean"] == 1


@pytest.mark.parametrize(
    ("preload", "sentence"),
    [
        ({"guess": {}}, "There is no routine `guess` to preload; there are mean."),
        ({"mean": {"scale": 99}}, "The settings to preload `mean` with are not usable at `scale`"),
    ],
)
def test_a_wrong_choice_is_refused_at_the_start(preload: dict[str, dict[str, Any]], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        create_app({"mean": MEAN}, ServiceConfig(preload=preload))


def test_info_and_metrics(http: httpx2.Client) -> None:
    post(http, [grey(1)] * 3)
    info = http.get("/info").json()
    assert info["routines"] == ["mean"]
    assert [(model["routine"], model["identity"]) for model in info["models"]] == [("mean", "mean/1")]
    assert info["devices"][0].startswith("cpu: ")
    assert info["memory_bytes"] > 10_000_000
    assert (info["waiting_pictures"], info["queue_pictures"]) == (0, 512)
    text = http.get("/metrics").text
    assert 'inference_requests_total{routine="mean",status="200"}' in text
    assert 'inference_phase_seconds_bucket{le="+Inf",phase="decode",routine="mean"}' in text
    assert "process_resident_memory_bytes" in text


def test_the_document_names_every_routine_and_its_settings() -> None:
    document = create_app(ROUTINES, ServiceConfig(preload={})).openapi()
    names = ["segment_field", "detect_edges", "detect", "preprocess", "ocr", "vlm", "transcribe", "vectors", "look"]
    paths = [f"/{name}{suffix}" for name in names for suffix in ("", "/debug", "/identity")]
    assert list(document["paths"]) == ["/health", "/info", "/metrics", *paths]
    content = document["paths"]["/ocr"]["post"]["requestBody"]["content"]
    assert list(content) == ["multipart/form-data", "application/json"]
    assert content["application/json"]["example"]["image_b64"].startswith("iVBOR")
    text = json.dumps(document)
    references = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert references <= set(document["components"]["schemas"])


@pytest.mark.parametrize("name", [name for name in ROUTINES if name not in ("vlm", "transcribe")])  # which need a model
def test_every_routine_answers_with_its_defaults(everything: httpx2.Client, name: str) -> None:
    picture = encode_png(np.full((120, 160, 3), 60, np.uint8))
    said = post(everything, [picture], path=f"/{name}")
    assert len(said["answers"]) == 1
    debug = post(everything, [picture], path=f"/{name}/debug")
    assert debug["answers"] == said["answers"]
    assert isinstance(debug["pictures"][0], dict)


@pytest.fixture(scope="module")
def everything() -> Iterator[httpx2.Client]:
    with live_server(ServiceConfig(preload={}), ROUTINES) as url, httpx2.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.mark.parametrize(
    ("arguments", "environment", "changed"),
    [
        pytest.param([], {}, {}, id="nothing"),
        pytest.param([], {"INFERENCE_TOKEN": "t", "INFERENCE_PORT": "9"}, {"token": "t", "port": 9}, id="environment"),
        pytest.param(
            ["--host", "0.0.0.0"],
            {"INFERENCE_TOKEN": "t"},
            {"host": "0.0.0.0", "token": "t"},
            id="others, by token",
        ),
        pytest.param(
            ["--host", "0.0.0.0", "--open-to-all", "true"],
            {},
            {"host": "0.0.0.0", "open_to_all": True},
            id="others, as told",
        ),
        pytest.param(["--host", "::1"], {}, {"host": "::1"}, id="this machine's other address"),
        pytest.param(["--host", "localhost"], {}, {"host": "localhost"}, id="this machine's name"),
        pytest.param(["--port", "7"], {"INFERENCE_PORT": "9"}, {"port": 7}, id="a flag wins"),
        pytest.param(["--preload", "none"], {}, {"preload": {}}, id="load nothing"),
        pytest.param(["--preload", "ocr, detect"], {}, {"preload": {"ocr": {}, "detect": {}}}, id="load by name"),
        pytest.param([], {"INFERENCE_PRELOAD": '{"ocr":{"a":1}}'}, {"preload": {"ocr": {"a": 1}}}, id="load by JSON"),
    ],
)
def test_configuration(arguments: list[str], environment: dict[str, str], changed: dict[str, Any]) -> None:
    assert from_arguments(arguments, environment) == ServiceConfig(**changed)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", "banana"], r"--port \(or INFERENCE_PORT\) is not usable"),
        (["--port", "70000"], r"--port \(or INFERENCE_PORT\) is not usable"),
        (["--queue-pictures", "0"], r"--queue-pictures \(or INFERENCE_QUEUE_PICTURES\) is not usable"),
        (["--host", "0.0.0.0"], "Without a token, whoever reaches 0.0.0.0 could use this host; set INFERENCE_TOKEN"),
        (["--host", "::"], "Without a token, whoever reaches :: could use this host; set INFERENCE_TOKEN"),
        (["--host", "gpu-host"], "Without a token, whoever reaches gpu-host could use this host; set INFERENCE_TOKEN"),
        (["--preload", "{ocr}"], r"--preload \(or INFERENCE_PRELOAD\) is not JSON"),
    ],
)
def test_a_wrong_configuration_names_the_flag(arguments: list[str], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        from_arguments(arguments, {})
