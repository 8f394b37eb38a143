"""A stage such as anyone may add: the box around all that is bright in each kept frame. `test_toy_stage` adds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import cv2
import numpy as np
import polars as pl
from pydantic import Field

from gpu_service.pictures import Image, encode_png
from gpu_service.routines import DebugPictures
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.overlays import preview_sheet
from mpr_resources.storage.pictures import Frame, PictureFolder
from mpr_resources.storage.tables import StageTable, TableHeader

CODE_VERSION = "1"

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "seq": pl.Int64,
    "x": pl.Int32,
    "y": pl.Int32,
    "w": pl.Int32,
    "h": pl.Int32,
    "label": pl.Utf8,
}


class BrightBoxSettings(StageSettings):
    """What is bright."""

    level: int = Field(200, ge=0, le=255, description="grey level from which a pixel is bright")


def bright_box(frames: Iterable[Frame], settings: BrightBoxSettings) -> pl.DataFrame:
    """A row for each frame in which something is bright."""
    boxes = [(frame.seq, *cv2.boundingRect(_mask(frame.picture.pixels, settings)), "bright") for frame in frames]
    return pl.DataFrame(boxes, schema=SCHEMA, orient="row").filter(pl.col("w") > 0)


def _mask(pixels: Image, settings: BrightBoxSettings) -> Image:
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    return np.where(grey >= settings.level, np.uint8(255), np.uint8(0))


def _masks_of(timeline: str, fingerprint: str) -> str:
    return f"cache/timelines/{timeline}/masks/{fingerprint[:16]}"


def _folder(run: StageRun[BrightBoxSettings], fingerprint: str) -> PictureFolder:
    return PictureFolder(run.storage, _masks_of(run.timeline, fingerprint), "png", run.cache, "bright_box")


def _masks_are_there(run: StageRun[BrightBoxSettings], header: TableHeader) -> bool:
    return _folder(run, header.fingerprint).finished()


def _debug(run: StageRun[BrightBoxSettings], frame: Frame, _inputs: Mapping[str, StageTable]) -> DebugPictures:
    grey = _mask(frame.picture.pixels, run.settings)
    return {"mask": np.dstack([grey, grey, grey])}


@declare_stage(
    name="bright_box",
    description="The box around all that is bright.",
    group="regions",
    kinds={"opencv", "parquet"},
    settings=BrightBoxSettings,
    schema=SCHEMA,
    code_version=CODE_VERSION,
    inputs=("extract_frames", "filter_scenes"),
    complete=_masks_are_there,
    pictures=_masks_of,
    draw=preview_sheet.boxes("label"),
    debug=_debug,
    per_frame=True,
    off_switch="SKIP_BRIGHT_BOX",
)
def stage(run: StageRun[BrightBoxSettings], extract_frames: StageTable, filter_scenes: StageTable) -> Result:
    """The box of each kept frame; the masks beside the table."""
    frames = list(run.kept_frames(extract_frames, filter_scenes))
    masks = ((frame.seq, encode_png(_mask(frame.picture.pixels, run.settings))) for frame in frames)
    _folder(run, run.fingerprint).write(masks)
    boxes = bright_box(frames, run.settings)
    return Result(boxes, {"boxes": boxes.height})
