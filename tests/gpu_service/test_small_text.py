from __future__ import annotations

import cv2
import numpy as np
import pytest

from gpu_service.boxes import XYWH
from gpu_service.pictures import Image
from gpu_service.routines.ocr.engine import HeatMap, OcrSettings, Quads, StripText
from gpu_service.routines.ocr.routine import find
from gpu_service.routines.ocr.small_text import small_text_places
from tests.stills import seen, still

WIDTH, HEIGHT = 640, 360
FLAT = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
STILL = seen(still(2, (800, 500)), 0, 0, (WIDTH, HEIGHT)) // 3 + 60


def lettered(image: Image, x: int, y: int, text: str = "KORVAX TOOLS") -> Image:
    """Letters about 7 px high whose baseline starts there, on a board."""
    picture = image.copy()
    cv2.rectangle(picture, (x - 40, y - 14), (x + 130, y + 6), (60, 50, 40), -1)
    cv2.putText(picture, text, (x, y), (200, 200, 200), cv2.FontFace("sans"), 9, 500)
    return picture


PLACE_AREA_PX = 176 * 64
PLACES: dict[str, tuple[Image, list[XYWH], float, list[tuple[int, int]]]] = {
    "flat": (FLAT, [], 1e6, []),
    "one pixel": (FLAT[:1, :1], [], 1e6, []),
    "letters on flat ground": (lettered(FLAT, 300, 200), [], 1e6, [(340, 197)]),
    "letters among other things": (lettered(STILL, 300, 200), [], PLACE_AREA_PX, [(340, 197)]),
    "at the edge": (lettered(FLAT, 2, 356), [], 1e6, [(40, 352)]),
    "two, the area for one": (lettered(lettered(FLAT, 300, 200), 60, 60, "HAY"), [], PLACE_AREA_PX, [(340, 197)]),
    "no area": (lettered(FLAT, 300, 200), [], PLACE_AREA_PX - 1, []),
    "known": (lettered(FLAT, 300, 200), [(240, 160, 220, 80)], 1e6, []),
}


@pytest.mark.parametrize("name", PLACES)
def test_where_small_text_is_looked_for(name: str) -> None:
    image, known, area_px, expected = PLACES[name]
    places = small_text_places(image, known, area_px)
    assert len(places) == len(expected)
    for (x, y, w, h), (at_x, at_y) in zip(places, expected, strict=True):
        assert x < at_x < x + w
        assert y < at_y < y + h
        assert 0 <= x <= x + w <= image.shape[1]
        assert 0 <= y <= y + h <= image.shape[0]


class Blind:
    """A detector that sees only what is at least 12 px high and white in the picture that it is given."""

    def __init__(self) -> None:
        self.megapixels = 0.0

    def heat(self, image: Image) -> HeatMap:
        self.megapixels += image.shape[0] * image.shape[1] / 1e6
        high = cv2.morphologyEx((image[:, :, 0] > 200).astype(np.uint8), cv2.MORPH_OPEN, np.ones((12, 1), np.uint8))
        return high.astype(np.float32)

    def quads(self, heat: HeatMap, size: tuple[int, int], settings: OcrSettings) -> Quads:
        step = np.array([size[0] / heat.shape[1], size[1] / heat.shape[0]], np.float32)
        contours, _ = cv2.findContours(heat.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        boxes = [cv2.boundingRect(contour) for contour in contours]
        corners = [[(x, y), (x + w, y), (x + w, y + h), (x, y + h)] for x, y, w, h in boxes]
        return np.asarray(corners, np.float32).reshape(-1, 4, 2) * step

    def read(self, strip: Image, space_threshold: float) -> StripText:
        raise AssertionError("nothing is read")


def bars(*at: XYWH) -> Image:
    """White bars between black ones, which makes upright strokes."""
    picture = np.full((600, 960, 3), 90, np.uint8)
    for x, y, w, h in at:
        picture[y : y + h, x : x + w] = 255
        picture[y : y + h, x - 6 : x] = picture[y : y + h, x + w : x + w + 6] = 0
    return picture


SMALL, LARGE = (300, 200, 40, 9), (600, 400, 40, 14)
FOUND: dict[str, tuple[Image, bool, float, list[XYWH]]] = {
    "nothing": (bars(), True, 1.0, []),
    "a small line, without looking for it": (bars(SMALL), True, 0.0, []),
    "a small line": (bars(SMALL), True, 1.0, [SMALL]),
    "a small line in a quick scan": (bars(SMALL), False, 1.0, []),
    "both": (bars(SMALL, LARGE), True, 1.0, [SMALL, LARGE]),
    "a large line counts once": (bars(LARGE), True, 1.0, [LARGE]),
    "too little to look at one place": (bars(SMALL), True, 0.02, []),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_full_scan_finds_small_text(name: str) -> None:
    image, full_scan, megapixels, expected = FOUND[name]
    settings = OcrSettings(quick_side_min_px=64)
    quads, _ = find(Blind(), image, settings, full_scan, megapixels)
    boxes = [(*quad.min(axis=0), *(quad.max(axis=0) - quad.min(axis=0))) for quad in quads]
    assert len(boxes) == len(expected)
    np.testing.assert_allclose(np.array(boxes).reshape(-1, 4), np.array(expected).reshape(-1, 4), atol=2)


class Cold(Blind):
    """A detector that sees nothing."""

    def heat(self, image: Image) -> HeatMap:
        return super().heat(image) * 0


def test_no_more_is_looked_through_than_allowed() -> None:
    seen_megapixels = []
    for allowed in (0.0, 0.2, 0.8):
        engine = Cold()
        find(engine, still(3, (960, 600)), OcrSettings(), True, allowed)
        seen_megapixels.append(engine.megapixels)
    more = [megapixels - seen_megapixels[0] for megapixels in seen_megapixels]
    assert 0.1 < more[1] < 0.22
    assert 0.5 < more[2] < 0.88
