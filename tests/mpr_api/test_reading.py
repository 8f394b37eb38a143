from __future__ import annotations

from typing import Any

import cv2
import httpx2
import numpy as np
import pytest

from mpr_assets.definitions import STAGES
from mpr_resources.storage.keys import Keys
from tests.world import BRAND, NAMES, World, seen


def ok(answer: httpx2.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_timeline_at_a_glance(api: httpx2.Client) -> None:
    [card] = ok(api.get("/detect/timeline"))
    assert (card["id"], card["profile"], card["duration_ms"]) == ("match", "board", 2000)
    assert card["brands"] == [{"brand": BRAND, "screen_ms": 2000}]
    assert [(stage["stage"], stage["state"]) for stage in card["stages"]] == [(name, "fresh") for name in NAMES]
    assert api.get(card["poster"]).headers["content-type"] == "image/jpeg"


def test_the_older_prefix_answers_the_same(api: httpx2.Client) -> None:
    assert ok(api.get("/api/detect/timeline/match")) == ok(api.get("/detect/timeline/match"))


def test_a_timeline_says_what_stands_in_its_stages_and_why_one_is_stale(api: httpx2.Client, api_world: World) -> None:
    detail = ok(api.get("/detect/timeline/match"))
    assert (detail["frames"], detail["kept_frames"], detail["width_px"], detail["height_px"]) == (4, 3, 640, 360)
    rows = {stage["stage"]: stage["rows"] for stage in detail["stages"]}
    assert (rows["timeline"], rows["extract_frames"], rows["match_brands"], rows["compile_report"]) == (1, 4, 3, 1)
    brands = api_world.inputs / "brands.yaml"
    before = brands.read_text()
    brands.write_text(before + "  - Somebody Else\n")
    try:
        changed = {stage["stage"]: stage for stage in ok(api.get("/detect/timeline/match"))["stages"]}
    finally:
        brands.write_text(before)
    assert (changed["run_ocr"]["state"], changed["match_brands"]["state"]) == ("fresh", "stale")
    assert changed["match_brands"]["causes"] == ["the brand list changed"]
    assert "match_brands is stale" in changed["compile_report"]["causes"]


def test_frames_in_order_with_the_kept_one_that_stands_for_each(api: httpx2.Client) -> None:
    frames = ok(api.get("/detect/timeline/match/frames"))
    assert [(row["seq"], row["timeline_ms"], row["kept_seq"]) for row in frames["rows"]] == [
        (0, 0, 0),
        (1, 500, 0),
        (2, 1000, 2),
        (3, 1500, 3),
    ]
    assert "phash" not in frames["rows"][0]
    assert frames["duration_ms"] == ok(api.get("/detect/timeline/match"))["duration_ms"] == 2000


@pytest.mark.parametrize(
    ("query", "seqs", "total"),
    [
        pytest.param({"start_ms": 2000}, [], 0, id="nothing there"),
        pytest.param({}, [0, 2, 3], 3, id="all"),
        pytest.param({"start_ms": 1000}, [2, 3], 2, id="its first millisecond belongs to a window"),
        pytest.param({"end_ms": 1000}, [0], 1, id="its end does not"),
        pytest.param({"limit": 2}, [0, 2], 3, id="the first page"),
        pytest.param({"brand": "Nowhere Airlines"}, [], 0, id="another brand"),
        pytest.param({"min_confidence": 1}, [], 0, id="surer ones"),
        pytest.param({"candidates": "only"}, [], 0, id="candidates"),
    ],
)
def test_detections_of_a_window(api: httpx2.Client, query: dict[str, Any], seqs: list[int], total: int) -> None:
    page = ok(api.get("/detect/timeline/match/detections", params=query))
    assert ([row["seq"] for row in page["rows"]], page["total"]) == (seqs, total)
    assert all((row["brand"], row["stage"]) == (BRAND, "match_brands") for row in page["rows"])


def test_pages_follow_one_another_until_the_result_is_another(api: httpx2.Client, api_world: World) -> None:
    path = "/detect/timeline/match/text-lines"
    first = ok(api.get(path, params={"limit": 2}))
    second = ok(api.get(path, params={"limit": 2, "cursor": first["next_cursor"]}))
    assert [row["seq"] for row in first["rows"] + second["rows"]] == [0, 2, 3]
    assert second["next_cursor"] is None
    key = Keys.table("run_ocr", "match")
    before = api_world.storage.get(key)
    api_world.run("run_ocr", overrides={"run_ocr": {"frames": "0"}})
    try:
        answer = api.get(path, params={"cursor": first["next_cursor"]})
    finally:
        api_world.storage.put(key, before)
        assert api_world.run().success
    assert (answer.status_code, answer.json()["error"]) == (
        409,
        "The result was made anew since the first page; begin again without a cursor.",
    )


@pytest.mark.parametrize("stage", NAMES)
def test_every_table_can_be_read(api: httpx2.Client, api_world: World, stage: str) -> None:
    page = ok(api.get(f"/detect/timeline/match/tables/{stage}"))
    assert page["total"] == api_world.table(stage).rows.height


def test_exposures_overlap_the_window(api: httpx2.Client) -> None:
    path = "/detect/timeline/match/exposures"
    [exposure] = ok(api.get(path, params={"start_ms": 1999}))["rows"]
    assert (exposure["brand"], exposure["start_ms"], exposure["end_ms"]) == (BRAND, 0, 2000)
    assert ok(api.get(path, params={"start_ms": 2000}))["rows"] == []


def test_regions_of_one_stage_and_of_both(api: httpx2.Client) -> None:
    path = "/detect/timeline/match/regions"
    assert {row["stage"] for row in ok(api.get(path))["rows"]} == {"detect_edges"}
    assert ok(api.get(path, params={"stage": "detect_objects"}))["rows"] == []


def test_objects_by_label_and_window(api: httpx2.Client, api_world: World) -> None:
    path = "/detect/timeline/match/objects"
    nothing = ok(api.get(path))
    assert (nothing["rows"], nothing["labels"]) == ([], {})
    box = (10, 20, 30, 40)
    with seen(api_world, (0, "person", box), (2, "person", box), (2, "car", box)):
        everything = ok(api.get(path))
        [row] = ok(api.get(path, params={"label": "person", "start_ms": 1000}))["rows"]
    assert (everything["total"], everything["labels"]) == (3, {"person": 2, "car": 1})
    shown = {name: row[name] for name in ("seq", "timeline_ms", "label", "confidence", "engine", "x", "y", "w", "h")}
    assert shown == {
        "seq": 2, "timeline_ms": 1000, "label": "person", "confidence": 0.75, "engine": "onnx",
        "x": 10, "y": 20, "w": 30, "h": 40,
    }  # fmt: skip


def test_the_report_is_the_stored_one(api: httpx2.Client, api_world: World) -> None:
    assert api.get("/detect/timeline/match/report").content == api_world.storage.get(
        Keys.report("match", "report.json")
    )


def test_a_frame_is_cached_by_its_version_and_asked_for_again_without(api: httpx2.Client) -> None:
    version = ok(api.get("/detect/timeline/match/frames"))["version"]
    lasting = api.get(f"/detect/frames/match/2.jpg?v={version}")
    assert lasting.headers["cache-control"] == "private, max-age=31536000, immutable"
    plain = api.get("/detect/frames/match/2.jpg")
    assert plain.headers["cache-control"] == "private, no-cache"
    assert plain.content == lasting.content
    again = api.get("/detect/frames/match/2.jpg", headers={"If-None-Match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(("width", "size"), [(16, (16, 9)), (320, (320, 180)), (640, (640, 360)), (2000, (640, 360))])
def test_a_frame_in_a_width(api: httpx2.Client, width: int, size: tuple[int, int]) -> None:
    encoded = api.get("/detect/frames/match/0.jpg", params={"width": width}).content
    picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert (picture.shape[1], picture.shape[0]) == size


def test_a_source_with_its_probe_data_and_chunks(api: httpx2.Client, api_world: World) -> None:
    [source] = ok(api.get("/detect/sources"))
    assert (source["name"], source["timelines"]) == ("clip.mp4", ["match"])
    assert source["probe"] | {"version": ""} == {
        "version": "",
        "duration_ms": 2000,
        "fps": "10/1",
        "codec": "h264",
        "width_px": 640,
        "height_px": 360,
        "rotation_deg": 0,
    }
    assert ok(api.get(f"/detect/sources/{source['id']}")) == source
    [chunk] = ok(api.get(f"/detect/sources/{source['id']}/chunks"))
    assert chunk == {"timeline": "match", "chunk": 0, "start_ms": None, "end_ms": None, "stream": None}


def test_settings_with_their_schemas(api: httpx2.Client) -> None:
    assert [one["name"] for one in ok(api.get("/detect/config/profiles"))] == ["board", "generic"]
    stages = ok(api.get("/detect/config/stages"))
    assert [stage["stage"] for stage in stages] == [stage.name for stage in STAGES]
    low = ok(api.get("/detect/config/stages/detect_edges"))["settings_schema"]["properties"]["edge_canny_low"]
    assert (low["type"], low["default"], low["minimum"], low["maximum"]) == ("integer", 25, 0, 2000)
    profile = ok(api.get("/detect/config/profiles/board"))
    changed = [one["name"] for stage in profile["stages"] for one in stage["settings"] if one["changed"]]
    assert changed == ["read_crops"]
    pipeline = ok(api.get("/detect/config/profiles/board/pipeline"))
    assert pipeline[0]["stage"] == "timeline"
    assert ok(api.get("/detect/config", params={"profile": "board"}))["run_ocr"] == pipeline[7]["settings"]


def test_timelines_are_made_and_deleted(api: httpx2.Client, api_world: World) -> None:
    body = {"name": "second", "profile": "board", "chunks": [{"source": str(api_world.inputs / "clip.mp4")}]}
    made = api.post("/detect/timeline", json=body)
    assert (made.status_code, made.json()) == (201, {"id": "second", "notes": []})
    assert {stage["state"] for stage in ok(api.get("/detect/timeline/second"))["stages"]} == {"missing"}
    deleted = ok(api.delete("/detect/timeline/second"))
    assert deleted["id"] == "second"
    assert api.get("/detect/timeline/second").status_code == 404
    [source] = ok(api.get("/detect/sources"))
    by_id = {"name": "second", "profile": "board", "chunks": [{"source": source["id"], "end_ms": 1000}]}
    assert api.post("/detect/timeline", json=by_id).status_code == 201
    assert ok(api.get("/detect/timeline/second"))["chunks"][0]["end_ms"] == 1000
    api.delete("/detect/timeline/second")


def test_a_stage_is_tried_with_other_settings(api: httpx2.Client) -> None:
    path = "/detect/timeline/match/try/detect_edges"
    as_it_is = ok(api.post(path, json={"frames": [0, 1]}))
    assert (as_it_is["frames"], len(as_it_is["rows"]), as_it_is["overlays"]) == ([0], 1, {})
    tried = ok(api.post(path, json={"frames": [2], "overrides": {"edge_pair_min_distance": 150}, "debug": True}))
    assert tried["overrides"] == {"edge_pair_min_distance": 150, "frames": "2"}
    assert tried["rows"] == []
    assert sorted(tried["overlays"]["2"]) == ["detect_edges", "edges", "lines", "regions"]


def test_the_older_shape_of_a_trial(api: httpx2.Client) -> None:
    body = {"job_id": "match", "stage": "detect_edges", "frame_refs": [0, 3], "config_overrides": {}, "debug": True}
    old = ok(api.post("/detect/replay-stage", json=body))
    assert (old["status"], old["stage"], old["frame_count"], old["region_count"]) == ("completed", "detect_edges", 2, 2)
    [region] = old["regions_by_frame"]["3"]
    assert (region["x"], region["w"], region["label"]) == (0, 640, "board")
    assert set(old["debug"]) == {"0", "3"}
    assert old["debug"]["0"]["edge_overlay_b64"].startswith("iVBOR")
