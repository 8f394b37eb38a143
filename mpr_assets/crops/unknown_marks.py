"""Marks that are in no list of brands and come back often: places of timelines that nobody has named, in heaps.

Pure: what the places are, and their vectors, is in `vector_store`. The texts of one report alone are `report.unlisted`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from gpu_service.boxes import XYWH, overlaps, shared_area
from mpr_assets.crops.nearest import Vectors
from mpr_resources.brands.folding import fold_key

LEAST_LIKENESS = 0.8
"""Of the pairs of crops of different marks that `bench.likeness` draws, one in a thousand is above 0.77."""
MOST_PLACES = 20_000
"""Of more, those that are seen on most frames."""
LEAST_LETTERS = 3
LONGEST_SIGN = 5
"""A place without text that is longer, in its width or height, is a stripe."""


@dataclass(frozen=True)
class Heap:
    """Places that show one mark.

    Attributes:
        example: number of the place that is seen on most frames.
        places: numbers of all, that one first.
        frames: how many frames they are seen on. text: what was read there most often; empty: nothing.
    """

    example: int
    places: tuple[int, ...]
    frames: int
    text: str


def nameless(places: pl.DataFrame, detections: pl.DataFrame, lines: pl.DataFrame, known: Iterable[str]) -> pl.Series:
    """Whether each place of a timeline may show a mark that is not in the list.

    Args:
        places: of `similar.PLACES`. detections: rows of the stages that detect. lines: rows of `run_ocr`.
        known: texts of brands, and those that are never one.

    Returns:
        False where a brand was found, where what was read is no name (fewer than `LEAST_LETTERS` letters, or mostly
        digits) or known, for a crop around text, which is a place of its own, and for a stripe.
    """
    keys = {fold_key(text) for text in known}
    taken = _boxes(detections.filter(pl.col("brand").is_not_null()))
    read = _boxes(lines)
    return pl.Series(
        [
            not any(overlaps(box, other) for other in taken.get(seq, ()))
            and (_is_name(text, keys) if text else _may_be_a_sign(box, read.get(seq, ())))
            for seq, *box_sides, text in places.select("seq", "x", "y", "w", "h", "text").iter_rows()
            for box in [_xywh(box_sides)]
        ],
        dtype=pl.Boolean,
    )


def _boxes(rows: pl.DataFrame) -> dict[int, list[XYWH]]:
    found: dict[int, list[XYWH]] = {}
    for seq, *sides in rows.select("seq", "x", "y", "w", "h").iter_rows():
        found.setdefault(seq, []).append(_xywh(sides))
    return found


def _xywh(sides: Sequence[int]) -> XYWH:
    x, y, w, h = sides
    return x, y, w, h


def _may_be_a_sign(box: XYWH, lines: Sequence[XYWH]) -> bool:
    return max(box[2:]) <= LONGEST_SIGN * min(box[2:]) and not any(_within(line, box) for line in lines)


def _within(inner: XYWH, outer: XYWH) -> bool:
    """Whether half of a box lies in another."""
    return 2 * shared_area(inner, outer) >= inner[2] * inner[3]


def _is_name(text: str, known: set[str]) -> bool:
    letters = sum(character.isalpha() for character in text)
    written = sum(not character.isspace() for character in text)
    return letters >= LEAST_LETTERS and 2 * letters > written and fold_key(text) not in known


def heaps(places: pl.DataFrame, vectors: Vectors, least_frames: int) -> list[Heap]:
    """The marks that are seen on so many frames at least, those on most frames first.

    The place on most frames that is in no heap yet takes all that are alike or say the same.

    Args:
        places: with the columns `text` and `frames`. vectors: of each, in the same order.
    """
    frames = places["frames"].to_numpy()
    keys = np.array([fold_key(text) for text in places["text"]], object)
    order = np.argsort(-frames, kind="stable")[:MOST_PLACES]
    waiting = np.zeros(len(frames), np.bool_)
    waiting[order] = True
    found = []
    for number in order.tolist():
        if not waiting[number]:
            continue
        left = np.flatnonzero(waiting)
        alike = vectors[left] @ vectors[number] >= LEAST_LIKENESS
        same = alike | ((keys[left] == keys[number]) & (keys[number] != ""))
        mine = np.array([number, *(one for one in left[same].tolist() if one != number)])
        waiting[mine] = False
        seen = int(frames[mine].sum())
        if seen >= least_frames:
            found.append(Heap(number, tuple(mine.tolist()), seen, _text(places[mine.tolist()])))
    return sorted(found, key=lambda heap: (-heap.frames, heap.example))


def _text(places: pl.DataFrame) -> str:
    """What is read on most frames."""
    read = places.filter(pl.col("text") != "")
    if read.is_empty():
        return ""
    by_text = read.group_by("text").agg(pl.col("frames").sum())
    return str(by_text.sort("frames", "text", descending=[True, False])["text"][0])
