"""Which brands share the screen, and for how long."""

from __future__ import annotations

import polars as pl
import pytest

from mpr_assets.report.at_once import on_screen_ms, together

SPANS = {"brand": pl.String, "start_ms": pl.Int64, "end_ms": pl.Int64, "inferred": pl.String}
Span = tuple[str, int, int] | tuple[str, int, int, str]

CASES: dict[str, tuple[list[Span], list[tuple[int, int]], dict[str, int]]] = {
    "nothing": ([], [], {}),
    "alone": ([("A", 500, 2000)], [(1500, 0)], {"A": 1500}),
    "one after another": ([("A", 0, 1000), ("B", 1000, 3000)], [(1000, 0), (2000, 0)], {"A": 1000, "B": 2000}),
    "partly together": ([("A", 0, 1000), ("B", 750, 3000)], [(750, 250), (2000, 250)], {"A": 1000, "B": 2250}),
    "one inside": ([("A", 0, 1000), ("B", 250, 500)], [(750, 250), (0, 250)], {"A": 1000, "B": 250}),
    "three at once": (
        [("A", 0, 3000), ("B", 0, 3000), ("C", 0, 1000)],
        [(0, 4000), (0, 4000), (0, 2000)],
        {"A": 3000, "B": 3000, "C": 1000},
    ),
    "two stays of one brand": (
        [("A", 0, 1000), ("A", 2000, 3000), ("B", 500, 2500)],
        [(500, 500), (500, 500), (1000, 1000)],
        {"A": 2000, "B": 2000},
    ),
    "bridged time is not seen": (
        [("A", 0, 4000, "1000-1500 3000-3500"), ("B", 500, 2000)],
        [(2000, 1000), (500, 1000)],
        {"A": 3000, "B": 1500},
    ),
    "a brand does not crowd itself": (
        [("A", 0, 1000), ("A", 500, 1500), ("B", 1000, 1500)],
        [(1000, 0), (500, 500), (0, 500)],
        {"A": 1500, "B": 500},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_together(case: str) -> None:
    spans, expected, seconds = CASES[case]
    table = pl.DataFrame([(*span, "")[:4] for span in spans], SPANS, orient="row")
    assert together(table).rows() == expected
    assert dict(on_screen_ms(table).iter_rows()) == seconds
