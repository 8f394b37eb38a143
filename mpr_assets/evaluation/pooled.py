"""Several timelines' evaluations as one: what they add up to, and how far that may be by chance.

Intervals are the middle 95 % of a bootstrap that draws whole timelines (Efron 1979): what is found in one says little
of what is found in another, and frames of one say much of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mpr_assets.evaluation.calibration import DRAWS, INTERVAL
from mpr_assets.evaluation.model import DECIMALS, Evaluation

Sums = NDArray[np.float64]
"""Shape (draws, figures)."""


@dataclass(frozen=True)
class PooledRate:
    """A figure, 0 to 1, and where it lies in 95 of 100 draws."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Pooled:
    """`calibration_error`: null where no timeline has one."""

    timelines: int
    recall: PooledRate
    precision: PooledRate
    f1: PooledRate
    event_f1: PooledRate
    calibration_error: PooledRate | None


def pooled(made: Sequence[Evaluation]) -> Pooled:
    """What evaluations of one or more timelines add up to. Times, events and detections are added up, not rates."""
    times = np.array([(one.total.found_ms, one.total.present_ms, one.total.false_ms) for one in made], np.float64)
    events = np.array(
        [(one.total.matched_events, one.total.events, one.total.found_events) for one in made], np.float64
    )
    weights = np.random.default_rng(0).multinomial(len(made), np.full(len(made), 1 / len(made)), DRAWS)
    weights = np.vstack([np.ones(len(made), weights.dtype), weights])  # the first row: all of them, once each
    found, present, false = (weights @ times).T
    matched, true, claimed = (weights @ events).T
    recall, precision = _share(found, present), _share(found, found + false)
    return Pooled(
        len(made),
        _rate(recall),
        _rate(precision),
        _rate(_mean(recall, precision)),
        _rate(_mean(_share(matched, true), _share(matched, claimed))),
        _calibration_error(made, weights.astype(np.float64)),
    )


def _share(part: Sums, whole: Sums) -> Sums:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), 1.0)


def _mean(one: Sums, other: Sums) -> Sums:
    """The harmonic one."""
    both = one + other
    return np.where(both > 0, 2 * one * other / np.where(both > 0, both, 1), 0.0)


def _calibration_error(made: Sequence[Evaluation], weights: Sums) -> PooledRate | None:
    """The D-ECE of the bins added up."""
    highs = sorted({one.high for each in made if each.calibration for one in each.calibration.bins})
    if not highs:
        return None
    sums = np.zeros((2, len(made), len(highs)))
    for number, each in enumerate(made):
        for one in each.calibration.bins if each.calibration else ():
            apart = one.count * (one.confidence - one.right)
            sums[:, number, highs.index(one.high)] = one.count, apart
    counts, apart_sums = weights @ sums[0], weights @ sums[1]
    return _rate(np.abs(apart_sums).sum(axis=1) / np.maximum(counts.sum(axis=1), 1))


def _rate(values: Sums) -> PooledRate:
    low, high = np.percentile(values[1:], INTERVAL)
    return PooledRate(*(round(float(one), DECIMALS) for one in (values[0], low, high)))
