"""Crops cut out for reading: straightened, enlarged where small, their contrast stretched where low.

Each crop carries the homography back to its frame. Coordinates are continuous, with (0, 0) the far corner of the
first pixel: the corners of a crop of w x h pixels are (0, 0) and (w, h).
Which crops of several frames show the same thing is decided by the stage, not here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gpu_service.errors import BadInput
from gpu_service.likeness import Gray, phash
from gpu_service.pictures import Image, encode_png
from gpu_service.routines import Batch, DebugPictures, Routine
from gpu_service.routines.horizontal_lines import near_horizontal_lines, slopes
from gpu_service.settings import Settings
from gpu_service.wire import (
    CropAnswer,
    CropBox,
    PreprocessAnswer,
    PreprocessItem,
)

Matrix: TypeAlias = NDArray[np.float64]
"""Shape (3, 3): a homography."""

LEAST_SLOPE_DEG = 0.75
"""A smaller slope is left alone: readers bear it, and a cut along the pixels stays sharp. No measurement is known."""
MOST_SLOPE_DEG = 30.0
"""A steeper line is not taken for the slope."""
SAME_SLOPE_DEG = 2.5
"""Lines within this of the longest one tell the crop's slope with it. No measurement is known."""
LEVELLING_WIDTH_PX = 640
"""A wider crop is looked at in this width to find its slope."""
LEAST_LEVELLED_PX = 8
"""A lower crop or band has no slope that could be told."""
LEVELLING_CANNY = (25, 75)
"""As `edge_canny_low` and `edge_canny_high` of `detect_edges`."""
LONG_LINE = 0.5
"""A line tells a box's slope when it runs along this part of the width. No measurement is known."""
BAND_MARGIN = 0.08
"""Room left above and below a straightened band, as a part of its height."""
BAND_PART = 0.4
"""Two lines bound a band when they are apart by this part of the height that a band filling the box would have. No
measurement is known."""
LOW_CONTRAST = 70
"""Below this many levels between the darkest and the brightest 2 % the contrast is stretched. No measurement is
known."""
LEAST_STROKE_PX = 12
"""Pixels that change steeply enough, of which even a single small letter has more."""
MOST_CROP_PX = 9_000_000
MOST_CROP_SIDE_PX = 32_000
"""No crop is larger, whatever is asked for; a 4K frame fits."""
MOST_PX = 500_000_000
"""Of all crops of a picture together: some seconds of work, and 60 crops of whole 4K frames."""
MOST_SHOWN = 32
"""Crops in a debug picture."""


class CropSettings(Settings):
    """How crops are made ready for reading. Heights are pixels."""

    min_height_px: int = Field(48, ge=8, le=512, description="lower crops are enlarged to this height, in px")
    max_scale: float = Field(4.0, ge=1, le=8, description="maximum enlargement factor")
    straighten: bool = Field(True, description="rotate crops with sloping long lines to the horizontal")
    sharpen: float = Field(0.5, ge=0, le=3, description="strength of the unsharp mask on enlarged crops; 0: none")
    plain_gradient: float = Field(
        5.0,
        ge=0,
        le=255,
        description="minimum steepest gradient of a crop, in grey levels per px; others are not read; 0: read all",
    )


class Crop(NamedTuple):
    """A crop before it is encoded."""

    pixels: Image
    to_frame: Matrix
    sharpness: float
    plain: bool


def sharpness(gray: Gray) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al., 2000): 0 for a plain picture, hundreds where text is crisp.

    It is taken from the frame's own pixels, before any enlarging, so that crops of one thing can be compared.
    """
    return float(cv2.Laplacian(gray, cv2.CV_32F).var())


def cut(image: Image, what: CropBox, settings: CropSettings) -> Crop:
    """One crop: the box as it is, its sloping band levelled, or the quad straightened.

    A quad is mapped onto a rectangle with the mean lengths of its sides. A box whose long near-horizontal lines slope
    is sheared level; where two such lines bound a band, the band alone is kept, with some room. A box is cut to the
    frame first; what lies outside it is no part of the crop.

    Raises:
        BadInput: the box lies outside the picture, or the quad has no area.
    """
    height, width = image.shape[:2]
    corners = _quad_corners(what) if what.quad is not None else None
    if corners is None:
        left, top = max(0, what.box.x), max(0, what.box.y)
        right, bottom = min(width, what.box.x + what.box.w), min(height, what.box.y + what.box.h)
        if left >= right or top >= bottom:
            box = what.box
            raise BadInput(
                f"The crop at x {box.x}, y {box.y} of {box.w} x {box.h} pixels lies outside its picture "
                f"of {width} x {height} pixels",
                "give boxes in pixels of that picture",
            )
        inside = image[top:bottom, left:right]
        band = _sloping_band(inside) if settings.straighten else None
        if band is None:
            return _finish(inside, _resized(inside, left, top, settings), settings)
        corners = band + np.array([left, top])
    return _finish(_bounds(image, corners), _warped(image, corners, settings), settings)


def _gray(image: Image) -> Gray:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)


def _quad_corners(what: CropBox) -> Matrix:
    """Shape (4, 2)."""
    corners = np.array(what.quad, np.float64)
    area = cv2.contourArea(corners.astype(np.float32))
    if area < 1 or not cv2.isContourConvex(corners.astype(np.float32).reshape(-1, 1, 2)):
        raise BadInput(
            f"The quad {corners.round(1).tolist()} is flat or crosses itself",
            "give its corners clockwise from top left",
        )
    return corners


def _sloping_band(image: Image) -> NDArray[np.float64] | None:
    """The quad that levels this box, shape (4, 2) in its pixels; None when it is level or nothing tells."""
    height, width = image.shape[:2]
    scale = min(1.0, LEVELLING_WIDTH_PX / width)
    if scale < 1:
        image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    if min(image.shape[:2]) < LEAST_LEVELLED_PX:
        return None
    long = LONG_LINE * image.shape[1]
    _, lines = near_horizontal_lines(
        image,
        canny_low=LEVELLING_CANNY[0],
        canny_high=LEVELLING_CANNY[1],
        votes=long,
        min_length_px=long,
        max_gap_px=max(4.0, long / 8),
        max_slope_deg=MOST_SLOPE_DEG,
    )
    lines = lines / scale
    if not len(lines):
        return None
    slope_of = slopes(lines)
    slope = float(slope_of[0])  # of the longest
    if abs(slope) < math.tan(math.radians(LEAST_SLOPE_DEG)) or width * abs(slope) > height:
        return None
    alike = np.abs(np.degrees(np.arctan(slope_of) - math.atan(slope))) <= SAME_SLOPE_DEG
    at_left = (lines[:, 1] - slope_of * lines[:, 0] + 0.5)[alike]
    at_right = at_left + slope_of[alike] * width
    middle = at_left + at_right
    top, bottom = int(np.argmin(middle)), int(np.argmax(middle))
    band_height = (middle[bottom] - middle[top]) / 2
    if band_height >= max(LEAST_LEVELLED_PX, BAND_PART * (height - width * abs(slope))):
        room = max(2.0, BAND_MARGIN * band_height)
        left = (at_left[top] - room, at_left[bottom] + room)
        right = (at_right[top] - room, at_right[bottom] + room)
    else:  # one line: level all of the box, with what that brings in beside it
        fall = width * slope
        left = (min(0.0, -fall), height + max(0.0, -fall))
        right = (left[0] + fall, left[1] + fall)
    return np.array([(0.0, left[0]), (width, right[0]), (width, right[1]), (0.0, left[1])])


def _enlarging(width: float, height: float, settings: CropSettings) -> tuple[int, int]:
    """Size of the crop that is made of this much of the frame."""
    scale = min(settings.max_scale, max(1.0, settings.min_height_px / height))
    scale = min(scale, math.sqrt(MOST_CROP_PX / (width * height)), MOST_CROP_SIDE_PX / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _resized(inside: Image, left: int, top: int, settings: CropSettings) -> tuple[Image, Matrix]:
    height, width = inside.shape[:2]
    size = _enlarging(width, height, settings)
    how = cv2.INTER_CUBIC if size[0] >= width else cv2.INTER_AREA
    pixels = inside if size == (width, height) else cv2.resize(inside, size, interpolation=how)
    to_frame = np.array([[width / size[0], 0, left], [0, height / size[1], top], [0, 0, 1]], np.float64)
    return np.asarray(pixels, np.uint8), to_frame


def _warped(image: Image, corners: NDArray[np.float64], settings: CropSettings) -> tuple[Image, Matrix]:
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    size = _enlarging(max(1.0, (sides[0] + sides[2]) / 2), max(1.0, (sides[1] + sides[3]) / 2), settings)
    crop_corners = np.array([(0, 0), (size[0], 0), size, (0, size[1])], np.float32)
    to_frame = np.asarray(cv2.getPerspectiveTransform(crop_corners, corners.astype(np.float32)), np.float64)
    # OpenCV counts from the middle of the first pixel.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    pixels = cv2.warpPerspective(
        image,
        np.linalg.inv(half) @ to_frame @ half,
        size,
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(pixels, np.uint8), to_frame


def _bounds(image: Image, corners: NDArray[np.float64]) -> Image:
    """The part of the picture that the quad lies in."""
    height, width = image.shape[:2]
    left, top = np.floor(corners.min(axis=0)).astype(int)
    right, bottom = np.ceil(corners.max(axis=0)).astype(int)
    inside = image[max(0, top) : min(height, bottom), max(0, left) : min(width, right)]
    if not inside.size:
        raise BadInput(
            f"The quad {corners.round(1).tolist()} lies outside its picture of {width} x {height} pixels",
            "give corners in pixels of that picture",
        )
    return inside


def _finish(inside: Image, cut_out: tuple[Image, Matrix], settings: CropSettings) -> Crop:
    pixels, to_frame = cut_out
    enlarged = math.hypot(to_frame[0, 0], to_frame[1, 0]) < 0.8
    plain = _is_plain(inside, settings.plain_gradient)
    pixels = _stretched(pixels)
    if enlarged and settings.sharpen > 0:
        soft = cv2.GaussianBlur(pixels, (0, 0), 1.5)
        pixels = np.asarray(cv2.addWeighted(pixels, 1 + settings.sharpen, soft, -settings.sharpen, 0), np.uint8)
    return Crop(pixels, to_frame, sharpness(_gray(inside)), plain)


def _is_plain(image: Image, gradient: float) -> bool:
    """All channels are asked: red on green of the same brightness can be read."""
    if gradient <= 0:
        return False
    steep = np.zeros(image.shape[:2], np.bool_)
    for dx, dy in ((1, 0), (0, 1)):
        steps = cv2.Sobel(image, cv2.CV_16S, dx, dy, borderType=cv2.BORDER_REPLICATE)
        steep |= np.abs(steps).max(axis=2) >= 8 * gradient
    return int(np.count_nonzero(steep)) < LEAST_STROKE_PX


def _stretched(image: Image) -> Image:
    """CLAHE (Zuiderveld, 1994) on the lightness, where the crop's contrast is low; else the crop as it is."""
    dark, bright = np.percentile(image[:: max(1, image.shape[0] // 64), :: max(1, image.shape[1] // 256)], (2, 98))
    if bright - dark >= LOW_CONTRAST:
        return image
    lab = cv2.cvtColor(image, cv2.COLOR_BGR2LAB)
    tiles = (max(1, min(16, image.shape[1] // 64)), max(1, min(8, image.shape[0] // 32)))
    lab[:, :, 0] = cv2.createCLAHE(clipLimit=3.0, tileGridSize=tiles).apply(lab[:, :, 0])
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2BGR), np.uint8)


def _answer(crop: Crop) -> CropAnswer:
    height, width = crop.pixels.shape[:2]
    a, b, c, d, e, f, g, h, i = crop.to_frame.ravel().tolist()
    return CropAnswer(
        picture_png=b"" if crop.plain else encode_png(crop.pixels),
        width=width,
        height=height,
        to_frame=(a, b, c, d, e, f, g, h, i),
        phash=phash(_gray(crop.pixels)),
        sharpness=crop.sharpness,
    )


def _crops(image: Image, item: PreprocessItem, settings: CropSettings) -> Iterator[Crop]:
    total_px = 0
    for what in item.crops:
        crop = cut(image, what, settings)
        total_px += crop.pixels.shape[0] * crop.pixels.shape[1]
        if total_px > MOST_PX:
            raise BadInput(
                f"The {len(item.crops)} crops of one picture come to more than {MOST_PX // 10**6} megapixels",
                "ask for fewer",
            )
        yield crop


def run(batch: Batch[CropSettings, PreprocessItem]) -> list[PreprocessAnswer]:
    """An answer's crops are in the order of its item's.

    Raises:
        BadInput: a box lies outside its picture, a quad has no area, or the crops of a picture are too many pixels.
    """
    return [
        PreprocessAnswer(crops=tuple(_answer(crop) for crop in _crops(image, item, batch.settings)))
        for image, item in zip(batch.images, batch.items, strict=True)
    ]


def debug(batch: Batch[CropSettings, PreprocessItem]) -> list[tuple[PreprocessAnswer, DebugPictures]]:
    """`cuts`: what was cut, on the frame; grey where plain. `crops`: the crops one below the other."""
    answers: list[tuple[PreprocessAnswer, DebugPictures]] = []
    for image, item in zip(batch.images, batch.items, strict=True):
        crops = list(_crops(image, item, batch.settings))
        cuts = image.copy()
        for crop in crops:
            height, width = crop.pixels.shape[:2]
            corners = np.array([[(0, 0), (width, 0), (width, height), (0, height)]], np.float64)
            drawn = cv2.perspectiveTransform(corners, crop.to_frame).round().astype(np.int32)
            color = (128, 128, 128) if crop.plain else (0, 255, 255)
            cv2.polylines(cuts, [drawn], True, color, max(1, image.shape[1] // 640))
        answer = PreprocessAnswer(crops=tuple(_answer(crop) for crop in crops))
        answers.append((answer, {"cuts": cuts, "crops": _sheet([crop.pixels for crop in crops])}))
    return answers


def _sheet(crops: list[Image]) -> Image:
    crops = crops[:MOST_SHOWN]
    sheet = np.full(
        (max(1, sum(len(crop) + 4 for crop in crops)), max([1, *(c.shape[1] for c in crops)]), 3), 40, np.uint8
    )
    top = 0
    for crop in crops:
        sheet[top : top + crop.shape[0], : crop.shape[1]] = crop
        top += crop.shape[0] + 4
    return sheet


def identity(settings: CropSettings) -> str:  # noqa: ARG001 - the same for all settings
    return f"preprocess/1/opencv-{cv2.__version__}"


PREPROCESS = Routine(
    name="preprocess",
    settings=CropSettings,
    item=PreprocessItem,
    answer=PreprocessAnswer,
    run=run,
    debug=debug,
    identity=identity,
)
