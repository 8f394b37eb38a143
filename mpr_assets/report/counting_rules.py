"""Which part of an exposure counts, by the rules that the trade knows. Every rule is defined in docs/measures.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

RuleName: TypeAlias = Literal["all", "nielsen_1s", "mrc_2s", "legible_90"]


@dataclass(frozen=True)
class CountingRule:
    """What counts.

    Attributes:
        min_visibility: a frame counts only where at least this share of the mark is to be seen.
        min_ms: and only where this much of the exposure counts,
        unbroken: without a break; else in all.
    """

    says: str
    min_visibility: float = 0.0
    min_ms: int = 0
    unbroken: bool = False


READABLE = 0.8
"""Visibility at which a name is taken for readable: about the letters that `match_brands` asks of a single reading."""

RULES: dict[RuleName, CountingRule] = {
    "all": CountingRule("all time on screen"),
    "nielsen_1s": CountingRule("readable, and for 1 s of the exposure or more", READABLE, 1000),
    "mrc_2s": CountingRule("half of the mark or more to be seen, for 2 s without a break", 0.5, 2000, unbroken=True),
    "legible_90": CountingRule("90 % of the mark or more legible", 0.9),
}


def counted_ms(presence: pl.DataFrame, rule: CountingRule) -> pl.DataFrame:
    """Rows (brand, exposure, counted_ms) of the exposures that have any frame.

    Args:
        presence: rows of PRESENCE_SCHEMA, sorted by brand and time.
    """
    keys = ["brand", "exposure"]
    lasts = pl.col("end_ms") - pl.col("start_ms")
    clear = presence.filter(pl.col("visibility") >= rule.min_visibility)
    goes_on = (pl.col("start_ms") <= pl.col("end_ms").shift(1).over(keys)).fill_null(False)
    unit = [*keys, "run"] if rule.unbroken else keys
    counted = (
        clear.with_columns(run=(~goes_on).cast(pl.Int64).cum_sum().over(keys))
        .group_by(unit, maintain_order=True)
        .agg(ms=lasts.sum())
        .filter(pl.col("ms") >= rule.min_ms)
        .group_by(keys, maintain_order=True)
        .agg(counted_ms=pl.col("ms").sum())
    )
    all_of_them = presence.select(keys).unique(maintain_order=True)
    return all_of_them.join(counted, on=keys, how="left", maintain_order="left").with_columns(
        pl.col("counted_ms").fill_null(0)
    )
