"""What an exposure's frames add up to, as columns beside the exposure's own. Every measure is defined in
docs/measures.md; what a brand's exposures add up to is in `brand_measures`.
"""

from __future__ import annotations

from functools import reduce

import polars as pl

from mpr_assets.report.at_once import together
from mpr_assets.report.counting_rules import RULES, RuleName, counted_ms
from mpr_assets.report.exposure_table import CELLS, DECIMALS, EXPOSURE_SCHEMA
from mpr_assets.report.media_equivalent import RateCard, media_equivalent
from mpr_assets.report.quality import QualityWeights, quality

EXPOSURE_MEASURES: dict[str, pl.DataType | type[pl.DataType]] = {
    "mean_prominence": pl.Float64,
    "max_prominence": pl.Float64,
    "position": pl.String,
    "position_share": pl.Float64,
    "centre_distance": pl.Float64,
    "mean_instances": pl.Float64,
    "max_instances": pl.Int32,
    "clutter": pl.Float64,
    "solo_ms": pl.Int64,
    "legibility": pl.Float64,
    "visibility": pl.Float64,
    "sharpness": pl.Float64,
    "contrast": pl.Float64,
    "clarity": pl.Float64,
    "quality": pl.Float64,
    "placement": pl.String,
    "placement_reason": pl.String,
    "placement_object": pl.String,
    "counted_ms": pl.Int64,
    "nielsen_1s_ms": pl.Int64,
    "mrc_2s_ms": pl.Int64,
    "legible_90_ms": pl.Int64,
    "media_equivalent": pl.Float64,
}
MEASURED_SCHEMA = EXPOSURE_SCHEMA | EXPOSURE_MEASURES
"""The table of `compile_report`."""

COLUMN_MEANINGS = {
    "mean_prominence": "mean prominence, 0 to 1: how near to the centre and how large the most prominent mark is",
    "max_prominence": "largest prominence, 0 to 1",
    "position": "the cell of a 3 x 3 grid in which the most prominent mark stands on most frames",
    "position_share": "share of the exposure's frames on which it stands there, 0 to 1",
    "centre_distance": "mean distance of the most prominent mark from the frame's centre; 1: a corner of the frame",
    "mean_instances": "mean number of marks of the brand at once",
    "max_instances": "largest number of marks of the brand at once",
    "clutter": "mean number of other brands on screen",
    "solo_ms": "how long no other brand is on screen, ms",
    "legibility": "mean share of the name's letters that were read, 0 to 1; null: nothing of it was read",
    "visibility": "mean share of the mark that is to be seen: within the frame, and its letters read, 0 to 1",
    "sharpness": "mean sharpness of the mark's pixels, 0 to 1; null: not measured",
    "contrast": "mean contrast of the mark's pixels, 0 to 1; null: not measured",
    "clarity": "mean of sharpness, contrast and confidence together, 0 to 1; null: not measured",
    "quality": "weighted mean of prominence, clarity, visibility and having the screen alone, 0 to 1",
    "placement": "what its marks stand on: board, shirt, overlay, product, what object_placements names, unknown",
    "placement_reason": "the rule that tells so; empty: none does",
    "placement_object": "label of the object that its marks are on; empty: no object tells the placement",
    "counted_ms": "time that counts by the setting counting_rule, ms",
    "nielsen_1s_ms": "time that counts by the rule nielsen_1s, ms",
    "mrc_2s_ms": "time that counts by the rule mrc_2s, ms",
    "legible_90_ms": "time that counts by the rule legible_90, ms",
    "media_equivalent": "what as much advertising would cost, by the user's rate card; null: none is given",
}


def measured_exposures(
    exposures: pl.DataFrame,
    presence: pl.DataFrame,
    on_pixels: pl.DataFrame,
    placed: pl.DataFrame,
    rule: RuleName,
    weights: QualityWeights,
    card: RateCard | None,
) -> pl.DataFrame:
    """The exposures, sorted as they are, with what their frames add up to.

    Args:
        exposures: rows of EXPOSURE_SCHEMA. presence: of these exposures, by `presence`. on_pixels: by
            `pixel_measures`.
        placed: by `placements`. rule: gives `counted_ms`. weights: of the quality. card: gives the
            equivalent.

    Returns:
        A table of MEASURED_SCHEMA. Means are over the sampled frames on which the brand was found; those of sharpness,
        contrast and clarity over those of them that were measured, that of size over the time for which they stand. The
        size of an exposure of which none was measured is that of its outlines.
    """
    keys = ["brand", "exposure"]
    per_exposure = presence.group_by(keys, maintain_order=True).agg(
        mean_prominence=pl.col("prominence").mean(),
        max_prominence=pl.col("prominence").max(),
        centre_distance=pl.col("centre_distance").mean(),
        mean_instances=pl.col("instances").mean(),
        max_instances=pl.col("instances").max(),
        legibility=pl.col("legibility").mean(),
        visibility=pl.col("visibility").mean(),
    )
    return (
        exposures.hstack(together(exposures))
        .join(per_exposure, on=keys, how="left", maintain_order="left")
        .join(_positions(presence, keys), on=keys, how="left", maintain_order="left")
        .join(_on_pixels(presence, on_pixels, keys), on=keys, how="left", maintain_order="left")
        .join(placed, on=keys, how="left", maintain_order="left")
        .join(_counted(presence, keys), on=keys, how="left", maintain_order="left")
        .with_columns(clutter=pl.col("clutter_ms") / pl.col("seen_ms"), all_ms=pl.col("seen_ms"))
        .with_columns(
            counted_ms=pl.col(f"{rule}_ms"),
            mean_area_share=pl.coalesce(pl.col("mean_ink_share").round(DECIMALS), "mean_area_share"),
            max_area_share=pl.coalesce(pl.col("max_ink_share").round(DECIMALS), "max_area_share"),
        )
        .with_columns(quality=quality(weights))
        .with_columns(media_equivalent=media_equivalent(card))
        .with_columns(pl.col(name).round(DECIMALS) for name, dtype in EXPOSURE_MEASURES.items() if dtype == pl.Float64)
        .select(pl.col(name).cast(dtype) for name, dtype in MEASURED_SCHEMA.items())
    )


def _on_pixels(presence: pl.DataFrame, on_pixels: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Means of what was measured; of sizes over time: between two measured frames they change evenly, before the first
    and after the last they stay."""
    rows = presence.join(on_pixels, on=["brand", "found_on"], how="left", maintain_order="left").with_columns(
        at=(pl.col("start_ms") + pl.col("end_ms")) / 2, length_ms=pl.col("end_ms") - pl.col("start_ms")
    )
    over_time = pl.col("ink_share").interpolate_by("at").forward_fill().backward_fill().over(keys)
    sizes = (
        rows.with_columns(over_time.alias("size"))
        .group_by(keys, maintain_order=True)
        .agg(
            mean_ink_share=(pl.col("size") * pl.col("length_ms")).sum() / pl.col("length_ms").sum(),
            max_ink_share=pl.col("ink_share").max(),
        )
        .with_columns(mean_ink_share=pl.when(pl.col("max_ink_share").is_not_null()).then("mean_ink_share"))
    )
    means = (
        rows.unique([*keys, "found_on"], keep="first", maintain_order=True)
        .group_by(keys, maintain_order=True)
        .agg(pl.col("sharpness", "contrast", "clarity").mean())
    )
    return sizes.join(means, on=keys, maintain_order="left")


def _counted(presence: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """A column for each rule but `all`."""
    rules = ((name, rule) for name, rule in RULES.items() if name != "all")
    tables = [counted_ms(presence, rule).rename({"counted_ms": f"{name}_ms"}) for name, rule in rules]
    return reduce(lambda one, other: one.join(other, on=keys, maintain_order="left"), tables)


def _positions(presence: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """The commonest cell, of equals the first of the grid, and on which share of the frames it is that."""
    counted = presence.group_by(*keys, "cell").agg(frames=pl.len()).sort(*keys, "cell")
    commonest = pl.col("frames").arg_max()
    return counted.group_by(keys, maintain_order=True).agg(
        position=pl.col("cell").get(commonest).replace_strict(dict(enumerate(CELLS)), return_dtype=pl.String),
        position_share=pl.col("frames").max() / pl.col("frames").sum(),
    )
