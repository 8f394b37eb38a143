from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import polars as pl
import pytest

from mpr_assets.annotations.stored import store_truth
from mpr_assets.annotations.truth import Truth, TruthRow
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.tables import StageTable, to_parquet
from tests.world import BRAND, World

PATH = "/detect/timeline/match/corrections"
BOX = {"x": 60, "y": 130, "w": 300, "h": 50}
REJECT = {"action": "reject", "brand": BRAND, "seq": 2}


@pytest.fixture(autouse=True)
def nothing_is_corrected_after(api: httpx2.Client) -> Iterator[None]:
    yield
    names = [one["name"] for one in api.get(PATH).json()["corrections"]]
    if names:
        api.delete(PATH, params={"name": names})


def given(api: httpx2.Client, *wishes: dict[str, Any]) -> Any:
    answer = api.post(PATH, json={"corrections": list(wishes)})
    assert answer.status_code == 201, answer.text
    return answer.json()


WISHES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a frame's detection is right": (
        {"action": "accept", "brand": "acme motors", "seq": 2, "box": BOX},
        {"action": "add", "brand": BRAND, "start_ms": 750, "end_ms": 1250, "seq": 2, "reference_url": None},
        "corrections",
    ),
    "a brand is not there as long as its exposure": (
        REJECT,
        {"action": "reject", "start_ms": 0, "end_ms": 2000, "box": None, "reference_url": None},
        "corrections",
    ),
    "a mark was missed": (
        {"action": "add", "brand": "Nowhere Airlines", "start_ms": 100, "end_ms": 900, "box": BOX},
        {"action": "add", "brand": "Nowhere Airlines", "start_ms": 100, "end_ms": 900, "box": BOX},
        "detect_objects",
    ),
    "it is another brand": (
        {"action": "relabel", "brand": BRAND, "to": "Nowhere Airlines", "at_ms": 600, "reference": False, "box": BOX},
        {"action": "relabel", "to": "Nowhere Airlines", "reference_url": None},
        "corrections",
    ),
}


@pytest.mark.parametrize("name", WISHES)
def test_a_correction_is_given_shown_and_undone(api: httpx2.Client, name: str) -> None:
    wish, kept, replay_from = WISHES[name]
    answer = given(api, wish)
    [correction] = answer["corrections"]
    assert {key: correction[key] for key in kept} == kept
    assert (answer["new"], answer["gone"], answer["replay_from"]) == ([correction["name"]], [], replay_from)
    assert given(api, wish)["new"] == []
    assert api.get(PATH).json() == {"timeline_id": "match", "corrections": [correction]}
    if correction["reference_url"] is not None:
        assert api.get(correction["reference_url"]).content.startswith(b"\x89PNG")
    undone = api.delete(PATH, params={"name": correction["name"]}).json()
    assert (undone["corrections"], undone["gone"], undone["replay_from"]) == ([], [correction], replay_from)
    assert api.get(f"{PATH}/{correction['name']}.png").status_code == 404


def test_who_says_another_thing_of_a_mark_takes_the_first_back(api: httpx2.Client) -> None:
    first = given(api, REJECT | {"box": BOX})["corrections"]
    second = given(api, {"action": "accept", "brand": BRAND, "seq": 2, "box": BOX})
    assert (second["gone"], [one["action"] for one in second["corrections"]]) == (first, ["add"])
    third = given(api, REJECT | {"box": BOX})
    assert [one["action"] for one in third["gone"]] == ["add"]
    assert third["corrections"] == first


def test_exposures_are_merged(api: httpx2.Client, api_world: World) -> None:
    merge = {"action": "merge", "brand": BRAND, "start_ms": 0, "end_ms": 2000}
    answer = api.post(PATH, json={"corrections": [merge]})
    assert answer.json()["error"].startswith("`corrections.0`: the report of 'match' has 1 exposure of Acme Motors")
    key, table = Keys.table("compile_report", "match"), api_world.table("compile_report")
    before = api_world.storage.get(key)
    spans = [("start_ms", [0, 1500]), ("end_ms", [500, 2000])]
    two = table.rows.vstack(table.rows).with_columns(pl.Series(name, span, pl.Int64) for name, span in spans)
    api_world.storage.put(key, to_parquet(StageTable(two, table.header)))
    try:
        [kept] = given(api, merge)["corrections"]
    finally:
        api_world.storage.put(key, before)
    assert (kept["action"], kept["start_ms"], kept["end_ms"], kept["reference_url"]) == ("add", 500, 1500, None)


BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    "nothing": ({}, 422, "The request cannot be used at `body.corrections.0.action`: Field required."),
    "an unknown wish": (
        REJECT | {"action": "praise"},
        422,
        "The request cannot be used at `body.corrections.0.action`",
    ),
    "no time": ({"action": "reject", "brand": BRAND}, 400, "`corrections.0`: it does not say when"),
    "half a span": (REJECT | {"start_ms": 3}, 400, "`corrections.0`: it has a start or an end alone"),
    "a span backwards": (REJECT | {"start_ms": 3, "end_ms": 3}, 400, "`corrections.0`: it ends at or before its start"),
    "a frame and a time": (REJECT | {"at_ms": 3}, 400, "`corrections.0`: it has a time and a frame"),
    "no such frame": (REJECT | {"seq": 99}, 400, "`corrections.0`: there is no frame 99"),
    "past the end": (
        {"action": "reject", "brand": BRAND, "at_ms": 99_000},
        400,
        "`corrections.0`: 00:01:39.000 is past",
    ),
    "a brand that was not found": (
        REJECT | {"brand": "Nowhere Airlines"},
        400,
        "`corrections.0`: the report of 'match'",
    ),
    "a brand that is not looked for": (
        {"action": "add", "brand": "Ghost", "seq": 2, "box": BOX},
        400,
        "`corrections.0`: 'Ghost' is not looked for",
    ),
    "no place": ({"action": "accept", "brand": BRAND, "seq": 2}, 400, "`corrections.0`: it does not say where"),
    "a place outside": (
        {"action": "accept", "brand": BRAND, "seq": 2, "box": BOX | {"x": 600}},
        400,
        "`corrections.0`: the box 600,130 300x50 is not in the frame",
    ),
    "a place too small": (REJECT | {"box": BOX | {"w": 1}}, 422, "The request cannot be used at"),
    "no other brand": (
        REJECT | {"action": "relabel"},
        400,
        "`corrections.0`: it does not say what the brand really is",
    ),
    "the same brand": (REJECT | {"action": "relabel", "to": "ACME motors"}, 400, "`corrections.0`: 'Acme Motors' and"),
}


@pytest.mark.parametrize("name", BAD)
def test_of_corrections_that_cannot_be_none_is_kept(api: httpx2.Client, name: str) -> None:
    wish, status, said = BAD[name]
    answer = api.post(PATH, json={"corrections": [wish, {"action": "accept", "brand": BRAND, "seq": 0, "box": BOX}]})
    assert (answer.status_code, answer.json()["error"][: len(said)]) == (status, said)
    assert api.get(PATH).json()["corrections"] == []


def test_an_unknown_correction_cannot_be_taken_back(api: httpx2.Client) -> None:
    kept = given(api, REJECT)["corrections"]
    answer = api.delete(PATH, params={"name": [kept[0]["name"], "0123456789abcdef"]})
    assert (answer.status_code, api.get(PATH).json()["corrections"]) == (404, kept)


def test_how_right_a_report_is(api: httpx2.Client, api_world: World) -> None:
    path = "/detect/timeline/match/evaluation"
    assert api.get(path).json()["error"] == (
        "The timeline 'match' has no evaluation; give its truth first: mpr truth match FILE."
    )
    given(api, {"action": "accept", "brand": BRAND, "seq": 2, "box": BOX})
    assert api_world.run("corrections", "compile_report", "evaluation").success
    found = api.get(path).json()
    assert (found["stale"], found["evaluation"]["total"]["recall"]) == ("", 1.0)
    kept = given(api, {"action": "accept", "brand": BRAND, "seq": 0, "box": BOX})["corrections"]
    assert api.get(path).json()["stale"] == "The truth, or a correction, has changed since."
    api.delete(PATH, params={"name": [one["name"] for one in kept]})
    assert api_world.run("corrections", "compile_report", "evaluation").success


def test_the_truth_is_told_under_the_names_of_detections(api: httpx2.Client, api_world: World) -> None:
    path = "/detect/timeline/match/truth"
    assert api.get(path).json() == {"file": None, "stays": []}
    rows = (
        TruthRow(brand="ACME motors", start_ms=500, end_ms=900),
        TruthRow(brand="Unlisted", start_ms=0, end_ms=10, optional=True),
    )
    store_truth(api_world.storage, "match", Truth(file="t.csv", rows=rows))
    assert api.get(path).json() == {
        "file": "t.csv",
        "stays": [
            {"brand": "Unlisted", "start_ms": 0, "end_ms": 10, "optional": True},
            {"brand": BRAND, "start_ms": 500, "end_ms": 900, "optional": False},
        ],
    }
    api_world.storage.delete([Keys.truth("match")])


def test_settings_are_saved_into_a_profile_and_as_another(api: httpx2.Client, api_world: World) -> None:
    path = api_world.inputs / "profiles" / "board.yaml"
    before = path.read_text()
    path.write_text(before + "# mine\n")
    try:
        saved = api.put("/detect/config/profiles/board/stages/detect_edges", json={"edge_canny_low": 41}).json()
        assert (saved["profile"], saved["before"]) == ("board", {"edge_canny_low": 25})
        assert [one["value"] for one in saved["settings"] if one["name"] == "edge_canny_low"] == [41]
        assert "# mine" in path.read_text()
        assert api.put("/detect/config/edge-transform?profile=board", json={"edge_canny_low": 42}).status_code == 200
        both = api.put("/detect/config?profile=board", json={"run_ocr": {"read_crops": True}}).json()
        assert (both["run_ocr"]["read_crops"], both["detect_edges"]["edge_canny_low"]) == (True, 42)
        body = {"name": "other", "copy_of": "board", "settings": {"detect_edges": {"edge_canny_low": 43}}}
        assert api.post("/detect/config/profiles", json=body).status_code == 201
        assert api.get("/detect/config?profile=other").json()["detect_edges"]["edge_canny_low"] == 43
        assert api.post("/detect/config/profiles", json=body).json()["error"].startswith("There is already a profile")
        refused = api.put("/detect/config?profile=board", json={"run_ocr": {"read_crops": False}, "timeline": {"x": 1}})
        assert (refused.status_code, api.get("/detect/config?profile=board").json()) == (400, both)
        assert api.put("/detect/config?profile=board", json={"ghost": {}}).status_code == 404
    finally:
        path.write_text(before)
        (api_world.inputs / "profiles" / "other.yaml").unlink(missing_ok=True)


def test_what_was_tried_and_what_it_changed(api: httpx2.Client, api_world: World) -> None:
    path = "/detect/timeline/match/history"
    number = len(api.get(path, params={"stage": "detect_edges"}).json()["entries"])
    assert api_world.run("detect_edges", overrides={"detect_edges": {"edge_pair_min_distance": 150}}).success
    try:
        history = api.get(path, params={"stage": "detect_edges"}).json()
        last = history["entries"][-1]
        assert (last["reference"], last["current"]) == (f"match:detect_edges@{number + 1}", True)
        assert (last["overrides"], last["counts"]["rows"]) == ({"edge_pair_min_distance": 150}, 0)
        before = f"match:detect_edges@{number}"
        told = api.get("/detect/diff", params={"before": before, "after": "match:detect_edges"}).json()
        assert [(one["name"], one["after"]) for one in told["settings"]] == [
            ("detect_edges.edge_pair_min_distance", 150)
        ]
        assert told["not_compared"] != []
        api.post("/detect/scenarios", json={"timeline_id": "match", "stage": "detect_edges", "label": "none"})
    finally:
        assert api_world.run().success
    told = api.get("/detect/diff", params={"before": "scenario:none", "after": "match:detect_edges", "limit": 1}).json()
    api.delete("/detect/scenarios/none")
    [section] = told["sections"]
    assert (section["gained"], section["lost"], len(section["changes"])) == (3, 0, 1)
    tree = api.get(path).json()["entries"]
    assert (tree[0]["stage"], tree[0]["below"], tree[1]["below"]) == ("timeline", None, "match:timeline@1")


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        pytest.param("match:detect_edges", "match:run_ocr", 400, id="two stages"),
        pytest.param("ghost", "match", 404, id="no timeline"),
        pytest.param("match@x", "match", 400, id="no number"),
        pytest.param("scenario:ghost", "match", 404, id="no scenario"),
    ],
)
def test_results_that_cannot_be_compared(api: httpx2.Client, before: str, after: str, status: int) -> None:
    assert api.get("/detect/diff", params={"before": before, "after": after}).status_code == status
