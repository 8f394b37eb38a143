"""Where the playing field is in each kept frame. How it is found: `gpu_service.routines.segment_field`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from gpu_service.routines import DebugPictures, Inference
from gpu_service.routines.segment_field import SEGMENT_FIELD, SegmentFieldSettings
from gpu_service.wire import NoItem
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.overlays import preview_sheet
from mpr_resources.storage.pictures import Frame
from mpr_resources.storage.tables import StageTable

CODE_VERSION = "1"

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "seq": pl.Int64,
    "polygon": pl.List(pl.List(pl.Float64)),
    "share": pl.Float64,
}
"""A row for each frame that came in: polygon [[x, y], ...] in pixels of the frame, empty where there is no field."""


class FieldSegmentationSettings(SegmentFieldSettings, StageSettings):
    """The field's colour range in OpenCV's HSV, and what is large enough to be a field."""


def field_segmentation(
    frames: Iterable[Frame], inference: Inference, settings: FieldSegmentationSettings
) -> pl.DataFrame:
    """The field of each frame, in the order of seq."""
    pictures = ((frame.seq, frame.picture, NoItem()) for frame in frames)
    rows = [
        (seq, [list(point) for point in answer.polygon], answer.share)
        for seq, answer in inference.map(SEGMENT_FIELD, pictures, settings)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("seq")


def _debug(run: StageRun[FieldSegmentationSettings], frame: Frame, _inputs: Mapping[str, StageTable]) -> DebugPictures:
    return run.inference.debug(SEGMENT_FIELD, frame.picture, NoItem(), run.settings)[1]


@declare_stage(
    name="field_segmentation",
    description="Finds the playing field by its colour: its polygon and its share of the frame.",
    group="regions",
    kinds={"opencv", "inference", "parquet"},
    settings=FieldSegmentationSettings,
    schema=SCHEMA,
    columns={
        "polygon": "corners of the playing field, x and y in px of the frame",
        "share": "share of the frame that the playing field covers, 0 to 1",
    },
    code_version=CODE_VERSION,
    inputs=("extract_frames", "filter_scenes"),
    depends_on=lambda run: {"model": run.inference.identity(SEGMENT_FIELD, run.settings)},
    draw=preview_sheet.polygons("field"),
    debug=_debug,
    per_frame=True,
)
def stage(run: StageRun[FieldSegmentationSettings], extract_frames: StageTable, filter_scenes: StageTable) -> Result:
    """The field of each kept frame."""
    fields = field_segmentation(run.kept_frames(extract_frames, filter_scenes), run.inference, run.settings)
    return Result(fields, {"frames": fields.height, "frames_with_field": fields.filter(pl.col("share") > 0).height})
