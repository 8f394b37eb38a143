"""The measures of a timeline's exposures, brand by brand, from the stages' tables. What each is: docs/measures.md."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mpr_assets.report.brand_measures import brand_measures, cells
from mpr_assets.report.exposure_measures import measured_exposures
from mpr_assets.report.presence import presence


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
) -> Measured:
    """Measure the exposures; the tables are those that `presence` takes, and `timeline`'s."""
    seen = presence(exposures, detections, frames, spans)
    rows = measured_exposures(exposures, seen)
    return Measured(rows, brand_measures(rows, seen, chunks), cells(seen))
