"""FCPXML 1.10 for Final Cut Pro and DaVinci Resolve: the chunks as clips, the exposures as markers on them.

Written here: the adapter of OpenTimelineIO has no duration of a frame at 23.976, 29.97 and 59.94. What elements and
attributes there may be, Apple's document type definition says (developer.apple.com, "FCPXML Reference").
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from fractions import Fraction
from urllib.parse import quote

from mpr_assets.exports.frame_clock import FrameClock
from mpr_assets.exports.names import xml_line
from mpr_assets.exports.tables import ReportTables
from mpr_assets.report.model import ReportSource
from mpr_resources.media.sources import is_remote

VERSION = "1.10"


def fcpxml(tables: ReportTables) -> bytes:
    """UTF-8. Times are fractions of seconds, whole frames of the first source, exact at every rate.

    A clip refers to its source by the name that the report has for it. A marker is at its exposure's time in the clip,
    and lasts as long; its note is what found the brand.
    """
    report, clock = tables.report, FrameClock.of(tables.report)
    root = ET.Element("fcpxml", {"version": VERSION})
    resources = ET.SubElement(root, "resources")
    formats: dict[tuple[Fraction, int, int], str] = {}
    for source in report.sources:
        fps = FrameClock.of_sources([source]).fps
        key = (fps, source.width_px, source.height_px)
        if key not in formats:
            formats[key] = f"format{len(formats) + 1}"
            size = {"width": str(source.width_px), "height": str(source.height_px)}
            ET.SubElement(resources, "format", {"id": formats[key], "frameDuration": _time(1 / fps), **size})
    assets: dict[str, tuple[str, str]] = {}
    for number, source in enumerate(report.sources, start=1):
        own = FrameClock.of_sources([source])
        assets[source.name] = f"video{number}", formats[own.fps, source.width_px, source.height_px]
        _add_asset(resources, source, own, *assets[source.name])
    event = ET.SubElement(root, "event", {"name": "MPR"})
    project = ET.SubElement(event, "project", {"name": xml_line(report.timeline)})
    code = {"tcFormat": "DF" if clock.drop_frame else "NDF"}
    whole = {"format": next(iter(formats.values())), "duration": _at(clock, report.duration_ms), "tcStart": "0s"}
    spine = ET.SubElement(ET.SubElement(project, "sequence", whole | code), "spine")
    rows = list(tables.by_start.select("chunk", "start_ms", "end_ms", "brand", "source").iter_rows())
    for chunk in report.chunks:
        offset = clock.frames(chunk.timeline_start_ms)
        frames = clock.frames(chunk.timeline_start_ms + chunk.end_ms - chunk.start_ms) - offset
        start = clock.frames(chunk.start_ms)
        asset, format_id = assets[chunk.source]
        about = {"ref": asset, "name": xml_line(chunk.source), "format": format_id, "offset": _time(offset / clock.fps)}
        span = {"start": _time(start / clock.fps), "duration": _time(frames / clock.fps)}
        clip = ET.SubElement(spine, "asset-clip", about | span | code)
        for of_chunk, start_ms, end_ms, brand, found_by in rows:
            if of_chunk == chunk.chunk:
                first, after = clock.frames(start_ms), clock.frames(end_ms)
                times = {
                    "start": _time((start + first - offset) / clock.fps),
                    "duration": _time(max(1, after - first) / clock.fps),
                }
                ET.SubElement(clip, "marker", times | {"value": xml_line(brand), "note": found_by})
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{text}\n'.encode()


def _add_asset(resources: ET.Element, source: ReportSource, clock: FrameClock, number: str, format_id: str) -> None:
    about = {"id": number, "name": xml_line(source.name), "start": "0s", "duration": _at(clock, source.duration_ms)}
    asset = ET.SubElement(resources, "asset", about | {"hasVideo": "1", "format": format_id, "videoSources": "1"})
    ET.SubElement(asset, "media-rep", {"kind": "original-media", "src": _address(source.name)})


def _address(name: str) -> str:
    if is_remote(name):
        return xml_line(name)
    return f"{'file://' if name.startswith('/') else ''}{quote(name)}"


def _at(clock: FrameClock, ms: int) -> str:
    return _time(clock.frames(ms) / clock.fps)


def _time(seconds: Fraction) -> str:
    """Seconds as FCPXML writes them.

    >>> _time(Fraction(1001, 30000)), _time(Fraction(4))
    ('1001/30000s', '4s')
    """
    return f"{seconds}s"
