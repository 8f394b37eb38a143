"""The time of a source that several timelines have is counted once."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl
import pytest

from mpr_assets.across.counted_once import counted_once

Row = tuple[str, str, int, int, str]
"""Timeline, brand, start and end in ms of the timeline's clock, inferred."""


class Case(NamedTuple):
    """`second_source`: of which the second timeline has a part from there on; the first has all of a.mp4."""

    rows: list[Row]
    expected: list[int]
    second_source: str = "a.mp4"
    second_starts_ms: int = 0


CASES = {
    "nothing": Case([], []),
    "one timeline": Case([("first", "Acme", 0, 1000, ""), ("first", "Acme", 2000, 2500, "")], [1000, 500]),
    "inferred": Case([("first", "Acme", 0, 1000, "200-400 500-600")], [700]),
    "the same again": Case([("second", "Acme", 0, 1000, ""), ("first", "Acme", 0, 1000, "")], [1000, 0]),
    "another source": Case([("first", "Acme", 0, 1000, ""), ("second", "Acme", 0, 1000, "")], [1000, 1000], "b.mp4"),
    "another brand": Case([("first", "Acme", 0, 1000, ""), ("second", "Zarn", 0, 1000, "")], [1000, 1000]),
    "a part": Case([("first", "Acme", 500, 1000, ""), ("second", "Acme", 0, 1500, "")], [500, 1000]),
    "what the first bridged": Case([("first", "Acme", 0, 900, "300-600"), ("second", "Acme", 0, 900, "")], [600, 300]),
    "a later part of the source": Case(
        [("first", "Acme", 4000, 6000, ""), ("second", "Acme", 0, 2000, "")], [2000, 1000], second_starts_ms=5000
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_once(case: Case) -> None:
    starts_ms = {"first": 0, "second": case.second_starts_ms}
    exposures = pl.DataFrame(
        [(name, brand, 0, start, end, start + starts_ms[name], away) for name, brand, start, end, away in case.rows],
        {
            "timeline": pl.String, "brand": pl.String, "chunk": pl.Int32, "start_ms": pl.Int64, "end_ms": pl.Int64,
            "media_start_ms": pl.Int64, "inferred": pl.String,
        },
        orient="row",
    )  # fmt: skip
    sources = pl.DataFrame(
        [("first", 0, "a.mp4"), ("second", 0, case.second_source)],
        {"timeline": pl.String, "chunk": pl.Int32, "source": pl.String},
        orient="row",
    )
    once = counted_once(exposures, sources, {"second": 2.0, "first": 1.0})
    assert once["once_ms"].to_list() == case.expected
