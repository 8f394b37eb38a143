"""What exposures add up to."""

from __future__ import annotations

import polars as pl
import pytest

from mpr_assets.report.exposures import ExposureSettings, exposures
from mpr_assets.report.measures import MEASURES_SCHEMA, measures
from tests.mpr_assets.report.tables import (
    chunks,
    detection,
    detections,
    frames,
    scenes,
)

SETTINGS = ExposureSettings(max_gap_ms=0, max_hidden_ms=0)
FIVE_SECONDS = chunks(("a.mp4", 0, 4000), ("b.mp4", 500, 1500))
SAMPLED = frames(range(0, 4000, 500), [4000, 4500])
SHOTS = scenes([0] * 8 + [1, 1])

COLUMNS = ("brand", "exposures", "screen_ms", "seconds", "share", "longest_ms", "first_ms", "last_ms", "source")
CASES = {
    "nothing": ([], []),
    "one exposure": ([detection(3)], [("Acme", 1, 500, 0.5, 0.1, 500, 1250, 1750, "ocr")]),
    "two exposures, two sources": (
        [detection(0), detection(2, source="logo"), detection(3, source="logo")],
        [("Acme", 2, 1250, 1.25, 0.25, 1000, 0, 1750, "logo+ocr")],
    ),
    "over two chunks": (
        [detection(7), detection(8)],
        [("Acme", 2, 1000, 1.0, 0.2, 750, 3250, 4250, "ocr")],
    ),
    "longest first, equals by name": (
        [detection(2, "Zeta"), detection(4, "Bolt"), detection(4, "Acme"), detection(5, "Zeta")],
        [
            ("Zeta", 2, 1000, 1.0, 0.2, 500, 750, 2750, "ocr"),
            ("Acme", 1, 500, 0.5, 0.1, 500, 1750, 2250, "ocr"),
            ("Bolt", 1, 500, 0.5, 0.1, 500, 1750, 2250, "ocr"),
        ],
    ),
    "all the time": (
        [detection(seq) for seq in range(10)],
        [("Acme", 2, 5000, 5.0, 1.0, 4000, 0, 5000, "ocr")],
    ),
}


@pytest.mark.parametrize(("found", "expected"), CASES.values(), ids=CASES.keys())
def test_measures(found: list[tuple[object, ...]], expected: list[tuple[object, ...]]) -> None:
    table = measures(exposures(detections(*found), SAMPLED, SHOTS, FIVE_SECONDS, SETTINGS), FIVE_SECONDS)
    assert table.schema == pl.Schema(MEASURES_SCHEMA)
    assert table.select(COLUMNS).rows() == expected


def test_means_are_over_frames_not_over_exposures() -> None:
    found = detections(
        detection(0, confidence=0.6, box=(0, 0, 100, 100)),
        *(detection(seq, confidence=0.9, box=(0, 0, 20, 10)) for seq in (2, 3, 4)),
    )
    [row] = measures(exposures(found, SAMPLED, SHOTS, FIVE_SECONDS, SETTINGS), FIVE_SECONDS).rows(named=True)
    assert (row["mean_area_share"], row["max_area_share"]) == (0.1325, 0.5)
    assert (row["mean_confidence"], row["max_confidence"]) == (0.825, 0.9)
    assert (row["frames"], row["detections"]) == (4, 4)


def test_inferred_time_is_not_on_screen() -> None:
    found = detections(detection(0), detection(2))
    [row] = measures(exposures(found, SAMPLED, SHOTS, FIVE_SECONDS, ExposureSettings()), FIVE_SECONDS).rows(named=True)
    assert (row["screen_ms"], row["longest_ms"], row["first_ms"], row["last_ms"]) == (750, 1250, 0, 1250)
