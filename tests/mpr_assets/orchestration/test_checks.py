from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from mpr_assets.definitions import definitions
from mpr_assets.engine.checks import (
    boxes_in_frame,
    exposures_in_order,
    frames_cover_timeline,
)
from mpr_resources.storage.tables import NamedRow
from tests.clips import write_clip
from tests.world import Ran, World, pictures, write_inputs


def chunks(*rows: tuple[int, int, int]) -> pl.DataFrame:
    """Chunks of (start_ms, end_ms, timeline_start_ms) at 25 frames a second."""
    return pl.DataFrame(
        [(at, "a.mp4", *row, 25, 1) for at, row in enumerate(rows)],
        schema=["chunk", "source", "start_ms", "end_ms", "timeline_start_ms", "fps_num", "fps_den"],
        orient="row",
    )


def times(*rows: tuple[int, int]) -> pl.DataFrame:
    """Frames of (chunk, timeline_ms)."""
    return pl.DataFrame(list(rows), schema={"chunk": pl.Int32, "timeline_ms": pl.Int64}, orient="row")


TWO = chunks((0, 2000, 0), (5000, 7000, 2000))
EVERY_40_MS = range(0, 10_000, 40)
COVER: dict[str, tuple[pl.DataFrame, pl.DataFrame, Sequence[int], list[str]]] = {
    "no chunk": (chunks().cast({"chunk": pl.Int32}), times(), (), []),
    "all there": (TWO, times(*((at // 4, 500 * at) for at in range(8))), EVERY_40_MS, []),
    "a frame lacks, which sources leave open": (
        chunks((0, 2000, 0)),
        times((0, 0), (0, 1000), (0, 1500)),
        EVERY_40_MS,
        [],
    ),
    "a second lacks": (
        chunks((0, 3000, 0)),
        times((0, 0), (0, 2000), (0, 2500)),
        EVERY_40_MS,
        ["chunk 0 has no frame between 00:00:00.000 and 00:00:02.000 of a.mp4, which has 25 pictures there"],
    ),
    "a second lacks of a later chunk": (
        chunks((0, 500, 0), (5000, 8000, 500)),
        times((0, 0), (1, 500), (1, 1000), (1, 3000)),
        EVERY_40_MS,
        ["chunk 1 has no frame between 00:00:05.500 and 00:00:07.500 of a.mp4, which has 24 pictures there"],
    ),
    "the end lacks": (
        chunks((0, 3000, 0)),
        times((0, 0), (0, 500), (0, 1000)),
        EVERY_40_MS,
        ["chunk 0 has no frame between 00:00:01.000 and 00:00:03.000 of a.mp4, which has 25 pictures there"],
    ),
    "the beginning lacks": (
        chunks((0, 3000, 0)),
        times((0, 2000), (0, 2500)),
        EVERY_40_MS,
        ["chunk 0 has no frame between 00:00:00.000 and 00:00:02.000 of a.mp4, which has 25 pictures there"],
    ),
    "a chunk lacks": (
        TWO,
        times((0, 0), (0, 500), (0, 1000), (0, 1500)),
        EVERY_40_MS,
        ["chunk 1 of a.mp4 has no frame"],
    ),
    "the picture begins late": (chunks((0, 3000, 0)), times((0, 2000), (0, 2500)), range(2000, 3000, 40), []),
    "a picture is held": (chunks((0, 3000, 0)), times((0, 0), (0, 2500)), (0, 2500, 2600), []),
    "the pictures end early": (chunks((0, 3000, 0)), times((0, 0), (0, 500)), (0, 40, 480, 500), []),
    "of two pictures near each other one was taken": (
        chunks((0, 3000, 0)),
        times((0, 0), (0, 200), (0, 2500)),
        (0, 190, 200, 2490, 2500),
        [],
    ),
}


@pytest.mark.parametrize("name", COVER)
def test_frames_cover_the_timeline(name: str) -> None:
    of_chunks, frames, shown_ms, says = COVER[name]

    def picture_times(chunk: NamedRow) -> np.ndarray:
        return np.array([ms for ms in shown_ms if chunk["start_ms"] <= ms < chunk["end_ms"]], np.int64)

    assert frames_cover_timeline(of_chunks, frames, 2.0, picture_times) == says


FRAMES = pl.DataFrame({"seq": [0, 1], "width_px": [100, 100], "height_px": [50, 50]})
BOXES = {
    "whole frame": ((0, 0, 0, 100, 50), None),
    "one pixel in a corner": ((1, 99, 49, 1, 1), None),
    "left of it": ((0, -1, 0, 10, 10), "frame 0: box -1,0 10x10 is not in 100x50"),
    "above it": ((0, 0, -1, 10, 10), "frame 0: box 0,-1 10x10 is not in 100x50"),
    "over the right": ((0, 91, 0, 10, 10), "frame 0: box 91,0 10x10 is not in 100x50"),
    "over the bottom": ((1, 0, 41, 10, 10), "frame 1: box 0,41 10x10 is not in 100x50"),
    "no width": ((0, 5, 5, 0, 10), "frame 0: box 5,5 0x10 is not in 100x50"),
    "no height": ((0, 5, 5, 10, 0), "frame 0: box 5,5 10x0 is not in 100x50"),
    "of no frame": ((7, 5, 5, 10, 10), "frame 7: box 5,5 10x10 is not in NonexNone"),
}


@pytest.mark.parametrize("sized", [False, True], ids=["plain rows", "rows with the size of a crop"])
@pytest.mark.parametrize("name", BOXES)
def test_boxes_lie_in_their_frame(name: str, sized: bool) -> None:
    box, problem = BOXES[name]
    rows = pl.DataFrame([box], schema=["seq", "x", "y", "w", "h"], orient="row")
    if sized:
        rows = rows.with_columns(width_px=pl.lit(9), height_px=pl.lit(9))
    assert boxes_in_frame(rows, FRAMES) == ([problem] if problem else [])
    assert boxes_in_frame(rows.clear(), FRAMES) == []


EXPOSURES: dict[str, tuple[list[tuple[str, int, int]], list[str]]] = {
    "none": ([], []),
    "one after another": ([("A", 0, 500), ("A", 500, 1000)], []),
    "two brands at once": ([("A", 0, 1000), ("B", 0, 1000)], []),
    "overlapping": ([("A", 400, 900), ("A", 0, 500)], ["A [400, 900) starts before the previous one ends"]),
    "empty": ([("A", 500, 500)], ["A [500, 500) is not within the timeline of 1000 ms"]),
    "before the beginning": ([("A", -1, 500)], ["A [-1, 500) is not within the timeline of 1000 ms"]),
    "after the end": ([("A", 500, 1001)], ["A [500, 1001) is not within the timeline of 1000 ms"]),
    "within another": (
        [("A", 0, 900), ("A", 100, 200), ("A", 300, 400)],
        [
            "A [100, 200) starts before the previous one ends",
            "A [300, 400) starts before the previous one ends",
        ],
    ),
}


@pytest.mark.parametrize("name", EXPOSURES)
def test_exposures_are_in_order(name: str) -> None:
    rows, problems = EXPOSURES[name]
    schema = {"brand": pl.Utf8, "start_ms": pl.Int64, "end_ms": pl.Int64}
    assert exposures_in_order(pl.DataFrame(rows, schema=schema, orient="row"), 1000) == problems


CHECKS = {
    "timeline": [],
    "extract_frames": ["frames_cover_timeline"],
    "filter_scenes": [],
    "field_segmentation": [],
    "detect_edges": ["boxes_in_frame"],
    "detect_objects": ["boxes_in_frame"],
    "preprocess": ["boxes_in_frame"],
    "run_ocr": ["boxes_in_frame"],
    "visual_properties": [],
    "motion": [],
    "transcribe": [],
    "match_brands": ["boxes_in_frame"],
    "match_speech": [],
    "escalate_vlm": ["boxes_in_frame"],
    "escalate_cloud": ["boxes_in_frame"],
    "corrections": ["boxes_in_frame"],
    "compile_report": ["exposures_in_order"],
    "evaluation": ["f1_not_lower"],
}


def test_a_run_makes_every_check_and_they_pass(finished: tuple[World, Ran]) -> None:
    made = {
        (one.asset_key.path[-1], one.check_name): one.passed for one in finished[1].result.get_asset_check_evaluations()
    }
    expected = [(stage, check) for stage, checks in CHECKS.items() for check in checks]
    assert made == dict.fromkeys(expected, True)


def test_every_check_says_what_it_looks_for() -> None:
    graph = definitions({}).resolve_asset_graph()
    specs = [graph.get_check_spec(key) for key in graph.asset_check_keys]
    assert {(spec.asset_key.path[-1], spec.name) for spec in specs} == {
        (stage, check) for stage, checks in CHECKS.items() for check in (*checks, "matches_scenario")
    }
    assert [spec.name for spec in specs if not spec.description] == []


def test_a_video_whose_picture_begins_late_passes_and_is_noted(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    times_ms = [3000 + 100 * at for at in range(20)]
    write_clip(tmp_path / "clip.mkv", pictures(), times_ms=times_ms, sound_s=5.0)
    (tmp_path / "clip.mkv").replace(tmp_path / "clip.mp4")
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(tmp_path, tmp_path / "storage", instance)
        world.register()
        ran = world.run("timeline", "extract_frames")
    passed = {one.check_name: one.passed for one in ran.result.get_asset_check_evaluations()}
    assert passed["frames_cover_timeline"]
    assert ran.metadata("timeline")["notes"].endswith(r": its picture begins at 00\:00\:03\.000")
