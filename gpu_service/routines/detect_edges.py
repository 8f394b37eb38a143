"""Board-like regions: bands between pairs of near-horizontal lines.

Lines are paired, each pair weighed as a band, and bands that are the same merged. What is written on a band is not
asked here, nor is a band's slope kept: see `preprocess`.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gpu_service.errors import BadInput
from gpu_service.pictures import Image
from gpu_service.routines import Batch, DebugPictures, Routine
from gpu_service.routines.horizontal_lines import (
    Lines,
    Mask,
    near_horizontal_lines,
    slopes,
    y_at,
)
from gpu_service.settings import Settings
from gpu_service.wire import (
    Box,
    EdgesAnswer,
    EdgesItem,
    Point,
    Region,
)

Bands: TypeAlias = NDArray[np.float64]
"""Shape (n, 6): left, right, then the y of the top line at left and at right, then of the bottom line."""
Floats: TypeAlias = NDArray[np.float64]

# `bench.regions` measures the time, `tests/gpu_service/test_detect_edges.py` holds what is found in drawn pictures. No
# measurement of a threshold on real pictures is known.
WORKING_AREA_PX = 960 * 540
"""A larger frame is scaled down to this area: the work is bounded, and 1080p is halved exactly."""
MOST_PAIRS = 400
MOST_REGIONS = 60
"""Bounds on what is looked at: the widest pairs, the surest regions."""
MOST_CONVERGENCE_DEG = 4.0
"""The lines of a pair may differ by this angle: perspective makes them meet far away."""
LEAST_SHARED = 0.4
"""Least part of the shorter line that lies over or under the longer one."""
LEAST_SUPPORT = 0.35
"""Least part of a band's width over which each of its lines is an edge indeed."""
COLUMN_PX = 4
WINDOW_COLUMNS = 17
WINDOW_SUPPORT = 0.5
"""A band goes on while, in a window of so many columns, each edge is seen in this part of them."""
MOST_INSIDE_FIELD = 0.5
"""A band with more than this part of it on the field is a marking, not a board."""
AWAY_FROM_FIELD = 0.7
"""Where a field is known, boards border it: the confidence of other bands is multiplied by this."""
SAME_BAND = 0.6
"""Two bands one over the other by this part (intersection over union, or of the smaller) are the same."""


class EdgeSettings(Settings):
    """Lengths and distances are pixels of the frame."""

    edge_canny_low: int = Field(
        25,
        ge=0,
        le=2000,
        description="gradient (L1 norm, Sobel 3x3) above which an edge continues (Canny's low threshold)",
    )
    edge_canny_high: int = Field(
        75, ge=0, le=2000, description="gradient above which an edge starts (Canny's high threshold)"
    )
    edge_hough_threshold: int = Field(50, ge=1, le=10000, description="minimum edge pixels on a line (Hough votes)")
    edge_hough_min_length: int = Field(80, ge=2, le=10000, description="minimum length of a line, in px")
    edge_hough_max_gap: int = Field(16, ge=0, le=1000, description="maximum gap within a line, in px")
    edge_pair_max_distance: int = Field(160, ge=1, le=5000, description="maximum height of a board, in px")
    edge_pair_min_distance: int = Field(10, ge=1, le=5000, description="minimum height of a board, in px")
    edge_max_slope_deg: float = Field(
        18.0, gt=0, le=45, description="maximum angle of a line to the horizontal, in degrees"
    )

    @model_validator(mode="after")
    def _ranges_have_an_inside(self) -> EdgeSettings:
        for low, high in (
            ("edge_canny_low", "edge_canny_high"),
            ("edge_pair_min_distance", "edge_pair_max_distance"),
        ):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} is above {high}; swap them")
        return self


class _Edges(NamedTuple):
    answer: EdgesAnswer
    edges: Mask
    """Working size; 255 where an edge is near-horizontal."""
    lines: Lines


def find_boards(image: Image, settings: EdgeSettings, field: tuple[Point, ...] = ()) -> EdgesAnswer:
    """Bands between near-horizontal lines that may be boards, as boxes, surest first.

    confidence: the part of the band's width over which the weaker of its lines is an edge indeed, times the part of
    the shorter line that the band covers, times the part of the band that is off the field; where a field is known and
    the band does not border it, times `AWAY_FROM_FIELD`. 0 to 1.

    Args:
        image: BGR.
        settings: see `EdgeSettings`.
        field: the playing field's polygon in pixels of the image, or empty when unknown.

    Returns:
        boxes within the image, in the order of confidence, then y, x; label "board".

    Raises:
        BadInput: the image has no pixels.
    """
    return _detect(image, settings, field).answer


def _detect(image: Image, settings: EdgeSettings, field: tuple[Point, ...]) -> _Edges:
    height, width = image.shape[:2]
    if not height or not width:
        raise BadInput(f"A picture of {width} x {height} pixels has no edges", "send one with pixels")
    scale = min(1.0, math.sqrt(WORKING_AREA_PX / (width * height)))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
    gap_px = settings.edge_hough_max_gap * scale
    edges, lines = near_horizontal_lines(
        np.asarray(small, np.uint8),
        canny_low=settings.edge_canny_low,
        canny_high=settings.edge_canny_high,
        votes=settings.edge_hough_threshold * scale,
        min_length_px=settings.edge_hough_min_length * scale,
        max_gap_px=gap_px,
        max_slope_deg=settings.edge_max_slope_deg,
    )
    to_working, to_frame = (size[0] / width, size[1] / height), (width / size[0], height / size[1])
    bands, support = _bands(*_pairs(lines, settings, scale), edges)
    confidence = support * _off_field(bands, _field_mask(field, to_working, edges.shape))
    confidence[bands[:, 1] - bands[:, 0] < settings.edge_hough_min_length * scale] = 0.0
    regions = _regions(*_merge(bands, confidence, gap_px), to_frame, (width, height))
    pair_count = int(np.count_nonzero(confidence))
    answer = EdgesAnswer(regions=regions, horizontal_count=len(lines), pair_count=pair_count)
    return _Edges(answer, edges, lines)


def _pairs(lines: Lines, settings: EdgeSettings, scale: float) -> tuple[Lines, Lines]:
    """Every two lines that may bound a board: the upper ones, the lower ones; those that share most first."""
    first, second = np.triu_indices(len(lines), 1)
    one, two = lines[first], lines[second]
    left, right = np.maximum(one[:, 0], two[:, 0]), np.minimum(one[:, 2], two[:, 2])
    at_left, at_right = y_at(two, left) - y_at(one, left), y_at(two, right) - y_at(one, right)
    distance = np.abs(at_left + at_right) / 2
    angles = np.degrees(np.arctan(slopes(lines)))
    least_px, most_px = settings.edge_pair_min_distance * scale, settings.edge_pair_max_distance * scale
    shorter = np.minimum(one[:, 2] - one[:, 0], two[:, 2] - two[:, 0])
    keep = right - left >= np.maximum(settings.edge_hough_min_length * scale / 2, LEAST_SHARED * shorter)
    # A line lies on one of the two rows that an edge is between, hence the half pixels.
    keep &= (distance >= least_px - 0.5) & (distance <= most_px + 0.5)
    keep &= (at_left * at_right > 0) & (np.abs(angles[first] - angles[second]) <= MOST_CONVERGENCE_DEG)
    chosen = np.flatnonzero(keep)
    chosen = chosen[np.argsort((left - right)[chosen], kind="stable")][:MOST_PAIRS]
    below = (at_left + at_right)[chosen, None] > 0
    return np.where(below, one[chosen], two[chosen]), np.where(below, two[chosen], one[chosen])


def _bands(upper: Lines, lower: Lines, edges: Mask) -> tuple[Bands, Floats]:
    """The band between each two lines, and its support.

    A band begins where both lines are and goes on, to the end of the longer, while both edges are seen: a board's edge
    is often found in pieces. Support: the part of the band's width over which the weaker edge is seen, times the part
    of the shorter line that the band covers; 0 where it is too little.
    """
    if not len(upper):
        return np.empty((0, 6)), np.empty(0)
    columns = np.arange(0, edges.shape[1], COLUMN_PX, dtype=np.float64)
    thick = np.asarray(cv2.dilate(edges, np.ones((5, 3), np.uint8)), np.uint8)
    seen = np.stack([_at(thick, columns[None], _y_at_columns(lines, columns)) for lines in (upper, lower)])
    around = np.stack([cv2.blur(side.astype(np.float32), (WINDOW_COLUMNS, 1)) for side in seen])
    left, right = np.maximum(upper[:, 0], lower[:, 0]), np.minimum(upper[:, 2], lower[:, 2])
    reach_left, reach_right = np.minimum(upper[:, 0], lower[:, 0]), np.maximum(upper[:, 2], lower[:, 2])
    goes_on = around.min(axis=0) >= WINDOW_SUPPORT
    goes_on &= (columns >= reach_left[:, None]) & (columns <= reach_right[:, None])
    goes_on |= (columns >= left[:, None]) & (columns <= right[:, None])
    ends = ~goes_on
    middle = ((left + right) / 2)[:, None]
    grown_left = np.where(ends & (columns < middle), columns + COLUMN_PX, reach_left[:, None]).max(axis=1)
    grown_right = np.where(ends & (columns > middle), columns - COLUMN_PX, reach_right[:, None]).min(axis=1)
    left, right = np.minimum(left, grown_left), np.maximum(right, grown_right)
    within = (columns >= left[:, None]) & (columns <= right[:, None])
    support = ((seen & within).sum(axis=2) / np.maximum(1, within.sum(axis=1))).min(axis=0)
    support[support < LEAST_SUPPORT] = 0.0
    shorter = np.minimum(upper[:, 2] - upper[:, 0], lower[:, 2] - lower[:, 0])
    bands = np.column_stack([left, right, *(y_at(lines, x) for lines in (upper, lower) for x in (left, right))])
    return bands, np.asarray(support * np.minimum(1.0, (right - left) / shorter), np.float64)


def _y_at_columns(lines: Lines, columns: Floats) -> Floats:
    """Where each line, prolonged, is at each of the columns, shape (lines, columns)."""
    return np.asarray(lines[:, 1:2] + slopes(lines)[:, None] * (columns - lines[:, :1]), np.float64)


def _off_field(bands: Bands, field: Mask) -> Floats:
    """The part of each band that is off the field, less where it does not border it; 0 for those that lie on it."""
    if not field.any():
        return np.ones(len(bands))
    along = np.linspace(0.0, 1.0, 32)
    xs = bands[:, :1] + (bands[:, 1:2] - bands[:, :1]) * along
    top = bands[:, 2:3] + (bands[:, 3:4] - bands[:, 2:3]) * along
    bottom = bands[:, 4:5] + (bands[:, 5:6] - bands[:, 4:5]) * along

    def on_field(part: float | Floats) -> Floats:
        return np.asarray(_at(field, xs, top + (bottom - top) * part).mean(axis=1), np.float64)

    inside = np.mean([on_field(part) for part in np.linspace(0.05, 0.95, 7)], axis=0)
    off = np.where(inside > MOST_INSIDE_FIELD, 0.0, 1.0 - inside)
    beside = 0.12 + 4.0 / np.maximum(1.0, (bottom - top).mean(axis=1, keepdims=True))
    borders = np.maximum(on_field(1 + beside), on_field(-beside)) >= 0.5
    return np.asarray(np.where(borders, off, off * AWAY_FROM_FIELD), np.float64)


def _at(mask: Mask, xs: Floats, ys: Floats) -> NDArray[np.bool_]:
    rows = np.clip(np.rint(ys), 0, mask.shape[0] - 1).astype(np.intp)
    columns = np.clip(np.rint(xs), 0, mask.shape[1] - 1).astype(np.intp)
    return np.asarray(mask[rows, columns] > 0, np.bool_)


def _field_mask(field: tuple[Point, ...], scale: tuple[float, float], shape: tuple[int, ...]) -> Mask:
    mask = np.zeros(shape, np.uint8)
    if len(field) >= 3:
        corners = np.clip(np.array(field) * scale, -32000, 32000).round().astype(np.int32)
        cv2.fillPoly(mask, [corners], 255)
    return mask


def _merge(bands: Bands, confidence: Floats, max_gap_px: float) -> tuple[list[Floats], list[float]]:
    """Surest first, each band joins the one that it continues, or gives way to the one that it repeats."""
    kept: list[Floats] = []
    sure: list[float] = []
    score = confidence * np.sqrt(np.maximum(bands[:, 1] - bands[:, 0], 0.0))
    for index in np.argsort(-score, kind="stable"):
        if confidence[index] <= 0 or len(kept) >= MOST_REGIONS:
            break
        band = bands[index]
        fate = _fate(band, np.array(kept).reshape(-1, 6), max_gap_px)
        if fate is None:
            kept.append(band)
            sure.append(float(confidence[index]))
        elif fate >= 0:
            kept[fate] = _widened(kept[fate], band)
    return kept, sure


def _fate(band: Floats, kept: Bands, max_gap_px: float) -> int | None:
    """Index of the kept band that this one continues; -1: it repeats one; None: it is new."""
    shared = np.minimum(kept[:, 1], band[1]) - np.maximum(kept[:, 0], band[0])
    middle = (np.minimum(kept[:, 1], band[1]) + np.maximum(kept[:, 0], band[0])) / 2
    top, bottom = _band_at(band[None], middle)
    kept_top, kept_bottom = _band_at(kept, middle)
    over = np.maximum(0.0, np.minimum(bottom, kept_bottom) - np.maximum(top, kept_top))
    union = np.maximum(bottom, kept_bottom) - np.minimum(top, kept_top)
    same = np.flatnonzero((over >= SAME_BAND * union) & (shared >= -max_gap_px))
    if len(same):
        return int(same[0])
    smaller = np.minimum(bottom - top, kept_bottom - kept_top)
    narrower = np.minimum(kept[:, 1] - kept[:, 0], band[1] - band[0])
    repeats = (over >= SAME_BAND * smaller) & (shared >= SAME_BAND * narrower)
    return -1 if repeats.any() else None


def _band_at(bands: Bands, x: Floats) -> tuple[Floats, Floats]:
    part = (x - bands[:, 0]) / np.maximum(bands[:, 1] - bands[:, 0], 1e-9)
    top = bands[:, 2] + (bands[:, 3] - bands[:, 2]) * part
    bottom = bands[:, 4] + (bands[:, 5] - bands[:, 4]) * part
    return top, bottom


def _widened(band: Floats, other: Floats) -> Floats:
    """The band over the extent of both, along its own lines where the other has none."""
    left = band if band[0] <= other[0] else other
    right = band if band[1] >= other[1] else other
    return np.array([left[0], right[1], left[2], right[3], left[4], right[5]])


def _regions(
    bands: list[Floats], sure: list[float], to_frame: tuple[float, float], size: tuple[int, int]
) -> tuple[Region, ...]:
    found: list[Region] = []
    for band, confidence in zip(bands, sure, strict=True):
        left, right = band[0] * to_frame[0], (band[1] + 1.0) * to_frame[0]
        top, bottom = min(band[2:4]) * to_frame[1], (max(band[4:6]) + 1.0) * to_frame[1]
        x, y = max(0, math.floor(left)), max(0, math.floor(top))
        w, h = min(size[0], math.ceil(right)) - x, min(size[1], math.ceil(bottom)) - y
        if w > 0 and h > 0:
            box = Box(x=x, y=y, w=w, h=h)
            found.append(Region(box=box, label="board", confidence=round(min(1.0, confidence), 4)))
    return tuple(sorted(found, key=lambda region: (-region.confidence, region.box.y, region.box.x)))


def run(batch: Batch[EdgeSettings, EdgesItem]) -> list[EdgesAnswer]:
    pictures = zip(batch.images, batch.items, strict=True)
    return [find_boards(image, batch.settings, item.field) for image, item in pictures]


def debug(batch: Batch[EdgeSettings, EdgesItem]) -> list[tuple[EdgesAnswer, DebugPictures]]:
    """`edges`: the near-horizontal edges. `lines`: the lines on the darkened frame. `regions`: the boxes."""
    answers: list[tuple[EdgesAnswer, DebugPictures]] = []
    for image, item in zip(batch.images, batch.items, strict=True):
        found = _detect(image, batch.settings, item.field)
        height, width = image.shape[:2]
        edges = cv2.resize(found.edges, (width, height), interpolation=cv2.INTER_NEAREST)
        lines, regions = image // 3, image.copy()
        thick = max(1, width // 640)
        scale = (width / found.edges.shape[1], height / found.edges.shape[0])
        for x0, y0, x1, y1 in (found.lines * (*scale, *scale)).round().astype(int).tolist():
            cv2.line(lines, (x0, y0), (x1, y1), (0, 255, 255), thick)
        for region in found.answer.regions:
            box = region.box
            color = (0, round(255 * region.confidence), round(255 * (1 - region.confidence)))
            cv2.rectangle(regions, (box.x, box.y), (box.x + box.w - 1, box.y + box.h - 1), color, thick)
            cv2.putText(regions, f"{region.confidence:.2f}", (box.x, box.y + 12), cv2.FONT_HERSHEY_PLAIN, 1.0, color, 1)
        pictures = {
            "edges": np.asarray(cv2.cvtColor(edges, cv2.COLOR_GRAY2BGR), np.uint8),
            "lines": lines,
            "regions": regions,
        }
        answers.append((found.answer, pictures))
    return answers


def identity(settings: EdgeSettings) -> str:  # noqa: ARG001 - the same for all settings
    return f"detect_edges/1/opencv-{cv2.__version__}"


DETECT_EDGES = Routine(
    name="detect_edges",
    settings=EdgeSettings,
    item=EdgesItem,
    answer=EdgesAnswer,
    run=run,
    debug=debug,
    identity=identity,
)
