"""What the picture looks like and what moves in it, over the timeline."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest

from mpr_assets.report.model import MotionReport, MotionSpan
from mpr_assets.report.picture import NOTHING_PICTURED, known_shifts, looks, motion_report, motion_summary
from mpr_assets.stages import motion, visual_properties

NONE = (None, None, None, None, None)
MOVED = [
    (0, *NONE),
    (2, 0, 0.5, True, 30.0, 40.0),
    (3, 2, 0.0, False, None, None),
    (4, *NONE),
]
"""Rows of `motion`."""
KEPT = [0, 0, 2, 3, 3, 3, 4]
"""Which kept frame stands for each; a second lies between frames."""


def moved(rows: Sequence[tuple[object, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=motion.SCHEMA, orient="row")


def scenes(kept_seqs: Sequence[int]) -> pl.DataFrame:
    return pl.DataFrame({"kept_seq": kept_seqs}, schema={"kept_seq": pl.Int64})


def spans(kept_seqs: Sequence[int]) -> pl.DataFrame:
    rows = [(seq, 0, kept, 1000 * seq, 1000 * seq, 1000 * seq + 1000) for seq, kept in enumerate(kept_seqs)]
    columns = ["seq", "chunk", "kept_seq", "timeline_ms", "start_ms", "end_ms"]
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.Int64), orient="row")


SUMMARIES = {
    "nothing": ([], [], {}),
    "a first frame alone": (MOVED[:1], [0, 0], {}),
    "near-duplicates count as the frame that stands for them": (
        MOVED,
        KEPT,
        {"average_motion": 0.125, "max_motion": 0.5, "activity": 0.25},
    ),
}


@pytest.mark.parametrize("case", SUMMARIES)
def test_summary(case: str) -> None:
    rows, kept_seqs, expected = SUMMARIES[case]
    assert motion_summary(moved(rows), scenes(kept_seqs)) == expected


def span(start_s: int, end_s: int, share: float | None, camera: float | None) -> MotionSpan:
    return MotionSpan(start_ms=1000 * start_s, end_ms=1000 * end_s, moving_share=share, camera_px_per_s=camera)


def test_motion_over_time() -> None:
    told = motion_report(moved(MOVED), spans(KEPT), scenes(KEPT))
    assert told == MotionReport(
        average_motion=0.125,
        max_motion=0.5,
        activity=0.25,
        spans=(span(0, 2, None, None), span(2, 3, 0.5, 25.0), span(3, 6, 0.0, None), span(6, 7, None, None)),
    )


def test_as_many_spans_as_there_may_be() -> None:
    told = motion_report(moved(MOVED), spans(KEPT), scenes(KEPT), most=2)
    assert told is not None
    assert told.spans == (span(0, 6, 0.125, 25.0), span(6, 7, None, None))


def test_nothing_was_measured() -> None:
    assert motion_report(NOTHING_PICTURED.motion, spans(KEPT), scenes(KEPT)) is None
    assert looks(NOTHING_PICTURED.looks, spans(KEPT)) == ()
    assert known_shifts(NOTHING_PICTURED.motion) == {}


def test_of_what_moved_where_it_is_not_known_nothing_is_known() -> None:
    assert known_shifts(moved(MOVED)) == {(0, 2): (30.0, 40.0), (2, 3): None}


RED, GREEN, BLUE = [255, 0, 0], [0, 255, 0], [0, 0, 255]
LOOKS = [(0, [RED], [1.0], 0.2, 0.1, 1.0), (2, [GREEN, BLUE], [0.7, 0.3], 0.6, 0.4, 0.5)]


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        pytest.param(2, [(0, 2000, (tuple(RED),), 0.2), (2000, 3000, (tuple(GREEN), tuple(BLUE)), 0.6)], id="each"),
        pytest.param(1, [(0, 3000, (tuple(RED),), 0.3333)], id="merged: means, and the colours seen longest"),
    ],
)
def test_looks_over_time(most: int, expected: list[tuple[object, ...]]) -> None:
    table = pl.DataFrame(LOOKS, schema=visual_properties.SCHEMA, orient="row")
    found = looks(table, spans([0, 0, 2]), most)
    assert [(one.start_ms, one.end_ms, one.colours, one.brightness) for one in found] == expected
