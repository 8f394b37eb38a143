"""XLSX: a workbook with the brands, the exposures, and what they are of."""

from __future__ import annotations

import io
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from gpu_service.errors import BadInput
from mpr_assets.exports.tables import ReportTables

if TYPE_CHECKING:
    from xlsxwriter.workbook import Workbook

CREATED = datetime(2000, 1, 1)
"""In place of the date of making, so that equal reports are equal bytes."""
MOST_ROWS = 1_048_576
"""What a sheet holds, its heading included, by Excel's limits."""
MOST_LETTERS = 32_767
"""What a cell holds."""


def xlsx(tables: ReportTables) -> bytes:
    """Sheets `Brands`, `Exposures`, `Timeline`, and `Objects` where some were seen. Names are text, whatever they begin
    with.

    Raises:
        BadInput: there are more exposures than a sheet holds.
    """
    if tables.exposures.height >= MOST_ROWS:
        raise BadInput(
            f"A sheet of XLSX holds {MOST_ROWS - 1} exposures, and the timeline {tables.report.timeline!r} has "
            f"{tables.exposures.height}",
            "take csv or parquet",
        )
    from xlsxwriter.workbook import Workbook  # here: only this format needs it

    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(buffer, options) as book:
        book.set_properties({"created": CREATED})
        _add(book, "Brands", tables.measures)
        _add(book, "Exposures", tables.exposures)
        _add(book, "Timeline", _about(tables))
        if tables.report.objects:
            _add(book, "Objects", _objects(tables))
    return buffer.getvalue()


def _about(tables: ReportTables) -> pl.DataFrame:
    report = tables.report
    facts: list[tuple[str, str, int | None]] = [
        ("timeline", report.timeline, None),
        ("profile", report.profile, None),
        ("duration_ms", "", report.duration_ms),
        *((name, "", number) for name, number in report.counts.model_dump().items()),
        *((f"source {number}", one.name, None) for number, one in enumerate(report.sources, start=1)),
    ]
    return pl.DataFrame(facts, {"what": pl.String, "text": pl.String, "number": pl.Int64}, orient="row")


def _objects(tables: ReportTables) -> pl.DataFrame:
    rows = [one.model_dump(exclude={"spans", "brands_ms"}) | {"times": len(one.spans)} for one in tables.report.objects]
    return pl.DataFrame(rows)


def _add(book: Workbook, name: str, rows: pl.DataFrame) -> None:
    sheet = book.add_worksheet(name)
    sheet.freeze_panes(1, 0)
    bold = book.add_format({"bold": True})
    for column, heading in enumerate(rows.columns):
        sheet.write_string(0, column, heading, bold)
        sheet.set_column(column, column, 28 if rows.dtypes[column] == pl.String else max(10, len(heading) + 2))
    for line, row in enumerate(rows.iter_rows(), start=1):
        for column, cell in enumerate(row):
            if isinstance(cell, str):
                sheet.write_string(line, column, cell[:MOST_LETTERS])
            elif cell is not None:
                sheet.write_number(line, column, cell)
    sheet.autofilter(0, 0, rows.height, rows.width - 1)
