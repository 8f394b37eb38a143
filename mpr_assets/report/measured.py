"""The measures of a timeline's exposures, brand by brand, from the stages' tables. What each is: docs/measures.md."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from pydantic import Field

from mpr_assets.report.brand_measures import brand_measures, cells
from mpr_assets.report.camera import Motion, still
from mpr_assets.report.counting_rules import RuleName
from mpr_assets.report.exposure_measures import measured_exposures
from mpr_assets.report.media_equivalent import RateCard
from mpr_assets.report.pixel_measures import GetPictures, pixel_measures
from mpr_assets.report.placement import PlacementSettings, Surroundings, placements
from mpr_assets.report.presence import presence
from mpr_assets.report.quality import QualityWeights


class MeasureSettings(QualityWeights, PlacementSettings):
    """What counts, and how much of the pixels is looked at."""

    counting_rule: RuleName = Field(
        "all",
        description="what counts of an exposure: all, nielsen_1s (readable for 1 s), mrc_2s (half of it for 2 s) or "
        "legible_90 (90 % legible); the report tells all four; see docs/measures.md",
    )
    measured_frames: int = Field(
        10,
        ge=0,
        le=100,
        description="maximum frames of each exposure on whose pixels the size of letters, sharpness and contrast are "
        "measured; 0: none",
    )


NOTHING_AROUND = Surroundings()


@dataclass(frozen=True)
class Measured:
    """What is measured.

    Attributes:
        exposures: rows of MEASURED_SCHEMA, sorted by brand and start.
        brands: rows of BRAND_SCHEMA, the brand longest on screen first.
        cells: rows (brand, cells): on which share of its frames it stands in each cell of the 3 x 3 grid.
    """

    exposures: pl.DataFrame
    brands: pl.DataFrame
    cells: pl.DataFrame


def measure(
    exposures: pl.DataFrame,
    detections: pl.DataFrame,
    frames: pl.DataFrame,
    spans: pl.DataFrame,
    chunks: pl.DataFrame,
    settings: MeasureSettings,
    pictures: GetPictures,
    around: Surroundings = NOTHING_AROUND,
    motion: Motion = still,
    card: RateCard | None = None,
) -> Measured:
    """Measure the exposures; the tables are those that `presence` takes, and `timeline`'s.

    Args:
        pictures: frames whose pixels are measured. around: what else is on the frames. motion: of the picture.
        card: of the user; None: nothing is said in money.
    """
    seen = presence(exposures, detections, frames, spans)
    on_pixels = pixel_measures(seen, detections, settings.measured_frames, pictures)
    placed = placements(seen, detections, frames, spans, around, motion, settings)
    rows = measured_exposures(exposures, seen, on_pixels, placed, settings.counting_rule, settings, card)
    return Measured(rows, brand_measures(rows, seen, chunks), cells(seen))
