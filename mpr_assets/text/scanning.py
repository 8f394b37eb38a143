"""Which frames are scanned for text in full, and which quickly. How a picture is scanned is in the OCR routine."""

from __future__ import annotations

import cv2
import numpy as np

from gpu_service.likeness import Gray, shared_view
from gpu_service.pictures import Image


class FullScans:
    """Takes kept frames in order and says which are to be scanned in full.

    Args:
        every: at least one of so many frames in succession.
        new_detail: also a frame of whose detail so large a share is not in the last one that was scanned in full.
    """

    def __init__(self, every: int, new_detail: float) -> None:
        self._every, self._new_detail = every, new_detail
        self._quick = 0
        self._last: tuple[int, Gray] | None = None

    def due(self, shot: int, image: Image) -> bool:
        """Whether the next frame is due, of this shot: the first of a shot is."""
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
        self._quick += 1
        if self._last is not None and self._last[0] == shot and self._quick < self._every:
            _, shown = shared_view(self._last[1], grey)
            if 1 - shown < self._new_detail:
                return False
        self._quick, self._last = 0, (shot, grey)
        return True
