"""Whether a mark that stands in one picture is still there in the next ones, frame by frame outwards.

Knows pictures and boxes only. Which pictures are looked at is in `mpr_assets.report.edges`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Grey: TypeAlias = NDArray[np.uint8]
"""Shape (height, width)."""
Place: TypeAlias = tuple[float, float]
"""Left and top of a mark's box, in px of the picture; outside of it where the mark leaves."""

PATTERN_PX = 48
"""Marks are compared at this size, as the square root of their area: larger ones are shrunk."""
LEAST_SIDE_PX = 6
"""Shrunk marks keep at least this height and width."""
ALIKE = 0.5
"""Normalised correlation from which a place shows the mark, or what is left of it."""
BLOCK_PX = (9, 9)
"""Blocks of this size are compared each for itself, at the size that marks are compared at."""
BLOCK_ALIKE = 0.6
"""Normalised correlation from which a block is the mark's."""
UNCOVERED = 0.65
"""Less of the mark's detail than this, and something stands before it. In the first picture part may be covered too."""
LEAST_CONTRAST = 0.25
"""Of the mark's own contrast: fainter, as in a fade, and it is not there yet. No measurement is known."""
IN_VIEW = 0.9
"""Less of the box than this inside the picture, and the mark has left: a letter of its name may be cut off."""
FAINT = 3.0
"""Standard deviation of grey levels below which there is nothing to follow, in a mark or in a block of it."""
NEAR, FAR = 0.05, 0.15
"""How far from where it is expected a mark is looked for, as parts of the picture's width: first, and if not there."""


@dataclass(frozen=True)
class Seen:
    """A mark found in a picture."""

    place: Place
    score: float


class MarkSearch:
    """Follows one mark from the picture in which it was found, earlier or later.

    Args:
        picture: in which it was found, and `box` where: x, y, w, h in px.
    """

    def __init__(self, picture: Grey, box: tuple[float, float, float, float]) -> None:
        x, y, w, h = box
        self._size = w, h
        scale = min(1.0, PATTERN_PX / max(1.0, (w * h) ** 0.5))
        self._scale = max(scale, min(1.0, LEAST_SIDE_PX / max(1.0, min(w, h))))
        self._pattern = self._cut(picture, (x, y), 0)
        self._contrast = float(self._pattern.std())
        self._place: Place = x, y
        self._step: Place = 0.0, 0.0

    @property
    def can_be_followed(self) -> bool:
        """Whether the mark has anything to be known by."""
        return self._contrast >= FAINT and min(self._pattern.shape) >= 3

    def follow(self, picture: Grey) -> bool:
        """Whether the next picture outwards shows the mark; where it does, that is where the one after is expected."""
        width = picture.shape[1]
        expected = self._place[0] + self._step[0], self._place[1] + self._step[1]
        for margin, at in ((NEAR, expected), (FAR, self._place)):
            seen = self._find(picture, at, margin * width)
            if seen is not None:
                self._step = seen.place[0] - self._place[0], seen.place[1] - self._place[1]
                self._place = seen.place
                return self._share_inside(picture) >= IN_VIEW
        return False

    def _find(self, picture: Grey, at: Place, margin_px: float) -> Seen | None:
        window = self._cut(picture, at, margin_px)
        if window.shape[0] < self._pattern.shape[0] or window.shape[1] < self._pattern.shape[1]:
            return None
        scores = cv2.matchTemplate(window, self._pattern, cv2.TM_CCOEFF_NORMED)
        # Of what is flat the correlation is noise.
        scores[(_deviations(window, self._pattern.shape) < 1) | ~np.isfinite(scores)] = -1
        _, score, _, (column, row) = cv2.minMaxLoc(scores)
        margin = round(margin_px * self._scale)
        across, down = column + _peak(np.asarray(scores[row]), column), row + _peak(np.asarray(scores[:, column]), row)
        place = at[0] + (across - margin) / self._scale, at[1] + (down - margin) / self._scale
        here = self._cut(picture, place, 0)
        if score < ALIKE or score * float(here.std()) < LEAST_CONTRAST * self._contrast:
            return None
        return Seen(place, float(score)) if self._uncovered(here) >= UNCOVERED else None

    def _uncovered(self, here: NDArray[np.float32]) -> float:
        """The share of the mark's detail that a place of its size shows."""
        means = cv2.blur(self._pattern, BLOCK_PX), cv2.blur(here, BLOCK_PX)
        variances = [
            np.maximum(cv2.blur(one * one, BLOCK_PX) - mean * mean, 0)
            for one, mean in zip((self._pattern, here), means, strict=True)
        ]
        covariance = cv2.blur(self._pattern * here, BLOCK_PX) - means[0] * means[1]
        detailed = variances[0] > FAINT**2
        alike = detailed & (covariance > BLOCK_ALIKE * np.sqrt(variances[0] * variances[1]))
        return float(alike.sum() / max(1, detailed.sum()))

    def _cut(self, picture: Grey, at: Place, margin_px: float) -> NDArray[np.float32]:
        """The mark's box at a place with a margin around it, shrunk; beyond the picture its border goes on."""
        scale, margin = self._scale, round(margin_px * self._scale)
        size = max(1, round(self._size[0] * scale)) + 2 * margin, max(1, round(self._size[1] * scale)) + 2 * margin
        left, top = at[0] - margin / scale, at[1] - margin / scale
        # Averaged first where it is shrunk, for a warp does not smooth.
        x0, y0 = int(np.floor(left)) - 2, int(np.floor(top)) - 2
        x1, y1 = int(np.ceil(left + size[0] / scale)) + 2, int(np.ceil(top + size[1] / scale)) + 2
        cx0, cy0 = max(0, min(x0, picture.shape[1] - 1)), max(0, min(y0, picture.shape[0] - 1))
        cx1, cy1 = max(cx0 + 1, min(x1, picture.shape[1])), max(cy0 + 1, min(y1, picture.shape[0]))
        part = picture[cy0:cy1, cx0:cx1].astype(np.float32)
        if scale < 1:
            part = np.asarray(cv2.GaussianBlur(part, (0, 0), 0.4 / scale), np.float32)
        map_x = (left - cx0 + (np.arange(size[0], dtype=np.float32) + 0.5) / scale - 0.5).astype(np.float32)
        map_y = (top - cy0 + (np.arange(size[1], dtype=np.float32) + 0.5) / scale - 0.5).astype(np.float32)
        columns, rows = np.meshgrid(map_x, map_y)
        cut = cv2.remap(part, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(cut, np.float32)

    def _share_inside(self, picture: Grey) -> float:
        (x, y), (w, h) = self._place, self._size
        across = min(x + w, picture.shape[1]) - max(x, 0)
        down = min(y + h, picture.shape[0]) - max(y, 0)
        return float(max(0.0, across) * max(0.0, down) / (w * h))


def _deviations(window: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The standard deviation of grey at each place in a window that a pattern of that shape can have."""
    size, rows, columns = (shape[1], shape[0]), window.shape[0] - shape[0] + 1, window.shape[1] - shape[1] + 1
    mean, square = (cv2.boxFilter(one, -1, size, anchor=(0, 0)) for one in (window, window * window))
    return np.asarray(np.sqrt(np.maximum(square - mean * mean, 0))[:rows, :columns], np.float32)


def _peak(line: NDArray[np.floating], at: int) -> float:
    """Where the peak at a place really is, from its neighbours: the top of a parabola, -0.5 to 0.5."""
    if not 0 < at < len(line) - 1:
        return 0.0
    before, top, after = (float(value) for value in line[at - 1 : at + 2])
    bend = before - 2 * top + after
    return 0.0 if bend >= 0 else float(np.clip((before - after) / (2 * bend), -0.5, 0.5))
