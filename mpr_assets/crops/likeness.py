"""Where in a timeline it looks like a picture: the vectors of its places, stored once they were made, and the likest.

What a vector is, and which places have one, is in `mpr_assets.crops.similar`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from gpu_service.errors import BadInput
from gpu_service.pictures import Image, Picture
from gpu_service.routines import Inference
from gpu_service.routines.vectors import VECTORS, VectorSettings
from gpu_service.wire import NoItem
from mpr_assets.crops.similar import LikePlace, from_parquet, most_alike, places, to_parquet, with_vectors
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.pictures import PictureCache, PictureFolder
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import StageTable

FRAMES = "extract_frames"
TABLES = (FRAMES, "preprocess", "run_ocr")
"""What is compared, by stages."""


@dataclass(frozen=True)
class KnownPlaces:
    """The places of a timeline. `vectors`: a table of `similar.SCHEMA`; `times_ms`: of each frame; `lines`: what was
    read.
    """

    vectors: pl.DataFrame
    frames: PictureFolder
    times_ms: dict[int, int]
    lines: pl.DataFrame


def places_of(
    storage: Storage,
    timeline: str,
    read: Callable[[str, str], StageTable],
    inference: Inference,
    making: Callable[[int], None] | None = None,
) -> KnownPlaces:
    """Those of a timeline, their vectors as they are stored; made where they are not there, or made otherwise.

    Args:
        read: the stored table of a stage and a timeline.
        making: told of how many places vectors are about to be made.

    Raises:
        BadInput: not all is stored that is compared.
    """
    try:
        tables = {name: read(name, timeline) for name in TABLES}
    except MissingObject as error:
        raise BadInput(f"Not all of the timeline {timeline!r} is stored that is compared", "run it first") from error
    index = tables[FRAMES]
    frames = PictureFolder(storage, Keys.frames(timeline, index.header.fingerprint), "jpg", PictureCache(), FRAMES)
    made_by = " ".join(
        [inference.identity(VECTORS, VectorSettings()), *(table.header.data_version for table in tables.values())]
    )
    vectors = _stored(storage, timeline, made_by)
    if vectors is None:
        found = places(tables["preprocess"].rows, tables["run_ocr"].rows)
        if making is not None:
            making(found.height)
        vectors = with_vectors(found, frames, inference, VectorSettings())
        storage.put(Keys.vectors(timeline), to_parquet(vectors, made_by))
    times_ms = dict(index.rows.select("seq", "timeline_ms").iter_rows())
    return KnownPlaces(vectors, frames, times_ms, tables["run_ocr"].rows)


def likest(of: KnownPlaces, picture: Image, inference: Inference, least: float, most: int) -> list[LikePlace]:
    """The places most like a picture; see `most_alike`."""
    [(_, answer)] = inference.map(VECTORS, [(None, Picture(pixels=picture), NoItem())], VectorSettings())
    return most_alike(of.vectors, answer.values, least, most)


def _stored(storage: Storage, timeline: str, made_by: str) -> pl.DataFrame | None:
    try:
        return from_parquet(storage.get(Keys.vectors(timeline)), made_by)
    except MissingObject:
        return None
