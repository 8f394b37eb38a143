from __future__ import annotations

from xml.etree import ElementTree

import polars as pl
import pytest

from mpr_assets.report.exposure_table import EXPOSURE_SCHEMA
from mpr_assets.report.overview import BRANDS, overview

CHUNKS = pl.DataFrame({"chunk": [0], "start_ms": [5000], "end_ms": [15_000], "timeline_start_ms": [0]})
HOSTILE = "<script>\u202e|*"


def exposures(*spans: tuple[str, int, int]) -> pl.DataFrame:
    """Exposures of (brand, start_ms, end_ms)."""
    numbers = {name: 0.5 if dtype == pl.Float64 else 1 for name, dtype in EXPOSURE_SCHEMA.items()}
    texts = {"source": "ocr", "media": "a", "inferred": ""}
    rows = [
        {**numbers, **texts, "brand": brand, "start_ms": start_ms, "end_ms": end_ms, "seen_ms": end_ms - start_ms}
        for brand, start_ms, end_ms in spans
    ]
    return pl.DataFrame(rows, schema=EXPOSURE_SCHEMA)


ROWS: dict[str, tuple[list[tuple[str, int, int]], list[tuple[str, ...]], list[str]]] = {
    "nothing found": ([], [], []),
    "one": (
        [("Acme", 0, 1000), ("Acme", 5000, 6500)],
        [("Acme", "2.5", "25.0%", "2", "0.0 s", "ocr")],
        ["M180 4h62v14h-62zM490 4h93v14h-93z"],
    ),
    "the longest first": (
        [("Acme", 1000, 2000), (HOSTILE, 0, 10_000)],
        [(HOSTILE, "10.0", "100.0%", "1", "0.0 s", "ocr"), ("Acme", "1.0", "10.0%", "1", "1.0 s", "ocr")],
        ["M180 4h620v14h-620z", "M242 26h62v14h-62z"],
    ),
    "too near to be told apart": (
        [("Acme", 0, 1000), ("Acme", 1050, 2000)],
        [("Acme", "1.9", "19.5%", "2", "0.0 s", "ocr")],
        ["M180 4h124v14h-124z"],
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_report_at_a_glance(name: str) -> None:
    spans, rows, paths = ROWS[name]
    found = overview(exposures(*spans), CHUNKS, "a/report.html")
    assert list(found.rows) == rows
    assert [path.get("d") for path in _lanes(found.svg)] == paths


def test_many_brands_and_exposures_stay_small() -> None:
    spans = [(f"Brand {number:02}", at, at + 2) for number in range(30) for at in range(0, 10_000, 10)]
    found = overview(exposures(*spans), CHUNKS, "a/report.html")
    assert (len(found.rows), len(_lanes(found.svg))) == (30, BRANDS)
    assert len(found.svg) < 32_768


def _lanes(svg: str) -> list[ElementTree.Element]:
    return ElementTree.fromstring(svg).findall("{http://www.w3.org/2000/svg}path") if svg else []
