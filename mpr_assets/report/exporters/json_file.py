"""`report.json`: the same bytes for the same input, no date of making, no seconds of computing."""

from __future__ import annotations

from mpr_assets.report.model import (
    Report,
)


def report_json(report: Report) -> str:
    """`report.json`: UTF-8 text, the stages' seconds left out."""
    return report.model_dump_json(indent=2, exclude={"stages": {"__all__": {"seconds"}}}) + "\n"
