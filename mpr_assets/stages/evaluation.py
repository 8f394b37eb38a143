"""The `evaluation` stage: how right the report is, where somebody has told what is on screen.

A timeline without a truth (`mpr truth`) and without corrections (`mpr correct`) has nothing to be held against: the
stage then materializes empty, and says so.
How figures are made is in `mpr_assets.evaluation`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import polars as pl

from gpu_service.errors import PermanentError
from mpr_assets.annotations.corrections import Correction, corrections_version, read_corrections
from mpr_assets.annotations.stored import read_truth
from mpr_assets.annotations.truth import Truth
from mpr_assets.corrections.applied import MANUAL
from mpr_assets.engine.overview import Overview
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.evaluation.expected import expected_spans
from mpr_assets.evaluation.figures import (
    BrandFigures,
    Evaluation,
    Figures,
    NamedBrand,
    SpanSettings,
    evaluate,
)
from mpr_assets.evaluation.spans import FoundSpan
from mpr_assets.timelines.chunks import timeline_ms
from mpr_resources.brands.brand_file import BrandList
from mpr_resources.brands.folding import fold_key
from mpr_resources.media.clock import clock
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.tables import StageTable, TableHeader

CODE_VERSION = "1"
NO_TRUTH = "no truth is given (mpr truth)"
FILE = "evaluation.json"
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
}


class EvaluationSettings(SpanSettings, StageSettings):
    """How near to the truth is near enough."""


def evaluation(
    timeline: str,
    truth: Truth | None,
    corrections: Sequence[Correction],
    exposures: pl.DataFrame,
    brands: BrandList,
    length_ms: int,
    settings: SpanSettings,
) -> Evaluation:
    """Hold exposures against the truth; brands are the same whose names or aliases are.

    Args:
        truth: None: corrections alone are known.
        exposures: rows of `compile_report`; those that stand on corrections alone were not found.
        brands: those that are looked for.
        length_ms: of the timeline.

    Raises:
        PermanentError: the truth reaches past the timeline's end.
    """
    late = [row for row in (truth.rows if truth else ()) if row.end_ms > length_ms]
    if late:
        raise PermanentError(
            f"The truth of the timeline {timeline!r} has {late[0].brand} on screen to {clock(late[0].end_ms)}, and the "
            f"timeline ends at {clock(length_ms)}",
            f"its chunks changed since: give the truth anew with mpr truth {timeline} FILE, or mpr truth {timeline} "
            "--remove",
        )
    named: dict[str, NamedBrand] = {}
    key = _keys(brands, named)
    found: defaultdict[str, list[FoundSpan]] = defaultdict(list)
    columns = ("brand", "start_ms", "end_ms", "max_confidence")
    for brand, start_ms, end_ms, confidence in exposures.filter(pl.col("source") != MANUAL).select(columns).iter_rows():
        found[key(brand)].append(FoundSpan(start_ms, end_ms, confidence))
    spans = expected_spans(truth, corrections, settings.kinds, length_ms, key)
    told = truth.file if truth else ""
    return evaluate(timeline, told, len(corrections), spans, found, named, length_ms, settings)


def _keys(brands: BrandList, named: dict[str, NamedBrand]) -> Callable[[str], str]:
    """What gives the key of a brand however it is spelt, and notes its name."""

    def key(name: str) -> str:
        listed = brands.named(name)
        shown = name if listed is None else listed.name
        named.setdefault(fold_key(shown), NamedBrand(name=shown, listed=listed is not None))
        return fold_key(shown)

    return key


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
    }


def _what_it_is_held_against(run: StageRun[EvaluationSettings]) -> dict[str, str]:
    truth = read_truth(run.storage, run.timeline)
    return {
        "truth": truth.digest if truth else "",
        "corrections": corrections_version(run.storage, run.timeline),
        "looked_for": run.brand_list().version,
    }


def _idle(run: StageRun[EvaluationSettings]) -> str | None:
    there = run.storage.exists(Keys.truth(run.timeline)) or corrections_version(run.storage, run.timeline)
    return None if there else NO_TRUTH


def _is_there(run: StageRun[EvaluationSettings], _header: TableHeader) -> bool:
    return run.storage.exists(Keys.evaluation(run.timeline, FILE))


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
    return Overview("", columns, rows, Keys.evaluation(run.timeline, FILE), {})


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
    },
    code_version=CODE_VERSION,
    inputs=("timeline", "compile_report"),
    depends_on=_what_it_is_held_against,
    complete=_is_there,
    files=Keys.evaluation,
    overview=_overview,
    reads_annotations=True,
    idle=_idle,
)
def stage(run: StageRun[EvaluationSettings], timeline: StageTable, compile_report: StageTable) -> Result:
    """The figures into storage; those of each brand as the table."""
    truth, told = read_truth(run.storage, run.timeline), read_corrections(run.storage, run.timeline)
    length_ms = timeline_ms(timeline.rows)
    made = evaluation(run.timeline, truth, told, compile_report.rows, run.brand_list(), length_ms, run.settings)
    run.storage.put(Keys.evaluation(run.timeline, FILE), (made.model_dump_json(indent=2) + "\n").encode())
    unlisted = tuple(OUTSIDE.format(one.brand) for one in made.brands if one.present_ms and not one.listed)
    return Result(table_of(made), _counts(made.total), notes=unlisted)


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
