"""`exposures.csv`, a row for each exposure; and how any table becomes CSV."""

from __future__ import annotations

import csv
import io

import polars as pl

CSV_FIRST = ("brand", "start_ms", "end_ms", "source", "confidence")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def exposures_csv(exposures: pl.DataFrame) -> str:
    """`exposures.csv` as RFC 4180 has it (CRLF, quotes where needed), for a table of MEASURED_SCHEMA.

    A spreadsheet would run a brand's or a file's name that starts with `=`, `+`, `-` or `@` as a formula; such a name
    gets an apostrophe before it. `report.json` and the Parquet table have every name as it is.
    """
    return csv_text(exposures.select(*CSV_FIRST, *(name for name in exposures.columns if name not in CSV_FIRST)))


def csv_text(rows: pl.DataFrame) -> str:
    """A table as CSV, its columns' names first."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(rows.columns)
    for row in rows.iter_rows():
        writer.writerow([_inert(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
