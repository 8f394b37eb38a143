"""What as many seconds of advertising would cost, by a rate card of the user's. Without one there is no such figure.

It is called an equivalent, for it is no value: AMEC's Barcelona Principles reject what advertising costs as the value
of an exposure. It is defined in docs/measures.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import polars as pl
from pydantic import Field

from gpu_service.errors import BadInput
from gpu_service.settings import Settings
from mpr_assets.report.exposure_table import PlacementName

SPOT_MS = 30_000


class RateCard(Settings):
    """A YAML file of the user's."""

    currency: str = Field(min_length=1, max_length=12, description="in which rates are, such as EUR; only shown")
    per_30s: float = Field(gt=0, le=1e12, description="what 30 s of advertising cost in such a programme")
    weights: dict[PlacementName, Annotated[float, Field(ge=0, le=1)]] = Field(
        {}, description="what a second on a placement counts, 0 to 1; 1 for those that are not named"
    )
    by_quality: bool = Field(True, description="whether an exposure counts only as much as its quality")


def refuse_unknown_placements(card: RateCard, possible: Sequence[str]) -> None:
    """
    Raises:
        BadInput: it weighs a placement that no exposure can have.
    """
    unknown = sorted(card.weights.keys() - set(possible))
    if unknown:
        raise BadInput(
            f"The rate card gives weights to placements that this report cannot have: {', '.join(unknown)}",
            f"use {', '.join(possible)}, or name others in compile_report.object_placements",
        )


def media_equivalent(card: RateCard | None) -> pl.Expr:
    """Over the columns of MEASURED_SCHEMA: an exposure's equivalent in the card's currency; null without a card."""
    if card is None:
        return pl.lit(None, pl.Float64)
    weight = (
        pl.col("placement").replace_strict(card.weights, default=1.0, return_dtype=pl.Float64)
        if card.weights
        else pl.lit(1.0)
    )
    quality = pl.col("quality") if card.by_quality else pl.lit(1.0)
    return (pl.col("counted_ms") / SPOT_MS * card.per_30s * weight * quality).round(2)


def equivalents(exposures: pl.DataFrame, card: RateCard) -> dict[str, float | None]:
    """By brand, of stored exposures.

    Raises:
        BadInput: an earlier version made them, without the measures that it takes.
    """
    if not {"counted_ms", "placement", "quality"} <= set(exposures.columns):
        raise BadInput(
            "The report was made by a version without the measures that a rate card takes", "compile it again"
        )
    priced = exposures.select("brand", equivalent=media_equivalent(card))
    return dict(priced.group_by("brand").agg(pl.col("equivalent").sum().round(2)).iter_rows())
