from __future__ import annotations

import base64
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from gpu_service.errors import BadInput, MprError
from gpu_service.pictures import decode
from mpr_assets.compare.scenarios import save_scenario
from mpr_assets.compare.snapshots import (
    Comparison,
    compare_snapshots,
    find_snapshot,
)
from mpr_assets.compare.table_diff import change_line
from mpr_assets.report.page.diff import diff_page, pictures
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.tables import StageTable, to_parquet
from tests.world import (
    BY_NAME,
    NAMES,
    TIMELINE,
    Ran,
    World,
)


def bookmark(world: World, stage: str) -> None:
    save_scenario(world.storage, BY_NAME[stage], TIMELINE, "then", stages=BY_NAME, saved="", saved_by="")


def compared(world: World, before: str, after: str) -> Comparison:
    return compare_snapshots(*(find_snapshot(world.storage, reference, BY_NAME) for reference in (before, after)))


def differences(found: Comparison) -> int:
    return sum(len(section.difference.changes) for section in found.sections)


SAME = {
    "a report with itself": (TIMELINE, TIMELINE, ["exposures", "detections"]),
    "a report by its stage": (TIMELINE, f"{TIMELINE}:compile_report", ["exposures", "detections"]),
    **{
        f"{stage} with itself": (f"{TIMELINE}:{stage}",) * 2
        + (
            ["detections", "candidates"]
            if stage in ("match_brands", "escalate_vlm", "escalate_cloud", "corrections")
            else [stage],
        )
        for stage in NAMES
        if stage != "compile_report"
    },
}


@pytest.mark.parametrize("case", SAME)
def test_equal_states_do_not_differ(finished: tuple[World, Ran], case: str) -> None:
    before, after, titles = SAME[case]
    found = compared(finished[0], before, after)
    assert differences(found) == 0
    assert [section.title for section in found.sections] == titles
    assert (found.settings, found.facts, found.counts) == ({}, [], {})
    assert found.seconds == ({} if "report" in case else None)
    assert (found.left_out, found.not_compared) == ("", [])
    assert "No frame to show" in diff_page(found)


REFUSED = {
    "another stage": (TIMELINE, f"{TIMELINE}:run_ocr", "is a state of compile_report and match:run_ocr one of run_ocr"),
    "no such stage": (TIMELINE, f"{TIMELINE}:nothing", "names no stage"),
    "no such timeline": ("nobody", TIMELINE, "The timeline 'nobody' is not registered"),
    "no such scenario": (TIMELINE, "scenario:nobody", "There is no scenario 'nobody'"),
    "a path as a timeline": ("../x", TIMELINE, "holds"),
    "a path as a label": ("scenario:../x", TIMELINE, "holds"),
    "empty": ("", TIMELINE, "is empty"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_references_that_name_nothing(finished: tuple[World, Ran], case: str) -> None:
    before, after, said = REFUSED[case]
    with pytest.raises(MprError, match=re.escape(said)):
        compared(finished[0], before, after)


def write(world: World, stage: str, rows: list[dict[str, Any]]) -> None:
    table = world.table(stage)
    made = StageTable(pl.DataFrame(rows, table.rows.schema), table.header)
    world.storage.put(Keys.table(stage, TIMELINE), to_parquet(made))


@pytest.fixture
def differing(world: World) -> World:
    """Lines of text in three frames, bookmarked; then one is lost, one moved, one reads otherwise, one is gained."""
    like = world.table("run_ocr").rows.row(0, named=True)
    first, second, third = ({**like, "seq": seq} for seq in (0, 2, 3))
    write(world, "run_ocr", [first, second, third])
    bookmark(world, "run_ocr")
    lower = {"y": like["y"] + 120, "quad": [at + 120 * (n % 2) for n, at in enumerate(like["quad"])]}
    write(
        world, "run_ocr", [second | {"x": second["x"] + 8}, third | {"text": "Other"}, third | lower | {"text": "New"}]
    )
    return world


def test_what_was_gained_lost_moved_and_changed_is_on_the_page(differing: World) -> None:
    found = compared(differing, "scenario:then", f"{TIMELINE}:run_ocr")
    (section,) = found.sections
    assert section.difference.summary() == "1 gained, 1 lost, 1 moved, 1 changed, 0 the same"
    assert section.counts == {"rows": (3, 3), "frames": (3, 2), "different texts": (1, 3)}
    page = diff_page(found)
    assert page == diff_page(compared(differing, "scenario:then", f"{TIMELINE}:run_ocr"))
    assert [shown.title for shown in pictures(found)] == ["frame 0", "frame 2", "frame 3"]
    assert page.count("<img ") == 3
    assert not re.search(r"(?:src|href)=\"(?!data:)", page), "the page needs nothing else"


COLOURS = {
    "lost is red": (0, (70, 70, 235)),
    "gained is green": (3, (120, 200, 70)),
    "changed is amber": (3, (60, 180, 245)),
}


@pytest.mark.parametrize("case", COLOURS)
def test_colours(differing: World, case: str) -> None:
    seq, colour = COLOURS[case]
    shown = {one.title: one for one in pictures(compared(differing, "scenario:then", f"{TIMELINE}:run_ocr"))}
    pixels = decode(base64.b64decode(shown[f"frame {seq}"].uri.partition(",")[2])).astype(int)
    assert (np.abs(pixels - np.array(colour)).max(axis=2) < 40).sum() > 200


def test_a_report_against_its_scenario(world: World) -> None:
    bookmark(world, "compile_report")
    assert world.run(
        "match_brands", "compile_report", overrides={"match_brands": {"min_object_confidence": 0.99}}
    ).success
    found = compared(world, "scenario:then", TIMELINE)
    assert differences(found) == 0
    assert list(found.settings) == ["match_brands.min_object_confidence"]
    assert [section.title for section in found.sections] == ["exposures", "detections"]


def test_frames_that_are_gone_are_left_out(differing: World) -> None:
    differing.storage.delete_below("cache")
    differing.storage.delete_below("scenarios/then/cache")
    found = compared(differing, "scenario:then", f"{TIMELINE}:run_ocr")
    assert differences(found) > 0
    assert pictures(found) == []


def test_a_scenario_is_never_compared_with_another_stage(world: World) -> None:
    bookmark(world, "match_brands")
    with pytest.raises(BadInput, match="compare two of the same stage"):
        compared(world, "scenario:then", TIMELINE)


def stored_beside(world: World, folder: Path, fps: float) -> World:
    """A world with the frames of another rate, and of each a line of text at the same place."""
    other = World(world.inputs, folder, world.instance)
    shutil.copytree(world.storage_folder, folder)
    index, like = world.table("extract_frames").rows, world.table("run_ocr").rows.row(0, named=True)
    picture = index.row(0, named=True)
    times_ms = [round(1000 * at / fps) for at in range(round(2 * fps))]
    write(other, "extract_frames", [{**picture, "seq": seq, "timeline_ms": ms} for seq, ms in enumerate(times_ms)])
    scene = world.table("filter_scenes").rows.row(0, named=True)
    write(other, "filter_scenes", [{**scene, "seq": at, "kept_seq": at, "kept": True} for at in range(len(times_ms))])
    write(other, "run_ocr", [{**like, "seq": at, "text": f"at {times_ms[at]}"} for at in range(len(times_ms))])
    return other


def test_frames_that_only_one_sampled_are_left_out(world: World, tmp_path: Path) -> None:
    slow, fast = stored_beside(world, tmp_path / "slow", 2), stored_beside(world, tmp_path / "fast", 3)
    before, after = (find_snapshot(one.storage, f"{TIMELINE}:run_ocr", BY_NAME) for one in (slow, fast))
    found = compare_snapshots(before, after)
    (section,) = found.sections
    assert (section.counts["frames"], section.difference.summary()) == ((2, 2), "2 the same")  # at 0 and 1 s
    assert found.left_out == (
        "Frames left out: 2 that only match:run_ocr sampled and kept, 4 that only match:run_ocr sampled and kept; "
        "2 are compared."
    )
    write(slow, "run_ocr", [world.table("run_ocr").rows.row(0, named=True) | {"seq": 2, "text": "other"}])
    before = find_snapshot(slow.storage, f"{TIMELINE}:run_ocr", BY_NAME)
    lines = [change_line(one) for one in compare_snapshots(before, after).sections[0].difference.changes]
    assert [line.partition(" at ")[0] for line in lines] == ["gained", "changed"]
    assert " frame 3 at " in lines[1], "frames go by their seq in the result after"


def test_a_run_that_was_limited_to_frames_is_compared_on_those(world: World) -> None:
    bookmark(world, "run_ocr")
    assert world.run("run_ocr", overrides={"run_ocr": {"frames": "0"}}).success
    found = compared(world, "scenario:then", f"{TIMELINE}:run_ocr")
    assert found.left_out.endswith("; 1 are compared.")
    assert differences(found) == 0


FACTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": ({}, []),
    "code": ({"code_version": "0"}, ["match_brands: code version 0 → {now}"]),
    "profile": ({"profile": "old"}, ["profile old → board"]),
    "brands": ({"upstream": {"brands": "b"}}, ["match_brands: the brand list changed"]),
    "what it read": ({"upstream": {"run_ocr": "r"}}, ["read other results of run_ocr"]),
    "it was off": ({"skipped": "off"}, ["match_brands: skipped (off) → made"]),
}


@pytest.mark.parametrize("case", FACTS)
def test_what_made_them_is_told_in_words(world: World, case: str) -> None:
    was, told = FACTS[case]
    after = find_snapshot(world.storage, f"{TIMELINE}:match_brands", BY_NAME)
    header = after.headers["match_brands"]
    was = was | {"upstream": header.upstream | was.get("upstream", {})}
    before = replace(after, headers={"match_brands": header.model_copy(update=was)})
    now = BY_NAME["match_brands"].code_version
    assert compare_snapshots(before, after).facts == [line.format(now=now) for line in told]
