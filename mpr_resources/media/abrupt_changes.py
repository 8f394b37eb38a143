"""Detects abrupt changes of the picture on the frames that the decoder passes between sampled ones.

A sampler of two frames a second cannot tell a cut's time better than half a second; the decoder can. What a shot is, is
not decided here.
"""

from __future__ import annotations

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


class Changes:
    """Takes every decoded frame in the order of showing, and tells of the time since it was last asked."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._last: tuple[int, NDArray[np.int16]] | None = None
        self._steps: list[tuple[int, float]] = []
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
            self._steps.append((frame.pts, float(np.abs(grid - self._last[1]).mean())))
        self._last = frame.pts, grid

    def cut_pts(self, until_pts: int) -> int | None:
        """The pts of the first frame after an abrupt change, from the last call's `until_pts` on to this; None where
        there was none, or where fewer than two steps were seen, so that none stands out. Another geometry is such a
        change, whatever is seen."""
        steps = [step for step in self._steps if step[0] <= until_pts]
        reshaped = [pts for pts in self._reshaped if pts <= until_pts]
        self._steps, self._reshaped = self._steps[len(steps) :], self._reshaped[len(reshaped) :]
        if reshaped:
            return reshaped[-1]
        if len(steps) < 2:
            return None
        (pts, largest), (_, second) = sorted(steps, key=lambda step: -step[1])[:2]
        return pts if largest >= LEAST_JUMP and largest >= OUTSTANDING * second else None

    def _grid(self, frame: VideoFrame) -> NDArray[np.int16]:
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
        return levels.astype(np.int16)
