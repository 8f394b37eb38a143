"""Marks of the stored timelines that are in no list and come back often, each with a picture.

Which places are alike, and which are nameless: `unknown_marks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import polars as pl

from gpu_service.boxes import XYWH
from gpu_service.pictures import Image, encode_png
from gpu_service.routines import Inference
from gpu_service.routines.vectors import VectorSettings
from mpr_assets.crops.similar import cut_out, sheet
from mpr_assets.crops.unknown_marks import heaps, nameless
from mpr_assets.crops.vector_store import ManyPlaces, TimelinePlaces, run_timelines, timeline_places
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import read_table

DETECTING = ("match_brands", "escalate_vlm", "escalate_cloud", "corrections")
FLAT_GREY_LEVELS = 12.0
"""Standard deviation of a place's strongest colour below which it is grass, sky or a wall."""


@dataclass(frozen=True)
class UnlistedMark:
    """A mark. `text`: what was read there most often, or empty. `times`: places; `frames`: on which they are seen. The
    rest is where it is seen best: `box` in px of the frame `seq`.
    """

    text: str
    times: int
    frames: int
    timelines: list[str]
    timeline: str
    seq: int
    at_ms: int
    box: XYWH


def stored_suggestions(
    store: Storage,
    timelines: Sequence[str] | None,
    known: Iterable[str],
    inference: Inference,
    tell: Callable[[str], None],
    *,
    least_frames: int,
    most: int,
) -> list[UnlistedMark]:
    """As `suggestions`; their contact sheet is stored."""
    found = suggestions(store, timelines, known, inference, tell, least_frames=least_frames, most=most)
    if found:
        cells = [
            (cut, f"{number}  seen {mark.times} times", f"{mark.frames} frames  {mark.text}")
            for number, (mark, cut) in enumerate(found, start=1)
        ]
        store.put(Keys.suggestions(), encode_png(sheet(cells)))
    return [mark for mark, _ in found]


def suggestions(
    store: Storage,
    timelines: Sequence[str] | None,
    known: Iterable[str],
    inference: Inference,
    tell: Callable[[str], None] = lambda _said: None,
    *,
    least_frames: int,
    most: int,
) -> list[tuple[UnlistedMark, Image]]:
    """The marks, those on most frames first, each with its pixels where it is seen best.

    Args:
        timelines: those looked through; None: all that have been run.
        known: texts of brands, and those that are never one.
        tell: is told of vectors that are made first.

    Raises:
        BadInput: one of the timelines has not been run.
    """
    known = list(known)
    kept: list[TimelinePlaces] = []
    for name in run_timelines(store) if timelines is None else timelines:
        one = timeline_places(store, name, inference, VectorSettings(), tell)
        kept.append(one.where(nameless(one.table, _detections(store, name), one.lines, known)))
    if not any(one.table.height for one in kept):
        return []
    many, marks = ManyPlaces(kept), []
    for heap in heaps(many.table, many.vectors, least_frames):
        row = many.table.row(heap.example, named=True)
        place, box = many.of(row["timeline"]), (row["x"], row["y"], row["w"], row["h"])
        cut = cut_out(place.frames.read(row["seq"]).pixels, box)
        if float(cut.std(axis=(0, 1)).max()) < FLAT_GREY_LEVELS:
            continue
        seen_in = sorted(set(many.table[list(heap.places)]["timeline"]))
        where = row["timeline"], row["seq"], place.times_ms[row["seq"]], box
        marks.append((UnlistedMark(heap.text, len(heap.places), heap.frames, seen_in, *where), cut))
        if len(marks) == most:
            break
    return marks


def _detections(store: Storage, timeline: str) -> pl.DataFrame:
    """The rows of all stages that detect and are stored."""
    kinds = {"seq": pl.Int64, "x": pl.Int32, "y": pl.Int32, "w": pl.Int32, "h": pl.Int32, "brand": pl.Utf8}
    tables = [pl.DataFrame(schema=kinds)]
    for stage in DETECTING:
        with suppress(MissingObject):
            rows = read_table(store, stage, timeline).rows
            tables.append(rows.select(pl.col(name).cast(kind) for name, kind in kinds.items()))
    return pl.concat(tables)
