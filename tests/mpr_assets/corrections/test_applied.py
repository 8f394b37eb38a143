"""What corrections make of detections, and which frames a span of time concerns."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from mpr_assets.annotations.corrections import Correction
from mpr_assets.corrections.applied import concerned_frames, corrected, without_rejected
from mpr_assets.report.exposures import frame_spans
from mpr_assets.text.detections import DETECTION_SCHEMA
from tests.mpr_assets.report.tables import HEIGHT, WIDTH, chunks, detection, detections, frames, scenes

FRAMES = frames(range(0, 4000, 500))
SCENES = scenes([0] * 8, {2: 1, 3: 1})
"""Frame 1 stands for 2 and 3: from 250 to 1750 ms."""
SPANS = frame_spans(FRAMES, SCENES, chunks(("a.mp4", 0, 4000)))
BOX = {"x": 100, "y": 40, "w": 50, "h": 20}

CONCERNED = {
    "nothing": (0, 0, []),
    "a frame's own time": (1750, 2250, [4]),
    "half of it": (2000, 2250, [4]),
    "less than half, and it is all": (2200, 2300, [4, 5]),
    "a moment": (1000, 1001, [1]),
    "half of what a frame stands for": (1000, 1750, [1]),
    "less than half of what it stands for, and more of another": (1500, 2250, [4]),
    "all": (0, 4000, [0, 1, 4, 5, 6, 7]),
    "past the end": (4000, 5000, []),
}


@pytest.mark.parametrize(("start_ms", "end_ms", "expected"), CONCERNED.values(), ids=CONCERNED.keys())
def test_frames_that_a_span_concerns(start_ms: int, end_ms: int, expected: list[int]) -> None:
    assert concerned_frames(SPANS, start_ms, end_ms, "kept_seq") == expected


def found(*rows: tuple[int, str | None] | tuple[int, str | None, tuple[int, int, int, int]]) -> pl.DataFrame:
    """Detections by text at a frame, of a brand, in a box."""
    table = [detection(seq, brand, box=box[0] if box else (100, 40, 50, 20)) for seq, brand, *box in rows]
    return detections(*table).cast(dict(DETECTION_SCHEMA))  # type: ignore[arg-type]


def told(action: str, start_ms: int, end_ms: int, **more: Any) -> Correction:
    said = {"action": action, "brand": "Acme", "start_ms": start_ms, "end_ms": end_ms}
    return Correction.model_validate(said | more)


def rows(table: pl.DataFrame) -> list[tuple[object, ...]]:
    return table.select("seq", "x", "brand", "source", "reason").rows()


CORRECTED: dict[str, tuple[list[Correction], list[Any], list[tuple[object, ...]]]] = {
    "none": ([], [(4, "Acme")], []),
    "added": ([told("add", 1750, 2750, box=BOX)], [], [(4, 100, "Acme", "manual", ""), (5, 100, "Acme", "manual", "")]),
    "added to each frame by itself": (
        [told("add", 1200, 2000, box=BOX)],
        [],
        [(seq, 100, "Acme", "manual", "") for seq in (3, 4)],
    ),
    "added twice": ([told("add", 1750, 2250, box=BOX)] * 2, [], [(4, 100, "Acme", "manual", "")]),
    "rejected": ([told("reject", 1750, 2250)], [(4, "Acme"), (5, "Acme")], [(4, 100, None, "ocr", "rejected:Acme")]),
    "rejected, spelt otherwise": (
        [told("reject", 1750, 2250)],
        [(4, "ACME")],
        [(4, 100, None, "ocr", "rejected:ACME")],
    ),
    "another brand": ([told("reject", 1750, 2250)], [(4, "Bolt")], []),
    "a candidate": ([told("reject", 1750, 2250)], [(4, None)], []),
    "rejected at its place": (
        [told("reject", 1750, 2250, box=BOX)],
        [(4, "Acme", (110, 44, 30, 12)), (4, "Acme", (300, 40, 50, 20)), (4, "Acme", (140, 40, 50, 20))],
        [(4, 110, None, "ocr", "rejected:Acme")],
    ),
    "relabelled": (
        [told("relabel", 1750, 2250, to="Bolt")],
        [(4, "Acme")],
        [(4, 100, "Bolt", "manual", ""), (4, 100, None, "ocr", "rejected:Acme")],
    ),
}


@pytest.mark.parametrize(("corrections", "before", "expected"), CORRECTED.values(), ids=CORRECTED.keys())
def test_corrections(corrections: list[Correction], before: list[Any], expected: list[tuple[object, ...]]) -> None:
    made = corrected(found(*before), SPANS, FRAMES, corrections)
    assert made.schema == pl.Schema(DETECTION_SCHEMA)
    assert rows(made) == expected


def test_what_is_rejected_is_taken_away_and_nothing_else() -> None:
    before = found((4, "Acme"), (4, "Bolt"), (5, "Acme"), (5, None))
    assert without_rejected(before, corrected(before, SPANS, FRAMES, [])).equals(before)
    made = corrected(before, SPANS, FRAMES, [told("reject", 1750, 2250)])
    left = without_rejected(pl.concat([before, made]), made)
    assert rows(left) == [
        (4, 100, "Bolt", "ocr", ""),
        (5, 100, "Acme", "ocr", ""),
        (5, 100, None, "ocr", "unread"),
        (4, 100, None, "ocr", "rejected:Acme"),
    ]


def test_a_box_is_cut_at_the_edge_of_a_smaller_frame() -> None:
    far = {"x": 90, "y": 40, "w": 400, "h": 90}
    beyond = {"x": 9000, "y": 40, "w": 10, "h": 20}
    made = corrected(found(), SPANS, FRAMES, [told("add", 0, 250, box=far), told("add", 0, 250, box=beyond)])
    assert made.select("x", "y", "w", "h").rows() == [(90, 40, WIDTH - 90, HEIGHT - 40)]
