"""Reads COCO with videos and tracks, the form of TAO: categories are brands, images are frames of videos.

A track is on screen from each image that it has a box in to the next image of its video, whether annotated at every
frame or at some: where the next image has no box of it, it is gone by then.
"""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, ValidationError

from gpu_service.boxes import XYWH
from gpu_service.errors import BadInput
from mpr_assets.annotations.followed import FollowedMark


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


class _Video(_Part):
    id: int
    name: str = ""


class _Image(_Part):
    id: int
    video_id: int
    frame_index: int


class _Category(_Part):
    id: int
    name: str


class _Annotation(_Part):
    id: int
    image_id: int
    category_id: int
    track_id: int
    bbox: tuple[float, float, float, float]
    iscrowd: int = 0


class _CocoFile(_Part):
    # What is told is the first mistake; a million of them would take gigabytes.
    videos: Annotated[tuple[_Video, ...], FailFast()]
    images: Annotated[tuple[_Image, ...], FailFast()]
    categories: Annotated[tuple[_Category, ...], FailFast()]
    annotations: Annotated[tuple[_Annotation, ...], FailFast()]


def read_coco(path: Path, text: bytes, _frames: int) -> list[FollowedMark]:
    """The marks of a file, one for each track.

    Raises:
        BadInput: it is no JSON, has no videos and tracks, or its parts do not fit together; names file, place and
            remedy.
    """
    try:
        file = _CocoFile.model_validate_json(text)
    except ValidationError as error:
        first: Any = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "line 1"
        raise BadInput(
            f"{path}, {place}: {first['msg']}",
            "give COCO with videos, images, categories and tracks' annotations",
        ) from None
    images, videos = {one.id: one for one in file.images}, {one.id: one.name for one in file.videos}
    brands = {one.id: " ".join(one.name.split()) for one in file.categories}
    frames: defaultdict[int, list[int]] = defaultdict(list)
    for image in file.images:
        frames[image.video_id].append(image.frame_index)
    order = {video: sorted(set(of_video)) for video, of_video in frames.items()}
    tracks: defaultdict[tuple[int, int, int], dict[int, tuple[XYWH, bool]]] = defaultdict(dict)
    for one in file.annotations:
        where = f"{path}, annotation {one.id}"
        if one.image_id not in images or one.category_id not in brands:
            raise BadInput(f"{where}: there is no such image or category", "export the file again")
        if images[one.image_id].video_id not in videos:
            raise BadInput(f"{where}: its image is of no video in the file", "export the file again")
        if not any(character.isalnum() for character in brands[one.category_id]):
            raise BadInput(f"{where}: its category has no letter or digit", "name the category for the brand")
        x, y, w, h = one.bbox
        if not all(map(math.isfinite, one.bbox)) or round(w) <= 0 or round(h) <= 0:
            raise BadInput(f"{where}: its bbox is no box", "write x, y, width and height in px")
        image = images[one.image_id]
        box = ((round(x), round(y), round(w), round(h)), bool(one.iscrowd))
        tracks[image.video_id, one.track_id, one.category_id][image.frame_index] = box
    return [
        FollowedMark(
            f"{path}, track {track}",
            brands[category],
            None,
            _spans(boxes, order[video]),
            {frame: box for frame, (box, _) in boxes.items()},
            videos[video],
        )
        for (video, track, category), boxes in tracks.items()
    ]


def _spans(boxes: dict[int, tuple[XYWH, bool]], images: list[int]) -> list[tuple[int, int, bool]]:
    step = min((b - a for a, b in pairwise(images)), default=1)
    nexts = dict(zip(images, [*images[1:], images[-1] + step], strict=True))
    spans: list[tuple[int, int, bool]] = []
    for frame in sorted(boxes):
        may_be_missed = boxes[frame][1]
        if spans and spans[-1][1] == frame and spans[-1][2] == may_be_missed:
            spans[-1] = spans[-1][0], nexts[frame], may_be_missed
        else:
            spans.append((frame, nexts[frame], may_be_missed))
    return spans
