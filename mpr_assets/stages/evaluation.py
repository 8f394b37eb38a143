"""The `evaluation` stage: how right the report is, where somebody has told what is on screen.

A timeline without a truth (`mpr truth`) and without corrections (`mpr correct`) has nothing to be held against: the
stage then materializes empty, and says so.
How figures are made is in `mpr_assets.evaluation`.
"""

from __future__ import annotations

import polars as pl

from gpu_service.errors import PermanentError
from gpu_service.pictures import Image
from mpr_assets.annotations.corrections import corrections_version, read_corrections
from mpr_assets.annotations.stored import known_version, read_truth
from mpr_assets.corrections.applied import without_rejected
from mpr_assets.engine.overview import Overview
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.evaluation.against_scenario import F1_NOT_LOWER
from mpr_assets.evaluation.evaluate import Claimed, Known, SpanSettings, evaluate, true_boxes_of
from mpr_assets.evaluation.model import BrandFigures, Evaluation, Figures
from mpr_assets.evaluation.page import FrameEvidence, evaluation_page
from mpr_assets.stages import corrections
from mpr_assets.stages.compile_report import DETECTING
from mpr_assets.timelines.chunks import timeline_ms
from mpr_resources.media.clock import clock
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject
from mpr_resources.storage.tables import StageTable, TableHeader

CODE_VERSION = "2"
NO_TRUTH = "no truth is given (mpr truth)"
FILE, PAGE = "evaluation.json", "evaluation.html"
OUTSIDE = "{} is in the truth and not looked for"

_OF_GRID = ("present_ms", "found_ms", "missed_ms", "false_ms", "recall", "precision", "f1")
_OF_EVENTS = (
    *("events", "found_events", "matched_events", "event_recall", "event_precision", "event_f1", "average_precision"),
)

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "brand": pl.String,
    "listed": pl.Boolean,
    "present_ms": pl.Int64,
    "found_ms": pl.Int64,
    "missed_ms": pl.Int64,
    "false_ms": pl.Int64,
    "recall": pl.Float64,
    "precision": pl.Float64,
    "f1": pl.Float64,
    "events": pl.Int32,
    "found_events": pl.Int32,
    "matched_events": pl.Int32,
    "event_recall": pl.Float64,
    "event_precision": pl.Float64,
    "event_f1": pl.Float64,
    "average_precision": pl.Float64,
    "start_error_median_ms": pl.Float64,
    "start_error_p90_ms": pl.Float64,
    "end_error_median_ms": pl.Float64,
    "end_error_p90_ms": pl.Float64,
    "box_recall": pl.Float64,
    "box_precision": pl.Float64,
    "mean_iou": pl.Float64,
}


class EvaluationSettings(SpanSettings, StageSettings):
    """How near to the truth is near enough."""


def evaluation(timeline: str, known: Known, claimed: Claimed, settings: SpanSettings) -> Evaluation:
    """Hold what a report claims against what is known.

    Raises:
        PermanentError: the truth reaches past the timeline's end.
    """
    late = [row for row in (known.truth.rows if known.truth else ()) if row.end_ms > claimed.length_ms]
    if late:
        raise PermanentError(
            f"The truth of the timeline {timeline!r} has {late[0].brand} on screen to {clock(late[0].end_ms)}, and the "
            f"timeline ends at {clock(claimed.length_ms)}",
            f"its chunks changed since: give the truth anew with mpr truth {timeline} FILE, or mpr truth {timeline} "
            "--remove",
        )
    return evaluate(timeline, known, claimed, settings)


def table_of(made: Evaluation) -> pl.DataFrame:
    """The brands' figures as rows of SCHEMA."""
    return pl.DataFrame([_row(one) for one in made.brands], schema=SCHEMA, orient="row")


def _row(one: BrandFigures) -> dict[str, object]:
    plain = {name: getattr(one, name) for name in ("brand", "listed", *_OF_GRID, *_OF_EVENTS)}
    return plain | {
        "start_error_median_ms": one.starts.median_ms,
        "start_error_p90_ms": one.starts.p90_ms,
        "end_error_median_ms": one.ends.median_ms,
        "end_error_p90_ms": one.ends.p90_ms,
        "box_recall": one.boxes.recall if one.boxes else None,
        "box_precision": one.boxes.precision if one.boxes else None,
        "mean_iou": one.boxes.mean_iou if one.boxes else None,
    }


def _what_it_is_held_against(run: StageRun[EvaluationSettings]) -> dict[str, str]:
    return {"truth": known_version(run.storage, run.timeline), "looked_for": run.brand_list().version}


def _idle(run: StageRun[EvaluationSettings]) -> str | None:
    there = run.storage.exists(Keys.truth(run.timeline)) or corrections_version(run.storage, run.timeline)
    return None if there else NO_TRUTH


def _is_there(run: StageRun[EvaluationSettings], _header: TableHeader) -> bool:
    return all(run.storage.exists(Keys.evaluation(run.timeline, name)) for name in (FILE, PAGE))


def _overview(run: StageRun[EvaluationSettings], table: StageTable) -> Overview:
    columns = ("brand", "present s", "found s", "missed s", "false s", "recall", "precision", "F1", "event F1")
    rows = tuple(
        (
            row["brand"],
            *(f"{row[name] / 1000:.1f}" for name in ("present_ms", "found_ms", "missed_ms", "false_ms")),
            *(f"{row[name]:.3f}" for name in ("recall", "precision", "f1", "event_f1")),
        )
        for row in table.rows.iter_rows(named=True)
    )
    return Overview("", columns, rows, Keys.evaluation(run.timeline, PAGE), {})


@declare_stage(
    name="evaluation",
    description="How right the report is: recall, precision and edges against a truth that was given.",
    group="report",
    kinds={"polars", "parquet"},
    settings=EvaluationSettings,
    schema=SCHEMA,
    columns={
        "brand": "the brand, as the list of brands names it",
        "listed": "whether the brand was looked for",
        "present_ms": "time on the grid in which the brand must be found",
        "found_ms": "time of that in which it was found",
        "missed_ms": "time of that in which it was not",
        "false_ms": "time in which it was found and is not there",
        "recall": "share of the time to be found that was found, 0 to 1",
        "precision": "share of the time claimed that is right, 0 to 1",
        "f1": "harmonic mean of recall and precision, 0 to 1",
        "events": "stays on screen that must be found",
        "found_events": "exposures that count",
        "matched_events": "exposures that match a stay within the collar, each another",
        "event_recall": "share of the stays that an exposure matches, 0 to 1",
        "event_precision": "share of the exposures that match a stay, 0 to 1",
        "event_f1": "harmonic mean of the two, 0 to 1",
        "average_precision": "mean average precision over temporal overlaps of 0.5 to 0.95, 0 to 1",
        "start_error_median_ms": "median of how far starts are off",
        "start_error_p90_ms": "90th percentile of how far starts are off",
        "end_error_median_ms": "median of how far ends are off",
        "end_error_p90_ms": "90th percentile of how far ends are off",
        "box_recall": "share of the true boxes that a found one fits, 0 to 1; null: the truth has no boxes",
        "box_precision": "share of the found boxes that fit a true one, 0 to 1",
        "mean_iou": "mean intersection over union of found boxes and true ones, 0 to 1",
    },
    code_version=CODE_VERSION,
    inputs=("timeline", "extract_frames", "filter_scenes", *(one.name for one in DETECTING), "compile_report"),
    depends_on=_what_it_is_held_against,
    complete=_is_there,
    files=Keys.evaluation,
    overview=_overview,
    reads_annotations=True,
    checks=(F1_NOT_LOWER,),
    idle=_idle,
)
def stage(
    run: StageRun[EvaluationSettings],
    timeline: StageTable,
    extract_frames: StageTable,
    filter_scenes: StageTable,
    compile_report: StageTable,
    **detecting: StageTable,
) -> Result:
    """The figures and the page into storage; the figures of each brand as the table."""
    known = Known(read_truth(run.storage, run.timeline), read_corrections(run.storage, run.timeline))
    found = without_rejected(
        pl.concat([detecting[one.name].rows for one in DETECTING]), detecting[corrections.stage.name].rows
    ).filter(pl.col("brand").is_not_null())
    claimed = Claimed(
        compile_report.rows,
        found,
        _looked_at(extract_frames.rows, filter_scenes.rows, found),
        _frame_ms(timeline.rows),
        timeline_ms(timeline.rows),
        run.brand_list(),
    )
    made = evaluation(run.timeline, known, claimed, run.settings)
    folder = run.frame_folder(extract_frames.header.fingerprint)

    def pixels(seq: int) -> Image | None:
        try:
            return folder.read(seq).pixels
        except MissingObject:
            return None

    frames = FrameEvidence(claimed.looked_at, found, true_boxes_of(known, claimed), pixels)
    files = {FILE: made.model_dump_json(indent=2) + "\n", PAGE: evaluation_page(made, frames)}
    for name, text in files.items():
        run.storage.put(Keys.evaluation(run.timeline, name), text.encode())
    unlisted = tuple(OUTSIDE.format(one.brand) for one in made.brands if one.present_ms and not one.listed)
    return Result(table_of(made), _counts(made.total), notes=unlisted)


def _looked_at(frames: pl.DataFrame, scenes: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """The frames in which brands were looked for, and those with detections of their own."""
    kept = scenes.filter("kept")["seq"].to_list()
    return frames.filter(pl.col("seq").is_in([*kept, *found["seq"].unique()])).select("seq", "timeline_ms")


def _frame_ms(chunks: pl.DataFrame) -> float:
    """How long a frame lasts, of the source with the longest ones."""
    lasts = [1000 * den / num for num, den in chunks.select("fps_num", "fps_den").iter_rows() if num > 0]
    return max(lasts, default=40.0)


def _counts(total: Figures) -> dict[str, int | float]:
    """What Dagster plots over time."""
    errors = {
        f"{edge}_error_{name}": value
        for edge, figures in (("start", total.starts), ("end", total.ends))
        for name, value in (("median_ms", figures.median_ms), ("p90_ms", figures.p90_ms))
        if value is not None
    }
    plain = {name: getattr(total, name) for name in (*_OF_GRID, *_OF_EVENTS)}
    return {name: value for name, value in plain.items() if value is not None} | errors
