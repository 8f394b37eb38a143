"""What was on screen beside the brands: four frames of half a second, of which the first stands for the second."""

from __future__ import annotations

import polars as pl
import pytest

from mpr_assets.report.exposures import frame_spans
from mpr_assets.report.model import OnScreenObject
from mpr_assets.report.objects import objects_of, on_screen
from mpr_assets.stages import detect_objects
from mpr_assets.text.detections import DETECTION_SCHEMA
from tests.mpr_assets.report.tables import chunks, frames, scenes

TWO_SECONDS = chunks(("a.mp4", 0, 2000))
SPANS = frame_spans(frames([0, 500, 1000, 1500]), scenes([0, 0, 0, 1], {1: 0}), TWO_SECONDS)
STOOD = {"placement_object": pl.String, "brand": pl.String, "seen_ms": pl.Int64}


def found(*rows: tuple[int, str, float, str]) -> pl.DataFrame:
    """Each row: frame, label, confidence, engine; at places of their own."""
    full = [
        dict.fromkeys(detect_objects.SCHEMA)
        | {"seq": seq, "x": 10 * at, "y": 0, "w": 5, "h": 5, "label": label, "confidence": sure, "engine": engine}
        for at, (seq, label, sure, engine) in enumerate(rows)
    ]
    return pl.DataFrame(full, detect_objects.SCHEMA)


def stood(*rows: tuple[str, str, int]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), STOOD, orient="row")


CASES: dict[str, tuple[list[tuple[int, str, float, str]], tuple[OnScreenObject, ...]]] = {
    "none": ([], ()),
    "two on a frame that stands for another, one on the next; the longer on screen comes first": (
        [(0, "person", 0.8, "yolo"), (0, "person", 0.6, "yolo"), (2, "person", 0.4, "yolo"), (3, "car", 0.5, "onnx")],
        (
            OnScreenObject(
                label="person", screen_ms=1250, share=0.625, frames=3, mean_at_once=1.6, max_at_once=2, confidence=0.6,
                first_ms=0, last_ms=1250, spans=((0, 1250),), brands_ms={"Acme": 700},
            ),
            OnScreenObject(
                label="car", screen_ms=750, share=0.375, frames=1, mean_at_once=1.0, max_at_once=1, confidence=0.5,
                first_ms=1250, last_ms=2000, spans=((1250, 2000),), brands_ms={},
            ),
        ),
    ),
    "gone and back": (
        [(0, "person", 0.5, "yolo"), (3, "person", 0.5, "yolo")],
        (
            OnScreenObject(
                label="person", screen_ms=1500, share=0.75, frames=3, mean_at_once=1.0, max_at_once=1, confidence=0.5,
                first_ms=0, last_ms=2000, spans=((0, 750), (1250, 2000)), brands_ms={"Acme": 700},
            ),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_on_screen(name: str) -> None:
    rows, expected = CASES[name]
    exposures = stood(("person", "Acme", 300), ("person", "Acme", 400), ("", "Bolt", 900))
    assert on_screen(found(*rows), SPANS, exposures, 2000) == expected


def test_objects_are_what_is_no_brand() -> None:
    """A logo is none, nor what a trained detector calls by a brand's name, whatever else has the same place."""
    rows = found((0, "Acme", 0.9, "logo_match"), (0, "ACME", 0.9, "yolo"), (0, "person", 0.9, "onnx"))
    matched = pl.DataFrame(
        [
            dict.fromkeys(DETECTION_SCHEMA) | {"seq": 0, "x": 0, "y": 0, "w": 5, "h": 5, "source": "logo"},
            dict.fromkeys(DETECTION_SCHEMA) | {"seq": 0, "x": 10, "y": 0, "w": 5, "h": 5, "source": "object"},
        ],
        DETECTION_SCHEMA,
    )
    assert objects_of(rows, matched)["label"].to_list() == ["person"]
    assert objects_of(rows, matched.clear())["label"].to_list() == ["ACME", "person"]
    assert objects_of(rows.clear(), matched.clear()).is_empty()
