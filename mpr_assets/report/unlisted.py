"""What was read on screen and is in no list of brands: names that a user may want to look for.

Candidates that are near a name, doubted or excluded are not here: those have been decided on.
"""

from __future__ import annotations

import polars as pl

from mpr_assets.report.exposures import ExposureSettings, exposures
from mpr_assets.report.measures import measures
from mpr_assets.report.model import UnlistedText

MAX_TEXTS = 20
"""Of more, those on screen longest."""
MIN_LETTERS = 3
MIN_CONFIDENCE = 0.8
"""Below it text is more often misread than not (no measurement is known)."""
NO_BRAND = "no_brand"
"""The reason of a candidate that is like no name."""


def unlisted_texts(
    detections: pl.DataFrame,
    frames: pl.DataFrame,
    scenes: pl.DataFrame,
    chunks: pl.DataFrame,
    settings: ExposureSettings,
) -> tuple[UnlistedText, ...]:
    """The texts, the one on screen longest first; upper and lower case are one text.

    Args:
        detections: rows of the stages that detect, candidates too; the other tables as `exposures` takes them.
        settings: what one stay on screen is.
    """
    words = pl.col("text").str.strip_chars()
    letters = words.str.count_matches(r"\p{L}")
    candidates = detections.filter(
        pl.col("brand").is_null()
        & (pl.col("reason") == NO_BRAND)
        & (pl.col("source") == "ocr")
        & (pl.col("confidence") >= MIN_CONFIDENCE)
        & (letters >= MIN_LETTERS)
        & (2 * letters > words.str.len_chars())
    ).with_columns(text=words, brand=words.str.to_uppercase())
    place = ["seq", "x", "y", "w", "h"]
    named = detections.filter(pl.col("brand").is_not_null()).select(place)
    candidates = candidates.join(named, on=place, how="anti")  # a model may have known the brand
    spelled = dict(
        candidates.group_by("brand", "text")
        .len()
        .sort("brand", "len", "text", descending=[False, False, True])
        .select("brand", "text")
        .iter_rows()
    )
    stays = measures(exposures(candidates, frames, scenes, chunks, settings), chunks)
    longest = stays.sort("screen_ms", "brand", descending=[True, False]).head(MAX_TEXTS)
    return tuple(
        UnlistedText(
            text=spelled[row["brand"]],
            times=row["exposures"],
            screen_ms=row["screen_ms"],
            first_ms=row["first_ms"],
            last_ms=row["last_ms"],
        )
        for row in longest.iter_rows(named=True)
    )
