"""What `evaluation.json` holds: the figures of each brand and of all, and how they are made of spans.

Fields may be added within a version, never changed or removed. What each figure means is in docs/evaluation.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from gpu_service.settings import Settings
from mpr_assets.annotations.truth import Kind
from mpr_assets.evaluation.spans import (
    EdgeErrors,
    EventCounts,
    FoundSpan,
    GridCounts,
    TruthSpan,
    all_edges,
    average_precisions,
    edge_errors,
    event_counts,
    grid_counts,
)

DECIMALS = 4


class SpanSettings(Settings):
    """How near is near enough. The defaults suit a truth that was set by eye and a sampler of two frames a second."""

    kinds: tuple[Kind, ...] = Field(
        ("text", "logo"),
        description="kinds of marks that must be found; others of the truth can be found and not missed",
    )
    tolerance_ms: int = Field(
        500,
        ge=0,
        le=10_000,
        description="on the grid, how near to an edge of the truth nothing is missed or claimed wrongly, in ms",
    )
    collar_ms: int = Field(
        500, ge=0, le=10_000, description="how far start and end of a matching event may be off, in ms"
    )
    offset_share: float = Field(
        0.5, ge=0, le=1, description="share of a true event's length that its end may be off where that is more"
    )


class EvaluationModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EdgeFigures(EvaluationModel):
    """How far edges are off, over those that can be compared; null where there is none."""

    count: int
    median_ms: float | None
    p90_ms: float | None = Field(description="90th percentile, between the two nearest by their distance")

    @classmethod
    def of(cls, errors_ms: Sequence[int]) -> EdgeFigures:
        if not errors_ms:
            return cls(count=0, median_ms=None, p90_ms=None)
        median, p90 = (round(float(one), 1) for one in np.percentile(errors_ms, [50, 90]))
        return cls(count=len(errors_ms), median_ms=median, p90_ms=p90)


class Figures(EvaluationModel):
    """How right exposures are. Recall is 1 where nothing is to be found, precision where nothing is claimed.

    `present_ms`, `found_ms`, `missed_ms`, `false_ms`, `recall`, `precision` and `f1` are of the grid.
    """

    present_ms: int
    found_ms: int
    missed_ms: int
    false_ms: int
    recall: float
    precision: float
    f1: float
    events: int
    found_events: int
    matched_events: int
    event_recall: float
    event_precision: float
    event_f1: float
    average_precision: float | None = Field(description="mean over the thresholds; null where nothing is to be found")
    average_precision_by_tiou: tuple[float, ...] = Field(description="at 0.5, 0.55, … 0.95; empty where it is null")
    starts: EdgeFigures
    ends: EdgeFigures


class BrandFigures(Figures):
    """`listed`: whether the brand was looked for."""

    brand: str
    listed: bool


class Evaluation(EvaluationModel):
    """`total`: times, events and edges of all brands together; average precision is the mean over the brands."""

    version: Literal[1] = 1
    timeline: str
    truth: str = Field(description="name of the file of truth; empty: corrections are all that is known")
    corrections: int = Field(0, description="corrections that count as truth")
    length_ms: int
    total: Figures
    brands: tuple[BrandFigures, ...] = Field(description="by name, those of the truth and those found")


class NamedBrand(EvaluationModel):
    """A brand as the truth or the list of brands names it."""

    name: str
    listed: bool


def evaluate(
    timeline: str,
    truth_name: str,
    corrections: int,
    truth: Mapping[str, Sequence[TruthSpan]],
    found: Mapping[str, Sequence[FoundSpan]],
    brands: Mapping[str, NamedBrand],
    length_ms: int,
    settings: SpanSettings,
) -> Evaluation:
    """Hold a report against the truth.

    Args:
        truth_name: name of the file of truth; empty: there is none. corrections: how many there are.
        truth, found: spans by the brand's key.
        brands: how each of these is called.
        length_ms: of the timeline.
    """
    made: list[BrandFigures] = []
    edges: list[EdgeErrors] = []
    grids: list[GridCounts] = []
    events: list[EventCounts] = []
    precisions = []
    for key in sorted({*truth, *found}, key=lambda one: (brands[one].name.casefold(), one)):
        theirs, ours = truth.get(key, ()), found.get(key, ())
        grids.append(grid_counts(theirs, ours, length_ms, settings.tolerance_ms))
        events.append(event_counts(theirs, ours, settings.collar_ms, settings.offset_share))
        edges.append(edge_errors(theirs, ours, length_ms, settings.tolerance_ms))
        precision = average_precisions(theirs, ours)
        if precision is not None:
            precisions.append(precision)
        mine = [] if precision is None else [precision]
        figures = _figures(grids[-1:], events[-1:], edges[-1:], mine)
        made.append(BrandFigures(brand=brands[key].name, listed=brands[key].listed, **figures.model_dump()))
    total = _figures(grids, events, edges, precisions)
    told = {"timeline": timeline, "truth": truth_name, "corrections": corrections, "length_ms": length_ms}
    return Evaluation(**told, total=total, brands=tuple(made))


def _figures(
    grids: Sequence[GridCounts],
    events: Sequence[EventCounts],
    edges: Sequence[EdgeErrors],
    precisions: Sequence[np.ndarray[tuple[int], np.dtype[np.float64]]],
) -> Figures:
    present_ms = sum(one.present_ms for one in grids)
    found_ms = sum(one.found_ms for one in grids)
    false_ms = sum(one.false_ms for one in grids)
    true, claimed, matched = (sum(getattr(one, name) for one in events) for name in ("events", "found", "matched"))
    recall, precision, f1 = rates(found_ms, present_ms, found_ms + false_ms)
    event_recall, event_precision, event_f1 = rates(matched, true, claimed)
    by_tiou = np.mean(precisions, axis=0) if precisions else np.zeros(0)
    errors = all_edges(edges)
    return Figures(
        present_ms=present_ms,
        found_ms=found_ms,
        missed_ms=present_ms - found_ms,
        false_ms=false_ms,
        recall=recall,
        precision=precision,
        f1=f1,
        events=true,
        found_events=claimed,
        matched_events=matched,
        event_recall=event_recall,
        event_precision=event_precision,
        event_f1=event_f1,
        average_precision=round(float(by_tiou.mean()), DECIMALS) if len(by_tiou) else None,
        average_precision_by_tiou=tuple(round(float(one), DECIMALS) for one in by_tiou),
        starts=EdgeFigures.of(errors.starts_ms),
        ends=EdgeFigures.of(errors.ends_ms),
    )


def rates(right: int, true: int, claimed: int) -> tuple[float, float, float]:
    """Recall, precision and their harmonic mean, F1; 1 where there is nothing to divide by."""
    recall = right / true if true else 1.0
    precision = right / claimed if claimed else 1.0
    f1 = 2 * recall * precision / (recall + precision) if recall + precision else 0.0
    return round(recall, DECIMALS), round(precision, DECIMALS), round(f1, DECIMALS)
