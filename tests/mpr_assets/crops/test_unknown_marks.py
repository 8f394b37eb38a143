"""Which places may show a mark that is in no list, and which of them show the same."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mpr_assets.crops.similar import PLACES
from mpr_assets.crops.unknown_marks import heaps, nameless

BOX = {"seq": pl.Int64, "x": pl.Int32, "y": pl.Int32, "w": pl.Int32, "h": pl.Int32}
FOUND = pl.DataFrame([(1, 0, 0, 40, 10, "Acme"), (1, 0, 90, 40, 10, None)], BOX | {"brand": pl.Utf8}, orient="row")
LINES = pl.DataFrame([(1, 0, 50, 40, 10), (1, 0, 90, 40, 10)], BOX, orient="row")

ONE_PLACE = {
    "a text": ((1, 0, 90, 40, 10, "Bolt", 1), True),
    "a brand was found there": ((1, 5, 0, 40, 12, "Acme", 1), False),
    "at another time": ((2, 5, 0, 40, 12, "Acme Two", 1), True),
    "it is known": ((2, 0, 0, 40, 12, "MATCH centre", 1), False),
    "a number": ((2, 0, 0, 40, 12, "12:45", 1), False),
    "two letters": ((2, 0, 0, 40, 12, "FC", 1), False),
    "a picture": ((1, 200, 0, 40, 40, "", 1), True),
    "a stripe": ((1, 200, 0, 90, 9, "", 1), False),
    "a crop around text": ((1, 0, 40, 100, 40, "", 1), False),
}


def table(*rows: tuple[int, int, int, int, int, str, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, PLACES, orient="row")


@pytest.mark.parametrize("case", ONE_PLACE)
def test_what_may_be_an_unknown_mark(case: str) -> None:
    place, expected = ONE_PLACE[case]
    assert nameless(table(place), FOUND, LINES, ["Match Centre"]).to_list() == [expected]


def test_nothing_is_no_mark() -> None:
    assert nameless(table(), FOUND, LINES, []).to_list() == []
    assert heaps(table(), np.zeros((0, 2), np.float32), 1) == []


def test_alike_places_and_equal_texts_are_one_mark() -> None:
    places = table(
        (1, 0, 0, 9, 9, "", 4), (2, 0, 0, 9, 9, "Bolt", 9), (3, 0, 0, 9, 9, "BOLT!", 2), (4, 0, 0, 9, 9, "Zorn", 3),
        (5, 0, 0, 9, 9, "", 1),
    )  # fmt: skip
    vectors = np.array([[0, 1], [1, 0], [-1, 0], [0.9, 0.43589], [0.1, 0.99499]], np.float32)
    found = heaps(places, vectors, 2)
    assert [(one.example, sorted(one.places), one.frames, one.text) for one in found] == [
        (1, [1, 2, 3], 14, "Bolt"),
        (0, [0, 4], 5, ""),
    ]
    assert [one.example for one in heaps(places, vectors, 6)] == [1]
