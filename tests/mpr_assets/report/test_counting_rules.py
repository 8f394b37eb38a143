"""What counts of an exposure by each rule."""

from __future__ import annotations

import polars as pl
import pytest

from mpr_assets.report.counting_rules import RULES, counted_ms
from mpr_assets.report.presence import PRESENCE_SCHEMA

Seen = tuple[int, int, float]
"""start_ms, end_ms, visibility"""


def table(*frames: Seen, brand: str = "Acme", exposure: int = 0) -> pl.DataFrame:
    plain = dict.fromkeys(PRESENCE_SCHEMA) | {"brand": brand, "exposure": exposure}
    rows = [{**plain, "start_ms": start, "end_ms": end, "visibility": share} for start, end, share in frames]
    return pl.DataFrame(rows, PRESENCE_SCHEMA)


def halves(*visibility: float) -> list[Seen]:
    """Frames of 500 ms, one after another."""
    return [(500 * at, 500 * at + 500, share) for at, share in enumerate(visibility)]


CASES: dict[str, tuple[list[Seen], tuple[int, int, int, int]]] = {
    # all, nielsen_1s, mrc_2s, legible_90
    "half a second": (halves(1), (500, 0, 0, 500)),
    "a second": (halves(1, 1), (1000, 1000, 0, 1000)),
    "two seconds": (halves(1, 1, 1, 1), (2000, 2000, 2000, 2000)),
    "two seconds, all but readable": (halves(0.79, 0.79, 0.79, 0.79), (2000, 0, 2000, 0)),
    "two seconds, half of it": (halves(0.5, 0.5, 0.5, 0.5), (2000, 0, 2000, 0)),
    "two seconds, less than half of it": (halves(0.49, 0.49, 0.49, 0.49), (2000, 0, 0, 0)),
    "readable": (halves(0.8, 0.8, 0.8), (1500, 1500, 0, 0)),
    "legible": (halves(0.9, 0.89, 0.95), (1500, 1500, 0, 1000)),
    "a second in two parts counts where it need not be unbroken": (halves(1, 0, 1), (1500, 1000, 0, 1000)),
    "covered for half a second": (halves(1, 1, 1, 0.2, 1, 1, 1), (3500, 3000, 0, 3000)),
    "one of two parts is long enough": (halves(1, 1, 1, 1, 0, 1), (3000, 2500, 2000, 2500)),
    "bridged time is a break, and does not count": ([(0, 1500, 1), (2500, 4000, 1)], (3000, 3000, 0, 3000)),
}


@pytest.mark.parametrize("case", CASES)
def test_rules(case: str) -> None:
    frames, expected = CASES[case]
    assert tuple(counted_ms(table(*frames), rule)["counted_ms"].item() for rule in RULES.values()) == expected


def test_exposures_are_counted_each_by_itself() -> None:
    rows = pl.concat(
        [
            table((0, 500, 1)),
            table((500, 1000, 1), exposure=1),
            table((0, 1500, 1), brand="Bolt"),
        ]
    )
    assert counted_ms(rows, RULES["nielsen_1s"]).rows() == [("Acme", 0, 0), ("Acme", 1, 0), ("Bolt", 0, 1500)]
    assert counted_ms(rows.clear(), RULES["mrc_2s"]).rows() == []
