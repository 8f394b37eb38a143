from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import JsonValue

from gpu_service.errors import BadInput, MprError, PermanentError
from mpr_assets.definitions import STAGES, database
from mpr_assets.engine.open_run import stage_run
from mpr_assets.engine.overrides import NO_OVERRIDES, FrameChoice, Overrides
from mpr_assets.overlays.overlay_store import (
    list_overlays,
    load_overlay,
    overlays,
    seen_in,
)
from mpr_assets.runs.local_instance import Resources
from mpr_assets.runs.try_stage import try_stage
from mpr_cli import app, replay
from mpr_resources.inference.resource import InferenceResource
from mpr_resources.storage.io_manager import StorageResource
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject
from tests.mpr_assets.settings_matrix import LOG
from tests.world import (
    BRAND,
    NAMES,
    TIMELINE,
    Ran,
    World,
)

BY_NAME = {stage.name: stage for stage in STAGES}
PER_FRAME = [stage.name for stage in STAGES if stage.per_frame]
DEBUG = {
    "extract_frames": [],
    "filter_scenes": [],
    "field_segmentation": ["mask"],
    "detect_edges": ["edges", "lines", "regions"],
    "preprocess": ["cuts", "crops"],
    "run_ocr": ["heat", "lines"],
    "match_brands": [],
}
"""The pictures of the steps of each stage that the small world has something to show of."""


FIRST_FRAME = Overrides.from_record({"frames": "0"})
ALL_FRAMES = Overrides.from_record({"frames": "0-3"})
CROPS: dict[str, dict[str, JsonValue]] = {"run_ocr": {"read_crops": True}}
"""What makes a stage read crops, by stage."""


def resources(world: World) -> Resources:
    return Resources(
        storage=StorageResource(url=str(world.storage_folder)),
        inference=InferenceResource(),
        profiles=world.profiles,
        progress=None,
        switches={},
        database=database(world.environ),
    )


# replay_stage


@pytest.mark.parametrize("stage", PER_FRAME)
def test_a_stage_tried_on_all_frames_finds_what_its_run_found_and_stores_nothing(world: World, stage: str) -> None:
    before = world.listing()
    stored = world.table(stage).rows
    tried = try_stage(BY_NAME[stage], TIMELINE, BY_NAME, resources(world), overrides=ALL_FRAMES)
    assert tried.rows.equals(stored)
    assert (tried.overrides, tried.overlays) == (ALL_FRAMES, {})
    assert world.listing() == before


@pytest.mark.parametrize(
    ("frames", "seqs"), [("0", (0,)), ("3,0", (0, 3)), (None, None)], ids=["one", "two", "none named"]
)
def test_frames_that_are_tried(world: World, frames: str | None, seqs: tuple[int, ...] | None) -> None:
    kept = tuple(world.table("filter_scenes").rows.filter("kept")["seq"])
    overrides = Overrides(frames=FrameChoice.parse(frames) if frames else None)
    tried = try_stage(BY_NAME["run_ocr"], TIMELINE, BY_NAME, resources(world), overrides=overrides)
    assert tried.seqs == (seqs or (kept[0], kept[round((len(kept) - 1) / 2)], kept[-1]))
    assert set(tried.rows["seq"]) <= set(tried.seqs)


def test_overrides_are_used_and_overlays_drawn(world: World) -> None:
    before = world.listing()
    stage, world_now = BY_NAME["field_segmentation"], resources(world)
    stricter = replace(FIRST_FRAME, settings={"min_area_ratio": 0.9})
    found = try_stage(stage, TIMELINE, BY_NAME, world_now, overrides=FIRST_FRAME, debug=True)
    none = try_stage(stage, TIMELINE, BY_NAME, world_now, overrides=stricter, debug=True)
    assert (found.rows["share"][0] > 0, none.rows["share"][0]) == (True, 0)
    assert none.overrides.record() == {"min_area_ratio": 0.9, "frames": "0"}
    assert list(found.overlays) == [0]
    assert next(iter(found.overlays[0])) == "field_segmentation"
    assert found.overlays[0]["field_segmentation"].shape == (360, 640, 3)
    assert found.key != none.key
    assert world.listing() == before


def test_a_stage_that_is_off_finds_nothing(world: World) -> None:
    off = Overrides({"enabled": False})
    tried = try_stage(BY_NAME["run_ocr"], TIMELINE, BY_NAME, resources(world), overrides=off, debug=True)
    assert (tried.rows.height, tried.overlays) == (0, {})
    assert tried.rows.schema == world.table("run_ocr").rows.schema


TRIES: dict[str, tuple[str, dict[str, Any], str]] = {
    "a stage without frames": (
        "extract_frames",
        {},
        "extract_frames does not process single frames, so it cannot be tried",
    ),
    "a setting that is none": ("run_ocr", {"min_confidenc": 1}, "did you mean `min_confidence`?"),
    "a frame that is not there": ("run_ocr", {"frames": "9"}, "which has frames 0 to 3"),
}


@pytest.mark.parametrize("name", TRIES)
def test_a_try_that_cannot_be(world: World, name: str) -> None:
    stage, asked, said = TRIES[name]
    with pytest.raises(BadInput) as error:
        try_stage(BY_NAME[stage], TIMELINE, BY_NAME, resources(world), overrides=Overrides.from_record(asked))
    assert said in str(error.value)


def test_a_missing_input_is_named(world: World) -> None:
    (world.storage_folder / Keys.table("preprocess", TIMELINE)).unlink()
    with pytest.raises(
        MissingObject, match=r"preprocess of the timeline 'match' is not stored at .*; materialize preprocess first"
    ):
        try_stage(BY_NAME["run_ocr"], TIMELINE, BY_NAME, resources(world), overrides=FIRST_FRAME)


@pytest.mark.parametrize(
    ("stage", "folder", "made_by"),
    [("detect_edges", "frames", "extract_frames"), ("run_ocr", "crops", "preprocess")],
    ids=["frames", "crops"],
)
def test_pictures_that_were_cleared_are_named(world: World, stage: str, folder: str, made_by: str) -> None:
    shutil.rmtree(world.storage_folder / "cache" / "timelines" / TIMELINE / folder)
    with pytest.raises(MissingObject, match=rf"There is nothing at .*; materialize {made_by}\.$"):
        try_stage(BY_NAME[stage], TIMELINE, BY_NAME, resources(world), overrides=Overrides(CROPS.get(stage, {})))


def test_an_input_of_an_old_version_is_refused(world: World) -> None:
    old = {**BY_NAME, "preprocess": replace(BY_NAME["preprocess"], code_version="99")}
    with pytest.raises(PermanentError, match=r"current version 99 cannot read it; materialize preprocess again\.$"):
        try_stage(BY_NAME["run_ocr"], TIMELINE, old, resources(world), overrides=FIRST_FRAME)


# Overlays


@pytest.mark.parametrize("stage", DEBUG)
def test_overlays_are_drawn_kept_listed_and_loaded(world: World, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = BY_NAME[stage]
    run = stage_run(one, TIMELINE, NO_OVERRIDES, resources(world), LOG)
    place = (world.storage, TIMELINE, "run", stage, 0)
    assert list_overlays(*place) == []
    drawn = overlays(one, run, "run", 0)
    assert next(iter(drawn)) == stage
    assert set(drawn) >= {stage, *DEBUG[stage]}
    assert list_overlays(*place) == list(drawn)
    assert all((load_overlay(*place, name) == picture).all() for name, picture in drawn.items())
    monkeypatch.setattr("mpr_assets.overlays.overlay_store.draw_overlays", None)
    kept = overlays(one, run, "run", 0)
    assert list(kept) == list(drawn)
    assert all(np.array_equal(kept[name], picture) for name, picture in drawn.items())


def test_overlays_show_what_was_made_not_what_the_profile_says_now(world: World) -> None:
    ran = world.run("field_segmentation", overrides={"field_segmentation": {"min_area_ratio": 0.9}})
    assert ran.success
    one = BY_NAME["field_segmentation"]
    run = stage_run(one, TIMELINE, NO_OVERRIDES, resources(world), LOG)
    as_stored = overlays(one, run, "run", 0)
    as_in_profile = try_stage(one, TIMELINE, BY_NAME, resources(world), overrides=FIRST_FRAME, debug=True).overlays[0]
    assert any(not np.array_equal(as_stored[name], picture) for name, picture in as_in_profile.items())


def test_a_run_keeps_its_preview_where_the_overlay_of_that_name_lies(finished: tuple[World, Ran]) -> None:
    world, ran = finished
    run_id = ran.result.run_id
    frame = load_overlay(world.storage, TIMELINE, run_id, "detect_edges", 0, "detect_edges")
    assert frame.shape == (360, 640, 3)


def test_a_dropped_frame_is_seen_in_the_one_that_stands_for_it(world: World) -> None:
    scenes = world.table("filter_scenes").rows
    run = stage_run(BY_NAME["run_ocr"], TIMELINE, NO_OVERRIDES, resources(world), LOG)
    assert [seen_in(BY_NAME["run_ocr"], run, seq) for seq in scenes["seq"]] == scenes["kept_seq"].to_list()
    assert [seen_in(BY_NAME["extract_frames"], run, seq) for seq in scenes["seq"]] == [0, 1, 2, 3]


UNSEEN = {
    "nothing to see": ("timeline", 0, "timeline has no findings in frames"),
    "skipped": ("escalate_vlm", 0, "it was skipped (escalate_vlm.enabled is false in the profile)"),
    "no such frame": ("run_ocr", 4, "The timeline 'match' has no frame 4; its frames are 0 to 3."),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_what_cannot_be_seen(world: World, name: str) -> None:
    stage, seq, said = UNSEEN[name]
    one = BY_NAME[stage]
    run = stage_run(one, TIMELINE, NO_OVERRIDES, resources(world), LOG)
    with pytest.raises(MprError) as error:
        overlays(one, run, "run", seen_in(one, run, seq))
    assert said in str(error.value)


# The commands

SELECTIONS: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "from the last": ("evaluation", {}, ["evaluation"]),
    "from match_brands": (
        "match_brands",
        {},
        [name for name in NAMES[NAMES.index("match_brands") :] if name != "match_speech"],
    ),
    "alone": ("run_ocr", {"only": True}, ["run_ocr"]),
    "through itself": ("run_ocr", {"through": "run_ocr"}, ["run_ocr"]),
    "through another": (
        "field_segmentation",
        {"through": "run_ocr"},
        ["field_segmentation", "detect_edges", "preprocess", "run_ocr"],
    ),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_selection(name: str) -> None:
    first, limits, expected = SELECTIONS[name]
    assert replay.selection(STAGES, first, **{"only": False, "through": None} | limits) == expected


@pytest.mark.parametrize(
    ("first", "only", "through", "said"),
    [
        ("run_ocr", True, "match_brands", "--only and --through cannot be combined"),
        ("run_ocr", False, "detect_edges", "detect_edges does not depend on run_ocr; choose one of run_ocr, "),
    ],
    ids=["both limits", "through what comes before"],
)
def test_a_selection_that_cannot_be(first: str, only: bool, through: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        replay.selection(STAGES, first, only=only, through=through)


Mpr = Callable[..., str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, inputs: Path) -> Path:
    """Where this module's commands keep things: the tests below go on from one another."""
    folder = tmp_path_factory.mktemp("replay")
    (folder / "profiles").mkdir()
    (folder / "profiles" / "board.yaml").write_text((inputs / "profiles" / "board.yaml").read_text())
    return folder


@pytest.fixture
def mpr(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mpr:
    for name, folder in (("MPR_STORAGE_URL", "storage"), ("DAGSTER_HOME", "dagster"), ("MPR_PROFILES_DIR", "profiles")):
        monkeypatch.setenv(name, str(home / folder))
    for variable in ("INFERENCE_URL", "INFERENCE_TOKEN", "SKIP_VLM", "SKIP_CLOUD"):
        monkeypatch.delenv(variable, raising=False)

    def run(*argv: str, fails: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["mpr", *argv])
        with pytest.raises(SystemExit) as end:
            app.main()
        said = capsys.readouterr()
        assert (end.value.code or 0) == fails, said.err
        return said.err if fails else said.out

    return run


def states(said: str) -> dict[str, str]:
    """Each stage's line of `mpr status`, from its state on."""
    return {line.split()[0]: " ".join(line.split()[1:]) for line in said.splitlines()[2:] if line[0] != " "}


def test_status_of_nothing(mpr: Mpr) -> None:
    assert mpr("status") == "No timeline is registered.\n"
    assert "is not registered" in mpr("status", "match", fails=2)


def test_status_of_a_timeline_that_is_registered_only_and_then_run(mpr: Mpr, inputs: Path) -> None:
    video, brands = str(inputs / "clip.mp4"), str(inputs / "brands.yaml")
    mpr("timeline", "create", video, "--profile", "board", "--brands", brands, "--name", "match")
    assert mpr("status").split() == [
        "timeline",
        "profile",
        "stale",
        "missing",
        "overridden",
        "match",
        "board",
        str(len(NAMES)),
    ]
    assert set(states(mpr("status", "match")).values()) == {"missing"}
    assert BRAND in mpr("run", video, "--profile", "board", "--brands", brands, "--name", "match")
    assert mpr("status").split()[-2:] == ["match", "board"]
    said = states(mpr("status", "match"))
    assert said["run_ocr"] == "fresh"
    assert said["escalate_vlm"] == "fresh skipped: escalate_vlm.enabled is false in the profile"


def test_a_replay_with_other_settings_is_shown_saved_and_reverted(mpr: Mpr, home: Path) -> None:
    replayed = mpr("replay", "match", "match_brands", "--set", "min_confidence=0.4", "--save-as", "lax")
    assert f"Saved as the profile lax: {home / 'profiles' / 'lax.yaml'}" in replayed
    assert (home / "profiles" / "lax.yaml").read_text().endswith("\nmatch_brands:\n  min_confidence: 0.4\n")
    said = states(mpr("status", "match"))
    assert said["match_brands"] == "overridden made with min_confidence=0.4"
    assert said["compile_report"] == "fresh"
    assert mpr("status").split()[-3:] == ["match", "board", "1"]
    assert "\nmatch_brands was made with min_confidence=0.4.\n" in mpr("report", "match")
    page = (home / "storage" / Keys.report("match", "report.html")).read_text()
    assert "overrides: min_confidence <bdi>0.4</bdi>" in page
    mpr("replay", "match", "match_brands")
    assert "was made with" not in mpr("report", "match")
    assert states(mpr("status", "match"))["match_brands"] == "fresh"


def test_a_report_made_with_other_settings_says_so(mpr: Mpr, home: Path) -> None:
    def page() -> str:
        return (home / "storage" / Keys.report("match", "report.html")).read_text()

    mpr("replay", "match", "compile_report", "--set", "max_gap_ms=5000")
    assert "\ncompile_report was made with max_gap_ms=5000.\n" in mpr("report", "match")
    assert 'profile <bdi>board</bdi>, with other settings in <a href="#h-made">compile_report</a></span>' in page()
    mpr("replay", "match", "compile_report")
    assert "was made with" not in mpr("report", "match")
    assert "profile <bdi>board</bdi></span>" in page()


def test_frames_are_shown_as_an_override(mpr: Mpr) -> None:
    mpr("replay", "match", "field_segmentation", "--frames", "0", "--through", "detect_edges")
    said = states(mpr("status", "match"))
    assert said["field_segmentation"] == "overridden made with frames=0"
    assert (said["detect_edges"], said["preprocess"]) in (
        ("fresh", "fresh"),
        ("fresh", "stale detect_edges has another result"),
    )
    mpr("replay", "match", "field_segmentation", "--through", "detect_edges")
    assert set(states(mpr("status", "match")))
    assert "overridden made" not in mpr("status", "match")


def test_a_change_of_the_profile_is_shown_with_its_cause(mpr: Mpr, home: Path) -> None:
    path = home / "profiles" / "board.yaml"
    before = path.read_text()
    path.write_text(before + "match_brands: {min_confidence: 0.6}\n")
    said = states(mpr("status", "match"))
    assert said["match_brands"] == "stale min_confidence 0.5 → 0.6"
    assert said["compile_report"].startswith("stale match_brands is stale")
    assert mpr("status").split()[-3:] == ["match", "board", "6"]
    path.write_text(before)
    assert states(mpr("status", "match"))["match_brands"] == "fresh"


REPLAYS: dict[str, tuple[list[str], str]] = {
    "no such stage": (["match", "ocr"], "There is no stage 'ocr'; choose one of timeline, extract_frames"),
    "no such timeline": (["other", "run_ocr"], "The timeline 'other' is not registered"),
    "no such setting": (["match", "run_ocr", "--set", "min_confidenc=1"], "did you mean `min_confidence`?"),
    "nothing set": (["match", "run_ocr", "--set", "min_confidence"], "write it as key=value"),
    "out of range": (["match", "run_ocr", "--set", "min_confidence=2"], "which is out of range; give 0 to 1."),
    "frames that are none": (["match", "run_ocr", "--frames", "a"], "write them like 10,12,40-60"),
    "frames beyond": (["match", "run_ocr", "--frames", "0-99"], "which has frames 0 to 3"),
    "frames of a stage that has none": (["match", "compile_report", "--frames", "0"], "does not process single frames"),
    "nothing to save": (["match", "run_ocr", "--save-as", "mine"], "There is nothing to save as 'mine'"),
    "a profile that is there": (
        ["match", "run_ocr", "--set", "min_confidence=0.4", "--save-as", "board"],
        "There is already a profile 'board'",
    ),
    "both limits": (["match", "run_ocr", "--only", "--through", "match_brands"], "cannot be combined"),
}


@pytest.mark.parametrize("name", REPLAYS)
def test_a_replay_that_cannot_be_is_one_sentence(mpr: Mpr, name: str) -> None:
    argv, said = REPLAYS[name]
    err = mpr("replay", *argv, fails=2)
    assert said in err
    assert err.startswith("mpr: ")
    assert len(err.splitlines()) == 1


def test_try_prints_rows_and_writes_pictures(mpr: Mpr, home: Path, tmp_path: Path) -> None:
    stored = (home / "storage" / Keys.table("detect_edges", "match")).read_bytes()
    argv = ("try", "match", "detect_edges", "--set", "edge_canny_high=90", "--frames", "0", "--to", str(tmp_path))
    said = mpr(*argv)
    assert said.startswith("With edge_canny_high=90, frames=0\n")
    assert f"Pictures: {tmp_path}" in said
    names = {path.name for path in tmp_path.iterdir()}
    assert names >= {"00000000_detect_edges.png", "00000000_edges.png", "00000000_lines.png"}
    assert (home / "storage" / Keys.table("detect_edges", "match")).read_bytes() == stored
    trials = home / "storage" / "cache" / "timelines" / "match" / "trials"
    assert not trials.exists()
    [folder] = re.findall(r"^Pictures: (.*)$", mpr(*argv[:-2]), re.MULTILINE)
    assert Path(folder).relative_to(trials).parts[1:] == ("detect_edges",)
    assert {path.name for path in Path(folder).iterdir()} == names
    assert "trials" in [line.split()[1] for line in mpr("cache", "list").splitlines()[1:-1]]


def test_overlay_keeps_pictures_in_the_storage_by_default(mpr: Mpr, home: Path) -> None:
    paths = [Path(line) for line in mpr("overlay", "match", "run_ocr", "0").splitlines()]
    assert paths[0].name == "00000000_run_ocr.png"
    assert all(path.is_file() and path.is_relative_to(home / "storage" / "cache") for path in paths)


def test_overlay_writes_pictures_and_prints_their_paths(mpr: Mpr, tmp_path: Path) -> None:
    paths = [Path(line) for line in mpr("overlay", "match", "run_ocr", "0", "--to", str(tmp_path)).splitlines()]
    assert paths[0] == tmp_path / "00000000_run_ocr.png"
    assert len(paths) > 1
    assert {cv2.imread(str(path)).shape for path in paths[:1]} == {(360, 640, 3)}
