from __future__ import annotations

import polars as pl
import pytest

from mpr_assets.engine.checks import (
    boxes_in_frame,
    exposures_in_order,
    frames_cover_timeline,
)
from tests.world import Ran, World


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
COVER: dict[str, tuple[pl.DataFrame, pl.DataFrame, list[str]]] = {
    "no chunk": (chunks().cast({"chunk": pl.Int32}), times(), []),
    "all there": (TWO, times(*((at // 4, 500 * at) for at in range(8))), []),
    "a frame lacks, which sources leave open": (chunks((0, 2000, 0)), times((0, 0), (0, 1000), (0, 1500)), []),
    "a second lacks": (chunks((0, 3000, 0)), times((0, 0), (0, 2000), (0, 2500)), ["2000 ms without a frame"]),
    "the end lacks": (chunks((0, 3000, 0)), times((0, 0), (0, 500), (0, 1000)), ["2000 ms without a frame"]),
    "the beginning lacks": (chunks((0, 3000, 0)), times((0, 2000), (0, 2500)), ["2000 ms without a frame"]),
    "a chunk lacks": (TWO, times((0, 0), (0, 500), (0, 1000), (0, 1500)), ["chunk 1 of a.mp4 has no frame"]),
}


@pytest.mark.parametrize("name", COVER)
def test_frames_cover_the_timeline(name: str) -> None:
    of_chunks, frames, says = COVER[name]
    problems = frames_cover_timeline(of_chunks, frames, fps=2.0)
    assert len(problems) == len(says)
    assert all(part in problem for part, problem in zip(says, problems, strict=True))


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
    "overlapping": ([("A", 400, 900), ("A", 0, 500)], ["A [400, 900) begins before the one before it has ended"]),
    "empty": ([("A", 500, 500)], ["A [500, 500) does not lie in the timeline of 1000 ms"]),
    "before the beginning": ([("A", -1, 500)], ["A [-1, 500) does not lie in the timeline of 1000 ms"]),
    "after the end": ([("A", 500, 1001)], ["A [500, 1001) does not lie in the timeline of 1000 ms"]),
    "within another": (
        [("A", 0, 900), ("A", 100, 200), ("A", 300, 400)],
        [
            "A [100, 200) begins before the one before it has ended",
            "A [300, 400) begins before the one before it has ended",
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
    "match_brands": ["boxes_in_frame"],
    "escalate_vlm": ["boxes_in_frame"],
    "escalate_cloud": ["boxes_in_frame"],
    "compile_report": ["exposures_in_order"],
}


def test_a_run_makes_every_check_and_they_pass(finished: tuple[World, Ran]) -> None:
    made = {
        (one.asset_key.path[-1], one.check_name): one.passed for one in finished[1].result.get_asset_check_evaluations()
    }
    expected = [(stage, check) for stage, checks in CHECKS.items() for check in (*checks, "matches_scenario")]
    assert made == dict.fromkeys(expected, True)
