"""The vectors of timelines' places as they are stored: made when they are first asked for, made anew when they are of
other results or by another model, and put together to be searched across timelines.

What a place is, and how places are compared: `similar`. How many are searched: `nearest`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from gpu_service.errors import BadInput
from gpu_service.pictures import Image, Picture
from gpu_service.routines import Inference
from gpu_service.routines.vectors import DIMENSIONS, VECTORS, VectorSettings
from gpu_service.wire import NoItem
from mpr_assets.crops.nearest import NUMPY_MOST, Nearest, Vectors
from mpr_assets.crops.similar import LikePlace, from_parquet, places, to_parquet, with_vectors
from mpr_assets.timelines.spec_store import spec_states
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.pictures import PictureCache, PictureFolder
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import StageTable, hash_of, read_table

STAGES = ("extract_frames", "preprocess", "run_ocr")
"""Whose results tell a timeline's places."""


def run_timelines(store: Storage) -> list[str]:
    """The timelines that have been run as far as places are compared, by name."""
    names = sorted(spec_states(store))
    return [one for one in names if all(store.exists(Keys.table(stage, one)) for stage in STAGES)]


@dataclass(frozen=True)
class TimelinePlaces:
    """What there is to compare of a timeline.

    Attributes:
        table: of `similar.SCHEMA`. made_by: what its vectors were made by, and from.
        frames: the timeline's frames. times_ms: of each, on the timeline's clock.
        lines: the table of `run_ocr`.
    """

    timeline: str
    table: pl.DataFrame
    made_by: str
    frames: PictureFolder
    times_ms: Mapping[int, int]
    lines: pl.DataFrame

    def where(self, chosen: pl.Series) -> TimelinePlaces:
        """Those places alone. `chosen`: whether each is one of them."""
        return replace(self, table=self.table.filter(chosen))


def timeline_places(
    store: Storage,
    timeline: str,
    inference: Inference,
    settings: VectorSettings,
    tell: Callable[[str], None] = lambda _said: None,
) -> TimelinePlaces:
    """The places of a timeline; `tell` is told where their vectors are to be made first.

    Raises:
        BadInput: what is compared is not stored.
    """
    tables = _tables(store, timeline)
    index = tables["extract_frames"]
    frames = PictureFolder(
        store, Keys.frames(timeline, index.header.fingerprint), "jpg", PictureCache(), "extract_frames"
    )
    made_by = " ".join(
        [inference.identity(VECTORS, settings), *(table.header.data_version for table in tables.values())]
    )
    known = None
    with suppress(MissingObject):
        known = from_parquet(store.get(Keys.vectors(timeline)), made_by)
    if known is None:
        found = places(tables["preprocess"].rows, tables["run_ocr"].rows)
        tell(f"Looking at {found.height} places of {timeline}; they are known the next time.")
        known = with_vectors(found, frames, inference, settings)
        store.put(Keys.vectors(timeline), to_parquet(known, made_by))
    times_ms = dict(index.rows.select("seq", "timeline_ms").iter_rows())
    return TimelinePlaces(timeline, known, made_by, frames, times_ms, tables["run_ocr"].rows)


def _tables(store: Storage, timeline: str) -> dict[str, StageTable]:
    try:
        return {name: read_table(store, name, timeline) for name in STAGES}
    except MissingObject as error:
        raise BadInput(f"Not all of the timeline {timeline!r} is stored that is compared", "run it first") from error


@dataclass(frozen=True)
class ManyPlaces:
    """The places of several timelines, in their order, to be searched together."""

    timelines: Sequence[TimelinePlaces]

    @cached_property
    def table(self) -> pl.DataFrame:
        """The places without their vectors, with their timeline."""
        return pl.concat(
            [one.table.drop("vector").with_columns(timeline=pl.lit(one.timeline)) for one in self.timelines]
        )

    @cached_property
    def vectors(self) -> Vectors:
        return np.concatenate([one.table["vector"].to_numpy().reshape(-1, DIMENSIONS) for one in self.timelines])

    def nearest(self, store: Storage) -> Nearest:
        """Ready to be searched; a graph of very many is stored until one of the timelines has other vectors."""
        if len(self.vectors) <= NUMPY_MOST:
            return Nearest.over(self.vectors)
        key = Keys.vector_graph(hash_of([one.made_by for one in self.timelines]))
        saved = None
        with suppress(MissingObject):
            saved = store.get(key)
        made = Nearest.over(self.vectors, saved)
        if made.built:
            store.delete_below(Keys.vector_graph(""))
            store.put(key, made.graph_bytes() or b"")
        return made

    def most_alike(self, store: Storage, query: Sequence[float], least: float, most: int) -> list[LikePlace]:
        """The places most like a vector, the likest first.

        Args:
            least: likeness. most: places.
        """
        if self.table.is_empty():
            return []
        numbers, scores = self.nearest(store).to(np.asarray(query, np.float32), most)
        rows = self.table[numbers].iter_rows(named=True)
        return [
            LikePlace(row["timeline"], row["seq"], (row["x"], row["y"], row["w"], row["h"]), row["text"], score)
            for row, score in zip(rows, np.round(scores, 4).tolist(), strict=True)
            if score >= least
        ]

    def likest(
        self, store: Storage, picture: Image, inference: Inference, settings: VectorSettings, least: float, most: int
    ) -> list[LikePlace]:
        """The places most like a picture; see `most_alike`."""
        [(_, answer)] = inference.map(VECTORS, [(None, Picture(pixels=picture), NoItem())], settings)
        return self.most_alike(store, answer.values, least, most)

    def of(self, timeline: str) -> TimelinePlaces:
        return next(one for one in self.timelines if one.timeline == timeline)
