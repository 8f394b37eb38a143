"""How each frame is scanned for text: in full or quickly, and how far for small text.

How a picture is scanned is in the OCR routine.
"""

from __future__ import annotations

import cv2
import numpy as np

from gpu_service.likeness import Gray, shared_view
from gpu_service.pictures import Image
from gpu_service.wire import OcrItem

FRAMES_SAVED = 8
"""A full scan spends on small text what so many frames may take: after a cut that much is new."""


class Scanning:
    """Takes kept frames in order and says how each is to be scanned.

    Args:
        every: at least one of so many frames in succession is scanned in full.
        new_detail: also a frame of whose detail so large a share is not in the last one that was scanned in full.
        small_text_megapixels: on average a frame, what full scans look through for small text.
    """

    def __init__(self, every: int, new_detail: float, small_text_megapixels: float) -> None:
        self._every, self._new_detail = every, new_detail
        self._small_text_megapixels = small_text_megapixels
        self._saved = float(FRAMES_SAVED - 1)
        self._quick = 0
        self._last: tuple[int, Gray] | None = None

    def next(self, shot: int, image: Image) -> OcrItem:
        """How the next frame is to be scanned, of this shot: the first of a shot in full."""
        self._saved = min(FRAMES_SAVED, self._saved + 1)
        self._quick += 1
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
        if not self._due(shot, grey):
            return OcrItem(recognise=False, full_scan=False)
        megapixels = self._saved * self._small_text_megapixels
        self._saved, self._quick, self._last = 0.0, 0, (shot, grey)
        return OcrItem(recognise=False, small_text_megapixels=megapixels)

    def _due(self, shot: int, grey: Gray) -> bool:
        if self._last is None or self._last[0] != shot or self._quick >= self._every:
            return True
        _, shown = shared_view(self._last[1], grey)
        return 1 - shown >= self._new_detail
