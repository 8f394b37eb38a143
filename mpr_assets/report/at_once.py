"""Which brands are on screen at the same time, by the spans of their exposures; where they stand does not matter."""

from __future__ import annotations

import numpy as np
import polars as pl


def together(exposures: pl.DataFrame) -> pl.DataFrame:
    """How each exposure shares the screen with other brands.

    Args:
        exposures: rows (brand, start_ms, end_ms), half-open; those of one brand may overlap.

    Returns:
        Rows (solo_ms, clutter_ms) in their order: how long no other brand is on screen, and the time of other brands
        during it, added up: two others for 3 s are 6000.
    """
    spans = _by_brand(exposures)
    if spans.is_empty():
        return pl.DataFrame(schema={"solo_ms": pl.Int64, "clutter_ms": pl.Int64})
    edges = np.concatenate([spans["start_ms"].to_numpy(), spans["end_ms"].to_numpy()])
    steps = np.repeat([1, -1], len(spans))
    order = np.argsort(edges, kind="stable")
    at_ms, brands = edges[order], np.cumsum(steps[order])
    lasts = np.diff(at_ms)
    of_brands = np.concatenate([[0], np.cumsum(brands[:-1] * lasts)])
    of_one = np.concatenate([[0], np.cumsum((brands[:-1] == 1) * lasts)])
    start, end = exposures["start_ms"].to_numpy(), exposures["end_ms"].to_numpy()
    total = np.interp(end, at_ms, of_brands) - np.interp(start, at_ms, of_brands)
    alone = np.interp(end, at_ms, of_one) - np.interp(start, at_ms, of_one)
    return pl.DataFrame(
        {"solo_ms": np.rint(alone).astype(np.int64), "clutter_ms": np.rint(total - (end - start)).astype(np.int64)}
    )


def on_screen_ms(exposures: pl.DataFrame) -> pl.DataFrame:
    """Rows (brand, on_screen_ms): how long each brand is seen; a time that two of its exposures have counts once."""
    lasts = pl.col("end_ms") - pl.col("start_ms")
    return _by_brand(exposures).group_by("brand", maintain_order=True).agg(on_screen_ms=lasts.sum())


def _by_brand(exposures: pl.DataFrame) -> pl.DataFrame:
    """The spans on which each brand is seen, those that overlap or touch made one."""
    ordered = exposures.select("brand", "start_ms", "end_ms").sort("brand", "start_ms", "end_ms")
    reached = pl.col("end_ms").cum_max().shift(1).over("brand")
    begins = (pl.col("start_ms") > reached).fill_null(True)
    return (
        ordered.with_columns(span=begins.cast(pl.Int64).cum_sum())
        .group_by("brand", "span", maintain_order=True)
        .agg(pl.col("start_ms").min(), pl.col("end_ms").max())
    )
