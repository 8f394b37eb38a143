"""What a brand stands on: a board, a shirt, a product, or the picture itself; by rules, as far as they carry.

Where none does it is unknown. The rules are defined in docs/measures.md.

How marks are followed is in `tracks`, the camera's motion in `camera`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from math import hypot
from typing import Literal

import polars as pl

from gpu_service.boxes import XYWH
from mpr_assets.report.areas import centroid, outline
from mpr_assets.report.camera import Motion
from mpr_assets.report.exposure_table import Placement
from mpr_resources.storage.tables import NamedRow

PLACEMENT_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "brand": pl.String,
    "exposure": pl.Int32,
    "placement": pl.String,
    "placement_reason": pl.String,
}

# Of the numbers below no measurement is known but that of docs/measures.md, on drawn broadcasts.
SAME_PLACE, SAME_SIZE = 0.015, 1.2
"""Marks stand at one place of the picture where their centres are so near, in frame widths, and one is at most so many
times as large as the other."""
CAMERA_MOVES = 0.01
"""The camera moves where the picture does by so much of its width from one frame to the next."""
AS_EXPECTED = 0.4
"""A mark moves with the picture, or not at all, where it is off that by less than this share of the motion."""
MOST = 0.5
"""A rule carries where this share of the frames, or of the steps between them, is for it."""
LEAST_STEPS = 2
STEPS = 6
"""So many steps of an exposure are looked at; each needs two frames."""
PERSON = "person"
PRODUCTS = frozenset(
    {
        "backpack", "bicycle", "book", "bottle", "bowl", "bus", "can", "car", "cell phone", "chair", "cup", "handbag",
        "keyboard", "laptop", "motorcycle", "mouse", "remote", "skateboard", "skis", "snowboard", "sports ball",
        "suitcase", "surfboard", "tennis racket", "train", "truck", "tv", "umbrella", "wine glass",
    }
)  # fmt: skip
"""Labels of COCO, and like them, for things that bear a brand."""


@dataclass(frozen=True)
class Surroundings:
    """What was found on frames besides brands, each by the frame's seq.

    Attributes:
        boards: regions between near-horizontal lines. people: boxes. things: boxes with their labels.
        fields: polygon of the playing field, [[x, y], ...].
    """

    boards: Mapping[int, Sequence[XYWH]] = field(default_factory=dict)
    people: Mapping[int, Sequence[XYWH]] = field(default_factory=dict)
    things: Mapping[int, Sequence[tuple[XYWH, str]]] = field(default_factory=dict)
    fields: Mapping[int, Sequence[Sequence[float]]] = field(default_factory=dict)


def surroundings(regions: pl.DataFrame, objects: pl.DataFrame, fields: pl.DataFrame) -> Surroundings:
    """From the tables of `detect_edges`, `detect_objects` and `field_segmentation`; each may be empty."""
    boards: dict[int, list[XYWH]] = defaultdict(list)
    for seq, *box in regions.select("seq", "x", "y", "w", "h").iter_rows():
        boards[seq].append((box[0], box[1], box[2], box[3]))
    people: dict[int, list[XYWH]] = defaultdict(list)
    things: dict[int, list[tuple[XYWH, str]]] = defaultdict(list)
    for seq, x, y, w, h, label in objects.select("seq", "x", "y", "w", "h", "label").iter_rows():
        if label == PERSON:
            people[seq].append((x, y, w, h))
        elif label in PRODUCTS:
            things[seq].append(((x, y, w, h), label))
    return Surroundings(boards, people, things, dict(fields.select("seq", "polygon").iter_rows()))


@dataclass(frozen=True)
class _Stand:
    """A mark on a frame: `x`, `y`: its centre, `size_px`: the root of its area."""

    seq: int
    x: float
    y: float
    size_px: float

    def is_near(self, other: _Stand, right: float, down: float, within_px: float) -> bool:
        """Whether the other is where this one is after such a motion, within so many pixels."""
        alike = max(self.size_px, other.size_px) <= SAME_SIZE * max(min(self.size_px, other.size_px), 1.0)
        return alike and hypot(other.x - self.x - right, other.y - self.y - down) <= within_px


def placements(
    presence: pl.DataFrame,
    detections: pl.DataFrame,
    frames: pl.DataFrame,
    spans: pl.DataFrame,
    around: Surroundings,
    motion: Motion,
) -> pl.DataFrame:
    """What each exposure's marks stand on, by the first rule that carries.

    Args:
        presence: rows of PRESENCE_SCHEMA. detections: what it was made of. frames: rows of `extract_frames`. spans: of
            `frame_spans`. motion: of the picture between frames of a shot.

    Returns:
        A table of PLACEMENT_SCHEMA; `placement_reason`: the rule, in words.
    """
    shots = {seq: (chunk, shot) for seq, chunk, shot in spans.select("seq", "chunk", "shot").iter_rows()}
    sizes = {seq: (w, h) for seq, w, h in frames.select("seq", "width_px", "height_px").iter_rows()}
    found = detections.join(presence.select("brand", seq="found_on").unique(), on=["brand", "seq"], how="semi")
    stands: dict[tuple[str, int], list[_Stand]] = defaultdict(list)
    for row in found.iter_rows(named=True):
        stands[row["brand"], row["seq"]].append(_stand(row, *sizes[row["seq"]]))
    keys = presence.select("brand", "exposure", "found_on").unique().sort("brand", "exposure", "found_on")
    rows = []
    for (brand, exposure), seqs in groupby(keys.iter_rows(), key=lambda row: (row[0], row[1])):
        on_frames = [stands[brand, seq] for _, _, seq in seqs]
        rows.append((brand, exposure, *_placement(on_frames, shots, sizes, around, motion)))
    return pl.DataFrame(rows, PLACEMENT_SCHEMA, orient="row")


def _stand(row: NamedRow, width: int, height: int) -> _Stand:
    x, y, w, h = (row[side] for side in "xywh")
    seen = outline(row["polygon"], (x, y, x + w, y + h), width, height)
    across, down = centroid(seen) if seen else (x + w / 2, y + h / 2)
    return _Stand(row["seq"], across, down, (w * h) ** 0.5)


def _placement(
    on_frames: Sequence[Sequence[_Stand]],
    shots: Mapping[int, tuple[int, int]],
    sizes: Mapping[int, tuple[int, int]],
    around: Surroundings,
    motion: Motion,
) -> tuple[Placement, str]:
    if _keeps_its_place_over_cuts(on_frames, shots, sizes):
        return "overlay", "it keeps its place in the picture over cuts"
    moves = _moves(on_frames, shots, sizes, motion)
    fixed, along, own = (sum(one == kind for one in moves) for kind in ("fixed", "along", "own"))
    if fixed >= LEAST_STEPS and fixed > MOST * len(moves):
        return "overlay", "it keeps its place in the picture while the camera moves"
    if _share(on_frames, lambda stand: _in_any(stand, around.people.get(stand.seq, ()))) > MOST:
        return "shirt", "it is on a person"
    label = _thing(on_frames, around)
    if label:
        return "product", f"it is on an object: {label}"
    if own >= LEAST_STEPS and own > MOST * len(moves):
        on_field = _share(on_frames, lambda stand: _in_field(stand, around.fields.get(stand.seq, ()))) > MOST
        return ("shirt", "it moves on the field, otherwise than the camera") if on_field else ("unknown", "")
    if _share(on_frames, lambda stand: _in_any(stand, around.boards.get(stand.seq, ()))) > MOST:
        if along:
            return "board", "it is on a region between lines, and moves with the picture"
        if _share(on_frames, lambda stand: bool(around.fields.get(stand.seq))) > MOST:
            return "board", "it is on a region between lines, and there is a field"
    return "unknown", ""


def _keeps_its_place_over_cuts(
    on_frames: Sequence[Sequence[_Stand]],
    shots: Mapping[int, tuple[int, int]],
    sizes: Mapping[int, tuple[int, int]],
) -> bool:
    cuts = [(one, other) for one, other in pairwise(on_frames) if shots[one[0].seq] != shots[other[0].seq]]
    kept = sum(_any_near(one, other, 0.0, 0.0, SAME_PLACE * sizes[one[0].seq][0]) for one, other in cuts)
    return bool(cuts) and kept > MOST * len(cuts)


def _moves(
    on_frames: Sequence[Sequence[_Stand]],
    shots: Mapping[int, tuple[int, int]],
    sizes: Mapping[int, tuple[int, int]],
    motion: Motion,
) -> list[Literal["fixed", "along", "own"]]:
    """How it moves from frame to frame, where that tells anything: it stays where it is in the picture while the camera
    moves, it moves along with the picture, or on its own."""
    steps = [(one, other) for one, other in pairwise(on_frames) if shots[one[0].seq] == shots[other[0].seq]]
    told: list[Literal["fixed", "along", "own"]] = []
    for one, other in _spread(steps, STEPS):
        moved = motion(one[0].seq, other[0].seq)
        if moved is None:
            continue
        width, length = sizes[one[0].seq][0], hypot(*moved)
        if length < CAMERA_MOVES * width:
            if not _any_near(one, other, 0.0, 0.0, SAME_PLACE * width):
                told.append("own")
        elif _any_near(one, other, 0.0, 0.0, AS_EXPECTED * length):
            told.append("fixed")
        else:
            told.append("along" if _any_near(one, other, *moved, AS_EXPECTED * length) else "own")
    return told


def _spread(
    steps: Sequence[tuple[Sequence[_Stand], Sequence[_Stand]]], count: int
) -> Iterator[tuple[Sequence[_Stand], Sequence[_Stand]]]:
    numbers = (
        range(len(steps)) if len(steps) <= count else ((2 * n + 1) * len(steps) // (2 * count) for n in range(count))
    )
    return (steps[number] for number in numbers)


def _any_near(one: Sequence[_Stand], other: Sequence[_Stand], right: float, down: float, within_px: float) -> bool:
    return any(before.is_near(after, right, down, within_px) for before in one for after in other)


def _share(on_frames: Sequence[Sequence[_Stand]], holds: Callable[[_Stand], bool]) -> float:
    """Of the marks on all frames, the share for which it holds."""
    marks = [stand for on_frame in on_frames for stand in on_frame]
    return sum(map(holds, marks)) / len(marks)


def _in_any(stand: _Stand, boxes: Sequence[XYWH]) -> bool:
    return any(x <= stand.x <= x + w and y <= stand.y <= y + h for x, y, w, h in boxes)


def _thing(on_frames: Sequence[Sequence[_Stand]], around: Surroundings) -> str:
    """The label of the things that most marks are on; empty where most are on none."""
    on: Counter[str] = Counter()
    for stand in (stand for on_frame in on_frames for stand in on_frame):
        on.update({label for box, label in around.things.get(stand.seq, ()) if _in_any(stand, [box])})
    label, times = max(on.items(), key=lambda item: (item[1], item[0]), default=("", 0))
    return label if times > MOST * sum(map(len, on_frames)) else ""


def _in_field(stand: _Stand, polygon: Sequence[Sequence[float]]) -> bool:
    """Whether its centre is on the field, by the even-odd rule."""
    inside = False
    for (ax, ay), (bx, by) in zip(polygon, [*polygon[1:], *polygon[:1]], strict=True):
        if (ay > stand.y) != (by > stand.y) and stand.x < ax + (bx - ax) * (stand.y - ay) / (by - ay):
            inside = not inside
    return inside
