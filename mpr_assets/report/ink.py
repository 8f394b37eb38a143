"""How far the letters of a text reach. The outline that a text detector gives leaves a margin around them, and may hold
pieces of what stands beside them. What they say is not looked at here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_service.pictures import Image

Numbers: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

# The numbers below were set on the letters of the synthetic broadcast (demo), whose places are known; docs/measures.md
# says how well they do on broadcasts of other seeds.

UPSCALED = 2
"""The straightened text is looked at so many times larger, so that its ends are found to half a pixel."""
ENOUGH_PX, LONGEST_PX = 80, 2400
"""Height at which it need not be larger; width at which it must not."""
MARGIN_BESIDE, MARGIN_ABOVE = 0.6, 0.25
"""What is looked at around the outline, in its heights, so that letters do not touch the edge of what is looked at."""
CORE = 0.3, 0.7
"""Part of the height that every letter has ink in."""
GROUNDS, UNLIKE, COLOUR_STEP = 3, 40, 16
"""So many colours are tried as the ground, that differ by so much; colours are counted in steps of so much."""
ENOUGH_LIKE = 100
"""Pixels of which a ground's shading is told."""
ONE_LINE = 8
"""Numbers of an outline that is one line's."""
LEAST_CONTRAST, LEAST_SIDE_PX = 12.0, 4.0
RIM = 0.3
"""A letter ends where its colour is so much of the way from that of the ground to that of its middle."""
LEAST_AREA, LEAST_LETTER = 0.004, 0.15
"""Of a letter: its ink in squares of the outline's height, and its height in heights."""
LEAST_HEIGHT, LEAST_WIDTH = 0.3, 0.5
"""Of the outline; what comes out smaller is not the text."""
BEYOND, BEYOND_BOTH = 0.75, 0.2
"""A shape that reaches farther than most, by this share of their height, up or down, is no letter; by the smaller share
up and down, it is a stripe of the board: letters go up, as b does, or down, as q does."""
ACCENT_HEIGHT, ACCENT_GAP = 0.5, 0.3
"""Of the letters' height: an accent is no higher, and no farther above its letter."""
WIDEST, HELD = 0.5, 2
"""A shape that has more of the outline's width and is wider than two letters are high, or that has so many others
inside it, is no letter, but a board or its rim."""


def ink_outline(polygon: Sequence[float], pixels: Image) -> list[float] | None:
    """The outline of the letters within a text's outline; None where they cannot be told from the ground.

    Letters are shapes on the text's ground that do not reach the edge of what is looked at, as a board's rim, a player
    or the next board do. Of the colours that are commonest within the outline, the ground is the one on which they fill
    most of its width.

    Args:
        polygon: four corners of one line, x0 y0 .. x3 y3, clockwise from the text's top left; or the hull of several
            lines. pixels: the frame, BGR.

    Returns:
        x0 y0 .. x3 y3: upright sides, ends along the line on which the letters stand, in the frame's perspective.
    """
    one_line = len(polygon) == ONE_LINE
    corners = np.array(polygon, np.float32).reshape(-1, 2) if one_line else _rectangle(polygon)
    width = float(np.linalg.norm(corners[1] - corners[0]) + np.linalg.norm(corners[2] - corners[3])) / 2
    height = float(np.linalg.norm(corners[3] - corners[0]) + np.linalg.norm(corners[2] - corners[1])) / 2
    if min(width, height) < LEAST_SIDE_PX:
        return None
    enough = ENOUGH_PX if one_line else 2 * ENOUGH_PX
    scale = min(UPSCALED, enough / height, LONGEST_PX / (width + 2 * MARGIN_BESIDE * height))
    w, h = width * scale, height * scale
    left, top = MARGIN_BESIDE * h, MARGIN_ABOVE * h
    straight = np.array([[left, top], [left + w, top], [left + w, top + h], [left, top + h]], np.float32)
    to_line = cv2.getPerspectiveTransform(corners, straight)
    if abs(np.linalg.det(to_line)) < np.finfo(np.float32).eps:
        return None
    size = round(w + 2 * left), round(h + 2 * top)
    centres = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # of pixels, half a pixel from their corners
    line = cv2.warpPerspective(
        pixels, np.linalg.inv(centres) @ to_line @ centres, size, borderMode=cv2.BORDER_REPLICATE
    )
    found = _letters(np.asarray(line, np.uint8), (left, top, w, h), one_line)
    if found is None:
        return None
    back = cv2.perspectiveTransform(found[None], np.linalg.inv(to_line))[0]
    return [round(float(value), 2) for value in back.ravel()]


@dataclass(frozen=True)
class _Shapes:
    """Connected pixels unlike the ground, each attribute of shape (shapes,): boxes, pixels, the centre's x."""

    x: Numbers
    y: Numbers
    w: Numbers
    h: Numbers
    size: Numbers
    middle: Numbers


def _rectangle(hull: Sequence[float]) -> NDArray[np.float32]:
    """The smallest rectangle around a hull, from its corner that lies top left, if it stands upright or nearly so."""
    corners = cv2.boxPoints(cv2.minAreaRect(np.array(hull, np.float32).reshape(-1, 2)))
    first = int(corners.sum(axis=1).argmin())
    return np.asarray(np.roll(corners, -first, axis=0), np.float32)


def _letters(line: Image, text: tuple[float, float, float, float], one_line: bool) -> Numbers | None:
    """The corners of the letters in a straightened line, by the ground on which they fill most of its width.

    None: there are none.

    `text`: left, top, width and height of the detector's outline in it.
    """
    left, top, w, h = text
    inside = line[round(top) : round(top + h), round(left) : round(left + w)]
    found = [letters for ground in _grounds(inside) if (letters := _letters_on(ground, line, text, one_line))]
    return max(found, key=lambda one: one[0])[1] if found else None


def _letters_on(
    ground: NDArray[np.uint8], line: Image, text: tuple[float, float, float, float], one_line: bool
) -> tuple[float, Numbers] | None:
    """Which share of the width the letters on a ground of that colour fill, and their corners, shape (4, 2)."""
    left, top, w, h = text
    away = cv2.absdiff(line, _shaded(ground, line, text)).max(axis=2)
    inside = away[round(top) : round(top + h), round(left) : round(left + w)]
    level, _ = cv2.threshold(inside, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    if level < LEAST_CONTRAST:
        return None
    level = RIM * float(np.median(inside[inside > level]))
    _, _, stats, centres = cv2.connectedComponentsWithStats((away > level).astype(np.uint8), connectivity=8)
    x, y, cw, ch, size = stats[1:].T.astype(np.float64)
    shapes = _Shapes(x, y, cw, ch, size, centres[1:, 0])
    free = (y > 0) & (x > 0) & (y + ch < line.shape[0]) & (x + cw < line.shape[1])
    beside = (shapes.middle > left - 0.1 * h) & (shapes.middle < left + w + 0.1 * h)
    small = (cw < max(WIDEST * w, 2 * h if one_line else h)) & (shapes.size > LEAST_AREA * h * h)
    likely = free & beside & small
    letters = likely & (_held(shapes, likely) < HELD)
    if one_line:
        letters &= (y < top + CORE[1] * h) & (y + ch > top + CORE[0] * h) & (ch > LEAST_LETTER * h)
    else:
        letters &= (y + ch / 2 > top) & (y + ch / 2 < top + h)
    if not letters.any():
        return None
    slope = _slope(shapes, letters) if one_line else 0.0
    above = y - slope * (shapes.middle - left)
    if one_line:
        upper, lower = float(np.median(above[letters])), float(np.median((above + ch)[letters]))
        up, down = (upper - above) / (lower - upper), (above + ch - lower) / (lower - upper)
        letters &= (np.maximum(up, down) <= BEYOND) & (np.minimum(up, down) <= BEYOND_BOTH)
        if not letters.any():
            return None
    letters |= likely & _accents(shapes, letters)
    filled = np.zeros(line.shape[1], bool)
    for start, wide in zip(x[letters].astype(int), cw[letters].astype(int), strict=True):
        filled[start : start + wide] = True
    x0, x1 = x[letters].min(), (x + cw)[letters].max()
    y0, y1 = above[letters].min(), (above + ch)[letters].max()
    if x1 - x0 < LEAST_WIDTH * w or y1 - y0 < LEAST_HEIGHT * h:
        return None
    lefts, rights = slope * (x0 - left), slope * (x1 - left)
    corners = np.array([[x0, y0 + lefts], [x1, y0 + rights], [x1, y1 + rights], [x0, y1 + lefts]])
    return float(filled.sum() / w), corners


def _shaded(ground: NDArray[np.uint8], line: Image, text: tuple[float, float, float, float]) -> Image:
    """A ground of that colour where it grows lighter or darker across the line: each channel a plane, by least squares
    over what is like it within the outline, then over what is like that plane."""
    left, top, w, h = (round(value) for value in text)
    inside = line[top : top + h, left : left + w]
    rows, columns = np.mgrid[: line.shape[0], : line.shape[1]].astype(np.float32)
    places = np.stack([np.ones_like(rows), columns, rows], axis=-1)
    shaded = np.broadcast_to(ground, line.shape)
    for _ in range(2):
        like = cv2.absdiff(inside, shaded[top : top + h, left : left + w]).max(axis=2) <= UNLIKE
        if like.sum() < ENOUGH_LIKE:
            break
        planes, *_ = np.linalg.lstsq(places[top : top + h, left : left + w][like], inside[like].astype(np.float32))
        shaded = np.clip(np.rint(places @ planes), 0, 255).astype(np.uint8)
    return shaded


def _held(shapes: _Shapes, among: Flags) -> NDArray[np.intp]:
    """How many of the shapes each has within its box."""
    inside = (
        (shapes.x[:, None] < shapes.x[among])
        & (shapes.y[:, None] < shapes.y[among])
        & ((shapes.x + shapes.w)[:, None] > (shapes.x + shapes.w)[among])
        & ((shapes.y + shapes.h)[:, None] > (shapes.y + shapes.h)[among])
    )
    return np.asarray(inside.sum(axis=1))


def _slope(shapes: _Shapes, letters: Flags) -> float:
    """How far the line on which letters stand goes down on its way right: the median over pairs, by Theil and Sen."""
    at, foot = shapes.middle[letters], (shapes.y + shapes.h)[letters]
    one, other = np.triu_indices(len(at), 1)
    apart = at[other] - at[one]
    far = np.abs(apart) > float(np.median(shapes.h[letters]))
    return float(np.median((foot[other] - foot[one])[far] / apart[far])) if far.sum() > 1 else 0.0


def _accents(shapes: _Shapes, letters: Flags) -> Flags:
    """Which shapes are accents or dots: small ones that stand closely above a letter."""
    height = float(np.median(shapes.h[letters]))
    gaps = shapes.y[letters] - (shapes.y + shapes.h)[:, None]
    over = (shapes.middle[:, None] > shapes.x[letters]) & (shapes.middle[:, None] < (shapes.x + shapes.w)[letters])
    near = over & (gaps >= 0) & (gaps <= ACCENT_GAP * height)
    return np.asarray(near.any(axis=1) & (shapes.h <= ACCENT_HEIGHT * height))


def _grounds(inside: Image) -> list[NDArray[np.uint8]]:
    """The colours that the pixels have most, none like another."""
    flat = inside.reshape(-1, 3)
    coarse = flat.astype(np.int32) // COLOUR_STEP
    bins = (coarse[:, 0] * 16 + coarse[:, 1]) * 16 + coarse[:, 2]
    counts = np.bincount(bins)
    grounds: list[NDArray[np.uint8]] = []
    for one in np.argsort(-counts, kind="stable")[:24]:
        if counts[one] < 0.02 * len(bins) or len(grounds) == GROUNDS:
            break
        colour = np.rint(flat[bins == one].mean(axis=0)).astype(np.uint8)
        if all(cv2.absdiff(colour, other).max() > UNLIKE for other in grounds):
            grounds.append(colour)
    return grounds
