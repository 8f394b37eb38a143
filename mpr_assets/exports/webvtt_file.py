"""WebVTT: a cue for each exposure, which a player shows while the brand is on screen."""

from __future__ import annotations

from mpr_assets.exports.names import one_line
from mpr_assets.exports.tables import ReportTables
from mpr_resources.media.clock import clock


def webvtt(tables: ReportTables) -> bytes:
    """As https://www.w3.org/TR/webvtt1/ has it; cues overlap where brands do.

    `>` is written `&gt;` though the standard asks for it only in `-->`: webvtt-py takes any `-->` for a cue's times.
    """
    spans = tables.by_start.select("start_ms", "end_ms", "brand").iter_rows()
    cues = [
        f"{clock(start_ms)} --> {clock(end_ms)}\n{_escaped(one_line(brand))}\n" for start_ms, end_ms, brand in spans
    ]
    return "\n".join(["WEBVTT\n", *cues]).encode()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
