"""What a brand's exposures and frames add up to over the timeline. Every measure is defined in docs/measures.md; how
exposures are measured is in `exposure_measures`.
"""

from __future__ import annotations

import polars as pl

from mpr_assets.report.exposure_table import CELLS, DECIMALS
from mpr_assets.report.measures import MEASURES_SCHEMA, measures

BRAND_MEASURES: dict[str, pl.DataType | type[pl.DataType]] = {
    "share_of_voice": pl.Float64,
    "solo_ms": pl.Int64,
    "clutter": pl.Float64,
    "mean_prominence": pl.Float64,
    "max_prominence": pl.Float64,
    "position": pl.String,
    "centre_distance": pl.Float64,
    "mean_instances": pl.Float64,
    "max_instances": pl.Int32,
    "legibility": pl.Float64,
    "visibility": pl.Float64,
    "sharpness": pl.Float64,
    "contrast": pl.Float64,
    "clarity": pl.Float64,
    "quality": pl.Float64,
    "counted_exposures": pl.Int32,
    "counted_ms": pl.Int64,
    "nielsen_1s_ms": pl.Int64,
    "mrc_2s_ms": pl.Int64,
    "legible_90_ms": pl.Int64,
    "media_equivalent": pl.Float64,
}
BRAND_SCHEMA = MEASURES_SCHEMA | BRAND_MEASURES


def brand_measures(exposures: pl.DataFrame, presence: pl.DataFrame, chunks: pl.DataFrame) -> pl.DataFrame:
    """One row a brand, sorted as `measures` sorts them.

    Args:
        exposures: rows of MEASURED_SCHEMA. presence: of these exposures. chunks: rows of `timeline`.

    Returns:
        A table of BRAND_SCHEMA. Means are over the sampled frames on which the brand was found, those of clutter and
        quality over time.
    """
    priced = exposures["media_equivalent"].is_not_null().any()
    over_exposures = exposures.group_by("brand").agg(
        _mean("clutter", pl.col("seen_ms")),
        _mean("quality", pl.col("seen_ms")),
        *(_mean(name, pl.col("frames")) for name in ("sharpness", "contrast", "clarity")),
        pl.col("solo_ms", "counted_ms", "nielsen_1s_ms", "mrc_2s_ms", "legible_90_ms").sum(),
        media_equivalent=pl.col("media_equivalent").sum().round(2) if priced else pl.lit(None, pl.Float64),
        counted_exposures=(pl.col("counted_ms") > 0).sum(),
    )
    over_frames = presence.group_by("brand").agg(
        mean_prominence=pl.col("prominence").mean(),
        max_prominence=pl.col("prominence").max(),
        centre_distance=pl.col("centre_distance").mean(),
        mean_instances=pl.col("instances").mean(),
        max_instances=pl.col("instances").max(),
        legibility=pl.col("legibility").mean(),
        visibility=pl.col("visibility").mean(),
    )
    commonest = cells(presence).with_columns(
        position=pl.col("cells").list.arg_max().replace_strict(dict(enumerate(CELLS)), return_dtype=pl.String)
    )
    counted_ms = pl.col("counted_ms")
    return (
        measures(exposures, chunks)
        .join(over_exposures, on="brand", how="left", maintain_order="left")
        .join(over_frames, on="brand", how="left", maintain_order="left")
        .join(commonest, on="brand", how="left", maintain_order="left")
        .with_columns(share_of_voice=pl.when(counted_ms.sum() > 0).then(counted_ms / counted_ms.sum()))
        .with_columns(pl.col(name).round(DECIMALS) for name, dtype in BRAND_MEASURES.items() if dtype == pl.Float64)
        .select(pl.col(name).cast(dtype) for name, dtype in BRAND_SCHEMA.items())
    )


def _mean(name: str, weight: pl.Expr) -> pl.Expr:
    """Of the exposures that have the measure; null where none has."""
    known = weight.filter(pl.col(name).is_not_null()).sum()
    return pl.when(known > 0).then((pl.col(name) * weight).sum() / known).alias(name)


def cells(presence: pl.DataFrame) -> pl.DataFrame:
    """Rows (brand, cells): the share of its frames on which the brand stands in each of the nine CELLS."""
    in_cell = [(pl.col("cell") == number).mean().round(DECIMALS) for number in range(len(CELLS))]
    return presence.group_by("brand", maintain_order=True).agg(cells=pl.concat_list(in_cell).first())
