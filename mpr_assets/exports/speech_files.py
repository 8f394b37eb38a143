"""What was said: a row of CSV for each mention of a brand, and the transcript as WebVTT captions."""

from __future__ import annotations

import polars as pl

from mpr_assets.exports.csv_file import csv_text
from mpr_assets.exports.names import one_line
from mpr_assets.exports.tables import ReportTables
from mpr_assets.exports.webvtt_file import cues
from mpr_assets.report.model import Mention

COLUMNS = [*Mention.model_fields]


def mentions_csv(tables: ReportTables) -> bytes:
    """As `exposures.csv` is written: RFC 4180, names that a spreadsheet would run behind an apostrophe."""
    rows = [[getattr(one, name) for name in COLUMNS] for one in tables.report.mentions]
    return csv_text(pl.DataFrame(rows, COLUMNS, orient="row") if rows else pl.DataFrame(schema=COLUMNS)).encode()


def captions_webvtt(tables: ReportTables) -> bytes:
    """A cue for each line of the transcript."""
    return cues([(one.start_ms, one.end_ms, one_line(one.text)) for one in tables.report.captions])
