"""What as much advertising would cost, by the user's card."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from gpu_service.errors import BadInput
from mpr_assets.report.media_equivalent import (
    RateCard,
    equivalents,
    media_equivalent,
    refuse_unknown_placements,
)
from mpr_assets.report.placement import PlacementSettings
from mpr_resources.yaml_files.load import load_model

ROWS = {"brand": pl.String, "counted_ms": pl.Int64, "placement": pl.String, "quality": pl.Float64}
EXPOSURES = pl.DataFrame(
    [("A", 15_000, "board", 0.5), ("A", 3_000, "overlay", 0.2), ("B", 30_000, "unknown", 1.0)], ROWS, orient="row"
)
CARDS: dict[str, tuple[RateCard | None, list[float | None]]] = {
    "none": (None, [None, None, None]),
    "by quality": (RateCard(currency="EUR", per_30s=1000), [250.0, 20.0, 1000.0]),
    "by time alone": (RateCard(currency="EUR", per_30s=1000, by_quality=False), [500.0, 100.0, 1000.0]),
    "by placement": (
        RateCard(currency="EUR", per_30s=1000, by_quality=False, weights={"board": 0.4, "unknown": 0}),
        [200.0, 100.0, 0.0],
    ),
    "to the cent": (RateCard(currency="EUR", per_30s=0.06, by_quality=False), [0.03, 0.01, 0.06]),
}


@pytest.mark.parametrize("case", CARDS)
def test_equivalents(case: str) -> None:
    card, expected = CARDS[case]
    assert EXPOSURES.with_columns(cost=media_equivalent(card))["cost"].to_list() == expected


def test_by_brand() -> None:
    card = RateCard(currency="EUR", per_30s=1000)
    assert equivalents(EXPOSURES, card) == {"A": 270.0, "B": 1000.0}
    assert equivalents(EXPOSURES.clear(), card) == {}
    with pytest.raises(BadInput, match="compile it again"):
        equivalents(EXPOSURES.drop("quality"), card)


REFUSED = {
    "empty": ("", "is empty"),
    "no rate": ("currency: EUR", "per_30s"),
    "nothing for 30 s": ("{currency: EUR, per_30s: 0}", "per_30s"),
    "more than all": ("{currency: EUR, per_30s: 10, weights: {board: 2}}", "board"),
    "a key that is none": ("{currency: EUR, per_30s: 10, per_60s: 1}", "per_60s"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_cards_that_are_none(case: str) -> None:
    text, told = REFUSED[case]
    with pytest.raises(BadInput, match=told):
        load_model(Path("rates.yaml"), text, RateCard)


def test_a_placement_that_there_is_not_is_refused() -> None:
    card = RateCard(currency="EUR", per_30s=10, weights={"board": 0.5, "shoe": 1, "helmet": 1})
    own = PlacementSettings(object_placements={"helmet": "helmet", "boot": "shoe"})
    refuse_unknown_placements(card, own.possible_placements)
    refuse_unknown_placements(RateCard(currency="EUR", per_30s=10), PlacementSettings().possible_placements)
    with pytest.raises(
        BadInput, match="cannot have: helmet, shoe; use board, shirt, overlay, product, unknown, or name others in"
    ):
        refuse_unknown_placements(card, PlacementSettings().possible_placements)
