"""Which brands are on screen at the same time, by the spans of their exposures; where they stand does not matter.

Time that was bridged is not seen: an exposure's spans are what its `inferred` leaves of it.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mpr_assets.report.exposure_table import inferred_spans

SPANS = {"row": pl.Int64, "brand": pl.String, "start_ms": pl.Int64, "end_ms": pl.Int64}


def together(exposures: pl.DataFrame) -> pl.DataFrame:
    """How each exposure shares the screen with other brands.

    Args:
        exposures: rows (brand, start_ms, end_ms, inferred), half-open; those of one brand may overlap.

    Returns:
        Rows (solo_ms, clutter_ms) in their order: how long no other brand is on screen, and the time of other brands
        during it, added up: two others for 3 s are 6000.
    """
    schema = {"solo_ms": pl.Int64, "clutter_ms": pl.Int64}
    spans = _seen_spans(exposures)
    if spans.is_empty():
        return pl.DataFrame(schema=schema)
    of_brands = _by_brand(spans)
    edges = np.concatenate([of_brands["start_ms"].to_numpy(), of_brands["end_ms"].to_numpy()])
    steps = np.repeat([1, -1], len(of_brands))
    order = np.argsort(edges, kind="stable")
    at_ms, brands = edges[order], np.cumsum(steps[order])
    lasts = np.diff(at_ms)
    brand_ms = np.concatenate([[0], np.cumsum(brands[:-1] * lasts)])
    alone_ms = np.concatenate([[0], np.cumsum((brands[:-1] == 1) * lasts)])
    start, end = spans["start_ms"].to_numpy(), spans["end_ms"].to_numpy()
    clutter = np.interp(end, at_ms, brand_ms) - np.interp(start, at_ms, brand_ms) - (end - start)
    solo = np.interp(end, at_ms, alone_ms) - np.interp(start, at_ms, alone_ms)
    parts = spans.select("row").with_columns(solo_ms=pl.Series(np.rint(solo)), clutter_ms=pl.Series(np.rint(clutter)))
    summed = parts.group_by("row").agg(pl.col(name).sum().cast(dtype) for name, dtype in schema.items())
    rows = pl.DataFrame({"row": range(len(exposures))}, {"row": pl.Int64})
    return rows.join(summed, on="row", how="left", maintain_order="left").select(pl.col(list(schema)).fill_null(0))


def on_screen_ms(exposures: pl.DataFrame) -> pl.DataFrame:
    """Rows (brand, on_screen_ms): how long each brand is seen; a time that two of its exposures have counts once."""
    lasts = pl.col("end_ms") - pl.col("start_ms")
    return _by_brand(_seen_spans(exposures)).group_by("brand", maintain_order=True).agg(on_screen_ms=lasts.sum())


def _seen_spans(exposures: pl.DataFrame) -> pl.DataFrame:
    """Rows of SPANS; `row`: the number of the exposure that a span is of."""
    spans = exposures.with_row_index("row").select(pl.col(name).cast(dtype) for name, dtype in SPANS.items())
    # A table that an earlier version stored has no such column, and nothing in it was inferred.
    bridged = exposures["inferred"].to_list() if "inferred" in exposures.columns else []
    if not any(bridged):
        return spans
    rows = []
    for (row, brand, start, end), inferred in zip(spans.iter_rows(), bridged, strict=True):
        for away, back in inferred_spans(inferred):
            rows.append((row, brand, start, away))
            start = back
        rows.append((row, brand, start, end))
    return pl.DataFrame(rows, SPANS, orient="row").filter(pl.col("start_ms") < pl.col("end_ms"))


def _by_brand(spans: pl.DataFrame) -> pl.DataFrame:
    """The spans on which each brand is seen, those that overlap or touch made one."""
    ordered = spans.sort("brand", "start_ms", "end_ms")
    reached = pl.col("end_ms").cum_max().shift(1).over("brand")
    begins = (pl.col("start_ms") > reached).fill_null(True)
    return (
        ordered.with_columns(span=begins.cast(pl.Int64).cum_sum())
        .group_by("brand", "span", maintain_order=True)
        .agg(pl.col("start_ms").min(), pl.col("end_ms").max())
    )
