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

import polars as pl

from gpu_service.pictures import Image, Picture
from mpr_assets.report.areas import Polygon, outline, union_area
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
GetPictures: TypeAlias = Callable[[Sequence[int]], Iterable[tuple[int, Picture | None]]]
"""Gives frames by their seqs, in that order; None where one is no longer kept."""


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
        that the marks cover together, of texts their letters; null where those of one are not found, or not all of
        them: where their ratio of width to height is not that of most frames of the track.
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
    """By brand and frame; None where the letters of a text are not to be seen, or not all of them."""
    ratios: dict[tuple[str, int], list[float]] = defaultdict(list)
    for (brand, _), on_frame in marks.items():
        for mark in on_frame:
            if mark.quad is not None and mark.track is not None:
                ratios[brand, mark.track].append(_ratio(mark.quad))
    usual = {key: median(found) for key, found in ratios.items()}
    shares: dict[tuple[str, int], float | None] = {}
    for (brand, seq), on_frame in marks.items():
        width, height = sizes[seq]
        outlines = [
            mark.outline if mark.quad is None else outline(mark.quad, (), width, height)
            for mark in on_frame
            if _is_whole(mark, usual.get((brand, mark.track)) if mark.track is not None else None)
        ]
        shares[brand, seq] = union_area(outlines) / (width * height) if len(outlines) == len(on_frame) else None
    return shares


def _is_whole(mark: _Mark, usual: float | None) -> bool:
    """Whether all of it is to be seen, as far as that can be told. `usual`: the ratio that its track mostly has."""
    if mark.quad is None:
        return not mark.is_text
    return usual is None or abs(_ratio(mark.quad) / usual - 1) <= UNUSUAL


def _ratio(quad: Sequence[float]) -> float:
    """Width to height of a quad."""
    x0, y0, x1, y1, x2, y2, x3, y3 = quad
    return (math.dist((x0, y0), (x1, y1)) + math.dist((x3, y3), (x2, y2))) / (
        math.dist((x0, y0), (x3, y3)) + math.dist((x1, y1), (x2, y2))
    )
