"""Parquet: the table of exposures."""

from __future__ import annotations

import io

from mpr_assets.exports.tables import ReportTables


def parquet(tables: ReportTables) -> bytes:
    """A row for each exposure, the columns of MEASURED_SCHEMA with their types."""
    buffer = io.BytesIO()
    tables.exposures.write_parquet(buffer)
    return buffer.getvalue()
