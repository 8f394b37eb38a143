"""Logos followed from frame to frame: found by a search, then by their pixels, forwards and backwards in their shot.

A logo's pixels are looked for where it was, where it would have moved on to, and where the picture as a whole has
moved. They are those of the last search that found it, so that nothing drifts. Part of `detect_objects`; knows nothing
of engines or tables. Which frames are searched is in `searching`.

Why this is not a library: see `mpr_assets.text.tracking`, of which the same holds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_service.boxes import overlaps
from gpu_service.likeness import Gray
from gpu_service.pictures import Image
from gpu_service.wire import Box, ObjectFinding, to_quad
from mpr_assets.text.tracking import motion

Corners: TypeAlias = NDArray[np.float32]
"""Shape (4, 2): x, y in pixels of the frame, clockwise from top left, which may lie outside."""

PATCH_PX = 48
"""Root of the area to which a logo is brought to compare its pixels."""
REACH_PX = 12
"""How far, in pixels of the patch, a logo may lie from where it is looked for."""
GROWTHS = (1.0, 0.9, 1.1)
"""Sizes at which it is looked for, against its last one: the camera zooms."""
STILL = 0.95
"""From this likeness on no other place or size is tried."""
MISSING_FRAMES = 4
"""For so many frames in succession a logo may be hidden or blurred, and still be known again."""
LOOK_BACK_FRAMES = 16
"""So many frames before the one in which it was found first it is followed back, at most."""
AGAINST = 0.4
"""Mean confidence of the searches of a logo's pixels below which it is not followed: one sure find outweighs one search
that did not find it."""
ENOUGH_VOTES, OUTVOTED = 3, 0.3
"""So many searches make what they give less than that on average no logo."""
FAINT = 2.0
"""Standard deviation of grey below which there is nothing to compare."""


@dataclass(frozen=True)
class Sighting:
    """A logo in a frame. `followed`: by its pixels; else a search of the frame found it. `hint`: it is no sure logo."""

    seq: int
    finding: ObjectFinding
    followed: bool
    hint: bool = False


@dataclass(eq=False)
class LogoTrack:
    """A logo over frames of a shot.

    Attributes:
        best: the finding that its name, reference and engine are of, as the last search that found it has them.
        corners: where it was last.
        patch: its pixels at the last search.
        step: how far it moved to there from the frame before.
        missing: in how many frames in succession it was not seen up to now; `away`: how far the picture moved in them.
        votes: of each search while it was in view, its confidence, 0 where that did not find it.
    """

    best: ObjectFinding
    corners: Corners
    patch: NDArray[np.float32]
    step: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))
    missing: int = 0
    away: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))
    votes: list[float] = field(default_factory=list)
    sightings: dict[int, Sighting] = field(default_factory=dict)

    def put(self, corners: Corners) -> None:
        """The logo is at this place in the present frame."""
        self.step = (corners.mean(axis=0) - self.corners.mean(axis=0)) / (self.missing + 1)
        self.corners, self.missing, self.away = corners, 0, np.zeros(2, np.float32)

    def is_at(self, seq: int, finding: ObjectFinding) -> bool:
        """Whether the finding is of this logo, at the place to which it was followed."""
        here = self.sightings.get(seq)
        same = here is not None and overlaps(here.finding.box.xywh, finding.box.xywh)
        return same and self.best.label == finding.label

    def confirm(self, seq: int, grey: Gray, finding: ObjectFinding, sure: bool) -> None:
        """A search finds it where it was followed to. Unless it is sure, the logo stays as it was followed."""
        self.votes.append(finding.confidence)
        if sure:
            self.corners = _corners(finding)
            self.best, self.patch = finding, patch_of(grey, self.corners)
            self.sightings[seq] = Sighting(seq, finding, followed=False)

    def seen(self) -> list[Sighting]:
        """Its sightings in order: where it was followed, as sure as the searches were on average.

        What they are against is not followed; what enough of them are against is no logo at all.
        """
        vote = round(sum(self.votes) / len(self.votes), 4)
        if len(self.votes) >= ENOUGH_VOTES and vote < OUTVOTED:
            return []
        sightings = [one for _, one in sorted(self.sightings.items())]
        return (
            [one for one in sightings if not one.followed]
            if vote < AGAINST
            else [
                replace(one, finding=one.finding.model_copy(update={"confidence": vote})) if one.followed else one
                for one in sightings
            ]
        )

    def expected(self) -> list[Corners]:
        """Where it may be: where it was, moved on as before, or with the whole picture."""
        return [self.corners, self.corners + (self.missing + 1) * self.step, self.corners + self.away]


class LogoFollower:
    """Takes the frames of a video in order; `finish` gives what is on them.

    Args:
        threshold: confidence from which what a search finds is a logo. What is below it is none by itself, and goes
            with a logo that was followed to its place.
        similarity: correlation of its pixels, 0 to 1, from which a logo is taken for still there.
    """

    def __init__(self, threshold: float, similarity: float) -> None:
        self._threshold, self._similarity = threshold, similarity
        self._hints: list[Sighting] = []
        self._shot: int | None = None
        self._tracks: list[LogoTrack] = []
        self._live: list[LogoTrack] = []
        self._before: deque[tuple[int, Gray, bool]] = deque(maxlen=LOOK_BACK_FRAMES)

    def step(self, seq: int, shot: int, image: Image, found: Sequence[ObjectFinding] | None) -> None:
        """The next frame: its shot, its pixels, and what a search of it found; None: it was not searched."""
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
        if shot != self._shot:
            self._shot, self._live = shot, []
            self._before.clear()
        self._follow(seq, grey)
        if found is not None:
            self._found(seq, grey, found)
        self._live = [track for track in self._live if track.missing <= MISSING_FRAMES]
        self._before.append((seq, grey, found is not None))

    def finish(self) -> list[Sighting]:
        """Every logo in every frame, in the order of tracks and frames."""
        alone = (one for one in self._hints if not any(track.is_at(one.seq, one.finding) for track in self._tracks))
        return [*(one for track in self._tracks for one in track.seen()), *alone]

    def _follow(self, seq: int, grey: Gray) -> None:
        drift = motion(self._before[-1][1], grey) if self._live else np.zeros(2, np.float32)
        for track in self._live:
            track.away = track.away + drift
            likeness, corners = located(grey, track.expected(), track.patch)
            if likeness >= self._similarity and _inside(corners, grey):
                track.put(corners)
                track.sightings[seq] = Sighting(seq, _at(track.best, corners, grey), followed=True)
            else:
                track.missing += 1

    def _found(self, seq: int, grey: Gray, found: Sequence[ObjectFinding]) -> None:
        followed = [track for track in self._live if not track.missing]
        hit: list[LogoTrack] = []
        for finding in sorted(found, key=lambda one: -one.confidence):
            track = next((one for one in followed if one not in hit and one.is_at(seq, finding)), None)
            if track is not None:
                track.confirm(seq, grey, finding, sure=finding.confidence >= self._threshold)
            elif finding.confidence < self._threshold:
                self._hints.append(Sighting(seq, finding, followed=False, hint=True))
                continue
            else:
                track = self._begin(seq, grey, finding)
            hit.append(track)
        for track in followed:
            if track not in hit:
                track.votes.append(0.0)

    def _begin(self, seq: int, grey: Gray, finding: ObjectFinding) -> LogoTrack:
        corners = _corners(finding)
        track = LogoTrack(finding, corners, patch_of(grey, corners), votes=[finding.confidence])
        track.sightings[seq] = Sighting(seq, finding, followed=False)
        self._back(track)
        self._tracks.append(track)
        self._live.append(track)
        return track

    def _back(self, track: LogoTrack) -> None:
        """Follow a new track into the frames before, as far as it is there without a gap; their searches vote too."""
        behind = LogoTrack(track.best, track.corners, track.patch)
        after: Gray | None = None
        for earlier, grey, searched in reversed(self._before):
            behind.away = motion(after, grey) if after is not None else np.zeros(2, np.float32)
            likeness, corners = located(grey, behind.expected(), behind.patch)
            if likeness < self._similarity or not _inside(corners, grey):
                break
            behind.put(corners)
            at = _at(track.best, corners, grey)
            if any(other.is_at(earlier, at) for other in self._tracks):
                break
            track.sightings[earlier] = Sighting(earlier, at, followed=True)
            if searched:
                hints = (one.finding for one in self._hints if one.seq == earlier)
                track.votes.append(max((one.confidence for one in hints if track.is_at(earlier, one)), default=0.0))
            after = grey


def located(grey: Gray, places: Iterable[Corners], patch: NDArray[np.float32]) -> tuple[float, Corners]:
    """How much the likeliest of these places, or what is near it, looks like a patch, -1 to 1; and where that is.

    The normalised cross-correlation, so that brightness and contrast may differ.
    """
    best, found = -1.0, np.zeros((4, 2), np.float32)
    height, width = patch.shape
    tried: list[Corners] = []
    for growth, place in product(GROWTHS, places):
        centre = place.mean(axis=0)
        corners = np.asarray(centre + growth * (place - centre), np.float32)
        if any(np.abs(corners - other).max() < 1 for other in tried):
            continue
        tried.append(corners)
        wide = patch_of(grey, corners, REACH_PX, (width, height))
        scores = cv2.matchTemplate(wide, patch, cv2.TM_CCOEFF_NORMED)
        _, score, _, (x, y) = cv2.minMaxLoc(scores)
        if np.isfinite(score) and score > best and wide[y : y + height, x : x + width].std() >= FAINT:
            along, down = (corners[1] - corners[0]) / width, (corners[3] - corners[0]) / height
            best, found = float(score), corners + (x - REACH_PX) * along + (y - REACH_PX) * down
        if best >= STILL:
            break
    return best, found


def patch_of(
    grey: Gray, corners: Corners, margin_px: int = 0, size_px: tuple[int, int] | None = None
) -> NDArray[np.float32]:
    """The grey pixels of a logo, straightened, with a margin on all sides. `size_px`: width, height; None: its own."""
    if size_px is None:
        width, height = (np.linalg.norm(corners[k] - corners[0]).clip(1) for k in (1, 3))
        aspect = float(np.sqrt(width / height).clip(0.25, 4))
        size_px = round(PATCH_PX * aspect), round(PATCH_PX / aspect)
    # Pixels that would be skipped are averaged.
    fine = max(1, round(float(np.linalg.norm(corners[1] - corners[0])) / size_px[0]))
    left, right, bottom = margin_px * fine, (margin_px + size_px[0]) * fine, (margin_px + size_px[1]) * fine
    at = np.array([[left, left], [right, left], [right, bottom], [left, bottom]], np.float32)
    to_patch = cv2.getPerspectiveTransform(corners.astype(np.float32), at)
    whole = right + left, bottom + left
    cut = cv2.warpPerspective(grey, to_patch, whole, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if fine > 1:
        cut = cv2.resize(cut, (whole[0] // fine, whole[1] // fine), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(cut.astype(np.float32), (3, 3), 0), np.float32)


def _corners(finding: ObjectFinding) -> Corners:
    box = finding.box
    right, bottom = box.x + box.w, box.y + box.h
    upright = ((box.x, box.y), (right, box.y), (right, bottom), (box.x, bottom))
    return np.array(finding.quad or upright, np.float32)


def _inside(corners: Corners, grey: Gray) -> bool:
    """Whether its centre lies in the frame."""
    x, y = corners.mean(axis=0)
    return bool(0 <= x < grey.shape[1] and 0 <= y < grey.shape[0])


def _at(finding: ObjectFinding, corners: Corners, grey: Gray) -> ObjectFinding:
    """The finding moved and grown to where its corners are."""
    before, box = _corners(finding), finding.box
    growth = np.linalg.norm(corners[2] - corners[0]) / np.linalg.norm(before[2] - before[0]).clip(1)
    ends = np.array([[box.x, box.y], [box.x + box.w, box.y + box.h]], np.float32)
    moved = (corners.mean(axis=0) + growth * (ends - before.mean(axis=0))).clip(0, grey.shape[::-1]).round()
    x, y, right, bottom = (int(value) for value in moved.ravel())
    quad = to_quad(corners) if finding.quad is not None else None
    return finding.model_copy(update={"box": Box(x=x, y=y, w=right - x, h=bottom - y), "quad": quad})
