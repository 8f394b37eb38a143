"""Overlays: pictures that show what a stage found in a frame, and how. Drawn on demand, stored, listed and loaded.

They lie under `Keys.overlay` by run, stage and frame; an index of their names is written last. What is drawn is the
stages' and the routines' to say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from gpu_service.errors import BadInput, NotThere
from gpu_service.pictures import Image, decode, encode_png
from gpu_service.routines import DebugPictures
from mpr_assets.engine.stage import Stage
from mpr_assets.engine.stage_run import FRAME_INDEX, KEPT_FRAMES, StageRun
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.pictures import Frame
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import StageTable


def draw_overlays(
    stage: Stage, run: StageRun, frame: Frame, rows: pl.DataFrame, inputs: Mapping[str, StageTable]
) -> DebugPictures:
    """A frame's overlays by name: its rows drawn on it, under the stage's name, then the steps of the stage's routine.

    Raises:
        BadInput: there is nothing to see of the stage.
    """
    if stage.draw is None:
        raise BadInput(f"{stage.name} has no findings in frames", "choose a stage that has, like match_brands")
    drawn = {stage.name: stage.draw(frame.picture.pixels, rows.filter(pl.col("seq") == frame.seq))}
    return drawn | (stage.debug(run, frame, inputs) if stage.debug is not None else {})


def store_overlays(storage: Storage, timeline: str, run: str, stage: str, seq: int, pictures: DebugPictures) -> None:
    """Keep a frame's overlays, the index last."""
    for name, picture in pictures.items():
        storage.put(Keys.overlay(timeline, run, stage, seq, name), encode_png(picture))
    storage.put(Keys.overlay_index(timeline, run, stage, seq), json.dumps(list(pictures)).encode())


def list_overlays(storage: Storage, timeline: str, run: str, stage: str, seq: int) -> list[str]:
    """The names of a frame's overlays in the order in which they are shown; empty when they are not kept."""
    try:
        names = json.loads(storage.get(Keys.overlay_index(timeline, run, stage, seq)))
    except MissingObject:
        return []
    return [str(name) for name in names]


def load_overlay(storage: Storage, timeline: str, run: str, stage: str, seq: int, name: str) -> Image:
    """One overlay: BGR.

    Raises:
        MissingObject: it is not kept.
    """
    return decode(storage.get(Keys.overlay(timeline, run, stage, seq, name)))


def overlays(stage: Stage, run: StageRun, run_id: str, seq: int) -> DebugPictures:
    """A frame's overlays of what is stored of the stage: those that are kept, or drawn now and kept.

    Args:
        run: the stage on the timeline; its settings are not used, but those that the stored table was made with.
        run_id: of the run that made the table.
        seq: a frame that the stage went over, see `seen_in`.

    Raises:
        BadInput: the stage was skipped, or has nothing to see.
        MissingObject: the stage, an input or the frame is not stored.
    """
    table = run.stored(stage.name)
    if table.header.skipped is not None:
        raise BadInput(f"{stage.name} has no overlay: it was skipped ({table.header.skipped}).")
    place = (run.storage, run.timeline, run_id, stage.name, seq)
    kept = list_overlays(*place)
    if kept:
        return {name: load_overlay(*place, name) for name in kept}
    as_made = replace(run, settings=stage.settings.model_validate(table.header.settings), only=None)
    [frame] = run.frames(run.stored(FRAME_INDEX), [seq])
    inputs = {name: run.stored(name) for name in stage.inputs}
    pictures = draw_overlays(stage, as_made, frame, table.rows, inputs)
    store_overlays(*place, pictures)
    return pictures


def seen_in(stage: Stage, run: StageRun, seq: int) -> int:
    """The frame to look at for what the stage says of the frame `seq`: the kept one that stands for it, or itself.

    Raises:
        BadInput: the timeline has no such frame.
    """
    rows = run.stored(KEPT_FRAMES if stage.per_frame else FRAME_INDEX).rows
    column = "kept_seq" if stage.per_frame else "seq"
    found = rows.filter(pl.col("seq") == seq)[column]
    if found.is_empty():
        raise NotThere(f"The timeline {run.timeline!r} has no frame {seq}", f"its frames are 0 to {rows.height - 1}")
    return int(found[0])
