"""What every format of export is made of. How it is made is in `mpr_assets.report`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from mpr_assets.report.brand_measures import BRAND_SCHEMA
from mpr_assets.report.mark_spans import Marks
from mpr_assets.report.model import Report


@dataclass(frozen=True)
class StageTime:
    """When a stage's table was stored, in seconds since 1970, and how long it took to make; None: not known."""

    end_s: float
    seconds: float | None


@dataclass(frozen=True)
class Behind:
    """What a report was made from and with, each asked for by the formats that hold it.

    Attributes:
        marks: the marks of its exposures. times: those of stages that are known, by stage.
        read: gives an object of the storage by its key. page: `report.html`.
    """

    marks: Callable[[], Marks]
    times: Callable[[Sequence[str]], Mapping[str, StageTime]]
    read: Callable[[str], bytes]
    page: Callable[[], bytes]


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
    behind: Behind

    @property
    def by_start(self) -> pl.DataFrame:
        """The exposures in the order of time, as an editor or a player goes through them."""
        return self.exposures.sort("start_ms", "end_ms", "brand")

    @property
    def marks(self) -> pl.DataFrame:
        """Rows of MARK_SCHEMA, with `source_ms`, `source_start_ms` and `source_end_ms`: their times on the source's
        clock."""
        times = {"source_ms": "timeline_ms", "source_start_ms": "start_ms", "source_end_ms": "end_ms"}
        return self._on_source(self._marks.spans, times)

    @property
    def sampled(self) -> pl.DataFrame:
        """Rows (seq, chunk, timeline_ms, source_ms) of the sampled frames."""
        return self._on_source(self._marks.sampled, {"source_ms": "timeline_ms"})

    @cached_property
    def _marks(self) -> Marks:
        return self.behind.marks()

    def _on_source(self, rows: pl.DataFrame, times: Mapping[str, str]) -> pl.DataFrame:
        behind = [(chunk.chunk, chunk.start_ms - chunk.timeline_start_ms) for chunk in self.report.chunks]
        shifts = pl.DataFrame(behind, {"chunk": pl.Int32, "behind_ms": pl.Int64}, orient="row")
        return (
            rows.join(shifts, on="chunk", how="left", maintain_order="left")
            .with_columns((pl.col(there) + pl.col("behind_ms")).alias(here) for here, there in times.items())
            .drop("behind_ms")
        )


def brands_of(report: Report) -> pl.DataFrame:
    """The brands of a report as the table that they were: rows of BRAND_SCHEMA."""
    rows = [
        one.model_dump(exclude={"exposures", "cells", "placements_ms"}) | {"exposures": len(one.exposures)}
        for one in report.brands
    ]
    return pl.DataFrame(rows, BRAND_SCHEMA)
