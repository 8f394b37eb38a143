"""What a brand's exposures add up to. How exposures are made is not here, nor how figures are shown."""

from __future__ import annotations

import polars as pl

from mpr_assets.report.at_once import on_screen_ms
from mpr_assets.report.exposure_table import DECIMALS
from mpr_assets.timelines.chunks import timeline_ms

MEASURES_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "brand": pl.String,
    "exposures": pl.Int32,
    "screen_ms": pl.Int64,
    "seconds": pl.Float64,
    "share": pl.Float64,
    "longest_ms": pl.Int64,
    "mean_area_share": pl.Float64,
    "max_area_share": pl.Float64,
    "mean_confidence": pl.Float64,
    "max_confidence": pl.Float64,
    "frames": pl.Int32,
    "detections": pl.Int32,
    "source": pl.String,
    "first_ms": pl.Int64,
    "last_ms": pl.Int64,
}


def measures(exposures: pl.DataFrame, chunks: pl.DataFrame) -> pl.DataFrame:
    """One row a brand, the longest on screen first, then by name.

    Args:
        exposures: rows of EXPOSURE_SCHEMA. chunks: rows of `timeline`.

    Returns:
        A table of MEASURES_SCHEMA. `share` is the part of the timeline on which the brand is seen, 0 to 1; a time that
        two of its exposures have counts once, and inferred time is in `longest_ms`, `first_ms` and `last_ms` alone.
        Means of size and confidence are over the frames; `first_ms` is when the first exposure starts, `last_ms` when
        the last one ends.
    """
    length_ms = max(timeline_ms(chunks), 1)
    weight = pl.col("frames") / pl.col("frames").sum()
    screen_ms = pl.col("on_screen_ms").first().fill_null(0)
    return (
        exposures.sort("brand", "start_ms")
        .join(on_screen_ms(exposures), on="brand", how="left", maintain_order="left")
        .group_by("brand", maintain_order=True)
        .agg(
            exposures=pl.len(),
            screen_ms=screen_ms,
            seconds=screen_ms / 1000,
            share=screen_ms / length_ms,
            longest_ms=(pl.col("end_ms") - pl.col("start_ms")).max(),
            mean_area_share=(pl.col("mean_area_share") * weight).sum(),
            max_area_share=pl.col("max_area_share").max(),
            mean_confidence=(pl.col("confidence") * weight).sum(),
            max_confidence=pl.col("max_confidence").max(),
            frames=pl.col("frames").sum(),
            detections=pl.col("detections").sum(),
            source=pl.col("source").str.split("+").explode().unique().sort().str.join("+"),
            first_ms=pl.col("start_ms").min(),
            last_ms=pl.col("end_ms").max(),
        )
        .with_columns(pl.col("share", "mean_area_share", "mean_confidence").round(DECIMALS))
        .sort("screen_ms", "brand", descending=[True, False])
        .select(pl.col(name).cast(dtype) for name, dtype in MEASURES_SCHEMA.items())
    )
