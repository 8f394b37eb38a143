"""Whether a confidence means what it says: of the detections with about that confidence, how many are right.

The expected calibration error (ECE; Naeini et al. 2015, Guo et al. 2017) is the mean, over the detections, of the
difference between a bin's mean confidence and its share of right ones. Intervals are of a bootstrap that draws whole
stays of a brand in a clip, since a brand that is read rightly in one frame is in the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
"""Bins are half-open from above, (low, high], the first closed: most confidences lie near 1."""
DRAWS = 1000
INTERVAL = (2.5, 97.5)


@dataclass(frozen=True)
class Judged:
    """Detections and whether each is right. `groups`: detections of one brand in one clip share a number.

    Attributes:
        confidence, right, groups: shape (N,); float64 from 0 to 1, bool, int64.
    """

    confidence: NDArray[np.float64]
    right: NDArray[np.bool_]
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[tuple[float, bool, tuple[str, str]]]) -> Judged:
        """Of rows of confidence, whether it is right, and (clip, brand)."""
        numbers = {group: number for number, group in enumerate(sorted({row[2] for row in rows}))}
        return cls(
            np.array([row[0] for row in rows], np.float64),
            np.array([row[1] for row in rows], np.bool_),
            np.array([numbers[row[2]] for row in rows], np.int64),
        )


@dataclass(frozen=True)
class Bin:
    """Detections whose confidence lies in (low, high]; `interval`: of the share that is right, 95 %."""

    low: float
    high: float
    count: int
    confidence: float
    right: float
    interval: tuple[float, float]

    def __str__(self) -> str:
        low, high = self.interval
        span = f"{self.low:.2f} to {self.high:.2f}"
        return f"  {span:14} {self.count:6}  {self.confidence:10.3f}  {self.right:11.3f}  ({low:.3f} to {high:.3f})"

    def figures(self) -> dict[str, float]:
        """For a JSON line."""
        return {
            "over": self.low,
            "to": self.high,
            "count": self.count,
            "confidence": round(self.confidence, 4),
            "right": round(self.right, 4),
        }


@dataclass(frozen=True)
class Reliability:
    """The bins that are not empty, ascending; the expected calibration error with its 95 % interval."""

    bins: tuple[Bin, ...]
    error: float
    interval: tuple[float, float]

    def __str__(self) -> str:
        head = f"  {'confidence':14} {'count':>6}  {'mean':>10}  {'share right':>11}"
        low, high = self.interval
        foot = f"  expected calibration error {self.error:.3f} ({low:.3f} to {high:.3f})"
        return "\n".join([head, *map(str, self.bins), foot])


def reliability(judged: Judged) -> Reliability | None:
    """The table; None where there is no detection."""
    if not len(judged.confidence):
        return None
    places = np.clip(np.searchsorted(EDGES, judged.confidence, side="left") - 1, 0, len(EDGES) - 2)
    size = int(judged.groups.max()) + 1
    # What is needed of each group and bin is three sums, so that a draw is a sum over groups.
    counts, confidences, rights = (np.zeros((size, len(EDGES) - 1)) for _ in range(3))
    np.add.at(counts, (judged.groups, places), 1)
    np.add.at(confidences, (judged.groups, places), judged.confidence)
    np.add.at(rights, (judged.groups, places), judged.right)
    draws = np.random.default_rng(0).multinomial(size, np.full(size, 1 / size), DRAWS)
    drawn = [draws @ sums for sums in (counts, confidences, rights)]
    total = [sums.sum(axis=0, keepdims=True) for sums in (counts, confidences, rights)]
    shares = drawn[2] / np.where(drawn[0] > 0, drawn[0], np.nan)
    bins = []
    for at in np.flatnonzero(total[0][0]):
        count, confidence, right = (float(sums[0, at]) for sums in total)
        spread = np.nanpercentile(shares[:, at], INTERVAL)
        bins.append(
            Bin(EDGES[at], EDGES[at + 1], int(count), confidence / count, right / count, (spread[0], spread[1]))
        )
    errors = np.percentile(_errors(*drawn), INTERVAL)
    return Reliability(tuple(bins), float(_errors(*total)[0]), (float(errors[0]), float(errors[1])))


def _errors(
    counts: NDArray[np.float64], confidences: NDArray[np.float64], rights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The expected calibration error of each row of sums by bin."""
    return np.asarray(np.abs(confidences - rights).sum(axis=1) / np.maximum(counts.sum(axis=1), 1), np.float64)
