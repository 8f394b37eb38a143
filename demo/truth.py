"""What is on screen, when and where: from the geometry that drew the picture, never from looking at it.

A mark (a brand's wordmark or symbol at one place) *counts* in a frame when all of this holds:

- at least `MIN_INSIDE` of its area lies inside the frame;
- at most `MAX_COVERED` of what is inside is hidden by players or overlays;
- its capitals are at least `MIN_CAP_PX` high (a symbol: `MIN_SYMBOL_PX`).

A mark that fails this and still has `OPTIONAL_SHARE` of its area in view may be read by a good reader: such spans
become rows whose note begins with "optional", which can be found but not missed. In less than that nobody can read it.
So do stays shorter than `MIN_STAY_MS`, which a reader of two frames a second may never look at.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from demo.drawing import Mask

Kind: TypeAlias = Literal["text", "logo"]
Corners: TypeAlias = NDArray[np.float64]
"""Shape (4, 2): x, y in frame pixels, clockwise from top left."""

MIN_INSIDE = 0.90
MAX_COVERED = 0.15
MIN_CAP_PX = 14.0
MIN_SYMBOL_PX = 40.0
OPTIONAL_SHARE = 0.35
MAX_BRIDGED_MS = 500
"""Losses shorter than this, within one scene, do not end a row of `Truth.exposures`; the boxes leave them out."""
MIN_STAY_MS = 500


@dataclass(frozen=True)
class Sighting:
    """A mark as the camera sees it in one frame.

    Attributes:
        corners: of the ink's rectangle, also where outside the frame.
        readable_px: height of its capitals, or of the whole symbol.
        place: "perimeter board", "corner bug", ...; becomes the note.
        on_top: laid over the picture, so that nothing in it can hide the mark.
        mark: tells marks at places of one name apart.
    """

    brand: str
    kind: Kind
    place: str
    corners: Corners
    readable_px: float
    on_top: bool = False
    mark: str = ""


@dataclass(frozen=True)
class Exposure:
    """An unbroken stay: half-open, in seconds of the video's clock."""

    brand: str
    start_s: Fraction
    end_s: Fraction
    kind: Kind
    note: str

    @property
    def optional(self) -> bool:
        return self.note.startswith("optional")


@dataclass(frozen=True)
class TruthBox:
    """A mark that counts in a frame: the part of its bounding box that lies in the frame, in pixels."""

    brand: str
    kind: Kind
    frame: int
    pts_ms: int
    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True)
class Outline:
    """A mark that counts in a frame, or that may be read there though it does not count.

    `corners`: of the ink's rectangle, x0 y0 .. x3 y3 in pixels, also where outside the frame.
    """

    brand: str
    frame: int
    pts_ms: int
    counts: bool
    corners: tuple[float, ...]


@dataclass(frozen=True)
class Truth:
    """Everything a reader of the video can be held to.

    Attributes:
        exposures: sorted by brand, kind and start; the optional ones among them.
        boxes: sorted by frame, brand, kind and place. outlines: as the boxes are.
        cuts: frame numbers at which a hard cut shows the next scene.
        frame_count: frames in the video.
        fps: frames a second; frame n is shown at n / fps seconds.
    """

    exposures: tuple[Exposure, ...]
    boxes: tuple[TruthBox, ...]
    outlines: tuple[Outline, ...]
    cuts: tuple[int, ...]
    frame_count: int
    fps: Fraction

    def write(self, folder: Path) -> None:
        """Write `truth.csv`, `truth_boxes.csv` and `truth_outlines.csv` into the folder."""
        with (folder / "truth.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["brand", "start_s", "end_s", "kind", "note"])
            for row in self.exposures:
                table.writerow([row.brand, f"{float(row.start_s):.6g}", f"{float(row.end_s):.6g}", row.kind, row.note])
        with (folder / "truth_boxes.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["brand", "kind", "frame", "pts_ms", "x", "y", "w", "h"])
            for box in self.boxes:
                table.writerow([box.brand, box.kind, box.frame, box.pts_ms, box.x, box.y, box.w, box.h])
        with (folder / "truth_outlines.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["brand", "frame", "pts_ms", "counts", "x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3"])
            for one in self.outlines:
                corners = [f"{value:.2f}" for value in one.corners]
                table.writerow([one.brand, one.frame, one.pts_ms, int(one.counts), *corners])


@dataclass(frozen=True)
class View:
    """How much of a mark is to be seen."""

    inside: float
    covered: float
    readable_px: float
    kind: Kind

    @property
    def counts(self) -> bool:
        least_px = MIN_CAP_PX if self.kind == "text" else MIN_SYMBOL_PX
        return self.inside >= MIN_INSIDE and self.covered <= MAX_COVERED and self.readable_px >= least_px

    @property
    def optional(self) -> bool:
        return not self.counts and self.inside * (1 - self.covered) >= OPTIONAL_SHARE

    @property
    def hidden(self) -> bool:
        """Whether it would count if nothing stood before it."""
        return not self.counts and View(self.inside, 0.0, self.readable_px, self.kind).counts


def view_of(sighting: Sighting, cover: Mask) -> View:
    """Measure a sighting. `cover` is of the frame's size: what is hidden behind players and overlays."""
    height_px, width_px = cover.shape
    corners = sighting.corners.astype(np.float32)
    frame = np.array([[0, 0], [width_px, 0], [width_px, height_px], [0, height_px]], np.float32)
    seen_px, _ = cv2.intersectConvexConvex(corners, frame)
    inside = min(float(seen_px) / max(cv2.contourArea(corners), 1e-9), 1.0)
    covered = _covered(corners, cover) if inside and not sighting.on_top else 0.0
    return View(inside, covered, sighting.readable_px, sighting.kind)


def _covered(corners: NDArray[np.float32], cover: Mask) -> float:
    x, y, w, h = clipped_box(corners.astype(np.float64), cover.shape[1], cover.shape[0])
    area = np.zeros((h, w), np.uint8)
    cv2.fillConvexPoly(area, np.round(corners - (x, y)).astype(np.int32), 255)
    pixels = cv2.countNonZero(area)
    hidden = cv2.countNonZero(area & (cover[y : y + h, x : x + w] > 127).astype(np.uint8))
    return hidden / pixels if pixels else 0.0


def clipped_box(corners: Corners, width_px: int, height_px: int) -> tuple[int, int, int, int]:
    """Smallest x, y, w, h in whole pixels around the corners, cut at the frame's edges."""
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, (width_px, height_px)).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), 0, (width_px, height_px)).astype(int)
    return int(left), int(top), int(right - left), int(bottom - top)


@dataclass
class Ledger:
    """Gathers what is seen, frame by frame, and makes the truth of it."""

    fps: Fraction
    views: dict[tuple[str, str], dict[int, View]] = field(default_factory=lambda: defaultdict(dict))
    """By brand and mark: how it is seen, by frame."""
    _scenes: list[int] = field(default_factory=list)
    _boxes: list[TruthBox] = field(default_factory=list)
    _outlines: list[Outline] = field(default_factory=list)
    _counted: dict[tuple[str, Kind], dict[int, set[str]]] = field(default_factory=lambda: defaultdict(dict))
    _optional: dict[tuple[str, Kind], dict[int, set[str]]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, scene: int, sightings: Sequence[Sighting], cover: Mask) -> None:
        """Note the next frame, which belongs to the scene of that number."""
        frame = len(self._scenes)
        self._scenes.append(scene)
        for sighting in sorted(sightings, key=lambda s: (s.brand, s.kind, s.place)):
            view = view_of(sighting, cover)
            self.views[sighting.brand, f"{sighting.kind} {sighting.place} {sighting.mark}"][frame] = view
            pts_ms = round(frame * 1000 / self.fps)
            if view.counts:
                box = clipped_box(sighting.corners, cover.shape[1], cover.shape[0])
                self._boxes.append(TruthBox(sighting.brand, sighting.kind, frame, pts_ms, *box))
            if view.counts or view.optional:
                corners = tuple(float(value) for value in sighting.corners.ravel())
                self._outlines.append(Outline(sighting.brand, frame, pts_ms, view.counts, corners))
                seen = self._counted if view.counts else self._optional
                seen[sighting.brand, sighting.kind].setdefault(frame, set()).add(sighting.place)

    @property
    def scenes(self) -> list[int]:
        """The number of each frame's scene."""
        return self._scenes

    def truth(self, cuts: Iterable[int]) -> Truth:
        exposures = [
            Exposure(brand, start / self.fps, end / self.fps, kind, self._note(end - start, places))
            for (brand, kind), frames in self._counted.items()
            for start, end, places in self._stays(frames, bridged_ms=MAX_BRIDGED_MS)
        ]
        for key, frames in self._optional.items():
            alone = {frame: places for frame, places in frames.items() if frame not in self._counted.get(key, {})}
            exposures += [
                Exposure(key[0], start / self.fps, end / self.fps, key[1], "optional: partly seen or small")
                for start, end, _ in self._stays(alone, bridged_ms=0)
                if not any(
                    e.brand == key[0]
                    and e.kind == key[1]
                    and e.start_s <= start / self.fps
                    and end / self.fps <= e.end_s
                    for e in exposures
                )
            ]
        exposures.sort(key=lambda e: (e.brand, e.kind, e.start_s))
        shown = tuple(self._boxes), tuple(self._outlines)
        return Truth(tuple(exposures), *shown, tuple(cuts), len(self._scenes), self.fps)

    def _note(self, frame_count: int, places: set[str]) -> str:
        note = " + ".join(sorted(places))
        return note if frame_count * 1000 / self.fps >= MIN_STAY_MS else f"optional: brief, {note}"

    def _stays(self, frames: dict[int, set[str]], bridged_ms: int) -> list[tuple[int, int, set[str]]]:
        """Runs of frames as start, end (half-open) and all their places."""
        stays: list[tuple[int, int, set[str]]] = []
        for frame in sorted(frames):
            if stays and self._joined(stays[-1][1], frame, bridged_ms):
                start, _, places = stays.pop()
                stays.append((start, frame + 1, places | frames[frame]))
            else:
                stays.append((frame, frame + 1, set(frames[frame])))
        return stays

    def _joined(self, end: int, frame: int, bridged_ms: int) -> bool:
        if frame == end:
            return True
        lost_ms = (frame - end) * 1000 / self.fps
        return lost_ms < bridged_ms and self._scenes[end - 1] == self._scenes[frame]
