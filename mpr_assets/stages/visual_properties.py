"""What each kept frame looks like as a whole: colours, brightness, contrast, saturation.

How they are measured: `gpu_service.routines.look`. A near-duplicate looks like the frame that stands for
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl
from pydantic import Field

from gpu_service.routines import DebugPictures, Inference
from gpu_service.routines.look import LOOK, LookSettings
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
    "colours": pl.List(pl.List(pl.Int64)),
    "shares": pl.List(pl.Float64),
    "brightness": pl.Float64,
    "contrast": pl.Float64,
    "saturation": pl.Float64,
}
"""A row for each frame that came in."""


class VisualPropertiesSettings(LookSettings, StageSettings):
    """Whether the look of frames is measured, and how many colours are told."""

    enabled: bool = Field(
        False, description="true: colours, brightness, contrast and saturation of frames are measured"
    )


def visual_properties(
    frames: Iterable[Frame], inference: Inference, settings: VisualPropertiesSettings
) -> pl.DataFrame:
    """The look of each frame, in the order of seq."""
    pictures = ((frame.seq, frame.picture, NoItem()) for frame in frames)
    rows = [
        (
            seq,
            [[one.red, one.green, one.blue] for one in answer.colours],
            [one.share for one in answer.colours],
            answer.brightness,
            answer.contrast,
            answer.saturation,
        )
        for seq, answer in inference.map(LOOK, pictures, settings)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("seq")


def _debug(run: StageRun[VisualPropertiesSettings], frame: Frame, _inputs: Mapping[str, StageTable]) -> DebugPictures:
    return run.inference.debug(LOOK, frame.picture, NoItem(), run.settings)[1]


@declare_stage(
    name="visual_properties",
    description="Measures what frames look like: dominant colours, brightness, contrast, saturation.",
    group="picture",
    kinds={"opencv", "inference", "parquet"},
    settings=VisualPropertiesSettings,
    schema=SCHEMA,
    columns={
        "colours": "dominant colours as red, green, blue, 0 to 255; the one with the largest share first",
        "shares": "share of the frame that each of them has, 0 to 1",
        "brightness": "mean of grey / 255, 0 to 1",
        "contrast": "standard deviation of grey / 255, 0 to 0.5",
        "saturation": "mean of the saturation in HSV / 255, 0 to 1",
    },
    code_version=CODE_VERSION,
    inputs=("extract_frames", "filter_scenes"),
    depends_on=lambda run: {"model": run.inference.identity(LOOK, run.settings)},
    draw=preview_sheet.swatches,
    debug=_debug,
    per_frame=True,
)
def stage(run: StageRun[VisualPropertiesSettings], extract_frames: StageTable, filter_scenes: StageTable) -> Result:
    """The look of each kept frame."""
    look = visual_properties(run.kept_frames(extract_frames, filter_scenes), run.inference, run.settings)
    return Result(look, {"frames": look.height})
