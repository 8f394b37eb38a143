"""What a brand stands on: a board, a shirt, a product, or the picture itself; by rules, as far as they carry.

Where none does it is unknown. The rules are defined in docs/measures.md.

How marks are followed is in `tracks`, the camera's motion in `camera`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from math import hypot
from typing import Literal

import polars as pl
from pydantic import Field

from gpu_service.boxes import XYWH, shared_area
from gpu_service.settings import Settings
from mpr_assets.report.areas import centroid, outline
from mpr_assets.report.camera import Motion
from mpr_assets.report.exposure_table import PLACEMENTS, UNKNOWN, PlacementName
from mpr_resources.brands.folding import fold_key
from mpr_resources.storage.tables import NamedRow

PLACEMENT_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "brand": pl.String,
    "exposure": pl.Int32,
    "placement": pl.String,
    "placement_reason": pl.String,
    "placement_object": pl.String,
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
ON_OBJECTS = {
    "shirt": ("goalkeeper", "jersey", "man", "person", "player", "referee", "shirt", "t-shirt", "woman"),
    "product": (
        "backpack", "bag", "bicycle", "book", "bottle", "bowl", "bus", "can", "car", "cell phone", "chair", "cup",
        "handbag", "keyboard", "laptop", "motorcycle", "mouse", "remote", "skateboard", "skis", "snowboard",
        "sports ball", "suitcase", "surfboard", "tennis racket", "train", "truck", "tv", "umbrella", "van",
        "wine glass",
    ),
    "board": ("banner", "billboard"),
}  # fmt: skip
"""What a mark on an object stands on, by labels of COCO and others that are common; those that are not here tell
nothing."""


class PlacementSettings(Settings):
    """What marks on objects stand on."""

    object_placements: dict[PlacementName, PlacementName] = Field(
        {},
        max_length=1000,
        description="what a mark on an object of detect_objects stands on, by the object's label, beside those of "
        "docs/measures.md: {helmet: helmet, person: unknown}; unknown: the object does not tell",
    )

    @property
    def possible_placements(self) -> list[str]:
        """Every word that the column `placement` may have."""
        return list(dict.fromkeys([*PLACEMENTS, *self.object_placements.values()]))

    def of_labels(self, labels: Iterable[str]) -> dict[str, str]:
        """What a mark on an object stands on, by each of these labels that tells it, however it is spelt."""
        named = {label: placement for placement, labels in ON_OBJECTS.items() for label in labels}
        folded = {fold_key(label): placement for label, placement in (named | self.object_placements).items()}
        told = {label: folded.get(fold_key(label), UNKNOWN) for label in labels}
        return {label: placement for label, placement in told.items() if placement != UNKNOWN}


OF_THEMSELVES = PlacementSettings()


@dataclass(frozen=True)
class Surroundings:
    """What was found on frames besides brands, each by the frame's seq.

    Attributes:
        boards: regions between near-horizontal lines. objects: boxes with their labels.
        fields: polygon of the playing field, [[x, y], ...].
    """

    boards: Mapping[int, Sequence[XYWH]] = field(default_factory=dict)
    objects: Mapping[int, Sequence[tuple[XYWH, str]]] = field(default_factory=dict)
    fields: Mapping[int, Sequence[Sequence[float]]] = field(default_factory=dict)


def surroundings(regions: pl.DataFrame, objects: pl.DataFrame, fields: pl.DataFrame) -> Surroundings:
    """From the rows of `detect_edges`, those of `objects_of`, and those of `field_segmentation`; each may be empty."""
    boards: dict[int, list[XYWH]] = defaultdict(list)
    for seq, *box in regions.select("seq", "x", "y", "w", "h").iter_rows():
        boards[seq].append((box[0], box[1], box[2], box[3]))
    labelled: dict[int, list[tuple[XYWH, str]]] = defaultdict(list)
    for seq, x, y, w, h, label in objects.select("seq", "x", "y", "w", "h", "label").iter_rows():
        labelled[seq].append(((x, y, w, h), label))
    return Surroundings(boards, labelled, dict(fields.select("seq", "polygon").iter_rows()))


@dataclass(frozen=True)
class _Stand:
    """A mark on a frame: `x`, `y`: its centre, `size_px`: the root of its area, `box`: around it."""

    seq: int
    x: float
    y: float
    size_px: float
    box: XYWH

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
    settings: PlacementSettings = OF_THEMSELVES,
) -> pl.DataFrame:
    """What each exposure's marks stand on, by the first rule that carries.

    Args:
        presence: rows of PRESENCE_SCHEMA. detections: what it was made of. frames: rows of `extract_frames`. spans: of
            `frame_spans`. motion: of the picture between frames of a shot. settings: what marks on objects stand on.

    Returns:
        A table of PLACEMENT_SCHEMA; `placement_reason`: the rule, in words; `placement_object`: the label of the object
        that told it, empty where none did.
    """
    shots = {seq: (chunk, shot) for seq, chunk, shot in spans.select("seq", "chunk", "shot").iter_rows()}
    sizes = {seq: (w, h) for seq, w, h in frames.select("seq", "width_px", "height_px").iter_rows()}
    found = detections.join(presence.select("brand", seq="found_on").unique(), on=["brand", "seq"], how="semi")
    stands: dict[tuple[str, int], list[_Stand]] = defaultdict(list)
    for row in found.iter_rows(named=True):
        stands[row["brand"], row["seq"]].append(_stand(row, *sizes[row["seq"]]))
    placement_of = settings.of_labels({label for objects in around.objects.values() for _, label in objects})
    lasting = pl.col("end_ms") - pl.col("start_ms")
    keys = (
        presence.group_by("brand", "exposure", "found_on").agg(ms=lasting.sum()).sort("brand", "exposure", "found_on")
    )
    rows = []
    for (brand, exposure), of_frames in groupby(keys.iter_rows(), key=lambda row: (row[0], row[1])):
        seen_ms = {seq: ms for _, _, seq, ms in of_frames}
        on_frames = [stands[brand, seq] for seq in seen_ms]
        on_object = _on_object(on_frames, seen_ms, around, placement_of)
        rows.append((brand, exposure, *_placement(on_frames, on_object, shots, sizes, around, motion)))
    return pl.DataFrame(rows, PLACEMENT_SCHEMA, orient="row")


def _stand(row: NamedRow, width: int, height: int) -> _Stand:
    x, y, w, h = (row[side] for side in "xywh")
    seen = outline(row["polygon"], (x, y, x + w, y + h), width, height)
    across, down = centroid(seen) if seen else (x + w / 2, y + h / 2)
    return _Stand(row["seq"], across, down, (w * h) ** 0.5, (x, y, w, h))


def _placement(
    on_frames: Sequence[Sequence[_Stand]],
    on_object: tuple[str, str],
    shots: Mapping[int, tuple[int, int]],
    sizes: Mapping[int, tuple[int, int]],
    around: Surroundings,
    motion: Motion,
) -> tuple[str, str, str]:
    """Placement, reason, label of the object; `on_object`: of `_on_object`."""
    if _keeps_its_place_over_cuts(on_frames, shots, sizes):
        return "overlay", "it keeps its place in the picture over cuts", ""
    moves = _moves(on_frames, shots, sizes, motion)
    fixed, along, own = (sum(one == kind for one in moves) for kind in ("fixed", "along", "own"))
    if fixed >= LEAST_STEPS and fixed > MOST * len(moves):
        return "overlay", "it keeps its place in the picture while the camera moves", ""
    placement, label = on_object
    if label:
        return placement, f"it is on an object: {label}", label
    if own >= LEAST_STEPS and own > MOST * len(moves):
        on_field = _share(on_frames, lambda stand: _in_field(stand, around.fields.get(stand.seq, ()))) > MOST
        return ("shirt", "it moves on the field, otherwise than the camera", "") if on_field else (UNKNOWN, "", "")
    if _share(on_frames, lambda stand: _in_any(stand, around.boards.get(stand.seq, ()))) > MOST:
        if along:
            return "board", "it is on a region between lines, and moves with the picture", ""
        if _share(on_frames, lambda stand: bool(around.fields.get(stand.seq))) > MOST:
            return "board", "it is on a region between lines, and there is a field", ""
    return UNKNOWN, "", ""


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


def _on_object(
    on_frames: Sequence[Sequence[_Stand]],
    seen_ms: Mapping[int, int],
    around: Surroundings,
    placement_of: Mapping[str, str],
) -> tuple[str, str]:
    """The placement that most marks have by the objects that they lie on, and the label that most of those have.

    A mark weighs the time that its frame stands for. Both are empty where no placement has most.
    """
    votes: Counter[tuple[str, str]] = Counter()
    of_placements: Counter[str] = Counter()
    for stand in (stand for on_frame in on_frames for stand in on_frame):
        label = _object_under(stand, around, placement_of)
        if label:
            votes[placement_of[label], label] += seen_ms[stand.seq]
            of_placements[placement_of[label]] += seen_ms[stand.seq]
    whole = sum(seen_ms[stand.seq] for on_frame in on_frames for stand in on_frame)
    for placement, ms in of_placements.items():
        if ms > MOST * whole:
            _, label = max((times, label) for (other, label), times in votes.items() if other == placement)
            return placement, label
    return "", ""


def _object_under(stand: _Stand, around: Surroundings, labels: Container[str]) -> str:
    """The label of the smallest object of these labels that most of the mark lies on; empty: there is none."""
    most = MOST * stand.box[2] * stand.box[3]
    under = [
        (box[2] * box[3], label)
        for box, label in around.objects.get(stand.seq, ())
        if label in labels and shared_area(stand.box, box) > most
    ]
    return min(under, default=(0, ""))[1]


def _in_field(stand: _Stand, polygon: Sequence[Sequence[float]]) -> bool:
    """Whether its centre is on the field, by the even-odd rule."""
    inside = False
    for (ax, ay), (bx, by) in zip(polygon, [*polygon[1:], *polygon[:1]], strict=True):
        if (ay > stand.y) != (by > stand.y) and stand.x < ax + (bx - ax) * (stand.y - ay) / (by - ay):
            inside = not inside
    return inside
