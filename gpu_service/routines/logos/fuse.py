"""What `logo_match` and `logo_embed` find in a picture, made one: a logo that both see somewhat is surely there.

Silhouettes of one colour are `logo_match`'s alone, which looks for their shape in any colour: among 84 of them pasted
on frames `logo_embed` finds half, and takes 7 other places for one.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np

from gpu_service.boxes import overlaps
from gpu_service.wire import ObjectFinding

LEAST = 0.01
"""Confidence from which each engine's findings count, and what one counts as where the engine finds nothing."""
EMBED, MATCH, CONSTANT = 0.87, 1.27, 4.94
"""Logistic regression on the log-odds of both, fitted on what `bench.leave_one_out` measures; of two halves of the
brands fitted on one and measured on the other, recall at precision 0.95 is 0.70."""


def fused(
    matched: Sequence[ObjectFinding],
    embedded: Sequence[ObjectFinding],
    threshold: float,
    silhouettes: Set[tuple[str, str | None]] = frozenset(),
) -> list[ObjectFinding]:
    """The findings of both, those of one brand in one place as one, of at least this confidence, by brand.

    A place that both give has the box of `logo_match`, which compares edges.

    Args:
        silhouettes: brand and name of references that only `logo_match` was given: what it finds by one alone keeps its
            confidence.
    """
    found: list[ObjectFinding] = []
    alone = list(embedded)
    for one in matched:
        same = [other for other in alone if other.label == one.label and overlaps(other.box.xywh, one.box.xywh)]
        best = max((other.confidence for other in same), default=LEAST)
        alone = [other for other in alone if other not in same]
        unasked = not same and (one.label, one.reference) in silhouettes
        found.append(one if unasked else _with(one, best, one.confidence))
    found += [_with(one, one.confidence, LEAST) for one in alone]
    kept = [one for one in found if one.confidence >= threshold]
    return sorted(kept, key=lambda one: (one.label, -one.confidence, one.box.x, one.box.y))


def _with(finding: ObjectFinding, embedded: float, matched: float) -> ObjectFinding:
    odds = EMBED * _odds(embedded) + MATCH * _odds(matched) + CONSTANT
    return finding.model_copy(update={"confidence": round(float(1 / (1 + np.exp(-odds))), 4)})


def _odds(confidence: float) -> float:
    kept = min(max(confidence, LEAST), 1 - 1e-4)
    return float(np.log(kept / (1 - kept)))
