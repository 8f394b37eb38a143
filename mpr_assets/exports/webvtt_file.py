"""WebVTT: a cue for each exposure, which a player shows while the brand is on screen, and for each mention of one."""

from __future__ import annotations

from collections.abc import Iterable

from mpr_assets.exports.names import one_line
from mpr_assets.exports.tables import ReportTables
from mpr_resources.media.clock import clock


def webvtt(tables: ReportTables) -> bytes:
    """Cues overlap where brands do; one that is said is told apart by "(said)"."""
    seen = [
        (start_ms, end_ms, one_line(brand))
        for start_ms, end_ms, brand in tables.by_start.select("start_ms", "end_ms", "brand").iter_rows()
    ]
    said = [(one.start_ms, one.end_ms, f"{one_line(one.brand)} (said)") for one in tables.report.mentions]
    return cues(sorted([*seen, *said], key=lambda cue: cue[:2]) if said else seen)


def cues(spans: Iterable[tuple[int, int, str]]) -> bytes:
    """Texts with their times, as https://www.w3.org/TR/webvtt1/ has them.

    `>` is written `&gt;` though the standard asks for it only in `-->`: webvtt-py takes any `-->` for a cue's times.
    """
    made = [f"{clock(start_ms)} --> {clock(end_ms)}\n{_escaped(text)}\n" for start_ms, end_ms, text in spans]
    return "\n".join(["WEBVTT\n", *made]).encode()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
