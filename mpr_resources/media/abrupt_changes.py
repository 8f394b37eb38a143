"""Detects abrupt changes of the picture on the frames that the decoder passes between sampled ones.

A sampler of two frames a second cannot tell a cut's time better than half a second; the decoder can. What a shot is, is
not decided here.
"""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

GRID = (36, 64)
"""Rows and columns of luma values that a frame is known by."""
LEAST_JUMP = 6.0
"""Grey levels in the mean: less is no cut. No measurement is known; a false cut within one scene is undone by
`filter_scenes`."""
OUTSTANDING = 2.5
"""Times the next largest step around it: less is motion. No measurement is known."""


class Changes:
    """Takes every decoded frame in the order of showing, and tells of the time since it was last asked."""

    def __init__(self) -> None:
        self._last: NDArray[np.int16] | None = None
        self._steps: list[tuple[int, float]] = []

    def add(self, frame: VideoFrame) -> None:
        """The next decoded frame, whether it is sampled or not."""
        grid = _grid(frame)
        if grid is None or frame.pts is None:
            return
        if self._last is not None and self._last.shape == grid.shape:
            self._steps.append((frame.pts, float(np.abs(grid - self._last).mean())))
        self._last = grid

    def cut_pts(self) -> int | None:
        """The pts of the first frame after an abrupt change since the last call; None where there was none, or where
        fewer than two steps were seen, so that none stands out."""
        steps, self._steps = self._steps, []
        if len(steps) < 2:
            return None
        (pts, largest), (_, second) = sorted(steps, key=lambda step: -step[1])[:2]
        return pts if largest >= LEAST_JUMP and largest >= OUTSTANDING * second else None


def _grid(frame: VideoFrame) -> NDArray[np.int16] | None:
    """Evenly spread luma values; None for formats whose first component is not bytes."""
    plane = frame.planes[0]
    components = frame.format.components
    if components[0].bits != 8 or plane.height < GRID[0] or plane.width < GRID[1]:
        return None
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height]
    return rows[:: plane.height // GRID[0], : plane.width : plane.width // GRID[1]].astype(np.int16)
