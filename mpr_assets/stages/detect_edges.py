"""Board-like regions of each kept frame. How they are found: `gpu_service.routines.detect_edges`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from gpu_service.routines import DebugPictures, Inference
from gpu_service.routines.detect_edges import DETECT_EDGES, EdgeSettings
from gpu_service.wire import EdgesItem
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.overlays import preview_sheet
from mpr_resources.storage.pictures import Frame
from mpr_resources.storage.tables import StageTable

CODE_VERSION = "1"

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "seq": pl.Int64,
    "x": pl.Int32,
    "y": pl.Int32,
    "w": pl.Int32,
    "h": pl.Int32,
    "confidence": pl.Float64,
    "label": pl.Utf8,
}
"""A row for each region: a box in pixels of the frame."""


class DetectEdgesSettings(EdgeSettings, StageSettings):
    """Edges, lines, and which pairs of lines are a board; lengths in pixels of the frame."""


def detect_edges(
    frames: Iterable[Frame], fields: pl.DataFrame, inference: Inference, settings: DetectEdgesSettings
) -> pl.DataFrame:
    """The regions of each frame, in the order of seq, then surest first.

    Args:
        frames: the kept frames.
        fields: the table of `field_segmentation`; a frame that it does not have, has no known field.
        inference: where the routine runs.
        settings: of the routine and the stage.
    """
    polygons = _polygons(fields)
    pictures = ((frame.seq, frame.picture, _item(polygons, frame)) for frame in frames)
    rows = [
        (seq, region.box.x, region.box.y, region.box.w, region.box.h, region.confidence, region.label)
        for seq, answer in inference.map(DETECT_EDGES, pictures, settings)
        for region in answer.regions
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("seq", maintain_order=True)


def _polygons(fields: pl.DataFrame) -> dict[int, list[list[float]]]:
    return dict(fields.select("seq", "polygon").iter_rows())


def _item(polygons: Mapping[int, list[list[float]]], frame: Frame) -> EdgesItem:
    return EdgesItem(field=tuple((x, y) for x, y in polygons.get(frame.seq) or ()))


def _debug(run: StageRun[DetectEdgesSettings], frame: Frame, inputs: Mapping[str, StageTable]) -> DebugPictures:
    fields = inputs["field_segmentation"].rows.filter(pl.col("seq") == frame.seq)
    item = _item(_polygons(fields), frame)
    return run.inference.debug(DETECT_EDGES, frame.picture, item, run.settings)[1]


@declare_stage(
    name="detect_edges",
    description="Finds board-like regions between pairs of near-horizontal lines.",
    group="regions",
    kinds={"opencv", "inference", "parquet"},
    settings=DetectEdgesSettings,
    schema=SCHEMA,
    code_version=CODE_VERSION,
    inputs=("extract_frames", "filter_scenes", "field_segmentation"),
    depends_on=lambda run: {"model": run.inference.identity(DETECT_EDGES, run.settings)},
    draw=preview_sheet.boxes("label"),
    debug=_debug,
    per_frame=True,
)
def stage(
    run: StageRun[DetectEdgesSettings],
    extract_frames: StageTable,
    filter_scenes: StageTable,
    field_segmentation: StageTable,
) -> Result:
    """The regions of each kept frame."""
    frames = run.kept_frames(extract_frames, filter_scenes)
    regions = detect_edges(frames, run.limited(field_segmentation.rows), run.inference, run.settings)
    return Result(regions, {"regions": regions.height, "frames_with_regions": regions["seq"].n_unique()})
