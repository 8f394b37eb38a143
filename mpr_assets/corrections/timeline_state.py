"""What a timeline's corrections are held against, read from its stored tables; and the stage that applies them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from gpu_service.errors import BadInput
from mpr_assets.annotations.corrections import Correction
from mpr_assets.corrections.given import TimelineState
from mpr_assets.report.exposures import frame_spans
from mpr_assets.timelines.chunks import timeline_ms
from mpr_assets.timelines.spec_store import load_spec
from mpr_resources.profiles.folder import Profiles
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.pictures import PictureCache, PictureFolder
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import read_table


def state_of(storage: Storage, profiles: Profiles, timeline: str, where: str) -> TimelineState:
    """The state of a timeline. `where`: what messages begin with.

    Raises:
        BadInput: it is not registered, or has no frames yet.
    """
    try:
        spec = load_spec(storage, timeline)
        chunks, frames, scenes = (
            read_table(storage, stage, timeline) for stage in ("timeline", "extract_frames", "filter_scenes")
        )
    except MissingObject as error:
        raise BadInput(f"{where}: the timeline {timeline!r} has no frames yet", "run it first") from error
    except BadInput as error:
        raise BadInput(error.what, error.remedy, where=where) from error
    try:
        exposures = read_table(storage, "compile_report", timeline).rows
    except MissingObject:
        exposures = pl.DataFrame(schema={"brand": pl.String, "start_ms": pl.Int64, "end_ms": pl.Int64})
    prefix = Keys.frames(timeline, frames.header.fingerprint)
    folder = PictureFolder(storage, prefix, "jpg", PictureCache(), "extract_frames")
    return TimelineState(
        timeline,
        frames.rows,
        frame_spans(frames.rows, scenes.rows, chunks.rows),
        exposures,
        profiles.brand_list(profiles.load(spec.profile), Path(spec.brands) if spec.brands else None),
        timeline_ms(chunks.rows),
        lambda seq: folder.read(seq).pixels,
    )


def replay_from(corrections: Iterable[Correction]) -> str:
    """The stage from which a run has them: where there are reference pictures, the one that looks for marks by them."""
    return "detect_objects" if any(one.picture for one in corrections) else "corrections"
