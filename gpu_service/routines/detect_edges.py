"""Board-like regions: bands between pairs of near-horizontal lines.

Canny edges, probabilistic Hough lines (Matas, Galambos and Kittler, 2000), lines joined, pairs weighed, bands merged.
What is written on a band is not asked here, nor is a band's slope kept: see `preprocess`.
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
from gpu_service.settings import Settings
from gpu_service.wire import Box, EdgesAnswer, EdgesItem, Point, Region

Mask: TypeAlias = NDArray[np.uint8]
Lines: TypeAlias = NDArray[np.float64]
"""Shape (n, 4): x0 y0 x1 y1 with x0 < x1, pixels of the working picture."""
Bands: TypeAlias = NDArray[np.float64]
"""Shape (n, 6): left, right, then the y of the top line at left and at right, then of the bottom line."""

WORKING_AREA_PX = 960 * 540
"""A larger frame is scaled down to this area: the work is bounded, and 1080p is halved exactly."""
MOST_LINES = 160
MOST_PAIRS = 600
MOST_REGIONS = 60
"""Bounds on what is looked at, longest lines, widest pairs and surest regions first; a busy texture costs no more."""
HOUGH_ANGLE = math.pi / 360
JOIN_PX = 2.0
"""Segments whose ends lie this near to one line are one line; working pixels."""
MOST_CONVERGENCE_DEG = 4.0
"""The lines of a pair may differ by this angle: perspective makes them meet far away."""
LEAST_SUPPORT = 0.35
"""Least part of a band's width over which each of its lines is an edge indeed."""
LEAST_SHARED = 0.4
"""Least part of the shorter line that lies over or under the longer one."""
MOST_INSIDE_FIELD = 0.5
"""A band with more than this part of it on the field is a marking, not a board."""
SAME_BAND = 0.6
"""Two bands one over the other by this part (intersection over union, or of the smaller) are the same."""


class EdgeSettings(Settings):
    """Lengths and distances are pixels of the frame."""

    edge_canny_low: int = Field(25, ge=0, le=2000, description="gradient (L1, of Sobel 3x3) from which an edge goes on")
    edge_canny_high: int = Field(75, ge=0, le=2000, description="gradient at which an edge begins")
    edge_hough_threshold: int = Field(
        50, ge=1, le=10000, description="edge px that a line needs to be looked at, before its length is measured"
    )
    edge_hough_min_length: int = Field(80, ge=2, le=10000, description="px; shorter lines are no board's edge")
    edge_hough_max_gap: int = Field(16, ge=0, le=1000, description="px; longest break within a line")
    edge_pair_max_distance: int = Field(160, ge=1, le=5000, description="px; greatest height of a board")
    edge_pair_min_distance: int = Field(10, ge=1, le=5000, description="px; least height of a board")
    edge_max_slope_deg: float = Field(18.0, gt=0, le=45, description="degrees off the horizontal that a line may be")

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
    the two lines' common extent that they share, times the part of the band that is off the field; 0 to 1.

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
        raise BadInput(f"A picture of {width} x {height} pixels has no edges; send one with pixels.")
    scale = min(1.0, math.sqrt(WORKING_AREA_PX / (width * height)))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
    gray = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
    edges, lines = near_horizontal_lines(gray, settings, scale)
    gap_px = settings.edge_hough_max_gap * scale
    bands, shared = _pairs(lines, settings, scale)
    to_working, to_frame = (size[0] / width, size[1] / height), (width / size[0], height / size[1])
    confidence = _weigh(bands, shared, edges, _field_mask(field, to_working, edges.shape))
    regions = _regions(*_merge(bands, confidence, gap_px), to_frame, (width, height))
    pair_count = int(np.count_nonzero(confidence))
    answer = EdgesAnswer(regions=regions, horizontal_count=len(lines), pair_count=pair_count)
    return _Edges(answer, edges, lines)


def near_horizontal_lines(gray: Mask, settings: EdgeSettings, scale: float = 1.0) -> tuple[Mask, Lines]:
    """The longest near-horizontal lines of a grey picture, `MOST_LINES` at most, and the edges that they were found in.

    Args:
        gray: shape (height, width).
        settings: the pair distances play no part.
        scale: pixels of this picture for each pixel that the settings speak of.

    Returns:
        edges of the picture's shape, 0 or 255; lines in its pixel indices, longest first.
    """
    edges = _near_horizontal_edges(gray, settings, scale)
    least_px = settings.edge_hough_min_length * scale
    return edges, _join(_segments(edges, settings, scale), settings.edge_hough_max_gap * scale, least_px)


def _near_horizontal_edges(gray: Mask, settings: EdgeSettings, scale: float) -> Mask:
    """Edges whose gradient is near vertical, in runs of some length: most of a texture's edges go before Hough."""
    dx = cv2.Sobel(gray, cv2.CV_16S, 1, 0, borderType=cv2.BORDER_REPLICATE)
    dy = cv2.Sobel(gray, cv2.CV_16S, 0, 1, borderType=cv2.BORDER_REPLICATE)
    edges = cv2.Canny(dx, dy, settings.edge_canny_low, settings.edge_canny_high)
    # Twice the slope: on a line of few pixels the gradient's direction wavers.
    slope = math.tan(math.radians(min(60.0, 2 * settings.edge_max_slope_deg)))
    edges[np.abs(dx) > slope * np.abs(dy)] = 0
    least_run = max(2, round(settings.edge_hough_min_length * scale / 8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(edges, connectivity=8)
    keep = stats[:, cv2.CC_STAT_WIDTH] >= least_run
    keep[0] = False
    return np.where(keep[labels], 255, 0).astype(np.uint8)


def _segments(edges: Mask, settings: EdgeSettings, scale: float) -> Lines:
    # Half the length here: a long line comes in pieces, and is measured once they are joined.
    found = cv2.HoughLinesP(
        edges,
        1,
        HOUGH_ANGLE,
        max(2, round(settings.edge_hough_threshold * scale / 2)),
        minLineLength=max(2, settings.edge_hough_min_length * scale / 2),
        maxLineGap=max(1, settings.edge_hough_max_gap * scale),
    )
    if found is None:
        return np.empty((0, 4))
    lines = np.asarray(found, np.float64).reshape(-1, 4)
    lines = np.where((lines[:, 0] > lines[:, 2])[:, None], lines[:, [2, 3, 0, 1]], lines)
    slope = math.tan(math.radians(settings.edge_max_slope_deg))
    return np.asarray(lines[np.abs(lines[:, 3] - lines[:, 1]) <= slope * (lines[:, 2] - lines[:, 0])], np.float64)


def _join(segments: Lines, max_gap_px: float, least_px: float) -> Lines:
    """Segments that continue or repeat each other become one line; then the longest lines of at least `least_px`."""
    lines = _longest_first(segments)[: 4 * MOST_LINES]
    before = len(lines) + 1
    while len(lines) < before:
        before = len(lines)
        lines = _longest_first(_join_once(lines, max_gap_px))
    return lines[lines[:, 2] - lines[:, 0] >= least_px][:MOST_LINES]


def _join_once(lines: Lines, max_gap_px: float) -> Lines:
    joined = np.empty_like(lines)
    count = 0
    for line in lines:
        known = joined[:count]
        off = np.maximum(np.abs(_y_at(known, line[0]) - line[1]), np.abs(_y_at(known, line[2]) - line[3]))
        gap = np.maximum(known[:, 0] - line[2], line[0] - known[:, 2])
        same = np.flatnonzero((off <= JOIN_PX) & (gap <= max_gap_px))
        if len(same):
            other = known[same[0]]
            left = line if line[0] < other[0] else other
            right = line if line[2] > other[2] else other
            joined[same[0]] = (left[0], left[1], right[2], right[3])
        else:
            joined[count] = line
            count += 1
    return joined[:count]


def _longest_first(lines: Lines) -> Lines:
    return lines[np.lexsort((lines[:, 0], lines[:, 1], lines[:, 0] - lines[:, 2]))]


def _y_at(lines: Lines, x: float | NDArray[np.float64]) -> NDArray[np.float64]:
    slope = (lines[:, 3] - lines[:, 1]) / np.maximum(lines[:, 2] - lines[:, 0], 1e-9)
    return np.asarray(lines[:, 1] + slope * (x - lines[:, 0]), np.float64)


def _pairs(lines: Lines, settings: EdgeSettings, scale: float) -> tuple[Bands, NDArray[np.float64]]:
    """Every two lines that may bound a board, widest first, and which part of their common extent they share."""
    first, second = np.triu_indices(len(lines), 1)
    a, b = lines[first], lines[second]
    left, right = np.maximum(a[:, 0], b[:, 0]), np.minimum(a[:, 2], b[:, 2])
    ys = np.stack([_y_at(a, left), _y_at(a, right), _y_at(b, left), _y_at(b, right)], axis=1)
    above = ys[:, 0] + ys[:, 1] <= ys[:, 2] + ys[:, 3]
    ys = np.where(above[:, None], ys, ys[:, [2, 3, 0, 1]])
    bands = np.column_stack([left, right, ys])
    shared = right - left
    # In whole pixels a line of an edge lies up to one pixel off, hence the half pixels.
    distance = (ys[:, 2] - ys[:, 0] + ys[:, 3] - ys[:, 1]) / 2
    angles = np.degrees(np.arctan2(lines[:, 3] - lines[:, 1], lines[:, 2] - lines[:, 0]))
    keep = (shared >= settings.edge_hough_min_length * scale) & (
        shared >= LEAST_SHARED * np.minimum(a[:, 2] - a[:, 0], b[:, 2] - b[:, 0])
    )
    keep &= (ys[:, 2] > ys[:, 0]) & (ys[:, 3] > ys[:, 1])
    keep &= (distance >= settings.edge_pair_min_distance * scale - 0.5) & (
        distance <= settings.edge_pair_max_distance * scale + 0.5
    )
    keep &= np.abs(angles[first] - angles[second]) <= MOST_CONVERGENCE_DEG
    extent = np.maximum(a[:, 2], b[:, 2]) - np.minimum(a[:, 0], b[:, 0])
    chosen = np.flatnonzero(keep)
    chosen = chosen[np.argsort(-shared[chosen], kind="stable")][:MOST_PAIRS]
    return bands[chosen], shared[chosen] / np.maximum(extent[chosen], 1e-9)


def _weigh(bands: Bands, shared: NDArray[np.float64], edges: Mask, field: Mask) -> NDArray[np.float64]:
    """Confidence of each band, 0 for those that are none."""
    along = np.linspace(0.0, 1.0, 64)
    xs = bands[:, :1] + (bands[:, 1:2] - bands[:, :1]) * along
    top = bands[:, 2:3] + (bands[:, 3:4] - bands[:, 2:3]) * along
    bottom = bands[:, 4:5] + (bands[:, 5:6] - bands[:, 4:5]) * along
    thick = np.asarray(cv2.dilate(edges, np.ones((5, 3), np.uint8)), np.uint8)
    support = np.minimum(_at(thick, xs, top).mean(axis=1), _at(thick, xs, bottom).mean(axis=1))
    across = np.linspace(0.05, 0.95, 7)[:, None, None]
    inside = _at(field, np.broadcast_to(xs, (7, *xs.shape)), top + (bottom - top) * across).mean(axis=(0, 2))
    confidence = support * shared * (1.0 - inside)
    confidence[(support < LEAST_SUPPORT) | (inside > MOST_INSIDE_FIELD)] = 0.0
    return np.asarray(confidence, np.float64)


def _at(mask: Mask, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.bool_]:
    rows = np.clip(np.rint(ys), 0, mask.shape[0] - 1).astype(np.intp)
    columns = np.clip(np.rint(xs), 0, mask.shape[1] - 1).astype(np.intp)
    return np.asarray(mask[rows, columns] > 0, np.bool_)


def _field_mask(field: tuple[Point, ...], scale: tuple[float, float], shape: tuple[int, ...]) -> Mask:
    mask = np.zeros(shape, np.uint8)
    if len(field) >= 3:
        corners = np.clip(np.array(field) * scale, -32000, 32000).round().astype(np.int32)
        cv2.fillPoly(mask, [corners], 255)
    return mask


def _merge(
    bands: Bands, confidence: NDArray[np.float64], max_gap_px: float
) -> tuple[list[NDArray[np.float64]], list[float]]:
    """Surest first, each band joins the one that it continues, or gives way to the one that it repeats."""
    kept: list[NDArray[np.float64]] = []
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


def _fate(band: NDArray[np.float64], kept: Bands, max_gap_px: float) -> int | None:
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


def _band_at(bands: Bands, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    part = (x - bands[:, 0]) / np.maximum(bands[:, 1] - bands[:, 0], 1e-9)
    top = bands[:, 2] + (bands[:, 3] - bands[:, 2]) * part
    bottom = bands[:, 4] + (bands[:, 5] - bands[:, 4]) * part
    return top, bottom


def _widened(band: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """The band over the extent of both, along its own lines where the other has none."""
    left = band if band[0] <= other[0] else other
    right = band if band[1] >= other[1] else other
    return np.array([left[0], right[1], left[2], right[3], left[4], right[5]])


def _regions(
    bands: list[NDArray[np.float64]], sure: list[float], to_frame: tuple[float, float], size: tuple[int, int]
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
