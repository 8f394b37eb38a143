"""One figure for how good an exposure is, from four of its measures. It is defined in docs/measures.md."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from gpu_service.settings import Settings


class QualityWeights(Settings):
    """How much each measure counts in an exposure's quality. They are set by judgement; no measurement is known."""

    quality_prominence: float = Field(0.4, ge=0, le=1, description="weight of prominence in an exposure's quality")
    quality_clarity: float = Field(0.3, ge=0, le=1, description="weight of clarity, where it is measured")
    quality_visibility: float = Field(0.2, ge=0, le=1, description="weight of visibility")
    quality_exclusivity: float = Field(
        0.1, ge=0, le=1, description="weight of having the screen alone: 1 / (1 + mean number of other brands on it)"
    )


def quality(weights: QualityWeights) -> pl.Expr:
    """The weighted mean, over the columns of MEASURED_SCHEMA, of what is measured; null where no weight is left."""
    parts = [
        (pl.col("mean_prominence"), weights.quality_prominence),
        (pl.col("clarity"), weights.quality_clarity),
        (pl.col("visibility"), weights.quality_visibility),
        (1 / (1 + pl.col("clutter")), weights.quality_exclusivity),
    ]
    known = pl.sum_horizontal(pl.when(part.is_not_null()).then(weight).otherwise(0.0) for part, weight in parts)
    total = pl.sum_horizontal((part * weight).fill_null(0.0) for part, weight in parts)
    return pl.when(known > 0).then(total / known)
