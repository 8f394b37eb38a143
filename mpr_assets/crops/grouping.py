"""Equal crops of successive frames in one group, so that what does not change is read once.

Pure and streaming: only what may still grow is held. What is cut, and how, is not decided here: see `preprocess`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_service.likeness import Gray, block_change, phash_distance
from gpu_service.pictures import decode
from gpu_service.wire import Box, CropAnswer

Matrix: TypeAlias = NDArray[np.float64]
"""Shape (3, 3): a homography."""

CLEARER = 1.15
"""A crop takes the place of its group's stored one when it is sharper by this factor. No measurement is known."""
MOST_TRIES = 4
"""Groups that a crop is compared with pixel by pixel, nearest first: a bound on the work."""
MOST_SHIFT = (0.35, 0.12)
"""Equal crops may lie off by these parts of their height, across and down: no more than a letter hides beside them."""
MOST_COMPARED_PX = 400_000
"""Larger crops are compared at this area; their letters are large too."""
BLOCK_PX = 6
"""Side of a block in which a change is looked for, in pixels of the frame: no letter that can be read is smaller."""


@dataclass(frozen=True)
class CropLikeness:
    """When two crops show the same: see the settings of `preprocess`."""

    max_phash_distance: int
    max_change: float
    max_gap_frames: int


class Cut(NamedTuple):
    """A crop as it came from its frame."""

    seq: int
    box: Box
    label: str
    source: str
    crop: CropAnswer


class Member(NamedTuple):
    """A frame's crop within its group. `to_frame`: from the group's stored crop to this frame."""

    seq: int
    box: Box
    label: str
    source: str
    representative: bool
    to_frame: tuple[float, ...]


class SameCrops(NamedTuple):
    """Crops that show the same, finished. `png` is the sharpest of them, the representative."""

    crop: int
    png: bytes
    width_px: int
    height_px: int
    members: tuple[Member, ...]


@dataclass
class _Open:
    crop: int
    phash: int
    gray: Gray
    """The first crop's pixels: later ones are compared with it, so that no drift adds up."""
    px_per_frame_px: float
    last_index: int
    best: CropAnswer
    best_from_first: Matrix
    best_index: int
    cuts: list[Cut] = field(default_factory=list)
    to_frame: list[Matrix] = field(default_factory=list)
    """From the first crop's pixels to each frame."""


class CropGrouper:
    """Takes the crops of frame after frame, gives each group once nothing can join it any more.

    A crop joins the nearest group of its shot whose first crop it equals, wherever it lies: boards move with the
    camera. A group has one crop of a frame at most. The ids are 0, 1, ... in the order in which groups begin.
    """

    def __init__(self, likeness: CropLikeness) -> None:
        self._likeness = likeness
        self._open: list[_Open] = []
        self._shot: int | None = None
        self._count = 0

    def add(self, index: int, shot: int, cuts: list[Cut]) -> Iterator[SameCrops]:
        """The crops of one frame.

        Args:
            index: which of the frames in their order; those without crops count.
            shot: a new number ends all groups.
            cuts: crops whose picture is empty are left out.
        """
        if shot != self._shot:
            yield from self.finish()
            self._shot = shot
        yield from self._close(
            [group for group in self._open if index - group.last_index > self._likeness.max_gap_frames]
        )
        for cut in cuts:
            if cut.crop.picture_png:
                self._place(index, cut)

    def finish(self) -> Iterator[SameCrops]:
        yield from self._close(self._open)

    def _close(self, groups: list[_Open]) -> Iterator[SameCrops]:
        done = {group.crop for group in groups}
        self._open = [group for group in self._open if group.crop not in done]
        for group in groups:
            yield _finished(group)

    def _place(self, index: int, cut: Cut) -> None:
        gray = _gray(cut.crop)
        near = [
            group
            for group in self._open
            if group.last_index < index
            and phash_distance(group.phash, cut.crop.phash) <= self._likeness.max_phash_distance
        ]
        near.sort(key=lambda group: (_distance(group.cuts[-1].box, cut.box), group.crop))
        for group in near[:MOST_TRIES]:
            from_first = align_crops(
                group.gray, gray, group.px_per_frame_px, _density(cut.crop), self._likeness.max_change
            )
            if from_first is not None:
                _join(group, index, cut, from_first)
                return
        self._open.append(_begun(self._count, index, cut, gray))
        self._count += 1


def _begun(crop: int, index: int, cut: Cut, gray: Gray) -> _Open:
    first = _Open(crop, cut.crop.phash, gray, _density(cut.crop), index, cut.crop, np.eye(3), 0)
    _note(first, cut, np.eye(3))
    return first


def _join(group: _Open, index: int, cut: Cut, from_first: Matrix) -> None:
    if cut.crop.sharpness > CLEARER * group.best.sharpness:
        group.best, group.best_from_first, group.best_index = cut.crop, from_first, len(group.cuts)
    _note(group, cut, from_first)
    group.last_index = index


def _note(group: _Open, cut: Cut, from_first: Matrix) -> None:
    """The place alone: of pictures the best is held."""
    group.cuts.append(cut._replace(crop=cut.crop.model_copy(update={"picture_png": b""})))
    group.to_frame.append(_matrix(cut.crop) @ from_first)


def _finished(group: _Open) -> SameCrops:
    to_first = np.linalg.inv(group.best_from_first)
    members = []
    for number, (cut, first_to_frame) in enumerate(zip(group.cuts, group.to_frame, strict=True)):
        to_frame = first_to_frame @ to_first
        numbers = tuple((to_frame / to_frame[2, 2]).ravel().tolist())
        members.append(Member(cut.seq, cut.box, cut.label, cut.source, number == group.best_index, numbers))
    return SameCrops(group.crop, group.best.picture_png, group.best.width, group.best.height, tuple(members))


def align_crops(first: Gray, other: Gray, first_density: float, density: float, max_change: float) -> Matrix | None:
    """Where the first crop's pixels lie in the other, or None when they do not show the same.

    Both are brought to one scale: that of the frame, else (the camera zooms) that of the crops' heights. Then the
    other is shifted onto the first (phase correlation) and the change is looked for: see `block_change`.

    Args:
        first: shape (height, width), uint8.
        other: likewise, of any size.
        first_density: pixels of the first crop for each pixel of its frame.
        density: likewise of the other.
        max_change: grey levels, see `block_change`.

    Returns:
        shape (3, 3): continuous pixel coordinates of `first` to those of `other`.
    """
    reduced = min(1.0, math.sqrt(MOST_COMPARED_PX / first.size))
    target = _scaled(first, reduced)
    by_frame = reduced * first_density / density
    by_height = reduced * first.shape[0] / other.shape[0]
    scales = [by_frame] if abs(by_height / by_frame - 1) < 0.015 else [by_frame, by_height]
    block_px = max(3, round(BLOCK_PX * first_density * reduced))
    for scale in scales:
        candidate = _scaled(other, scale)
        slack = (max(3.0, MOST_SHIFT[0] * target.shape[0]), max(3.0, MOST_SHIFT[1] * target.shape[0]))
        across, down = (abs(candidate.shape[axis] - target.shape[axis]) for axis in (1, 0))
        if across > slack[0] or down > slack[1]:
            continue
        for dx, dy in _shifts(target, candidate, slack):
            if shifted_change(target, candidate, dx, dy, block_px) <= max_change:
                move = np.array([[1, 0, dx], [0, 1, dy], [0, 0, 1]], np.float64)
                return np.linalg.inv(_stretch(other, candidate)) @ move @ _stretch(first, target)
    return None


def _shifts(target: Gray, candidate: Gray, slack: tuple[float, float]) -> Iterator[tuple[float, float]]:
    """No shift first: it costs nothing and most crops stay."""
    if target.shape == candidate.shape:
        yield 0.0, 0.0
    height, width = max(target.shape[0], candidate.shape[0]), max(target.shape[1], candidate.shape[1])
    if min(height, width) < 8:
        return
    (dx, dy), _ = cv2.phaseCorrelate(
        _padded(target, height, width),
        _padded(candidate, height, width),
        cv2.createHanningWindow((width, height), cv2.CV_32F),
    )
    if abs(dx) <= slack[0] and abs(dy) <= slack[1]:
        yield dx, dy


def shifted_change(first: Gray, other: Gray, dx: float, dy: float, block_px: int) -> float:
    """The `block_change` of what two crops have in common once `other` is shifted onto `first`."""
    height, width = first.shape
    move = np.array([[1, 0, dx], [0, 1, dy]], np.float64)
    moved = cv2.warpAffine(other, move, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    left, top = max(0, math.ceil(-dx)), max(0, math.ceil(-dy))
    right = min(width, math.floor(other.shape[1] - 1 - dx) + 1)
    bottom = min(height, math.floor(other.shape[0] - 1 - dy) + 1)
    if right - left < 1 or bottom - top < 1:
        return 255.0
    one, two = first[top:bottom, left:right], np.asarray(moved[top:bottom, left:right], np.uint8)
    return block_change(one, two, (min(block_px, right - left), min(block_px, bottom - top)))


def _scaled(gray: Gray, scale: float) -> Gray:
    if abs(scale - 1) < 0.002:
        return gray
    size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR), np.uint8)


def _stretch(gray: Gray, scaled: Gray) -> Matrix:
    return np.diag([scaled.shape[1] / gray.shape[1], scaled.shape[0] / gray.shape[0], 1.0])


def _padded(gray: Gray, height: int, width: int) -> NDArray[np.float32]:
    below, beside = height - gray.shape[0], width - gray.shape[1]
    padded = cv2.copyMakeBorder(gray, 0, below, 0, beside, cv2.BORDER_REPLICATE) if below or beside else gray
    return np.asarray(padded, np.float32)


def _gray(crop: CropAnswer) -> Gray:
    return np.asarray(cv2.cvtColor(decode(crop.picture_png), cv2.COLOR_BGR2GRAY), np.uint8)


def _matrix(crop: CropAnswer) -> Matrix:
    return np.array(crop.to_frame, np.float64).reshape(3, 3)


def _density(crop: CropAnswer) -> float:
    """Pixels of the crop for each pixel of the frame, in the crop's middle."""
    middle = np.array([[crop.width / 2, crop.height / 2], [crop.width / 2 + 1, crop.height / 2]])
    one, two = cv2.perspectiveTransform(middle[None], _matrix(crop))[0]
    return float(1 / max(1e-6, math.hypot(*(two - one))))


def _distance(one: Box, two: Box) -> float:
    return abs(2 * (one.x - two.x) + one.w - two.w) + abs(2 * (one.y - two.y) + one.h - two.h)
