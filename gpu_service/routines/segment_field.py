"""The playing field by its colour: an HSV range, morphology, the largest areas, their outline.

What lies on the field and what borders it is not decided here: see `detect_edges`.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gpu_service.errors import BadInput
from gpu_service.pictures import Image
from gpu_service.routines import Batch, DebugPictures, Routine
from gpu_service.settings import Settings
from gpu_service.wire import FieldAnswer, NoItem, Point

WORKING_SIDE_PX = 480
"""The longest side of the picture that is worked on; the outline is exact to half of one of its pixels."""
MOST_AREAS = 4
"""Areas of the field, the largest: captions and graphics cut it up."""
HULL_FILL = 0.75
"""A field is convex. Areas that fill this much of their common hull are one field, cut up by a caption. No measurement
is known."""
OUTLINE_TOLERANCE_PX = 1.5
"""How far the simplified outline may leave the true one, working pixels."""


class SegmentFieldSettings(Settings):
    """Hue, saturation and value are OpenCV's: hue 0 to 179 (half degrees), the others 0 to 255, bounds included.

    The defaults take in greens from yellowish to bluish, 64 to 176 degrees. No measurement on real pitches is known.
    """

    hue_low: int = Field(
        32, ge=0, le=179, description="lower hue of the field; above hue_high: the range wraps past 179"
    )
    hue_high: int = Field(88, ge=0, le=179, description="upper hue of the field")
    sat_low: int = Field(55, ge=0, le=255, description="minimum saturation of the field")
    sat_high: int = Field(255, ge=0, le=255, description="maximum saturation")
    val_low: int = Field(35, ge=0, le=255, description="minimum brightness")
    val_high: int = Field(255, ge=0, le=255, description="maximum brightness")
    morph_kernel: int = Field(
        29,
        ge=1,
        le=301,
        description="in px of the frame; closes smaller gaps (lines, players) and removes specks below half of it",
    )
    min_area_ratio: float = Field(0.06, ge=0, le=1, description="minimum share of the frame of a contiguous field area")

    @model_validator(mode="after")
    def _ranges_have_an_inside(self) -> SegmentFieldSettings:
        for low, high in (("sat_low", "sat_high"), ("val_low", "val_high")):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} is above {high}; swap them")
        return self


class _Field(NamedTuple):
    mask: NDArray[np.uint8]
    """Working size; 255 where there is field."""
    answer: FieldAnswer


def find_field(image: Image, settings: SegmentFieldSettings) -> FieldAnswer:
    """The field's outline and its share of the frame.

    The areas of that colour that are large enough (`MOST_AREAS` at most) are the field, and their pixels its share.
    The polygon is the outline of the only area, or the common hull of several that fill it, else the outline of the
    largest: a polygon that is too small costs a few more regions to read, one that is too large would hide boards.

    Returns:
        polygon in pixels of the image, corners in [0, width] x [0, height]; share 0 to 1.

    Raises:
        BadInput: the image has no pixels.
    """
    return _segment(image, settings).answer


def _segment(image: Image, settings: SegmentFieldSettings) -> _Field:
    height, width = image.shape[:2]
    if not height or not width:
        raise BadInput(f"A picture of {width} x {height} pixels has no field", "send one with pixels")
    step = -(-max(height, width) // WORKING_SIDE_PX)
    size = (max(1, width // step), max(1, height // step))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8) if step > 1 else image
    mask = _large_areas(_smooth(_in_range(small, settings), settings.morph_kernel / step), settings.min_area_ratio)
    share = cv2.countNonZero(mask) / mask.size
    return _Field(mask, FieldAnswer(polygon=_outline(mask, width, height), share=share))


def _in_range(image: NDArray[np.uint8], settings: SegmentFieldSettings) -> NDArray[np.uint8]:
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    sat_val_low, sat_val_high = (settings.sat_low, settings.val_low), (settings.sat_high, settings.val_high)
    low, high = settings.hue_low, settings.hue_high
    spans = [(low, high)] if low <= high else [(low, 179), (0, high)]
    masks = [cv2.inRange(hsv, (first, *sat_val_low), (last, *sat_val_high)) for first, last in spans]
    return np.asarray(masks[0] if len(masks) == 1 else cv2.bitwise_or(masks[0], masks[1]), np.uint8)


def _smooth(mask: NDArray[np.uint8], kernel_px: float) -> NDArray[np.uint8]:
    """Specks away first, so that closing the gaps does not tie them to the field."""
    side = 2 * round((kernel_px - 1) / 2) + 1
    if side < 3:
        return mask
    opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8), iterations=max(1, side // 4))
    return np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8)), np.uint8)


def _large_areas(mask: NDArray[np.uint8], min_area_ratio: float) -> NDArray[np.uint8]:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.int64)
    areas[0] = 0
    keep = areas >= max(1, min_area_ratio * mask.size)
    keep[np.argsort(-areas, kind="stable")[MOST_AREAS:]] = False
    return np.where(keep[labels], 255, 0).astype(np.uint8)


def _outline(mask: NDArray[np.uint8], width: int, height: int) -> tuple[Point, ...]:
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not outlines:
        return ()
    largest = max(outlines, key=cv2.contourArea)
    outline = largest
    if len(outlines) > 1:
        hull = cv2.convexHull(np.concatenate(outlines))
        filled = sum(cv2.contourArea(outline) for outline in outlines)
        outline = hull if filled >= HULL_FILL * cv2.contourArea(hull) else largest
    outline = cv2.approxPolyDP(outline, OUTLINE_TOLERANCE_PX, True)
    if len(outline) < 3:
        x, y, w, h = cv2.boundingRect(largest)
        left, top = x / mask.shape[1] * width, y / mask.shape[0] * height
        right, bottom = (x + w) / mask.shape[1] * width, (y + h) / mask.shape[0] * height
        return ((left, top), (right, top), (right, bottom), (left, bottom))
    # A contour runs through pixel centres; stretched so that the last pixel's far side is the frame's side.
    scale = np.array([width / max(1, mask.shape[1] - 1), height / max(1, mask.shape[0] - 1)])
    return tuple((round(float(x), 1), round(float(y), 1)) for x, y in outline[:, 0, :] * scale)


def run(batch: Batch[SegmentFieldSettings, NoItem]) -> list[FieldAnswer]:
    return [find_field(image, batch.settings) for image in batch.images]


def debug(batch: Batch[SegmentFieldSettings, NoItem]) -> list[tuple[FieldAnswer, DebugPictures]]:
    """`mask`: white where there is field. `overlay`: the frame with the field tinted and its polygon drawn."""
    answers: list[tuple[FieldAnswer, DebugPictures]] = []
    for image in batch.images:
        found = _segment(image, batch.settings)
        mask = cv2.resize(found.mask, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_NEAREST)
        overlay = image.copy()
        overlay[mask > 0] = (image[mask > 0] * 0.6 + np.array([255, 120, 0]) * 0.4).astype(np.uint8)
        if found.answer.polygon:
            corners = np.array(found.answer.polygon).round().astype(np.int32)
            cv2.polylines(overlay, [corners], True, (0, 255, 255), max(1, image.shape[1] // 480))
        pictures = {"mask": np.asarray(cv2.cvtColor(mask, cv2.COLOR_GRAY2BGR), np.uint8), "overlay": overlay}
        answers.append((found.answer, pictures))
    return answers


def identity(settings: SegmentFieldSettings) -> str:  # noqa: ARG001 - the same for all settings
    return f"segment_field/1/opencv-{cv2.__version__}"


SEGMENT_FIELD = Routine(
    name="segment_field",
    settings=SegmentFieldSettings,
    item=NoItem,
    answer=FieldAnswer,
    run=run,
    debug=debug,
    identity=identity,
)
