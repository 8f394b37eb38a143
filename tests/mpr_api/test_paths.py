"""The older service's paths, and requests that are wrong: each is answered by one sentence."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx2
import pytest

from tests.world import World

NO_PATH = {
    "There is nothing at this path; /docs lists the paths.",
    "This path does not take this method; /docs lists the paths.",
}
OLD = """
GET /sources
GET /sources/0123456789abcdef/chunks
POST /timeline
GET /timeline
GET /timeline/ghost
DELETE /timeline/ghost/cache
POST /run
POST /stop/ghost
POST /pause/ghost
POST /resume/ghost
POST /step/ghost
POST /pause-after-stage/ghost
POST /clear/ghost
GET /status/ghost
GET /stream/ghost
GET /checkpoints/ghost
GET /checkpoints/ghost/run_ocr
GET /scenarios
POST /replay
POST /retry
POST /replay-stage
POST /overlays
GET /overlays/ghost/job/run_ocr
GET /overlays/ghost/job/run_ocr/0
POST /gpu/detect_edges
POST /gpu/detect_edges/debug
POST /gpu/segment_field
POST /gpu/segment_field/debug
GET /config
PUT /config
GET /config/profiles
GET /config/profiles/generic/pipeline
PUT /config/edge-transform
GET /config/stages
GET /config/stages/run_ocr
GET /jobs
GET /jobs/ghost
"""


@pytest.mark.parametrize("prefix", ["/detect", "/api/detect"])
@pytest.mark.parametrize("old", OLD.split("\n")[1:-1])
def test_the_older_services_paths_are_answered(api: httpx2.Client, prefix: str, old: str) -> None:
    method, path = old.split()
    answer = api.request(method, f"{prefix}{path}")
    assert answer.status_code != 500
    if answer.status_code >= 400:
        assert answer.json()["error"] not in NO_PATH


MATCH = "/timeline/match"
LONG = "x" * 500
BAD: dict[str, tuple[str, Any, int]] = {
    "no such path": ("GET /nothing", None, 404),
    "no such method": ("PATCH /timeline", None, 405),
    "no JSON": ("POST /run", b"{", 422),
    "JSON of another kind": ("POST /run", [], 422),
    "no body": ("POST /run", b"", 422),
    "a number for a name": ("POST /run", {"timeline_id": 7}, 422),
    "too long a name": ("POST /run", {"timeline_id": LONG}, 422),
    "a name that climbs": ("POST /run", {"timeline_id": "../match"}, 400),
    "no such timeline": ("GET /timeline/ghost", None, 404),
    "no such job": ("GET /jobs/ghost", None, 404),
    "no such stream": ("GET /stream/ghost", None, 404),
    "an id that is none": ("GET /events?last_event_id=x", None, 400),
    "no such stage": (f"GET {MATCH}/tables/ghost", None, 404),
    "a negative time": (f"GET {MATCH}/detections?start_ms=-1", None, 422),
    "a time that is no number": (f"GET {MATCH}/detections?start_ms=x", None, 422),
    "too sure": (f"GET {MATCH}/detections?min_confidence=2", None, 422),
    "too many rows": (f"GET {MATCH}/detections?limit=9999999", None, 422),
    "no rows": (f"GET {MATCH}/detections?limit=0", None, 422),
    "a cursor that is none": (f"GET {MATCH}/detections?cursor=x", None, 400),
    "a cursor of another result": (f"GET {MATCH}/detections?cursor=0123456789abcdef.1", None, 409),
    "no such frame": ("GET /frames/match/99.jpg", None, 404),
    "no number of a frame": ("GET /frames/match/x.jpg", None, 422),
    "a frame too wide": ("GET /frames/match/0.jpg?width=99999", None, 422),
    "a version that is none": ("GET /frames/match/0.jpg?v=x", None, 422),
    "no such profile": ("GET /config/profiles/ghost", None, 404),
    "a profile that climbs": ("GET /config?profile=../../etc/passwd", None, 404),
    "a setting that is not there": ("PUT /config/profiles/board/stages/run_ocr", {"ghost": 1}, 400),
    "a setting out of its range": ("PUT /config/edge-transform?profile=board", {"edge_canny_low": -1}, 400),
    "a setting of another kind": ("PUT /config/edge-transform?profile=board", {"edge_canny_low": {}}, 400),
    "settings of a stage that is not there": ("PUT /config?profile=board", {"ghost": {}}, 404),
    "a new profile that climbs": ("POST /config/profiles", {"name": "../x", "copy_of": "board"}, 400),
    "a trial of a stage that has no frames": (f"POST {MATCH}/try/compile_report", {}, 400),
    "a trial of no frame": (f"POST {MATCH}/try/run_ocr", {"frames": []}, 422),
    "a trial of a frame that is not there": (f"POST {MATCH}/try/run_ocr", {"frames": [99]}, 400),
    "a trial of nobody": ("POST /replay-stage", {"stage": "run_ocr"}, 400),
    "a timeline of nothing": ("POST /timeline", {"chunks": []}, 422),
    "a timeline of a file outside": ("POST /timeline", {"name": "a", "chunks": [{"source": "/etc/passwd"}]}, 403),
    "a chunk backwards": (
        "POST /timeline",
        {"name": "a", "chunks": [{"source": "CLIP", "start_ms": 9, "end_ms": 1}]},
        400,
    ),
    "no scenario": ("DELETE /scenarios/ghost", None, 404),
    "a scenario that climbs": ("POST /scenarios", {"timeline_id": "match", "stage": "run_ocr", "label": "../x"}, 400),
    "a picture that is none": (
        "POST /overlays",
        {"timeline_id": "match", "job_id": "j", "stage": "run_ocr", "seq": 0, "overlays": {"a": "b"}},
        400,
    ),
    "no correction": (f"POST {MATCH}/corrections", {"corrections": []}, 422),
    "a name of a correction that climbs": (f"GET {MATCH}/corrections/..%2F..%2Fx.png", None, 404),
    "a brand without a name": ("POST /brands", {"name": ""}, 422),
    "NUL in a name": ("GET /timeline/a%00b", None, 400),
    "half a letter in a name": ("GET /timeline/%ff", None, 400),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_request_is_answered_by_a_sentence(api: httpx2.Client, api_world: World, name: str) -> None:
    request, body, status = BAD[name]
    method, path = request.split()
    clip = str(api_world.inputs / "clip.mp4")
    content = body if isinstance(body, bytes | None) else json.dumps(body).replace("CLIP", clip).encode()
    answer = api.request(method, f"/detect{path}", content=content, headers={"Content-Type": "application/json"})
    said = answer.json()
    assert answer.status_code == status, said
    assert set(said) == {"error", "kind"}
    assert re.fullmatch(r"[^\n]{10,600}[.!?]", said["error"]), said
    assert "Traceback" not in said["error"]
