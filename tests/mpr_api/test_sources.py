from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import httpx2
import pytest

from mpr_api.world.backend import Backend
from mpr_resources.inference.resource import InferenceResource
from tests.mpr_api.live import config_of, resources_of, served
from tests.world import World


@pytest.fixture
def clip(api_world: World) -> bytes:
    return (api_world.inputs / "clip.mp4").read_bytes()


@pytest.fixture(autouse=True)
def nothing_is_uploaded_after(api: httpx2.Client, api_world: World) -> Iterator[None]:
    yield
    api.delete("/detect/uploads/new.mp4")
    (api_world.storage_folder.parent / "media" / "new.mp4").unlink(missing_ok=True)


def part(first: int, last: int, total: int) -> dict[str, str]:
    return {"Content-Range": f"bytes {first}-{last}/{total}"}


def test_an_upload_is_continued_where_it_was_broken_off(api: httpx2.Client, clip: bytes) -> None:
    path, total = "/detect/uploads/new.mp4", len(clip)
    assert api.get(path).json() == {"name": "new.mp4", "offset": 0, "complete": False, "source_id": None}
    first = api.put(path, content=clip[:1000], headers=part(0, total - 1, total)).json()
    assert (first["offset"], first["complete"]) == (1000, False)
    assert api.get(path).json() == first
    assert all(source["name"] != "new.mp4" for source in api.get("/detect/sources").json())
    wrong = api.put(path, content=clip[:5], headers=part(7, 11, total))
    assert (wrong.status_code, wrong.json()["error"]) == (
        409,
        "1000 bytes were received, and the part begins at 7; go on from 1000.",
    )
    whole = api.put(path, content=clip[1000:], headers=part(1000, total - 1, total)).json()
    assert (whole["offset"], whole["complete"]) == (total, True)
    source = api.get(f"/detect/sources/{whole['source_id']}").json()
    assert (source["name"], source["in_media_store"], source["size_bytes"]) == ("new.mp4", True, total)
    assert source["probe"]["duration_ms"] == 2000
    assert api.put(path, content=clip).status_code == 409
    assert api.put(f"{path}?replace=true", content=clip).json()["complete"]


BAD: dict[str, tuple[str, dict[str, str], int]] = {
    "another kind of file": ("new.txt", {}, 400),
    "a folder": ("a%2Fnew.mp4", {}, 404),
    "a hidden file": (".new.mp4", {}, 400),
    "no range": ("new.mp4", {"Content-Range": "bytes 4-2/9"}, 400),
    "a range of nothing": ("new.mp4", {"Content-Range": "bytes */9"}, 400),
    "more than was announced": ("new.mp4", part(0, 0, 1), 413),
    "too large": ("new.mp4", part(0, 9, 10**15), 413),
    "the middle first": ("new.mp4", part(5, 9, 10), 409),
}


@pytest.mark.parametrize("name", BAD)
def test_uploads_that_are_refused(api: httpx2.Client, name: str) -> None:
    file, headers, status = BAD[name]
    answer = api.put(f"/detect/uploads/{file}", content=b"12345", headers=headers)
    assert (answer.status_code, set(answer.json())) == (status, {"error", "kind"})


def test_a_source_is_registered_by_its_path(api: httpx2.Client, api_world: World, clip: bytes) -> None:
    other = api_world.inputs / "other.mp4"
    other.write_bytes(clip)
    try:
        made = api.post("/detect/sources", json={"address": str(other)})
        assert (made.status_code, made.json()["probe"]["width_px"]) == (201, 640)
        assert made.json()["id"] in [one["id"] for one in api.get("/detect/sources").json()]
        assert api.delete(f"/detect/sources/{made.json()['id']}").status_code == 204
        assert api.get(f"/detect/sources/{made.json()['id']}").status_code == 404
        other.write_bytes(b"no video")
        assert api.post("/detect/sources", json={"address": str(other)}).status_code == 400
    finally:
        other.unlink()
    assert api.post("/detect/sources", json={"address": "/etc/passwd"}).status_code == 403
    assert api.post("/detect/sources", json={"address": "http://127.0.0.1/a.mp4"}).status_code == 403


class Host(BaseHTTPRequestHandler):
    """An inference host that says what it was asked, and fails at `broken`."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        failed = self.path == "/broken"
        said = '{"error": "No memory.", "kind": "internal"}' if failed else f'{{"path": "{self.path}", "body": {body}}}'
        self.send_response(500 if failed else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Token", self.headers.get("Authorization", ""))
        self.end_headers()
        self.wfile.write(said.encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def test_routines_of_the_inference_host(api: httpx2.Client, api_world: World) -> None:
    nowhere = api.post("/detect/gpu/detect_edges", json={})
    assert (nowhere.status_code, nowhere.json()["kind"]) == (502, "host_away")
    assert nowhere.json()["error"].startswith("There is no inference host")
    host = HTTPServer(("127.0.0.1", 0), Host)
    Thread(target=host.serve_forever, daemon=True).start()
    address = f"http://***@127.0.0.1:{host.server_port}"
    resources = resources_of(api_world)
    object.__setattr__(
        resources, "inference", InferenceResource(url=address.replace("***", "someone:canary"), token="t")
    )
    with served(Backend(config_of(api_world), api_world.instance, resources)) as url, httpx2.Client(timeout=60) as http:
        told = http.post(f"{url}/detect/gpu/segment_field/debug", json={"a": 1})
        assert told.json() == {"path": "/segment_field/debug", "body": {"a": 1}}
        broken = http.post(f"{url}/detect/gpu/broken", json={})
        assert (broken.status_code, broken.json()["error"]) == (
            502,
            f"The inference host {address} answered with 500: No memory; see its log.",
        )
        host.shutdown()
        host.server_close()
        away = http.post(f"{url}/detect/gpu/detect_edges", json={})
        assert (away.status_code, address in away.json()["error"]) == (502, True)
