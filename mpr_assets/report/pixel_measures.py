"""What is measured on the pixels of some frames of each exposure: how large the letters are, how clear the mark is.

Which frames an exposure has is in `presence`; how pixels are measured in `ink` and `clarity`; what that adds up to in
`exposure_measures`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

import numpy as np
import polars as pl

from gpu_service.pictures import Image, Picture
from mpr_assets.report.areas import Polygon, area, centroid, outline, union_area
from mpr_assets.report.clarity import sharpness_and_contrast
from mpr_assets.report.ink import ink_outline
from mpr_resources.storage.tables import NamedRow

PIXEL_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "brand": pl.String,
    "found_on": pl.Int64,
    "ink_share": pl.Float64,
    "sharpness": pl.Float64,
    "contrast": pl.Float64,
    "clarity": pl.Float64,
}
UNUSUAL = 0.1
"""Letters whose ratio of width to height is off by so much from that of most frames are not all to be seen."""
LOPSIDED = 0.5
"""Of letters whose margins within the outline differ by so much of their height, some are hidden."""
GetPictures: TypeAlias = Callable[[Sequence[int]], Iterable[tuple[int, Picture | None]]]
"""Gives frames by their seqs, in that order; None where one is no longer kept."""
_Of: TypeAlias = tuple[str | None, int | None]
"""A brand and a track of it; None: all."""
EVERY: _Of = (None, None)


@dataclass(frozen=True)
class _Mark:
    """A mark on a frame. `quad`: of its letters; None: none were found in what is a text. `track`: of the text."""

    outline: Polygon
    quad: Sequence[float] | None
    is_text: bool
    track: int | None


def pixel_measures(
    presence: pl.DataFrame, detections: pl.DataFrame, frames_per_exposure: int, pictures: GetPictures
) -> pl.DataFrame:
    """Measures of the brands of each exposure, on frames spread evenly over it. Each frame is asked for once.

    Args:
        presence: rows of PRESENCE_SCHEMA. detections: what it was made of.
        frames_per_exposure: how many at most; 0: nothing is measured.

    Returns:
        A table of PIXEL_SCHEMA, without rows for frames that are no longer kept. `ink_share`: the part of the frame
        that the marks cover together, of texts their letters; see `_ink_shares`. Letters are not all to be seen where
        their ratio of width to height is not that of most frames of the track.
        `sharpness` and `contrast` are null where the mark is too small; `clarity` is the geometric mean of both and the
        confidence of the surest detection.
    """
    chosen = _chosen(presence, frames_per_exposure).sort("found_on", "brand")
    at_once: dict[int, list[NamedRow]] = defaultdict(list)
    for row in chosen.iter_rows(named=True):
        at_once[row["found_on"]].append(row)
    detected: dict[tuple[str, int], list[NamedRow]] = defaultdict(list)
    keys = chosen.select("brand", seq="found_on").unique()
    for row in detections.join(keys, on=["brand", "seq"], how="semi").iter_rows(named=True):
        detected[row["brand"], row["seq"]].append(row)
    clear: dict[tuple[str, int], tuple[float | None, ...]] = {}
    marks: dict[tuple[str, int], list[_Mark]] = {}
    sizes: dict[int, tuple[int, int]] = {}
    for seq, picture in pictures(list(at_once)) if at_once else ():
        if picture is None:
            continue
        pixels = picture.pixels
        sizes[seq] = pixels.shape[1], pixels.shape[0]
        for one in at_once[seq]:
            marks[one["brand"], seq] = [_mark(found, pixels) for found in detected[one["brand"], seq]]
            clear[one["brand"], seq] = _clear(one, pixels)
    shares = _ink_shares(marks, sizes)
    return pl.DataFrame([(*key, shares[key], *clear[key]) for key in clear], PIXEL_SCHEMA, orient="row")


def _chosen(presence: pl.DataFrame, count: int) -> pl.DataFrame:
    """Of the frames that each exposure was found on, so many, spread evenly."""
    keys = ["brand", "exposure"]
    found = presence.unique([*keys, "found_on"], keep="first", maintain_order=True).sort(*keys, "found_on")
    if count == 0:
        return found.clear()
    at, of = pl.int_range(pl.len()).over(keys), pl.len().over(keys)
    # Of `count` equal parts the frame in the middle of each; `part` is the first whose middle may be this frame.
    part = (2 * count * at + of - 1) // (2 * of)
    middle = ((2 * part + 1) * of) // (2 * count)
    return found.filter((of <= count) | (at == middle))


def _clear(mark: NamedRow, pixels: Image) -> tuple[float | None, ...]:
    """Sharpness, contrast and clarity."""
    both = sharpness_and_contrast(pixels, (mark["x"], mark["y"], mark["w"], mark["h"]), mark["polygon"])
    return (None, None, None) if both is None else (*both, (math.prod(both) * mark["confidence"]) ** (1 / 3))


def _mark(found: NamedRow, pixels: Image) -> _Mark:
    height, width = pixels.shape[:2]
    polygon, is_text = found["polygon"], found["legibility"] is not None
    box = (found["x"], found["y"], found["x"] + found["w"], found["y"] + found["h"])
    quad = ink_outline(polygon, pixels) if is_text and polygon is not None else None
    return _Mark(outline(polygon, box, width, height), quad, is_text, found["track"])


def _ink_shares(
    marks: Mapping[tuple[str, int], Sequence[_Mark]], sizes: Mapping[int, tuple[int, int]]
) -> dict[tuple[str, int], float | None]:
    """By brand and frame; None where no letters are known to be whole on any frame.

    Where letters are not all to be seen, or cannot be told from the ground, they are taken to be as large as on the
    track's frames before and after, in between by how far away those are. Of a track that never has them whole, they
    fill as much of its outline as the brand's others do, else all texts'.
    """
    known = [(brand, seq, mark) for (brand, seq), on_frame in marks.items() for mark in on_frame if mark.is_text]
    ratios: dict[_Of, list[float]] = defaultdict(list)
    for brand, _, mark in known:
        if mark.quad is not None and _is_amid(mark.quad, mark.outline):
            ratios[brand, mark.track].append(_ratio(mark.quad))
    usual = {of: median(found) for of, found in ratios.items()}
    areas: dict[_Of, dict[int, float]] = defaultdict(dict)
    filled: dict[_Of, list[float]] = defaultdict(list)
    for brand, seq, mark in known:
        if _is_whole(mark, usual.get((brand, mark.track))) and (outlined := area(mark.outline)):
            areas[brand, mark.track][seq] = area(outline(mark.quad, (), *sizes[seq]))
            for of in ((brand, None), EVERY):
                filled[of].append(areas[brand, mark.track][seq] / outlined)
    parts = {of: median(found) for of, found in filled.items()}

    def letters(brand: str, seq: int, mark: _Mark) -> Polygon | None:
        outlined = area(mark.outline)
        if not mark.is_text or not outlined:
            return mark.outline
        if _is_whole(mark, usual.get((brand, mark.track))):
            return outline(mark.quad, (), *sizes[seq])
        there = areas.get((brand, mark.track)) if mark.track is not None else None
        if there and not _is_cut(mark.outline, *sizes[seq]):
            at = sorted(there)
            return _shrunk(mark.outline, float(np.interp(seq, at, [there[one] for one in at])) / outlined)
        part = parts.get((brand, None), parts.get(EVERY))
        return None if part is None else _shrunk(mark.outline, part)

    shares: dict[tuple[str, int], float | None] = {}
    for (brand, seq), on_frame in marks.items():
        found = [letters(brand, seq, mark) for mark in on_frame]
        width, height = sizes[seq]
        known_all = [one for one in found if one is not None]
        shares[brand, seq] = union_area(known_all) / (width * height) if len(known_all) == len(found) else None
    return shares


def _is_whole(mark: _Mark, usual: float | None) -> bool:
    """Whether all of the letters are to be seen, as far as that can be told. `usual`: the ratio of its track's."""
    if mark.quad is None or not _is_amid(mark.quad, mark.outline):
        return False
    return usual is None or abs(_ratio(mark.quad) / usual - 1) <= UNUSUAL


def _is_amid(quad: Sequence[float], outlined: Polygon) -> bool:
    """Whether letters leave about the same margin at either end of the outline: else some at one end are hidden."""
    x0, y0, x1, y1, x2, y2, x3, y3 = quad
    middle, height = ((x0 + x3) / 2, (y0 + y3) / 2), (math.dist((x0, y0), (x3, y3)) + math.dist((x1, y1), (x2, y2))) / 2
    right, down = (x1 + x2) / 2 - middle[0], (y1 + y2) / 2 - middle[1]
    length = math.hypot(right, down)
    if not length or not outlined:
        return False
    along = [((x - middle[0]) * right + (y - middle[1]) * down) / length for x, y in outlined]
    return abs(-min(along) - (max(along) - length)) <= LOPSIDED * height


def _is_cut(outlined: Polygon, width: int, height: int) -> bool:
    """Whether the frame's edge may cut the mark off."""
    return any(not 1 < x < width - 1 or not 1 < y < height - 1 for x, y in outlined)


def _shrunk(polygon: Polygon, part: float) -> Polygon:
    """A polygon of so much of the area, about its centre.

    >>> _shrunk([(0, 0), (4, 0), (4, 4), (0, 4)], 0.25)
    [(1.0, 1.0), (3.0, 1.0), (3.0, 3.0), (1.0, 3.0)]
    """
    (x, y), side = centroid(polygon), math.sqrt(part)
    return [(x + (right - x) * side, y + (down - y) * side) for right, down in polygon]


def _ratio(quad: Sequence[float]) -> float:
    """Width to height of a quad."""
    x0, y0, x1, y1, x2, y2, x3, y3 = quad
    return (math.dist((x0, y0), (x1, y1)) + math.dist((x3, y3), (x2, y2))) / (
        math.dist((x0, y0), (x3, y3)) + math.dist((x1, y1), (x2, y2))
    )
