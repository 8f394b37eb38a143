"""SRT (SubRip): a subtitle for each exposure."""

from __future__ import annotations

from mpr_assets.exports.names import one_line
from mpr_assets.exports.tables import ReportTables
from mpr_resources.media.clock import clock


def srt(tables: ReportTables) -> bytes:
    """UTF-8 without a mark, lines end in LF; subtitles overlap where brands do.

    The format has no standard and knows no escapes: `-->` in a name, which readers take for a subtitle's times, is
    written as an arrow.
    """
    spans = tables.by_start.select("start_ms", "end_ms", "brand").iter_rows()
    subtitles = [
        f"{number}\n{_time(start_ms)} --> {_time(end_ms)}\n{one_line(brand).replace('-->', '→')}\n"
        for number, (start_ms, end_ms, brand) in enumerate(spans, start=1)
    ]
    return "\n".join(subtitles).encode()


def _time(ms: int) -> str:
    return clock(ms).replace(".", ",")
