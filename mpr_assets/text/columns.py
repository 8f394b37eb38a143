"""Words whose letters stand one above another: where they are, and their letters laid side by side to be read.

Part of `run_ocr`. An engine finds such letters one by one, misses narrow ones and takes a letter alone for a digit;
laid side by side as in other words, it reads them well. Text turned by 90° is the engine's affair.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from gpu_service.boxes import XYWH, touches
from gpu_service.pictures import Image
from mpr_assets.text.quads import Quad

# Of the thresholds below no measurement is known but the tests' drawn words.

LETTERS = 2
"""A line of at most so many characters may be a letter of a column: with a rim of its ground it is at times read as
two."""
MEMBERS = 3
"""A column has at least so many lines, half of them letters: digits one above another are a table."""
HEIGHT_RATIO = 1.6
"""Of two letters that follow each other."""
ASIDE_HEIGHTS = 0.35
"""How far to the side of the letter above a letter may stand, by their centres."""
STEP_HEIGHTS = (0.75, 2.6)
"""From a letter's centre to the next one's, in the higher one's heights; the most is for the first two."""
STEP_RATIO = 1.3
"""Of a step to that of the first two letters of the column."""
CELL_MARGIN = 0.06
"""What is cut out around a letter, in its size."""
FREE_RIM, RIM = 0.4, 0.12
"""Beside the ends of a column a letter stands where a cell's rim, this share of it wide, has less contrast than this
share of the cell."""
FAINT = 2.0
"""Standard deviation of grey below which nothing stands in a cell."""
CELL_HEIGHT_PX = 48
"""What recognisers take."""
INK = 0.4
"""Where a cell differs from its sides by this share of the most, its letter is."""


@dataclass(frozen=True)
class Column:
    """Letters one above another.

    Attributes:
        quad: around all of them; it runs downwards, as the word does.
        cells: a box for each letter from the top, and for places between them where one is missing; pixels.
    """

    quad: Quad
    cells: tuple[XYWH, ...]


def columns(lines: Sequence[tuple[Quad, str]], image: Image) -> list[Column]:
    """The columns among the lines of a frame, each with what it says; nothing: not known."""
    letters = sorted(
        (_box(quad) for quad, text in lines if len(text.strip()) <= LETTERS), key=lambda box: box[1] + box[3] / 2
    )
    said = {_box(quad): text.strip() for quad, text in lines}
    found = []
    for run in _runs(letters):
        alphabetic = sum(said[box][:1].isalpha() for box in run)
        if len(run) >= MEMBERS and 2 * alphabetic >= len(run):
            others = [_box(quad) for quad, _ in lines if _box(quad) not in run]
            found.append(_column(run, others, image))
    return found


def laid_out(column: Column, image: Image) -> Image:
    """The letters of a column side by side, as near to each other as in other words."""
    scale = CELL_HEIGHT_PX / column.cells[0][3]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    letters = [_narrowed(_cell(image, cell)) for cell in column.cells]
    sizes = [(max(1, round(letter.shape[1] * scale)), CELL_HEIGHT_PX) for letter in letters]
    return np.asarray(
        np.hstack([cv2.resize(letter, size, interpolation=how) for letter, size in zip(letters, sizes, strict=True)]),
        np.uint8,
    )


def _narrowed(cell: Image) -> Image:
    """A cell without what is left and right of its letter, where that can be told."""
    grey = cv2.cvtColor(cell, cv2.COLOR_BGR2GRAY).astype(np.float32)
    ink = np.abs(grey - np.median(np.concatenate([grey[:, 0], grey[:, -1]]))).max(axis=0)
    inked = np.flatnonzero(ink >= INK * ink.max())
    margin = max(1, round(cell.shape[0] * CELL_MARGIN))
    return cell[:, max(0, int(inked[0]) - margin) : int(inked[-1]) + 1 + margin]


def _runs(letters: Sequence[XYWH]) -> Iterator[list[XYWH]]:
    """Letters that follow one another downwards in like steps; each letter in one run."""
    left = list(letters)
    while left:
        run = [left.pop(0)]
        step = 0.0
        while True:
            following = next((box for box in left if _follows(run[-1], box, step)), None)
            if following is None:
                break
            left.remove(following)
            step = step or _down(run[-1], following)
            run.append(following)
        yield run


def _follows(above: XYWH, below: XYWH, step: float) -> bool:
    """Whether a letter is the next below another. `step`: of the column; 0: it has none yet."""
    high, low = max(above[3], below[3]), min(above[3], below[3])
    down = _down(above, below)
    aside = abs(below[0] + below[2] / 2 - above[0] - above[2] / 2)
    if high > HEIGHT_RATIO * low or aside > ASIDE_HEIGHTS * high:
        return False
    if down < STEP_HEIGHTS[0] * high:
        return False
    if not step:
        return down <= STEP_HEIGHTS[1] * high
    # A letter that was not found leaves a step twice as long.
    return any(step * times / STEP_RATIO <= down <= step * times * STEP_RATIO for times in (1, 2, 0.5))


def _down(above: XYWH, below: XYWH) -> float:
    return below[1] + below[3] / 2 - above[1] - above[3] / 2


def _column(run: Sequence[XYWH], others: Sequence[XYWH], image: Image) -> Column:
    centres = [box[1] + box[3] / 2 for box in run]
    steps = np.diff(centres)
    step = float(np.median([one for one in steps if one < 1.5 * min(steps)]))
    places = [centres[0]]
    for centre, one in zip(centres[1:], steps, strict=True):
        if one > 1.5 * step:
            places.append(centre - one / 2)
        places.append(centre)
    w = round(max(box[2] for box in run) * (1 + 2 * CELL_MARGIN))
    h = round(min(max(box[3] for box in run) * (1 + 2 * CELL_MARGIN), step * 1.1))
    x = float(np.median([box[0] + box[2] / 2 for box in run]))

    def cell(y: float) -> XYWH:
        return round(x - w / 2), round(y - h / 2), w, h

    contrast = float(np.median([_cell(image, cell(y)).std() for y in places]))
    for at, y in ((0, places[0] - step), (len(places), places[-1] + step)):
        if _stands_free(image, cell(y), contrast) and not any(touches(cell(y), other) for other in others):
            places.insert(at, y)
            at += 1
    cells = tuple(cell(y) for y in places)
    left, right = cells[0][0], cells[0][0] + w
    top, bottom = cells[0][1], cells[-1][1] + h
    quad = np.array([[right, top], [right, bottom], [left, bottom], [left, top]], np.float32)
    return Column(quad, cells)


def _stands_free(image: Image, box: XYWH, contrast: float) -> bool:
    """Whether something like a letter stands in a box, with nothing around it."""
    x, y, w, h = box
    if x < 0 or y < 0 or x + w > image.shape[1] or y + h > image.shape[0]:
        return False
    grey = cv2.cvtColor(image[y : y + h, x : x + w], cv2.COLOR_BGR2GRAY).astype(np.float32)
    rim = max(1, round(h * RIM))
    edge = np.concatenate([grey[:rim].ravel(), grey[-rim:].ravel(), grey[:, :rim].ravel(), grey[:, -rim:].ravel()])
    return bool(grey.std() >= max(contrast / 2, FAINT) and edge.std() <= FREE_RIM * grey.std())


def _cell(image: Image, box: XYWH) -> Image:
    """The pixels in a box; beyond the frame's edge those of the edge."""
    x, y, w, h = box
    rows = np.clip(np.arange(y, y + h), 0, image.shape[0] - 1)
    across = np.clip(np.arange(x, x + w), 0, image.shape[1] - 1)
    return np.asarray(image[np.ix_(rows, across)], np.uint8)


def _box(quad: Quad) -> XYWH:
    left, top = np.floor(quad.min(axis=0)).astype(int).tolist()
    right, bottom = np.ceil(quad.max(axis=0)).astype(int).tolist()
    return left, top, max(1, right - left), max(1, bottom - top)
