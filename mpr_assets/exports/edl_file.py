"""CMX 3600 EDL: an event for each chunk, and a locator for each exposure."""

from __future__ import annotations

from mpr_assets.exports.frame_clock import FrameClock
from mpr_assets.exports.names import one_line
from mpr_assets.exports.tables import ReportTables


def edl(tables: ReportTables) -> bytes:
    """UTF-8. Timecode counts from zero, in frames of the first source.

    Exposures are comments `* LOC: TIMECODE COLOR NAME |D:FRAMES` below their event, at the time on the timeline (record
    time), as Avid has it; a locator has no length, so it is in the text as DaVinci Resolve writes it.
    """
    report, rate = tables.report, FrameClock.of(tables.report)
    code = rate.timecode
    lines = [f"TITLE: {one_line(report.timeline)}", f"FCM: {'' if rate.drop_frame else 'NON-'}DROP FRAME", ""]
    rows = list(tables.by_start.select("chunk", "start_ms", "end_ms", "brand").iter_rows())
    for number, chunk in enumerate(report.chunks, start=1):
        record = rate.frames(chunk.timeline_start_ms)
        length = rate.frames(chunk.timeline_start_ms + chunk.end_ms - chunk.start_ms) - record
        source = rate.frames(chunk.start_ms)
        times = f"{code(source)} {code(source + length)} {code(record)} {code(record + length)}"
        lines += [f"{number:03}  AX       V     C        {times}", f"* FROM CLIP NAME: {one_line(chunk.source)}"]
        for of_chunk, start_ms, end_ms, brand in rows:
            if of_chunk == chunk.chunk:
                first = rate.frames(start_ms)
                lasts = rate.frames(end_ms) - first
                lines.append(f"* LOC: {code(first)} RED     {one_line(brand)} |D:{lasts}")
    return "\n".join([*lines, ""]).encode()
