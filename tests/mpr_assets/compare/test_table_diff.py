from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from mpr_assets.compare.table_diff import change_line, compare
from mpr_assets.report.exposure_table import EXPOSURE_SCHEMA
from mpr_assets.text.detections import DETECTION_SCHEMA


def find(seq: int, x: int = 0, brand: str | None = "Acme", track: int = 0, confidence: float = 0.9) -> dict[str, Any]:
    """A detection 100 px wide and 10 px high."""
    place = {"seq": seq, "x": x, "y": 5, "w": 100, "h": 10}
    return place | {
        "brand": brand,
        "confidence": confidence,
        "source": "ocr",
        "text": "t",
        "reason": "",
        "track": track,
    }


def stay(brand: str, start_ms: int, end_ms: int, exposure: int = 0, frames: int = 3) -> dict[str, Any]:
    numbers = {name: 0 for name, dtype in EXPOSURE_SCHEMA.items() if dtype != pl.String}
    texts = {name: "" for name, dtype in EXPOSURE_SCHEMA.items() if dtype == pl.String}
    times = {"brand": brand, "start_ms": start_ms, "end_ms": end_ms, "exposure": exposure, "frames": frames}
    return numbers | texts | times


Case = tuple[list[dict[str, Any]], list[dict[str, Any]], str]

DETECTIONS: dict[str, Case] = {
    "nothing": ([], [], "0 the same"),
    "equal": ([find(1), find(2)], [find(1), find(2)], "2 the same"),
    "in another order": ([find(2), find(1)], [find(1), find(2)], "2 the same"),
    "gained": ([], [find(1)], "1 gained, 0 the same"),
    "lost": ([find(1), find(2)], [find(2)], "1 lost, 1 the same"),
    "one of two equals lost": ([find(1), find(1)], [find(1)], "1 lost, 1 the same"),
    "moved a little": ([find(1, x=0)], [find(1, x=10)], "1 moved, 0 the same"),
    "moved far": ([find(1, x=0)], [find(1, x=80)], "1 gained, 1 lost, 0 the same"),
    "in another frame": ([find(1)], [find(2)], "1 gained, 1 lost, 0 the same"),
    "another brand at the place": ([find(1)], [find(1, brand="Zeta")], "1 changed, 0 the same"),
    "a candidate resolved": ([find(1, brand=None)], [find(1)], "1 changed, 0 the same"),
    "surer": ([find(1)], [find(1, confidence=0.95)], "1 changed, 0 the same"),
    "numbered otherwise": ([find(1, track=3)], [find(1, track=4)], "1 the same"),
    "the same name first": (
        [find(1, x=0, brand="A"), find(1, x=20, brand="B")],
        [find(1, x=10, brand="B"), find(1, x=30, brand="A")],
        "2 moved, 0 the same",
    ),
}


@pytest.mark.parametrize("case", DETECTIONS)
def test_detections(case: str) -> None:
    before, after, summary = DETECTIONS[case]
    tables = [pl.DataFrame(rows, DETECTION_SCHEMA) for rows in (before, after)]
    assert compare(*tables).summary() == summary


EXPOSURES: dict[str, Case] = {
    "nothing": ([], [], "0 the same"),
    "equal": ([stay("A", 0, 100)], [stay("A", 0, 100)], "1 the same"),
    "ends later": ([stay("A", 0, 100)], [stay("A", 0, 150)], "1 moved, 0 the same"),
    "ends later with more frames": ([stay("A", 0, 100)], [stay("A", 0, 150, frames=4)], "1 moved, 0 the same"),
    "split in two": (
        [stay("A", 0, 100)],
        [stay("A", 0, 40), stay("A", 60, 100, exposure=1)],
        "1 gained, 1 moved, 0 the same",
    ),
    "one before it numbers the rest": (
        [stay("A", 50, 100)],
        [stay("A", 0, 40), stay("A", 50, 100, exposure=1)],
        "1 gained, 1 the same",
    ),
    "at another time": ([stay("A", 0, 100)], [stay("A", 100, 200)], "1 gained, 1 lost, 0 the same"),
    "of another brand": ([stay("A", 0, 100)], [stay("B", 0, 100)], "1 gained, 1 lost, 0 the same"),
}


@pytest.mark.parametrize("case", EXPOSURES)
def test_exposures(case: str) -> None:
    before, after, summary = EXPOSURES[case]
    tables = [pl.DataFrame(rows, EXPOSURE_SCHEMA) for rows in (before, after)]
    assert compare(*tables).summary() == summary


FRAMES: dict[str, tuple[list[Any], list[Any], str]] = {
    "equal": ([[1, True]], [[1, True]], "1 the same"),
    "changed": ([[1, True], [2, True]], [[1, True], [2, False]], "1 changed, 1 the same"),
    "one more": ([[1, True]], [[1, True], [2, True]], "1 gained, 1 the same"),
}


@pytest.mark.parametrize("case", FRAMES)
def test_rows_without_a_box_are_matched_by_frame(case: str) -> None:
    before, after, summary = FRAMES[case]
    tables = [pl.DataFrame(rows, {"seq": pl.Int64, "kept": pl.Boolean}, orient="row") for rows in (before, after)]
    assert compare(*tables).summary() == summary


def test_columns_that_only_one_has_are_left_out() -> None:
    before = pl.DataFrame([find(1)], DETECTION_SCHEMA)
    assert compare(before, before.drop("reason")).summary() == "1 the same"


def test_a_change_tells_its_columns() -> None:
    tables = [pl.DataFrame([row], DETECTION_SCHEMA) for row in (find(1, x=0), find(1, x=4, confidence=0.5))]
    (change,) = compare(*tables).changes
    assert change.columns == ("x", "confidence")


LINES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a frame by its seq": ({"seq": 3, "kept": True}, {"seq": 3, "kept": False}, "changed frame 3: kept True → False"),
    "a chunk": ({"chunk": 1, "codec": "a"}, {"chunk": 1, "codec": "b"}, "changed chunk 1: codec a → b"),
    "a hash": ({"seq": 3, "phash": 77}, {"seq": 3, "phash": 78}, "changed frame 3: another picture"),
}


@pytest.mark.parametrize("case", LINES)
def test_a_change_in_a_line(case: str) -> None:
    before, after, line = LINES[case]
    (change,) = compare(pl.DataFrame([before]), pl.DataFrame([after])).changes
    assert change_line(change) == line
