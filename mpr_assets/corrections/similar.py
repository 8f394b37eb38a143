"""Detections and candidates that show the same mark as one does, so that one correction may do for all. Pure."""

from __future__ import annotations

import polars as pl

from gpu_service.boxes import XYWH, overlaps
from mpr_resources.brands.folding import fold_key


def similar(detections: pl.DataFrame, crops: pl.DataFrame, seq: int, box: XYWH) -> pl.DataFrame:
    """The rows that are alike what is in a frame's box, itself among them: crops that were found equal, and detections
    of the same brand with the same text.

    Args:
        detections: rows of the stages that detect. crops: rows of `preprocess`.
    """
    here = detections.filter(pl.col("seq") == seq)
    same = here.filter(_at(here, box))
    groups = crops.filter(pl.col("seq") == seq)
    equal = crops.filter(pl.col("crop").is_in(groups.filter(_at(groups, box))["crop"].to_list()))
    places: dict[int, list[XYWH]] = {}
    for row in equal.iter_rows(named=True):
        places.setdefault(row["seq"], []).append((row["x"], row["y"], row["w"], row["h"]))
    said = {(row["brand"], fold_key(row["text"])) for row in same.iter_rows(named=True) if row["text"]}
    alike = [
        (row["brand"], fold_key(row["text"] or "")) in said
        or any(overlaps((row["x"], row["y"], row["w"], row["h"]), place) for place in places.get(row["seq"], ()))
        for row in detections.iter_rows(named=True)
    ]
    return detections.filter(pl.Series(alike, dtype=pl.Boolean))


def _at(rows: pl.DataFrame, box: XYWH) -> pl.Series:
    inside = [overlaps(place, box) for place in rows.select("x", "y", "w", "h").iter_rows()]
    return pl.Series(inside, dtype=pl.Boolean)
