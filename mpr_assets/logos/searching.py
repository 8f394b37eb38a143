"""Which frames are searched for logos; between them what was found is followed, see `following`."""

from __future__ import annotations

import cv2
import numpy as np

from gpu_service.likeness import Gray, shared_view
from gpu_service.pictures import Image


class Searching:
    """Takes kept frames in order and says which are searched: the first of a shot, and those that show new things.

    Args:
        every: at least one of so many frames in succession.
        new_detail: also a frame of whose detail so large a share, 0 to 1, is not in the last one that was searched.
    """

    def __init__(self, every: int, new_detail: float) -> None:
        self._every, self._new_detail = every, new_detail
        self._passed = 0
        self._last: tuple[int, Gray] | None = None

    def next(self, shot: int, image: Image) -> bool:
        """Whether the next frame, of this shot, is searched."""
        self._passed += 1
        if self._every == 1:
            return True
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
        if self._last is not None and self._last[0] == shot and self._passed < self._every:
            _, shown = shared_view(self._last[1], grey)
            if 1 - shown < self._new_detail:
                return False
        self._passed, self._last = 0, (shot, grey)
        return True
