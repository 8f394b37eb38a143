"""Lines of text in a frame: which one may go on in which other, and where in a line its words stand.

What the text says is not looked at here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gpu_service.boxes import XYWH
from mpr_resources.brands.folding import FoldedText

MIN_COSINE = math.cos(math.radians(12.0))
"""Lines of one phrase run at most so far apart in direction. No measurement is known."""
PIECE_GAP_HEIGHTS, PIECE_HEIGHT_RATIO, PIECE_OFFSET_HEIGHTS, PIECE_COSINE = 0.6, 1.35, 0.3, math.cos(math.radians(4.0))
"""What makes two lines pieces of one: a gap like that between words, the same height, one baseline, one direction. No
measurement is known."""
FIRST_SQUARE_LETTER = 0x2E80
"""Unicode's first CJK radical. Letters after it are mostly as wide as high: Chinese, Japanese, Korean."""


@dataclass(frozen=True)
class Line:
    """A line of text in a frame. `quad`: x0 y0 .. x3 y3 clockwise from top left; pixels. `reading`: how this frame has
    it, where `text` is what all readings of its track agree on."""

    text: str
    confidence: float
    quad: tuple[float, ...]
    box: XYWH
    track: int | None
    reading: str


@dataclass(frozen=True)
class Reach:
    """How far apart lines of one phrase may stand, in heights of the higher line; and how different their heights."""

    beside: float
    below: float
    height_ratio: float


@dataclass(frozen=True)
class _Place:
    """A line as a rectangle: centre, unit vector along it, size; pixels."""

    x: float
    y: float
    along_x: float
    along_y: float
    width: float
    height: float


def followers(lines: Sequence[Line], reach: Reach) -> list[list[int]]:
    """For each line the lines that a phrase may go on in: the one beside it, and those below it or below its row."""
    places = [_place(line) for line in lines]
    count = range(len(lines))
    beside = [[b for b in count if b != a and _is_beside(places[a], places[b], reach)] for a in count]
    below = [[b for b in count if b != a and _is_below(places[a], places[b], reach)] for a in count]
    before = [[a for a in count if b in beside[a]] for b in count]
    found = []
    for a in count:
        row, queue = {a}, [a]
        while queue:
            new = [left for left in before[queue.pop()] if left not in row]
            row.update(new)
            queue += new
        found.append(sorted({*beside[a], *(b for one in row for b in below[one])} - row))
    return found


def pieces(lines: Sequence[Line]) -> list[tuple[int, ...]]:
    """Runs of two lines or more, from left to right, that are one line of which a detector made several."""
    after = dict(next_in_row(lines, PIECE_GAP_HEIGHTS))
    runs = []
    for first in sorted(after.keys() - after.values()):
        run = [first]
        while run[-1] in after:
            run.append(after[run[-1]])
        runs.append(tuple(run))
    return runs


def next_in_row(lines: Sequence[Line], reach: float) -> list[tuple[int, int]]:
    """Pairs of lines of which the second goes on where the first ends, with nothing between them.

    They have one baseline, one direction and one height; `reach` is the largest gap, in heights.
    """
    places = [_place(line) for line in lines]
    found = []
    for a, place in enumerate(places):
        right = [(along, b) for b, along in _to_the_right(place, places) if b != a]
        if right and _goes_on_in(place, places[min(right)[1]], reach):
            found.append((a, min(right)[1]))
    return found


def _to_the_right(place: _Place, places: Sequence[_Place]) -> Iterator[tuple[int, float]]:
    """The lines that stand in a line's row or reach into it, to its right, and how far on their centres are."""
    for number, other in enumerate(places):
        along, down = _offset(place, other)
        if along > 0 and abs(down) < (place.height + other.height) / 2:
            yield number, along


def _goes_on_in(a: _Place, b: _Place, reach: float) -> bool:
    along, down = _offset(a, b)
    low, high = sorted((a.height, b.height))
    gap = along - (a.width + b.width) / 2
    return (
        -0.5 * low <= gap <= reach * high
        and high <= PIECE_HEIGHT_RATIO * low
        and abs(down) <= PIECE_OFFSET_HEIGHTS * low
        and a.along_x * b.along_x + a.along_y * b.along_y >= PIECE_COSINE
    )


def part_box(line: Line, folded: FoldedText, start: int, end: int) -> XYWH:
    """The box of the words `start` to `end` of a line, by the usual widths of their letters."""
    if start == 0 and end == len(folded.words):
        return line.box
    quad = part_quad(line, folded, start, end)
    xs, ys = quad[::2], quad[1::2]
    return _bounded((math.floor(min(xs)), math.floor(min(ys)), math.ceil(max(xs)), math.ceil(max(ys))), line.box)


def part_quad(line: Line, folded: FoldedText, start: int, end: int) -> tuple[float, ...]:
    """The same as a quad, like that of the line."""
    words = folded.words
    if start == 0 and end == len(words):
        return line.quad
    widths = _reach_of_letters(folded.normal)
    left, right = widths[words[start].start], widths[words[end - 1].end]
    x0, y0, x1, y1, x2, y2, x3, y3 = line.quad

    def along(a: float, b: float, share: float) -> float:
        return a + (b - a) * share

    return (
        along(x0, x1, left), along(y0, y1, left), along(x0, x1, right), along(y0, y1, right),
        along(x3, x2, right), along(y3, y2, right), along(x3, x2, left), along(y3, y2, left),
    )  # fmt: skip


def _bounded(corners: tuple[int, int, int, int], box: XYWH) -> XYWH:
    left, top = max(corners[0], box[0]), max(corners[1], box[1])
    right, bottom = min(corners[2], box[0] + box[2]), min(corners[3], box[1] + box[3])
    return (left, top, right - left, bottom - top) if right > left and bottom > top else box


@lru_cache(maxsize=65536)
def _reach_of_letters(text: str) -> tuple[float, ...]:
    """For each letter, and for the end, the share of the line's width that lies before it."""
    total, reach = 0.0, [0.0]
    for letter in text:
        if letter in " .,:;!|'iljI1":
            total += 0.5
        elif letter in "mwMW@":
            total += 1.5
        else:
            total += 2.0 if ord(letter) > FIRST_SQUARE_LETTER else 1.0
        reach.append(total)
    return tuple(one / total for one in reach)


def _place(line: Line) -> _Place:
    x0, y0, x1, y1, x2, y2, x3, y3 = line.quad
    along_x, along_y = (x1 - x0 + x2 - x3) / 2, (y1 - y0 + y2 - y3) / 2
    width = math.hypot(along_x, along_y)
    height = math.hypot(x3 - x0 + x2 - x1, y3 - y0 + y2 - y1) / 2
    unit = (along_x / width, along_y / width) if width else (1.0, 0.0)
    return _Place((x0 + x1 + x2 + x3) / 4, (y0 + y1 + y2 + y3) / 4, *unit, width, max(height, 1.0))


def _offset(a: _Place, b: _Place) -> tuple[float, float]:
    """From the centre of a to that of b: along a, and downwards across it."""
    dx, dy = b.x - a.x, b.y - a.y
    return dx * a.along_x + dy * a.along_y, dy * a.along_x - dx * a.along_y


def _alike(a: _Place, b: _Place, reach: Reach) -> bool:
    ratio = max(a.height, b.height) / min(a.height, b.height)
    return ratio <= reach.height_ratio and a.along_x * b.along_x + a.along_y * b.along_y >= MIN_COSINE


def _is_beside(a: _Place, b: _Place, reach: Reach) -> bool:
    along, down = _offset(a, b)
    if along <= 0 or abs(down) > 0.5 * min(a.height, b.height):
        return False
    gap = along - (a.width + b.width) / 2
    near = -0.5 * min(a.height, b.height) <= gap <= reach.beside * max(a.height, b.height)
    return near and _alike(a, b, reach)


def _is_below(a: _Place, b: _Place, reach: Reach) -> bool:
    along, down = _offset(a, b)
    gap = down - (a.height + b.height) / 2
    higher = max(a.height, b.height)
    if down <= 0 or not -0.4 * min(a.height, b.height) <= gap <= reach.below * higher:
        return False
    overlap = (a.width + b.width) / 2 - abs(along)
    lefts = abs((along - b.width / 2) + a.width / 2)
    return (overlap >= 0.3 * min(a.width, b.width) or lefts <= higher) and _alike(a, b, reach)
