"""Detects abrupt changes of the picture on the frames that the decoder passes between sampled ones, and fast pans.

A sampler of two frames a second cannot tell a cut's time better than half a second, nor a fast pan from a cut; the
decoder can. What a shot is, is not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from mpr_resources.media.geometry import Geometry
from mpr_resources.media.pixels import BLACK, composited, has_alpha

GRID = (36, 64)
"""Rows and columns of grey levels that a frame is known by."""
LEAST_JUMP = 7.0
"""Grey levels in the mean: less is no cut. No measurement is known; a false cut within one scene is undone by
`filter_scenes`."""
OUTSTANDING = 2.5
"""Times the next largest step around it: less is motion. No measurement is known."""
LEFT_BY_PANS = 0.4
"""Of all change, what is left at most in a fast pan once pictures are shifted back. On photographs panned by a width a
second or more it was 0.1 to 0.4; in cross-fades of two such pans, and where things move, 0.4 to 1."""


@dataclass(frozen=True)
class PictureChange:
    """How the picture changed from one sampled frame to the next.

    Attributes:
        cut_pts: of the first frame after an abrupt change; None where there was none, or where fewer than two steps
            were seen, so that none stands out. Another geometry is such a change, whatever is seen.
        panned: whether all that changed is that the camera moved, so fast that the two may have nothing in common.
    """

    cut_pts: int | None
    panned: bool


@dataclass(frozen=True)
class _Step:
    """From one decoded frame to the next: grey levels in the mean, and once it is shifted back as the camera moved."""

    pts: int
    change: float
    moved_change: float


class Changes:
    """Takes every decoded frame in the order of showing, and tells of the time since it was last asked."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._last: tuple[int, NDArray[np.uint8]] | None = None
        self._steps: list[_Step] = []
        self._geometry: Geometry | None = None
        self._reshaped: list[int] = []

    def add(self, frame: VideoFrame, geometry: Geometry) -> None:
        """The next decoded frame, whether it is sampled or not; one that is decoded again is passed over."""
        if frame.pts is None or (self._last is not None and frame.pts <= self._last[0]):
            return
        if self._geometry is not None and geometry != self._geometry:
            self._reshaped.append(frame.pts)
        self._geometry = geometry
        grid = self._grid(frame)
        if self._last is not None:
            self._steps.append(_step(frame.pts, self._last[1], grid))
        self._last = frame.pts, grid

    def until(self, pts: int) -> PictureChange:
        """From the last call's `pts` on to this."""
        steps = [step for step in self._steps if step.pts <= pts]
        reshaped = [at for at in self._reshaped if at <= pts]
        self._steps, self._reshaped = self._steps[len(steps) :], self._reshaped[len(reshaped) :]
        if reshaped:
            return PictureChange(reshaped[-1], False)
        if len(steps) < 2:
            return PictureChange(None, False)
        largest, second = sorted(steps, key=lambda step: -step.moved_change)[:2]
        if largest.moved_change >= max(LEAST_JUMP, OUTSTANDING * second.moved_change):
            return PictureChange(largest.pts, False)
        changes, left = (sum(step.change for step in steps), sum(step.moved_change for step in steps))
        return PictureChange(None, changes >= LEAST_JUMP * len(steps) and left <= LEFT_BY_PANS * changes)

    def _grid(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Grey levels of evenly spread pixels, not of means: a hundredth of the time. Shape GRID."""
        seen_through = has_alpha(frame)
        levels = self._reformatter.reformat(
            frame,
            width=GRID[1],
            height=GRID[0],
            format="bgra" if seen_through else "gray",
            interpolation=Interpolation.POINT,
            threads=1,
        ).to_ndarray()
        if seen_through:
            levels = composited(np.asarray(levels, np.uint8), BLACK).mean(2)
        return levels.astype(np.uint8)


def _step(pts: int, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> _Step:
    change = float(cv2.absdiff(before, after).mean())
    return _Step(pts, change, min(change, _moved_change(before, after)) if change >= LEAST_JUMP else change)


def _moved_change(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """Grey levels by which what both show differs, once the middle half of one picture is found again in the other."""
    height, width = GRID
    y, x = height // 4, width // 4
    alike = cv2.matchTemplate(after, before[y : height - y, x : width - x], cv2.TM_CCOEFF_NORMED)
    _, _, _, (at_x, at_y) = cv2.minMaxLoc(alike)
    right, down = at_x - x, at_y - y
    here = before[max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)]
    there = after[max(0, down) : height - max(0, -down), max(0, right) : width - max(0, -right)]
    return float(cv2.absdiff(here, there).mean())
