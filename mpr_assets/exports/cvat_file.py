"""CVAT for video 1.1: a track for each mark of an exposure, with a keyframe wherever it was looked at.

The format is in CVAT's documentation; how it reads it, in `load_anno` of its `dataset_manager/formats/cvat.py`: only
keyframes count, and a track goes on to the end of the video unless a shape of it is `outside`. Such files are read by
`mpr_assets.annotations.cvat_file`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

import polars as pl

from mpr_assets.exports.frame_clock import FrameClock
from mpr_assets.exports.names import xml_line
from mpr_assets.exports.tables import ReportTables
from mpr_assets.report.model import ReportSource
from mpr_resources.storage.tables import NamedRow

KINDS = {"ocr": "text", "logo": "logo", "object": "logo"}
"""What a mark is by what found it; else it is not known."""
UNKNOWN = "unknown"


def cvat(tables: ReportTables) -> bytes:
    """UTF-8. Labels are brands. Frames are those of the source, from 0; a mark that is inferred is occluded.

    The file is one of a task where the timeline is of one source, else one of a project with a task for each.
    """
    report = tables.report
    root = ET.Element("annotations")
    _text(root, "version", "1.1")
    tasks = {source.name: number for number, source in enumerate(report.sources, start=1)}
    meta = ET.SubElement(root, "meta")
    labels = sorted({xml_line(brand.brand) for brand in report.brands})
    if len(tasks) == 1:
        _add_task(meta, 1, report.sources[0], labels)
    else:
        project = ET.SubElement(meta, "project")
        _text(project, "name", report.timeline)
        members = ET.SubElement(project, "tasks")
        for source in report.sources:
            _add_task(members, tasks[source.name], source, ())
        _add_labels(project, labels)
    sources = {source.name: source for source in report.sources}
    source_of = {chunk.chunk: sources[chunk.source] for chunk in report.chunks}
    marks = tables.marks.group_by("brand", "chunk", "exposure", "mark", maintain_order=True)
    for number, (_, rows) in enumerate(marks):
        source = source_of[rows["chunk"][0]]
        track = {"id": str(number), "label": xml_line(rows["brand"][0]), "source": "auto"}
        if len(tasks) > 1:
            track |= {"task_id": str(tasks[source.name]), "subset": "default"}
        _add_shapes(ET.SubElement(root, "track", track), rows, source)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text


def _frames(source: ReportSource) -> int:
    return max(1, FrameClock.of_sources([source]).frames(source.duration_ms))


def _add_task(parent: ET.Element, number: int, source: ReportSource, labels: Sequence[str]) -> None:
    frames = _frames(source)
    task = ET.SubElement(parent, "task")
    name = xml_line(source.name)
    facts = {"id": number, "name": name, "size": frames, "mode": "interpolation", "overlap": 0}
    for fact, value in (facts | {"start_frame": 0, "stop_frame": frames - 1}).items():
        _text(task, fact, str(value))
    if labels:
        _add_labels(task, labels)
    size = ET.SubElement(task, "original_size")
    _text(size, "width", str(source.width_px))
    _text(size, "height", str(source.height_px))
    _text(task, "source", name)


def _add_labels(parent: ET.Element, labels: Sequence[str]) -> None:
    """With the attribute `kind`, as a task must have it for its file to be read."""
    every = ET.SubElement(parent, "labels")
    for name in labels:
        label = ET.SubElement(every, "label")
        _text(label, "name", name)
        _text(label, "type", "rectangle")
        kind = ET.SubElement(ET.SubElement(label, "attributes"), "attribute")
        facts = {"name": "kind", "mutable": "False", "input_type": "select", "default_value": UNKNOWN}
        for fact, value in (facts | {"values": "\n".join((UNKNOWN, "text", "logo"))}).items():
            _text(kind, fact, value)


def _add_shapes(track: ET.Element, rows: pl.DataFrame, source: ReportSource) -> None:
    kind = next((KINDS[one] for one in rows["source"] if one in KINDS), UNKNOWN)
    for frame, (row, outside) in sorted(_keyframes(rows, source).items()):
        x0, x1 = (part * source.width_px for part in (row["x"], row["x"] + row["w"]))
        y0, y1 = (part * source.height_px for part in (row["y"], row["y"] + row["h"]))
        told = {
            "frame": str(frame),
            "keyframe": "1",
            "outside": str(int(outside)),
            "occluded": str(int(row["inferred"])),
        }
        place = {"xtl": f"{x0:.2f}", "ytl": f"{y0:.2f}", "xbr": f"{x1:.2f}", "ybr": f"{y1:.2f}"}
        box = ET.SubElement(track, "box", told | place | {"z_order": "0"})
        ET.SubElement(box, "attribute", {"name": "kind"}).text = kind


def _keyframes(rows: pl.DataFrame, source: ReportSource) -> dict[int, tuple[NamedRow, bool]]:
    """By frame: what is there, and whether the mark is gone from it on. Between two, CVAT moves the box evenly."""
    clock = FrameClock.of_sources([source])
    keys: dict[int, tuple[NamedRow, bool]] = {}
    before: NamedRow | None = None
    end = 0
    for row in rows.iter_rows(named=True):
        start = clock.frames(row["source_start_ms"])
        if before is not None and start > end:
            keys[end] = before, True
        if before is None or start > end or row["inferred"] != before["inferred"]:
            keys[start] = row, False
        if not row["inferred"]:
            keys[max(start, clock.frames(row["source_ms"]))] = row, False
        before, end = row, max(max(keys) + 1, clock.frames(row["source_end_ms"]))
    assert before is not None
    last = _frames(source) - 1
    keys[min(end, last)] = before, end <= last
    return {frame: key for frame, key in keys.items() if frame <= last}
