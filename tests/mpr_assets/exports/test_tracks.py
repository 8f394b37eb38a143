"""The formats that have boxes: Google's, COCO with tracks and CVAT for video, of two videos; CVAT's own rules."""

from __future__ import annotations

import contextlib
import io
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import numpy as np
from google.cloud.videointelligence_v1.types import AnnotateVideoResponse
from pycocotools.coco import COCO

from mpr_assets.annotations.followed import VideoFrames
from mpr_assets.annotations.truth import Truth
from mpr_assets.annotations.truth_files import read_truth_file
from mpr_assets.exports.formats import FORMATS, FormatName
from mpr_assets.exports.tables import ReportTables
from tests.mpr_assets.exports.reports import NAMES, of_two_videos, tables
from tests.mpr_assets.report.tables import HEIGHT, WIDTH, detection

REPORT = of_two_videos(detection(4, "Bolt", 0.8, (0, 0, 30, 10), "logo"))


def seconds(offset: object) -> float:
    return offset.total_seconds()  # type: ignore[attr-defined, no-any-return]


def test_google_has_a_result_for_each_video_with_segments_tracks_and_texts() -> None:
    response = AnnotateVideoResponse.from_json(FORMATS["google"].make(REPORT).decode())
    told = [
        (
            result.input_uri,
            logo.entity.description,
            [(seconds(one.start_time_offset), seconds(one.end_time_offset)) for one in logo.segments],
            [
                [
                    (seconds(one.time_offset), round(one.normalized_bounding_box.left, 4))
                    for one in t.timestamped_objects
                ]
                for t in logo.tracks
            ],
        )
        for result in response.annotation_results
        for logo in result.logo_recognition_annotations
    ]
    assert told == [
        ("a.mp4", "Acme", [(1.0, 2.0)], [[(1.0, 0.05), (1.5, 0.1)], [(1.0, 0.75)]]),
        ("b.mp4", "Acme", [(3.0, 4.5)], [[(3.0, 0.25), (4.0, 0.25)]]),
        ("b.mp4", "Bolt", [(3.75, 4.5)], [[(4.0, 0.0)]]),
    ]
    texts = [[(one.text, len(one.segments)) for one in each.text_annotations] for each in response.annotation_results]
    assert texts == [[("ACME", 2)], [("ACME", 1)]]


def test_coco_is_read_by_pycocotools_with_videos_and_tracks(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(FORMATS["coco"].make(REPORT))
    with contextlib.redirect_stdout(io.StringIO()):
        read = COCO(path)
    [acme] = read.getCatIds(catNms=["Acme"])
    boxes = [
        (one["track_id"], image["video"], image["frame_index"], image["file_name"], one["bbox"])
        for one in read.loadAnns(read.getAnnIds(catIds=[acme]))
        for image in read.loadImgs(one["image_id"])
    ]
    assert boxes == [
        (1, "a.mp4", 25, "frames/00000000.jpg", [10, 10, 20, 10]),
        (1, "a.mp4", 38, "frames/00000001.jpg", [20, 10, 20, 10]),
        (2, "a.mp4", 25, "frames/00000000.jpg", [150, 50, 20, 10]),
        (3, "b.mp4", 90, "frames/00000002.jpg", [50, 50, 20, 10]),
        (3, "b.mp4", 120, "frames/00000004.jpg", [50, 50, 20, 10]),
    ]
    assert [one["spans_ms"] for one in read.dataset["tracks"]] == [
        [[0, 1000]], [[0, 250]], [[1000, 2500]], [[1750, 2500]],
    ]  # fmt: skip


VIDEOS = (
    VideoFrames("a.mp4", np.arange(1500) * 40, 60_000, [(1000, 2000, 0)]),
    VideoFrames("b.mp4", np.arange(1798) * 1001 // 30, 60_000, [(3000, 4500, 1000)]),
)


def as_truth(name: FormatName, suffix: str, tables: ReportTables, folder: Path, *videos: VideoFrames) -> Truth:
    path = folder / f"truth{suffix}"
    path.write_bytes(FORMATS[name].make(tables))
    return read_truth_file(path, tables.report.duration_ms, lambda: videos)


def test_cvat_and_coco_are_read_as_truth(tmp_path: Path) -> None:
    read = as_truth("cvat", ".xml", REPORT, tmp_path, *VIDEOS)
    told = [(one.brand, one.start_ms, one.end_ms, one.kind, one.optional) for one in read.rows]
    assert told == [
        ("Acme", 0, 240, "text", False), ("Acme", 0, 1000, "text", False),
        ("Acme", 1003, 1236, "text", False), ("Acme", 1236, 1737, "text", True), ("Acme", 1737, 2500, "text", False),
        ("Bolt", 1737, 2500, "logo", False),
    ]  # fmt: skip
    in_coco = as_truth("coco", ".json", REPORT, tmp_path, *VIDEOS)
    assert len(in_coco.boxes["Acme"]) == 5
    assert {*in_coco.boxes["Acme"]} <= {*read.boxes["Acme"]}
    assert [(one.brand, one.start_ms) for one in in_coco.rows] == [
        ("Acme", 0), ("Acme", 0), ("Acme", 1003), ("Acme", 2004), ("Bolt", 2004),
    ]  # fmt: skip


def cvat_rules(data: bytes) -> list[str]:
    """What CVAT would not take, or would read in another way: tasks, labels, frames and shapes as its importer has
    them."""
    root = ET.fromstring(data)
    tasks = {task.findtext("id"): task for task in root.iter("task")}
    labels = [one.text for one in root.iterfind(".//label/name")]
    said = [] if root.findtext("version") == "1.1" and root[0].tag == "version" else ["no version"]
    said += [] if len(labels) == len(set(labels)) else ["a label twice"]
    for number, track in enumerate(root.iterfind("track")):
        frames = [int(box.attrib["frame"]) for box in track]
        last = int(tasks[track.attrib.get("task_id", "1")].findtext("stop_frame", "-1"))
        sides = [[float(box.attrib[side]) for side in ("xtl", "ytl", "xbr", "ybr")] for box in track]
        flags = [[box.attrib[flag] for flag in ("keyframe", "outside", "occluded")] for box in track]
        wrong = {
            "number": track.attrib["id"] != str(number),
            "label": track.attrib["label"] not in labels,
            "frames": any(a >= b for a, b in pairwise(frames)) or not 0 <= frames[0] <= frames[-1] <= last,
            "flags": not all(one[0] == "1" and {*one} <= {"0", "1"} for one in flags),
            "beginning": flags[0][1] == "1",
            "end": flags[-1][1] != "1" and frames[-1] != last,
            "box": not all(0 <= x0 < x1 <= WIDTH and 0 <= y0 < y1 <= HEIGHT for x0, y0, x1, y1 in sides),
            "attribute": any([one.get("name") for one in box] != ["kind"] for box in track),
        }
        said += [f"track {number}: {what}" for what, is_wrong in wrong.items() if is_wrong]
    return said


def test_cvat_is_by_its_rules() -> None:
    assert cvat_rules(FORMATS["cvat"].make(tables(*NAMES))) == []
    assert cvat_rules(FORMATS["cvat"].make(tables())) == []
    data = FORMATS["cvat"].make(REPORT)
    assert cvat_rules(data) == []
    assert cvat_rules(data.replace(b'outside="1"', b'outside="0"', 1)) == ["track 0: end"]
    [first, *_] = ET.fromstring(data).iterfind("track")
    assert [(box.attrib["frame"], box.attrib["outside"], box.attrib["xtl"]) for box in first] == [
        ("25", "0", "10.00"), ("38", "0", "20.00"), ("50", "1", "20.00"),
    ]  # fmt: skip


def test_a_mark_to_the_end_of_the_video_is_not_ended() -> None:
    report = REPORT.report
    sources = [one.model_copy(update={"duration_ms": 2000}) for one in report.sources]
    short = report.model_copy(update={"sources": tuple(sources)})
    data = FORMATS["cvat"].make(ReportTables(short, REPORT.exposures, REPORT.measures, REPORT.behind))
    [first, *_] = ET.fromstring(data).iterfind("track")
    assert [(box.attrib["frame"], box.attrib["outside"]) for box in first] == [("25", "0"), ("38", "0"), ("49", "0")]
