"""Tries one stage on some frames, from the stored tables of its inputs: without a run, storing nothing.

How the result is presented is up to the caller.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

import polars as pl

from gpu_service.errors import BadInput
from gpu_service.routines import DebugPictures
from mpr_assets.engine.compatibility import refuse_incompatible
from mpr_assets.engine.open_run import stage_run
from mpr_assets.engine.overrides import NO_OVERRIDES, Overrides
from mpr_assets.engine.resources import RunResources
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import Stage
from mpr_assets.engine.stage_run import FRAME_INDEX, KEPT_FRAMES, StageRun
from mpr_assets.overlays.overlay_store import draw_overlays
from mpr_resources.progress import Progress
from mpr_resources.storage.scratch import ScratchStorage
from mpr_resources.storage.tables import (
    StageTable,
    check_schema,
    from_parquet,
    hash_of,
    read_table,
)

FRAMES_TRIED = 3
"""Frames that are tried where none are named."""
TABLES_KEPT = 8
"""Parsed tables that are held from try to try: more than any stage reads."""
ReadStored: TypeAlias = Callable[[str, str], StageTable]
"""Gives the stored table of a stage of a timeline."""


@dataclass(frozen=True)
class Trial:
    """What a stage gives on some frames.

    Attributes:
        seqs: the frames that it was tried on: kept ones that stand for those asked for.
        rows: the stage's table of these frames.
        settings: of the stage, as the profile and the overrides make them.
        overrides: what is not as in the profile.
        counts: figures worth showing.
        overlays: pictures by frame, then name; empty when they were not asked for.
        key: a name for this trial: equal for equal settings and frames.
    """

    seqs: tuple[int, ...]
    rows: pl.DataFrame
    settings: StageSettings
    overrides: Overrides
    counts: Mapping[str, int | float]
    overlays: Mapping[int, DebugPictures]
    key: str


def try_stage(
    stage: Stage,
    timeline: str,
    stages: Mapping[str, Stage],
    resources: RunResources,
    *,
    overrides: Overrides = NO_OVERRIDES,
    debug: bool = False,
    log: logging.Logger | None = None,
    progress: Progress | None = None,
    tables: ReadStored | None = None,
) -> Trial:
    """Run a stage on some frames of a timeline.

    Args:
        stages: all of them, by name.
        resources: storage, inference, profiles, progress and switches, as a run has them; kept between calls they stay
            warm.
        overrides: settings laid over the profile's, and the frames; where none are named, a few over the whole
            timeline.
        debug: whether overlays are drawn too.
        progress: is told as frames are done, and may break the trial off; None: that of the resources.
        tables: reads the stored tables; None: from the storage, each parsed once while it stays the same.

    Raises:
        BadInput: the stage does not go by frames, or a frame or an override cannot be.
        MissingObject: an input is not stored.
        PermanentError: an input was made by a version whose tables are not read any more.
    """
    if not stage.per_frame:
        raise BadInput(f"{stage.name} does not process single frames, so it cannot be tried", "replay it")
    # The frames are chosen here, by a table that may be parsed already.
    of_all = replace(overrides, frames=None)
    run = stage_run(stage, timeline, of_all, resources, log or logging.getLogger(__name__))
    if progress is not None:
        run = replace(run, progress=progress)
    read = tables or (lambda name, of: read_table(run.storage, name, of, _parse_once))
    scenes = _input(run, stages, read, KEPT_FRAMES).rows
    frames = overrides.frames
    kept_seqs = dict(zip(scenes["seq"].to_list(), scenes["kept_seq"].to_list(), strict=True))
    only = _a_few(scenes) if frames is None else frames.of(kept_seqs)
    run = replace(run, only=only, overrides=replace(run.overrides, frames=frames))
    key = hash_of([run.settings.model_dump(mode="json"), sorted(run.only or ())])
    run = replace(run, storage=ScratchStorage(run.storage), fingerprint=key)
    inputs = {name: _input(run, stages, read, name) for name in stage.inputs}
    seqs = tuple(sorted(run.only or ()))
    if run.skipped is None:
        result = stage.body(run, **inputs)
        rows, counts = result.rows, result.counts
        check_schema(rows, stage.schema, stage.name)
    else:
        rows, counts = pl.DataFrame(schema=dict(stage.schema)), {}
    overlays: dict[int, DebugPictures] = {}
    if debug and run.skipped is None:
        index = inputs.get(FRAME_INDEX) or _input(run, stages, read, FRAME_INDEX)
        overlays = _overlays(stage, run, rows, inputs, index)
    return Trial(seqs, rows, run.settings, run.overrides, counts, overlays, key)


def _input(run: StageRun, stages: Mapping[str, Stage], read: ReadStored, name: str) -> StageTable:
    table = read(name, run.timeline)
    refuse_incompatible({name: table}, stages)
    return table


@lru_cache(maxsize=TABLES_KEPT)
def _parse_once(data: bytes, where: str) -> StageTable:
    """The table, parsed once while the same is tried again and again."""
    return from_parquet(data, where)


def _a_few(scenes: pl.DataFrame) -> frozenset[int]:
    kept = scenes.filter("kept")["seq"].to_list()
    return frozenset(kept[round(at * (len(kept) - 1) / (FRAMES_TRIED - 1))] for at in range(FRAMES_TRIED) if kept)


def _overlays(
    stage: Stage,
    run: StageRun,
    rows: pl.DataFrame,
    inputs: Mapping[str, StageTable],
    index: StageTable,
) -> dict[int, DebugPictures]:
    return {
        frame.seq: draw_overlays(stage, run, frame, rows, inputs) for frame in run.frames(index, sorted(run.only or ()))
    }
