"""The stage; exposures, measures, exports and the page have their tests in `tests/mpr_assets/report`."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from gpu_service.errors import BadInput
from mpr_assets.exports.formats import FORMATS
from mpr_assets.exports.stored import read_report
from mpr_assets.stages.compile_report import DETECTING
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.tables import hash_of
from tests.onnx_file import write_boxes
from tests.world import (
    BRAND,
    NAMES,
    TIMELINE,
    Ran,
    World,
)

TOLD = NAMES[: NAMES.index("compile_report") + 1]
"""Stages that the report tells of: those before it, and its own."""
REPORT_FILES = ("report.json", "exposures.csv", "report.html")


def read(world: World, name: str) -> str:
    return world.storage.get(Keys.report(TIMELINE, name)).decode()


def evidence(world: World) -> list[str]:
    """Keys of the frames that prove the exposures."""
    report = json.loads(read(world, "report.json"))
    return [exposure["evidence"]["frame"] for brand in report["brands"] for exposure in brand["exposures"]]


def test_the_report_tells_of_the_brand_and_of_every_stage(finished: tuple[World, Ran]) -> None:
    world, _ = finished
    report = json.loads(read(world, "report.json"))
    assert [brand["brand"] for brand in report["brands"]] == [BRAND]
    assert [stage["stage"] for stage in report["stages"]] == TOLD
    assert {stage["stage"]: stage["settings_hash"] for stage in report["stages"]} == {
        name: hash_of(world.table(name).header.settings) for name in TOLD
    }
    (row,) = csv.DictReader(io.StringIO(read(world, "exposures.csv")))
    assert (row["brand"], row["start_ms"], row["end_ms"]) == (BRAND, "0", "2000")
    assert BRAND in read(world, "report.html")


def test_its_evidence_is_there(finished: tuple[World, Ran]) -> None:
    world, _ = finished
    assert [world.storage.exists(frame) for frame in evidence(world)] == [True]


def test_a_lost_file_is_made_again(world: World) -> None:
    before = {name: read(world, name) for name in REPORT_FILES[:2]}
    world.storage.delete([Keys.report(TIMELINE, name) for name in REPORT_FILES])
    assert world.run("compile_report").reused() == {"compile_report": False}
    assert {name: read(world, name) for name in REPORT_FILES[:2]} == before


def test_frames_that_moved_are_followed(world: World) -> None:
    """Another number of threads makes the same frames in another folder; the report must not name the old one."""
    assert world.run(overrides={"extract_frames": {"decoder_threads": 1}}).success
    assert world.run(overrides={"extract_frames": {"decoder_threads": 2}}).success
    assert [world.storage.exists(frame) for frame in evidence(world)] == [True]


def test_the_page_tells_how_long_each_stage_took(finished: tuple[World, Ran]) -> None:
    world, _ = finished
    made = [name for name in TOLD if world.table(name).header.skipped is None and name != "compile_report"]
    took = re.findall(r'<td class="n seconds">([0-9.]*)</td>', read(world, "report.html"))
    assert len(took) == len(TOLD)
    assert sum(map(bool, took)) == len(made)


def test_no_path_of_the_machine_is_shown_unless_asked(world: World) -> None:
    source = world.spec().chunks[0].source
    shown = [read(world, name) for name in REPORT_FILES]
    assert not any(source in text for text in shown)
    assert all("clip.mp4" in text for text in shown)
    assert world.run("compile_report", overrides={"compile_report": {"source_addresses": True}}).success
    assert all(source in read(world, name) for name in REPORT_FILES)


def test_exports_that_are_listed_are_stored_and_go_when_they_are_not(world: World) -> None:
    listed = {"compile_report": {"exports": ["srt", "csv", "xlsx", "cvat", "ro-crate"]}}
    assert world.run("compile_report", overrides=listed).success
    assert read(world, "report.srt") == f"1\n00:00:00,000 --> 00:00:02,000\n{BRAND}\n"
    tables = read_report(world.storage, TIMELINE, [one.name for one in DETECTING])
    for name in ("cvat", "ro-crate"):
        stored = Keys.report(TIMELINE, FORMATS[name].stored_name)
        assert FORMATS[name].make(tables) == world.storage.get(stored)
    world.storage.delete([Keys.report(TIMELINE, "report.xlsx")])
    assert world.run("compile_report", overrides=listed).reused() == {"compile_report": False}
    assert world.storage.exists(Keys.report(TIMELINE, "report.xlsx"))
    assert world.run("compile_report").success
    stored = {key.rpartition("/")[2] for key in world.storage.list(f"reports/{TIMELINE}")}
    assert stored == set(REPORT_FILES)


def test_marks_of_other_tables_than_the_report_was_made_from_are_refused(world: World) -> None:
    key = Keys.table("filter_scenes", TIMELINE)
    table = world.storage.get(key)
    world.storage.delete([key])
    tables = read_report(world.storage, TIMELINE, [one.name for one in DETECTING])
    try:
        with pytest.raises(BadInput) as said:
            FORMATS["coco"].make(tables)
    finally:
        world.storage.put(key, table)
    assert str(said.value) == (
        f"filter_scenes of the timeline {TIMELINE!r} is not stored as its report was made from it; "
        f"bring the report up to date: mpr replay {TIMELINE} compile_report."
    )
    assert FORMATS["json"].make(tables).decode() == read(world, "report.json")


def test_edges_are_looked_up_in_the_video(world: World) -> None:
    assert world.run("compile_report", overrides=REFINED).success
    (row,) = csv.DictReader(io.StringIO(read(world, "exposures.csv")))
    assert [row[name] for name in ("start_ms", "end_ms", "start_uncertainty_ms", "end_uncertainty_ms")] == [
        "0",
        "2000",
        "0",
        "0",
    ]


def test_objects_are_told_beside_the_brand_that_stands_on_one(world: World, tmp_path: Path) -> None:
    """A class that is no brand has no time on screen; one that is called like a brand is no object, sure or not."""
    everywhere = ((0, 14, 64, 50), "car", 0.9)
    detector = [everywhere, ((1, 25, 60, 34), "ACME MOTORS", 0.8), ((2, 36, 10, 50), "person", 0.7)]
    write_boxes(tmp_path / "things.onnx", detector)
    environ = {"INFERENCE_MODELS": f"things={tmp_path / 'things.onnx'}"}
    found = {
        "detect_objects": {"engines": ["onnx"], "onnx_model": "things"},
        "match_brands": {"min_object_confidence": 0.85},
    }
    assert world.run(*NAMES[NAMES.index("detect_objects") :], overrides=found, environ=environ).success
    kept = world.table("detect_objects").rows
    assert set(kept["label"]) == {"ACME MOTORS", "car", "person"}
    [brand], objects = (json.loads(read(world, "report.json"))[name] for name in ("brands", "objects"))
    assert (brand["brand"], brand["source"], brand["screen_ms"]) == (BRAND, "ocr", 2000)
    assert brand["placements_ms"] == {"product": 2000}
    [exposure] = brand["exposures"]
    assert (exposure["placement_object"], exposure["placement_reason"]) == ("car", "it is on an object: car")
    assert [(one["label"], one["screen_ms"], one["brands_ms"]) for one in objects] == [
        ("car", 2000, {BRAND: 2000}),
        ("person", 2000, {}),
    ]
    assert (objects[0]["spans"], objects[0]["max_at_once"]) == ([[0, 2000]], 1)
    (row,) = csv.DictReader(io.StringIO(read(world, "exposures.csv")))
    assert (row["placement"], row["placement_object"]) == ("product", "car")
    named = {"compile_report": {"object_placements": {"CAR": "livery"}}}
    assert world.run("compile_report", overrides=named, environ=environ).success
    (row,) = csv.DictReader(io.StringIO(read(world, "exposures.csv")))
    assert (row["placement"], row["placement_object"]) == ("livery", "car")


def test_a_video_that_is_away_is_named_and_the_report_stays(world: World) -> None:
    before = read(world, "report.json")
    clip = world.inputs / "clip.mp4"
    clip.rename(clip.with_suffix(".away"))
    try:
        ran = world.run("compile_report", overrides=REFINED)
    finally:
        clip.with_suffix(".away").rename(clip)
    assert re.fullmatch(
        r"When exposures start and end cannot be looked up in the video: .*clip\.mp4 does not exist; check the path; "
        r"set compile_report\.refine_edges=false to leave them as exact as the samples are\.",
        ran.failures()["compile_report"],
    )
    assert read(world, "report.json") == before


REFINED = {"compile_report": {"refine_edges": True}}


def test_a_rate_card_is_applied_and_its_change_makes_the_report_stale(world: World) -> None:
    card = world.profiles.folder / "rates.yaml"
    card.write_text("{currency: EUR, per_30s: 3000, by_quality: false}")
    priced = {"compile_report": {"rate_card": "rates.yaml"}}
    assert world.run("compile_report", overrides=priced).success
    report = json.loads(read(world, "report.json"))
    assert (report["rate_card"]["currency"], report["brands"][0]["media_equivalent"]) == ("EUR", 200.0)
    card.write_text("{currency: EUR, per_30s: 6000, by_quality: false}")
    assert world.run("compile_report", overrides=priced).reused() == {"compile_report": False}
    assert json.loads(read(world, "report.json"))["brands"][0]["media_equivalent"] == 400.0
    card.unlink()
    assert not world.run("compile_report", overrides=priced).success
    assert world.run("compile_report").success
    assert json.loads(read(world, "report.json"))["rate_card"] is None
