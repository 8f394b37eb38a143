"""What was read and is in no list of brands."""

from __future__ import annotations

import polars as pl
import pytest

from mpr_assets.report.exposures import ExposureSettings
from mpr_assets.report.unlisted import unlisted_texts
from tests.mpr_assets.report.tables import DETECTIONS, chunks, frames, scenes

SPANS = chunks(("a.mp4", 0, 4_000))
SAMPLED = frames([0, 500, 1000, 1500, 2000, 2500, 3000, 3500])
SHOTS = scenes([0] * 8)

Read = tuple[int, str | None, str, str, float]
"""seq, brand, text, reason, confidence"""

CASES: dict[str, tuple[list[Read], list[tuple[str, int, int]]]] = {
    "nothing read": ([], []),
    "once": ([(1, None, "SINTEL", "no_brand", 0.9)], [("SINTEL", 1, 500)]),
    "stays on": ([(seq, None, "SINTEL", "no_brand", 0.9) for seq in (1, 2, 3)], [("SINTEL", 1, 1500)]),
    "comes back": ([(seq, None, "SINTEL", "no_brand", 0.9) for seq in (0, 7)], [("SINTEL", 1, 1000)]),
    "two spellings, the more frequent is told": (
        [
            (1, None, "Sintel", "no_brand", 0.9),
            (2, None, "SINTEL", "no_brand", 0.9),
            (3, None, "SINTEL", "no_brand", 1),
        ],
        [("SINTEL", 1, 1500)],
    ),
    "longest first": (
        [(1, None, "SHORT", "no_brand", 0.9), *((seq, None, "LONG", "no_brand", 0.9) for seq in (4, 5, 6))],
        [("LONG", 1, 1500), ("SHORT", 1, 500)],
    ),
    "a brand": ([(1, "Acme", "ACME", "", 0.9)], []),
    "what a model knew": ([(1, None, "SINTEL", "no_brand", 0.9), (1, "Sintel", "SINTEL", "", 0.9)], []),
    "near a name": ([(1, None, "ACNE", "near_miss:Acme", 0.9)], []),
    "excluded": ([(1, None, "LIVE", "excluded", 0.9)], []),
    "hardly read": ([(1, None, "SINTEL", "no_brand", 0.7)], []),
    "two letters": ([(1, None, "TV", "no_brand", 0.9)], []),
    "a clock": ([(1, None, "12:34 pm", "no_brand", 0.9)], []),
    "another script": ([(1, None, "試合結果", "no_brand", 0.9)], [("試合結果", 1, 500)]),
}


@pytest.mark.parametrize("case", CASES)
def test_unlisted_texts(case: str) -> None:
    read, expected = CASES[case]
    rows = [
        (seq, 10, 10, 60, 20, brand, sure, "ocr", text, reason, 1, None, None)
        for seq, brand, text, reason, sure in read
    ]
    detections = pl.DataFrame(rows, DETECTIONS, orient="row")
    found = unlisted_texts(detections, SAMPLED, SHOTS, SPANS, ExposureSettings())
    assert [(one.text, one.times, one.screen_ms) for one in found] == expected
