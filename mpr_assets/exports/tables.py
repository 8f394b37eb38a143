"""What every format of export is made of. How it is made is in `mpr_assets.report`."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mpr_assets.report.brand_measures import BRAND_SCHEMA
from mpr_assets.report.model import Report


@dataclass(frozen=True)
class ReportTables:
    """A report and its tables.

    Attributes:
        report: what `report.json` holds.
        exposures: rows of MEASURED_SCHEMA, sorted by brand and start.
        measures: rows of BRAND_SCHEMA, the brand longest on screen first.
    """

    report: Report
    exposures: pl.DataFrame
    measures: pl.DataFrame

    @property
    def by_start(self) -> pl.DataFrame:
        """The exposures in the order of time, as an editor or a player goes through them."""
        return self.exposures.sort("start_ms", "end_ms", "brand")


def brands_of(report: Report) -> pl.DataFrame:
    """The brands of a report as the table that they were: rows of BRAND_SCHEMA."""
    rows = [
        one.model_dump(exclude={"exposures", "cells", "placements_ms"}) | {"exposures": len(one.exposures)}
        for one in report.brands
    ]
    return pl.DataFrame(rows, BRAND_SCHEMA)
