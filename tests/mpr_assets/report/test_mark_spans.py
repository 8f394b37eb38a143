"""Marks of exposures, frame by frame."""

from __future__ import annotations

import polars as pl
import pytest

from mpr_assets.report.exposures import ExposureSettings, exposures, frame_spans
from mpr_assets.report.mark_spans import MARK_SCHEMA, marks_of
from tests.mpr_assets.report.tables import chunks, detection, detections, frames, scenes

SPANS = chunks(("a.mp4", 0, 3000))
SAMPLED = frames([0, 500, 1000, 1500, 2000, 2500])
LEFT, RIGHT, BESIDE = (10, 10, 20, 10), (150, 50, 20, 10), (12, 10, 20, 10)
ONE_SHOT = scenes([0] * 6)
CASES: dict[str, tuple[list[tuple[object, ...]], pl.DataFrame, list[tuple[object, ...]]]] = {
    "nothing": ([], ONE_SHOT, []),
    "one frame": ([detection(1)], ONE_SHOT, [(0, 0, 1, 250, 750, False, 0.05)]),
    "a mark that moves is one": (
        [detection(1, box=LEFT), detection(2, box=BESIDE)],
        ONE_SHOT,
        [(0, 0, 1, 250, 750, False, 0.05), (0, 0, 2, 750, 1250, False, 0.06)],
    ),
    "two at once": (
        [detection(1, box=RIGHT), detection(1, box=LEFT), detection(2, box=LEFT)],
        ONE_SHOT,
        [
            (0, 0, 1, 250, 750, False, 0.05), (0, 0, 2, 750, 1250, False, 0.05), (0, 1, 1, 250, 750, False, 0.75),
        ],
    ),
    "found twice in one place: the surer one": (
        [detection(1, box=BESIDE, confidence=0.6), detection(1, box=LEFT)],
        ONE_SHOT,
        [(0, 0, 1, 250, 750, False, 0.05)],
    ),
    "what is inferred is held": (
        [detection(1), detection(3)],
        ONE_SHOT,
        [(0, 0, 1, 250, 750, False, 0.05), (0, 0, 1, 750, 1250, True, 0.05), (0, 0, 3, 1250, 1750, False, 0.05)],
    ),
    "a frame stands for another": (
        [detection(1)],
        scenes([0] * 6, {2: 1}),
        [(0, 0, 1, 250, 750, False, 0.05), (0, 0, 2, 750, 1250, False, 0.05)],
    ),
    "two exposures": (
        [detection(1), detection(4, box=RIGHT)],
        scenes([0, 0, 0, 1, 1, 1]),
        [(0, 0, 1, 250, 750, False, 0.05), (1, 0, 4, 1750, 2250, False, 0.75)],
    ),
    "outside of the frame in part": ([detection(1, box=(-10, 10, 20, 10))], ONE_SHOT, [(0, 0, 1, 250, 750, False, 0)]),
    "too unsure for an exposure": ([detection(1, confidence=0.1)], ONE_SHOT, []),
    "no brand": ([detection(1, None)], ONE_SHOT, []),
}  # fmt: skip
"""Detections, the shots, and rows (exposure, mark, seq, start_ms, end_ms, inferred, x)."""


@pytest.mark.parametrize("case", CASES)
def test_marks(case: str) -> None:
    rows, shots, expected = CASES[case]
    found = detections(*rows)
    stays = exposures(found, SAMPLED, shots, SPANS, ExposureSettings())
    made = marks_of(stays, found, SAMPLED, frame_spans(SAMPLED, shots, SPANS))
    assert made.spans.schema == pl.Schema(MARK_SCHEMA)
    columns = ("exposure", "mark", "seq", "start_ms", "end_ms", "inferred", "x")
    assert made.spans.select(columns).rows() == expected
    assert made.sampled.rows() == [(seq, 0, 500 * seq) for seq in range(6)]
