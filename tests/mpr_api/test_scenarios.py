from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx2
import numpy as np
import pytest

from gpu_service.pictures import encode_png
from tests.world import NAMES, World

PICTURE = encode_png(np.zeros((4, 6, 3), np.uint8))
PNG = base64.b64encode(PICTURE).decode()


@pytest.fixture(autouse=True)
def no_bookmark_is_left(api: httpx2.Client) -> Iterator[None]:
    yield
    for one in api.get("/detect/scenarios").json():
        api.delete(f"/detect/scenarios/{one['scenario_label']}")


def saved(api: httpx2.Client, stage: str = "run_ocr", label: str = "one") -> httpx2.Response:
    return api.post("/detect/scenarios", json={"timeline_id": "match", "stage": stage, "label": label})


def test_a_result_is_bookmarked_checked_and_forgotten(api: httpx2.Client) -> None:
    assert api.get("/detect/scenarios").json() == []
    made = saved(api)
    assert made.status_code == 201
    [listed] = api.get("/detect/scenarios").json()
    assert listed == made.json() == api.get("/detect/scenarios/one").json()
    assert (listed["timeline_id"], listed["stage"], listed["frame_count"], listed["rows"]) == ("match", "run_ocr", 4, 3)
    checked = api.post("/detect/scenarios/one/check").json()
    assert (checked["same"], checked["changes"]) == (True, [])
    assert saved(api).json()["error"].startswith("The scenario 'one' already exists")
    assert api.delete("/detect/scenarios/one").status_code == 204
    assert api.get("/detect/scenarios/one").status_code == 404


def test_a_bookmark_tells_what_comes_out_otherwise_now(api: httpx2.Client, api_world: World) -> None:
    assert api_world.run("detect_edges", overrides={"detect_edges": {"edge_pair_min_distance": 150}}).success
    saved(api, "detect_edges")
    assert api_world.run().success
    checked = api.post("/detect/scenarios/one/check").json()
    assert (checked["same"], len(checked["changes"])) == (False, 3)
    assert "edge_pair_min_distance 150 → 10" in checked["detail"]


def test_checkpoints_are_what_is_stored_and_what_is_bookmarked(api: httpx2.Client) -> None:
    saved(api, "detect_edges")
    found = api.get("/detect/checkpoints/match").json()
    assert found[:-1] == [{"stage": name, "is_scenario": False, "scenario_label": None} for name in NAMES]
    assert found[-1] == {"stage": "detect_edges", "is_scenario": True, "scenario_label": "one"}


@pytest.mark.parametrize("scenario", [None, "one"])
def test_a_checkpoint_has_times_and_pictures_where_they_are_asked_for(api: httpx2.Client, scenario: str | None) -> None:
    saved(api)
    query: dict[str, Any] = {"limit": 2, "first": 1} | ({} if scenario is None else {"scenario": scenario})
    found = api.get("/detect/checkpoints/match/run_ocr", params=query).json()
    assert (found["is_scenario"], found["scenario_label"]) == (scenario is not None, scenario)
    assert [(one["seq"], one["timestamp"], one["jpeg_b64"]) for one in found["frames"]] == [
        (1, 0.5, None),
        (2, 1.0, None),
    ]
    assert (found["stats"]["rows"], found["config_snapshot"]["read_crops"]) == (3, False)
    picture = api.get(found["frames"][0]["url"]).content
    found = api.get("/detect/checkpoints/match/run_ocr", params=query | {"pictures": True}).json()
    assert base64.b64decode(found["frames"][0]["jpeg_b64"]) == picture


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        pytest.param("match/run_ocr?scenario=ghost", 404, "There is no scenario 'ghost'", id="no such bookmark"),
        pytest.param("match/timeline?scenario=one", 404, "is of match:run_ocr", id="a bookmark of another stage"),
        pytest.param("match/nothing", 404, "There is no stage 'nothing'", id="no such stage"),
        pytest.param("ghost/run_ocr", 404, "is not registered", id="no such timeline"),
        pytest.param("match/run_ocr?pictures=true", 400, "ask for 200 at most", id="too many pictures"),
    ],
)
def test_a_checkpoint_that_is_not_there_is_never_another(api: httpx2.Client, path: str, status: int, said: str) -> None:
    saved(api)
    answer = api.get(f"/detect/checkpoints/{path}")
    assert answer.status_code == status
    assert said in answer.json()["error"]


def test_overlays_of_a_client_are_stored_and_given_back(api: httpx2.Client) -> None:
    body = {"timeline_id": "match", "job_id": "drawn-1", "stage": "detect_edges", "seq": 2, "overlays": {"edges": PNG}}
    path = "/detect/overlays/match/drawn-1/detect_edges"
    assert api.get(path).json() == {"frames": []}
    assert api.post("/detect/overlays", json=body).json() == {"status": "stored", "count": 1}
    assert api.get(path).json() == {"frames": [2]}
    assert api.get(f"{path}/2").json() == {"overlays": {"edges": PNG}}
    assert api.get(f"{path}/2/edges.png").content == PICTURE
    assert api.get(f"{path}/3").status_code == 404
    assert api.get(f"{path}/2/lines.png").status_code == 404


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        pytest.param({"overlays": {}}, 422, id="none"),
        pytest.param({"overlays": {"edges": "%"}}, 400, id="no base64"),
        pytest.param({"overlays": {"edges": "aGFsbG8="}}, 400, id="no PNG"),
        pytest.param({"overlays": {"../edges": PNG}}, 400, id="a name that climbs"),
        pytest.param({"job_id": "../../x"}, 422, id="a job that climbs"),
        pytest.param({"timeline_id": "../x"}, 400, id="a timeline that climbs"),
        pytest.param({"stage": "x"}, 404, id="no such stage"),
        pytest.param({"seq": -1}, 422, id="no frame"),
    ],
)
def test_overlays_that_are_not_stored(api: httpx2.Client, changed: dict[str, Any], status: int) -> None:
    body = {"timeline_id": "match", "job_id": "j", "stage": "detect_edges", "seq": 2, "overlays": {"edges": PNG}}
    assert api.post("/detect/overlays", json=body | changed).status_code == status


def test_what_a_stage_found_is_drawn_on_demand(api: httpx2.Client) -> None:
    drawn = api.get("/detect/timeline/match/overlays/detect_edges/1").json()
    assert (drawn["seq"], drawn["names"]) == (0, ["detect_edges", "edges", "lines", "regions"])
    assert api.get(drawn["urls"][0]).headers["content-type"] == "image/png"
    assert api.get("/detect/timeline/match/overlays/detect_edges/99").status_code == 404
