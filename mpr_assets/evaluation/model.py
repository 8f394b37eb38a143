"""What `evaluation.json` holds. How it is made is in `evaluate`.

Fields may be added within a version, never changed or removed. What each figure means is in docs/evaluation.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mpr_assets.evaluation.boxes import BoxCounts
from mpr_assets.evaluation.calibration import Reliability
from mpr_assets.evaluation.mistakes import MistakeKind

DECIMALS = 4


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


class BoxFigures(EvaluationModel):
    """How well boxes fit, in the frames that were looked at and have true boxes of the brand."""

    true: int
    found: int
    right: int = Field(description="pairs with an intersection over union of 0.5 or more")
    recall: float
    precision: float
    mean_iou: float | None = Field(description="over the pairs that overlap; null where none does")

    @classmethod
    def of(cls, counts: BoxCounts) -> BoxFigures | None:
        if not counts.true:
            return None
        recall, precision, _ = rates(counts.right, counts.true, counts.found)
        mean = round(counts.iou_sum / counts.paired, DECIMALS) if counts.paired else None
        same = {"true": counts.true, "found": counts.found, "right": counts.right}
        return cls(**same, recall=recall, precision=precision, mean_iou=mean)


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
    boxes: BoxFigures | None = Field(description="null where the truth has no boxes")


class BrandFigures(Figures):
    """`listed`: whether the brand was looked for."""

    brand: str
    listed: bool


class CalibrationBin(EvaluationModel):
    """Detections with a confidence in (low, high], of which the share `right` is right, between `right_low` and
    `right_high` in 95 of 100 draws."""

    low: float
    high: float
    count: int
    confidence: float = Field(description="mean of the detections")
    right: float
    right_low: float
    right_high: float


class CalibrationFigures(EvaluationModel):
    """Whether confidences mean what they say. `error`: the detection expected calibration error (D-ECE)."""

    error: float
    error_low: float
    error_high: float
    bins: tuple[CalibrationBin, ...]

    @classmethod
    def of(cls, table: Reliability | None) -> CalibrationFigures | None:
        if table is None:
            return None
        bins = [
            CalibrationBin(
                low=one.low,
                high=one.high,
                count=one.count,
                confidence=round(one.confidence, DECIMALS),
                right=round(one.right, DECIMALS),
                right_low=round(one.interval[0], DECIMALS),
                right_high=round(one.interval[1], DECIMALS),
            )
            for one in table.bins
        ]
        error, low, high = (round(one, DECIMALS) for one in (table.error, *table.interval))
        return cls(error=error, error_low=low, error_high=high, bins=tuple(bins))


class Mistake(EvaluationModel):
    """An unbroken time in which a brand was missed, or claimed and not there."""

    kind: MistakeKind
    brand: str
    start_ms: int
    end_ms: int


class Confusion(EvaluationModel):
    """A brand that was missed while another was claimed that was not there, and for how long both."""

    missed: str
    claimed: str
    ms: int


class Evaluation(EvaluationModel):
    """`total`: times, events and edges of all brands together; average precision is the mean over the brands."""

    version: Literal[1] = 1
    timeline: str
    truth: str = Field(description="name of the file of truth; empty: corrections are all that is known")
    corrections: int = Field(0, description="corrections that count as truth")
    length_ms: int
    total: Figures
    brands: tuple[BrandFigures, ...] = Field(description="by name, those of the truth and those found")
    calibration: CalibrationFigures | None = Field(description="null where nothing was found of which it is known")
    mistakes: tuple[Mistake, ...] = Field(description="the longest first, 100 at most")
    confusions: tuple[Confusion, ...] = Field(description="the longest first")


class NamedBrand(EvaluationModel):
    """A brand as the truth or the list of brands names it."""

    name: str
    listed: bool


def rates(right: int, true: int, claimed: int) -> tuple[float, float, float]:
    """Recall, precision and their harmonic mean, F1; 1 where there is nothing to divide by."""
    recall = right / true if true else 1.0
    precision = right / claimed if claimed else 1.0
    f1 = 2 * recall * precision / (recall + precision) if recall + precision else 0.0
    return round(recall, DECIMALS), round(precision, DECIMALS), round(f1, DECIMALS)
