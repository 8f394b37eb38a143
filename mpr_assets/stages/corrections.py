"""The `corrections` stage: what people added to, and took away from, what the stages before it found.

Corrections are given by `mpr correct`; a timeline without any has nothing to correct: the stage then materializes
empty, and says so. What they make of detections is in `mpr_assets.corrections.applied`.
"""

from __future__ import annotations

import polars as pl

from mpr_assets.annotations.corrections import corrections_version, read_corrections
from mpr_assets.corrections.applied import MANUAL, corrected
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.overlays import preview_sheet
from mpr_assets.report.exposures import frame_spans
from mpr_assets.text.detections import DETECTION_COLUMNS, DETECTION_SCHEMA
from mpr_resources.storage.tables import StageTable

CODE_VERSION = "1"
NONE = "no correction is given (mpr correct)"


class CorrectionsSettings(StageSettings):
    """Whether corrections are applied."""


def _idle(run: StageRun[CorrectionsSettings]) -> str | None:
    return None if corrections_version(run.storage, run.timeline) else NONE


@declare_stage(
    name="corrections",
    description="Applies what people corrected: marks that were missed, that are not there, or are another brand.",
    group="brands",
    kinds={"polars", "parquet"},
    settings=CorrectionsSettings,
    schema=DETECTION_SCHEMA,
    columns=DETECTION_COLUMNS,
    code_version=CODE_VERSION,
    inputs=("timeline", "extract_frames", "filter_scenes", "match_brands", "escalate_vlm", "escalate_cloud"),
    depends_on=lambda run: {"corrections": corrections_version(run.storage, run.timeline)},
    draw=preview_sheet.boxes("brand"),
    detection_sources=(MANUAL,),
    reads_annotations=True,
    idle=_idle,
)
def stage(
    run: StageRun[CorrectionsSettings],
    timeline: StageTable,
    extract_frames: StageTable,
    filter_scenes: StageTable,
    match_brands: StageTable,
    escalate_vlm: StageTable,
    escalate_cloud: StageTable,
) -> Result:
    """Manual detections, and what was rejected."""
    told = read_corrections(run.storage, run.timeline)
    found = pl.concat([match_brands.rows, escalate_vlm.rows, escalate_cloud.rows])
    spans = frame_spans(extract_frames.rows, filter_scenes.rows, timeline.rows)
    made = corrected(found, spans, extract_frames.rows, told)
    added = made.filter(pl.col("brand").is_not_null()).height
    return Result(made, {"corrections": len(told), "added": added, "rejected": made.height - added})
