"""Reads CVAT for video 1.1: tracks of boxes or polygons, whose labels are brands.

Between two shapes of a track boxes are put in between along straight lines, as CVAT does; a shape that is `outside`
ends a stay; one that is occluded may be missed. Attributes may say more: `brand` in the place of the label, `kind`
(text or logo), `optional` (true).

A file of a project has a task for each of its videos, and tracks name theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from xml.parsers import expat

from gpu_service.boxes import XYWH
from gpu_service.errors import BadInput
from mpr_assets.annotations.followed import FollowedMark
from mpr_assets.annotations.truth import Kind

SHAPES = ("box", "polygon", "polyline", "points")
SIDES = ("xtl", "ytl", "xbr", "ybr")
TRUE = ("true", "1", "yes")


@dataclass
class _Shape:
    where: str
    frame: int
    box: XYWH
    outside: bool
    occluded: bool
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass
class _Track:
    where: str
    label: str
    task: str
    shapes: list[_Shape] = field(default_factory=list)


def read_cvat(path: Path, text: bytes, frames: int) -> list[FollowedMark]:
    """The marks of a file. `frames`: how many the video has.

    Raises:
        BadInput: it is no XML, not CVAT for video, or a shape in it cannot be; names file, line and remedy.
    """
    reader = _Reader(path)
    reader.parse(text)
    return [mark for track in reader.tracks for mark in _marks(track, frames, reader.videos.get(track.task, ""))]


TASK = ["annotations", "meta", "project", "tasks", "task"]
"""Where a project tells of a task."""
DEEPEST = 20
"""CVAT's own lie nine deep at most."""


class _Reader:
    """`videos`: what a project's tasks are of, by the task's number."""

    def __init__(self, path: Path) -> None:
        self.tracks: list[_Track] = []
        self.videos: dict[str, str] = {}
        self._task: dict[str, str] = {}
        self._path = path
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._depth: list[str] = []
        self._attribute = ""
        self._said: list[str] = []

    def parse(self, text: bytes) -> None:
        try:
            self._parser.Parse(text, True)
        except expat.ExpatError as error:
            reason = expat.errors.messages[error.code]
            where = f"{self._path}, line {error.lineno}"
            raise BadInput(f"{where}: this is not XML ({reason})", "export it again") from None

    @property
    def _where(self) -> str:
        return f"{self._path}, line {self._parser.CurrentLineNumber}"

    def _doctype(self, *_: object) -> None:
        raise BadInput(f"{self._where}: it declares a document type", "give the file as CVAT exports it")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._depth and name != "annotations":
            raise BadInput(f"{self._where}: it begins with <{name}>", "export it as CVAT for video 1.1")
        if name == "image" and self._depth == ["annotations"]:
            raise BadInput(f"{self._where}: it is CVAT for images", "export it as CVAT for video 1.1")
        if len(self._depth) == DEEPEST:
            raise BadInput(f"{self._where}: elements lie more than {DEEPEST} deep", "export it as CVAT for video 1.1")
        self._depth.append(name)
        if self._depth == ["annotations", "track"]:
            label = " ".join(attributes.get("label", "").split())
            self.tracks.append(_Track(self._where, label, attributes.get("task_id", "")))
        elif self._depth[:2] == ["annotations", "track"] and len(self._depth) == 3 and name in SHAPES:
            self.tracks[-1].shapes.append(_shape(self._where, name, attributes))
        elif name == "attribute":
            self._attribute, self._said = attributes.get("name", ""), []
        elif self._depth[:-1] == TASK:
            self._said = []

    def _text(self, text: str) -> None:
        self._said.append(text)

    def _end(self, name: str) -> None:
        self._depth.pop()
        if self._depth == TASK:
            self._task[name] = "".join(self._said).strip()
        elif [*self._depth, name] == TASK:
            self.videos[self._task.get("id", "")] = self._task.get("source", "")
            self._task = {}
        if name == "attribute" and self._depth[:2] == ["annotations", "track"] and self.tracks[-1].shapes:
            self.tracks[-1].shapes[-1].attributes[self._attribute.lower()] = "".join(self._said).strip()


def _shape(where: str, name: str, attributes: Mapping[str, str]) -> _Shape:
    frame = attributes.get("frame", "")
    if not frame.isdecimal() or len(frame) > 10:
        raise BadInput(f"{where}: frame is {frame!r}", "write the number of a frame, counted from 0")
    try:
        if name == "box":
            x0, y0, x1, y1 = (float(attributes[side]) for side in SIDES)
        else:
            points = [tuple(map(float, point.split(","))) for point in attributes["points"].split(";")]
            x0, y0, x1, y1 = (pick(point[axis] for point in points) for pick in (min, max) for axis in (0, 1))
        box = (round(x0), round(y0), round(x1) - round(x0), round(y1) - round(y0))
    except (KeyError, ValueError, OverflowError, IndexError):
        raise BadInput(f"{where}: the {name} has no place that is made of numbers", "export it again") from None
    outside, occluded = (attributes.get(flag, "0") == "1" for flag in ("outside", "occluded"))
    return _Shape(where, int(frame), box, outside, occluded)


def _marks(track: _Track, frames: int, video: str) -> list[FollowedMark]:
    said = {name: value for shape in track.shapes for name, value in shape.attributes.items()}
    brand = " ".join(said.get("brand", "").split()) or track.label
    if not any(character.isalnum() for character in brand):
        raise BadInput(f"{track.where}: the label {brand!r} has no letter or digit", "name the label for the brand")
    kinds: dict[str, Kind] = {"text": "text", "logo": "logo"}
    shapes = sorted(track.shapes, key=lambda one: one.frame)
    for before, after in pairwise(shapes):
        if before.frame == after.frame:
            raise BadInput(f"{after.where}: the track has two shapes in frame {after.frame}", "remove one of them")
    late = [one for one in shapes if one.frame > frames or (one.frame == frames and not one.outside)]
    if late:
        what = f"there is no frame {late[0].frame} in the video, which has the frames 0 to {frames - 1}"
        raise BadInput(f"{late[0].where}: {what}", "name the video that was annotated")
    boxes: dict[int, XYWH] = {}
    seen: list[tuple[int, int, bool]] = []
    for number, shape in enumerate(shapes):
        if shape.outside:
            continue
        if shape.box[2] <= 0 or shape.box[3] <= 0:
            raise BadInput(f"{shape.where}: the box has no width or no height", "remove it, or give it a size")
        next_one = shapes[number + 1] if number + 1 < len(shapes) else None
        end = next_one.frame if next_one else shape.frame + 1
        optional = shape.occluded or shape.attributes.get("optional", said.get("optional", "")).lower() in TRUE
        if seen and seen[-1][1] == shape.frame and seen[-1][2] == optional:
            seen[-1] = seen[-1][0], end, optional
        else:
            seen.append((shape.frame, end, optional))
        moves = next_one is not None and not next_one.outside
        for frame in range(shape.frame, end):
            share = (frame - shape.frame) / (end - shape.frame) if moves else 0.0
            box = _between(shape.box, next_one.box, share) if next_one is not None and moves else shape.box
            if box[0] + box[2] > 0 and box[1] + box[3] > 0:
                boxes[frame] = box
    kind = kinds.get(said.get("kind", "").lower())
    return [FollowedMark(track.where, brand, kind, seen, boxes, video)] if seen else []


def _between(one: XYWH, other: XYWH, share: float) -> XYWH:
    x, y, w, h = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return x, y, w, h
