"""Objects that are no brand, as the report has them: people, cars, bottles, and how long each kind is on screen.

What marks on them stand on is in `placement`; how they are found in `gpu_service.routines.objects`.
"""

from __future__ import annotations

import polars as pl

from gpu_service.routines.detect import OBJECT_ENGINES
from mpr_assets.report.exposure_table import DECIMALS
from mpr_assets.report.exposures import held_on_frames
from mpr_assets.report.model import OnScreenObject


def objects_of(found: pl.DataFrame, matched: pl.DataFrame) -> pl.DataFrame:
    """The rows of `detect_objects` that are objects and no brand's mark.

    Args:
        found: rows of `detect_objects`. matched: rows of `match_brands`, which has those whose label names a brand.
    """
    brands = matched.filter(pl.col("source") == "object").select("seq", "x", "y", "w", "h")
    return found.filter(pl.col("engine").is_in(sorted(OBJECT_ENGINES))).join(
        brands, on=["seq", "x", "y", "w", "h"], how="anti", maintain_order="left"
    )


def on_screen(
    objects: pl.DataFrame, spans: pl.DataFrame, exposures: pl.DataFrame, duration_ms: int
) -> tuple[OnScreenObject, ...]:
    """What was on screen by label, the longest first.

    Args:
        objects: rows of `objects_of`. spans: of `frame_spans`. exposures: rows of MEASURED_SCHEMA.
        duration_ms: of the timeline.
    """
    if objects.is_empty():
        return ()
    keys = ["label", "found_on"]
    boxes = objects.select("label", "confidence", found_on="seq")
    per_frame = boxes.group_by(keys, maintain_order=True).agg(count=pl.len().cast(pl.Int64)).rename({"label": "brand"})
    held = held_on_frames(per_frame, spans).sort("brand", "start_ms")
    begins = (pl.col("start_ms") > pl.col("end_ms").shift(1)).fill_null(True)
    stays = held.with_columns(stay=begins.cum_sum().over("brand"))
    merged = stays.group_by("brand", "stay", maintain_order=True).agg(pl.col("start_ms").min(), pl.col("end_ms").max())
    lasting = pl.col("end_ms") - pl.col("start_ms")
    summed = held.group_by("brand").agg(
        screen_ms=lasting.sum(),
        frames=pl.len(),
        mean_at_once=(pl.col("count") * lasting).sum() / lasting.sum(),
        max_at_once=pl.col("count").max(),
        first_ms=pl.col("start_ms").min(),
        last_ms=pl.col("end_ms").max(),
    )
    sure = dict(boxes.group_by("label").agg(pl.col("confidence").mean()).iter_rows())
    stood = exposures.group_by("placement_object", "brand").agg(pl.col("seen_ms").sum()).sort("brand")
    return tuple(
        OnScreenObject(
            label=row["brand"],
            share=round(row["screen_ms"] / duration_ms, DECIMALS),
            mean_at_once=round(row["mean_at_once"], DECIMALS),
            confidence=round(sure[row["brand"]], DECIMALS),
            spans=tuple(merged.filter(pl.col("brand") == row["brand"]).select("start_ms", "end_ms").iter_rows()),
            brands_ms={brand: ms for label, brand, ms in stood.iter_rows() if label == row["brand"]},
            **{name: row[name] for name in ("screen_ms", "frames", "max_at_once", "first_ms", "last_ms")},
        )
        for row in summed.sort(pl.col("screen_ms"), pl.col("brand"), descending=[True, False]).iter_rows(named=True)
    )
