"""OpenTimelineIO: the chunks as clips of one track, the exposures as markers on the timeline."""

from __future__ import annotations

from mpr_assets.exports.frame_clock import FrameClock
from mpr_assets.exports.tables import ReportTables


def otio(tables: ReportTables) -> bytes:
    """The library's JSON. Spans are frames of the first source; what a frame cannot tell, and the exposure's measures,
    are in a marker's metadata under `mpr`. A clip refers to its source by the name that the report has for it."""
    from opentimelineio import adapters, opentime, schema  # here: only this format needs it

    report, rate = tables.report, FrameClock.of(tables.report)

    def span(start_ms: int, end_ms: int) -> opentime.TimeRange:
        first, after = (opentime.RationalTime(rate.frames(ms), float(rate.fps)) for ms in (start_ms, end_ms))
        return opentime.TimeRange(first, after - first)

    track = schema.Track("Sources", kind=schema.TrackKind.Video)
    lengths_ms = {source.name: source.duration_ms for source in report.sources}
    for chunk in report.chunks:
        media = schema.ExternalReference(chunk.source, span(0, lengths_ms[chunk.source]))
        track.append(schema.Clip(chunk.source, media, span(chunk.start_ms, chunk.end_ms)))
    timeline = schema.Timeline(report.timeline)
    timeline.tracks.append(track)
    for row in tables.by_start.iter_rows(named=True):
        where = span(row["start_ms"], row["end_ms"])
        timeline.tracks.markers.append(schema.Marker(row["brand"], where, schema.MarkerColor.RED, {"mpr": row}))
    return f"{adapters.write_to_string(timeline, 'otio_json')}\n".encode()
