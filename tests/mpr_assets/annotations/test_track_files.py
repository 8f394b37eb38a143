"""Truth from annotation tools: CVAT for video and COCO with tracks, put on the timeline's clock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu_service.errors import BadInput
from mpr_assets.annotations.followed import VideoFrames
from mpr_assets.annotations.truth import Truth, TruthRow
from mpr_assets.annotations.truth_files import read_truth_file

VIDEO = VideoFrames("clip.mp4", np.arange(0, 1000, 100), 1000, [(0, 1000, 0)])
"""Ten frames, ten a second."""
CUT = VideoFrames("clip.mp4", np.arange(0, 1000, 100), 1000, [(700, 1000, 0), (0, 300, 300)])
"""The timeline has the end of the video first, then its beginning."""


def box(frame: int, left: float = 10, **flags: int) -> str:
    said = "".join(f' {name}="{value}"' for name, value in flags.items())
    return f'<box frame="{frame}" xtl="{left}" ytl="20.4" xbr="{left + 30}" ybr="60.2"{said}></box>'


def cvat(*tracks: tuple[str, str]) -> str:
    inner = "\n".join(
        f'<track id="{number}" label="{label}">{shapes}</track>' for number, (label, shapes) in enumerate(tracks)
    )
    return f'<?xml version="1.0"?>\n<annotations><version>1.1</version>\n{inner}\n</annotations>'


def row(brand: str, start_ms: int, end_ms: int, **more: Any) -> TruthRow:
    return TruthRow.model_validate({"brand": brand, "start_ms": start_ms, "end_ms": end_ms, **more})


def read(folder: Path, suffix: str, text: str, *videos: VideoFrames) -> Truth:
    path = folder / f"truth{suffix}"
    path.write_text(text, encoding="utf-8")
    return read_truth_file(path, 1000, lambda: videos or (VIDEO,))


CVAT: dict[str, tuple[str, list[TruthRow], dict[str, list[tuple[int, int]]]]] = {
    "nothing": (cvat(), [], {}),
    "a track without a shape": (cvat(("Acme", "")), [], {}),
    "one frame": (cvat(("Acme", box(3))), [row("Acme", 300, 400)], {"Acme": [(300, 10)]}),
    "until it is outside": (
        cvat(("Acme", box(2) + box(4, outside=1))),
        [row("Acme", 200, 400)],
        {"Acme": [(200, 10), (300, 10)]},
    ),
    "between two keyframes it moves": (
        cvat(("Acme", box(2, 10) + box(4, 20))),
        [row("Acme", 200, 500)],
        {"Acme": [(200, 10), (300, 15), (400, 20)]},
    ),
    "gone and back, to the last frame": (
        cvat(("Acme", box(2) + box(3, outside=1) + box(8) + box(9) + box(10, outside=1))),
        [row("Acme", 200, 300), row("Acme", 800, 1000)],
        {"Acme": [(200, 10), (800, 10), (900, 10)]},
    ),
    "occluded": (
        cvat(("Acme", box(2) + box(3, occluded=1) + box(4, outside=1))),
        [row("Acme", 200, 300), row("Acme", 300, 400, optional=True)],
        {"Acme": [(200, 10), (300, 10)]},
    ),
    "a polygon, and attributes": (
        cvat(
            (
                "mark",
                '<polygon frame="1" points="30,5;10,20;40.2,60"><attribute name="Brand">Zarn &amp; Co</attribute>'
                '<attribute name="kind">logo</attribute><attribute name="optional">true</attribute></polygon>',
            )
        ),
        [row("Zarn & Co", 100, 200, kind="logo", optional=True)],
        {"Zarn & Co": [(100, 10)]},
    ),
}


@pytest.mark.parametrize(("text", "rows", "boxes"), CVAT.values(), ids=CVAT.keys())
def test_cvat_for_video(
    text: str, rows: list[TruthRow], boxes: dict[str, list[tuple[int, int]]], tmp_path: Path
) -> None:
    made = read(tmp_path, ".xml", text)
    assert (made.file, list(made.rows)) == ("truth.xml", rows)
    assert {brand: [one[:2] for one in of_brand] for brand, of_brand in made.boxes.items()} == boxes


def test_a_box_is_in_whole_pixels(tmp_path: Path) -> None:
    assert read(tmp_path, ".xml", cvat(("Acme", box(3)))).boxes == {"Acme": ((300, 10, 20, 30, 40),)}


def test_frames_outside_of_the_chunks_are_left_out_and_others_are_where_the_timeline_has_them(tmp_path: Path) -> None:
    made = read(tmp_path, ".xml", cvat(("Acme", box(1) + box(9))), CUT)
    assert made.rows == (row("Acme", 0, 300), row("Acme", 400, 600))
    assert [one[0] for one in made.boxes["Acme"]] == [0, 100, 200, 400, 500]


REFUSED_CVAT = {
    "deeper than any": (
        "<annotations>" + "<a>" * 100_000,
        ", line 1: elements lie more than 20 deep; export it as CVAT for video 1.1.",
    ),
    "empty": ("", " is empty; export it again."),
    "no XML": ("brand,start_s", ", line 1: this is not XML (syntax error); export it again."),
    "cut off": ("<annotations>\n<track", ", line 2: this is not XML (unclosed token); export it again."),
    "another XML": ("<svg/>", ", line 1: it begins with <svg>; export it as CVAT for video 1.1."),
    "entities": (
        '<!DOCTYPE a [<!ENTITY b "c">]><annotations/>',
        ", line 1: it declares a document type; give the file as CVAT exports it.",
    ),
    "images": (
        '<annotations>\n<image id="0"/></annotations>',
        ", line 2: it is CVAT for images; export it as CVAT for video 1.1.",
    ),
    "no label": (
        cvat(("", box(1))),
        ", line 3: the label '' has no letter or digit; name the label for the brand.",
    ),
    "a frame past the end": (
        cvat(("Acme", box(9) + "\n" + box(10))),
        ", line 4: there is no frame 10 in the video, which has the frames 0 to 9; name the video that was annotated.",
    ),
    "a frame that is no number": (
        cvat(("Acme", '<box frame="-1" />')),
        ", line 3: frame is '-1'; write the number of a frame, counted from 0.",
    ),
    "no place": (
        cvat(("Acme", '<box frame="1" xtl="nan" ytl="1" xbr="2" ybr="3"/>')),
        ", line 3: the box has no place that is made of numbers; export it again.",
    ),
    "two in a frame": (
        cvat(("Acme", box(1) + box(1))),
        ", line 3: the track has two shapes in frame 1; remove one of them.",
    ),
    "no size": (
        cvat(("Acme", '<box frame="1" xtl="5" ytl="1" xbr="5" ybr="3"/>')),
        ", line 3: the box has no width or no height; remove it, or give it a size.",
    ),
}


@pytest.mark.parametrize(("text", "said"), REFUSED_CVAT.values(), ids=REFUSED_CVAT.keys())
def test_cvat_that_cannot_be_used_is_refused_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        read(tmp_path, ".xml", text)
    assert str(refused.value) == f"{tmp_path / 'truth.xml'}{said}"


def coco(annotations: list[dict[str, Any]], frames: range | list[int] = range(10), name: str = "clip.mp4") -> str:
    boxed = [
        {"id": number, "track_id": 1, "category_id": 5, "bbox": [10, 20, 30.2, 40], **one}
        for number, one in enumerate(annotations)
    ]
    return json.dumps(
        {
            "videos": [{"id": 1, "name": name}],
            "images": [{"id": 100 + frame, "video_id": 1, "frame_index": frame} for frame in frames],
            "categories": [{"id": 5, "name": "Acme"}, {"id": 6, "name": "Zarn"}],
            "tracks": [{"id": 1, "category_id": 5, "video_id": 1}],
            "annotations": boxed,
        }
    )


COCO: dict[str, tuple[str, list[TruthRow]]] = {
    "nothing": (coco([]), []),
    "two frames": (coco([{"image_id": 102}, {"image_id": 103}]), [row("Acme", 200, 400)]),
    "gone and back": (coco([{"image_id": 102}, {"image_id": 104}]), [row("Acme", 200, 300), row("Acme", 400, 500)]),
    "annotated at some frames alone": (
        coco([{"image_id": 100}, {"image_id": 105}], [0, 5]),
        [row("Acme", 0, 1000)],
    ),
    "two tracks": (
        coco([{"image_id": 102}, {"image_id": 102, "track_id": 2, "category_id": 6}]),
        [row("Acme", 200, 300), row("Zarn", 200, 300)],
    ),
    "a crowd may be missed": (coco([{"image_id": 102, "iscrowd": 1}]), [row("Acme", 200, 300, optional=True)]),
    "the last frame, of a video without a name": (coco([{"image_id": 109}], name=""), [row("Acme", 900, 1000)]),
}


@pytest.mark.parametrize(("text", "rows"), COCO.values(), ids=COCO.keys())
def test_coco_with_tracks(text: str, rows: list[TruthRow], tmp_path: Path) -> None:
    assert list(read(tmp_path, ".json", text).rows) == rows


def test_coco_names_the_video_of_several(tmp_path: Path) -> None:
    other = VideoFrames("other.mp4", np.arange(0, 500, 100), 500, [(0, 500, 1000)])
    text = coco([{"image_id": 102}], name="media/other.mp4")
    assert read(tmp_path, ".json", text, VIDEO, other).rows == (row("Acme", 1200, 1300),)


REFUSED_COCO = {
    "no JSON": ("[", ", line 1: Invalid JSON: "),
    "COCO without videos": (
        '{"images": [], "annotations": [], "categories": []}',
        ", videos: Field required; give COCO with videos, images, categories and tracks' annotations.",
    ),
    "no track": (
        json.dumps(
            {
                "videos": [],
                "images": [],
                "categories": [],
                "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}],
            }
        ),
        ", annotations.0.track_id: Field required; give COCO with videos, ",
    ),
    "no such image": (
        coco([{"image_id": 7}]),
        ", annotation 0: there is no such image or category; export the file again.",
    ),
    "no box": (
        coco([{"image_id": 102, "bbox": [0, 0, 0, 5]}]),
        ", annotation 0: its bbox is no box; write x, y, width and height in px.",
    ),
    "a frame past the end": (
        coco([{"image_id": 110}], [10]),
        ", track 1: there is no frame 10 in clip.mp4, which has the frames 0 to 9; name the video that was annotated.",
    ),
    "another video": (
        coco([{"image_id": 102}], name="else.mp4"),
        ", track 1: it is of the video 'else.mp4', and the timeline of 'clip.mp4'; "
        "give the file of that video, or rename the video in it.",
    ),
}


@pytest.mark.parametrize(("text", "said"), REFUSED_COCO.values(), ids=REFUSED_COCO.keys())
def test_coco_that_cannot_be_used_is_refused_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        read(tmp_path, ".json", text)
    assert str(refused.value).startswith(f"{tmp_path / 'truth.json'}{said}")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"truth\.txt ends in none of \.csv, \.xml and \.json; give CSV, CVAT"):
        read(tmp_path, ".txt", "")
