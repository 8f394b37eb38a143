"""What open-vocabulary detectors are asked for, and which of their boxes get a name: `owlv2` and `grounding_dino`.

Numbers in, boxes with names out; how a model is run is in its engine's file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gpu_service.routines.objects.boxes import BoxSettings, findings
from gpu_service.wire import ObjectFinding

Floats: TypeAlias = NDArray[np.float32]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=1000)]

MOST_NAMES = 2000
"""That are looked for at once."""

MOST_BOXES = 3000
"""Boxes of a picture, the surest, among which overlapping ones are looked for: a bound on the work. No measurement is
known."""


class QuerySettings(BoxSettings):
    """What is asked for by name. For `owlv2` and for `grounding_dino` alike."""

    query_names: tuple[Name, ...] = Field(
        (),
        max_length=MOST_NAMES,
        description="names that owlv2 and grounding_dino look for; empty: those of the brand list",
    )
    query_prompt: str = Field(
        "{} logo", max_length=200, pattern=r"\{\}", description="{} is replaced by the name; {} alone for things"
    )


@dataclass(frozen=True)
class Query:
    """One thing that is looked for.

    Attributes:
        label: what a box is called that shows it.
        threshold: least score, above 0.
        reference: name of the reference picture by which it is looked for; None: by its name.
    """

    label: str
    threshold: float
    reference: str | None = None


def named_boxes(
    corners: Floats,
    scores: Floats,
    queries: Sequence[Query],
    size: tuple[int, int],
    engine: Literal["owlv2", "grounding_dino"],
    overlap: float,
    *,
    one_label_a_place: bool,
) -> list[ObjectFinding]:
    """The boxes that show what was asked for, each under the one name that it exceeds the threshold of by most.

    A box below all thresholds has no name and is dropped. Scores are compared as multiples of their thresholds, for
    those of names and of pictures are on scales of their own; a finding's confidence is the score itself.

    Args:
        corners: (n, 4) left, top, right, bottom in pixels of the picture.
        scores: (n, queries), 0 to 1.
        size: width and height of the picture.
        overlap: IoU above which the less sure of two boxes is dropped.
        one_label_a_place: whether boxes of different labels count as overlapping.
    """
    if not queries:
        return []
    corners = np.clip(corners, 0, [*size, *size])
    times = scores / np.array([query.threshold for query in queries], np.float32)
    best = times.argmax(axis=1)
    sure = times[np.arange(len(times)), best]
    order = np.argsort(-sure, kind="stable")[:MOST_BOXES]
    order = order[sure[order] >= 1]
    labels = [queries[number].label for number in best[order].tolist()]
    kinds = [0 if one_label_a_place else sorted(set(labels)).index(label) for label in labels]
    boxes = np.concatenate([corners[order, :2], corners[order, 2:] - corners[order, :2]], axis=1)
    # The scores are compared above: OpenCV leaves out what is equal to its threshold.
    kept = cv2.dnn.NMSBoxesBatched(boxes.astype(np.float64).tolist(), sure[order].tolist(), kinds, 0.0, overlap)
    chosen = np.sort(np.asarray(kept, np.intp).reshape(-1))
    return findings(
        corners[order][chosen],
        [labels[number] for number in chosen.tolist()],
        scores[order[chosen], best[order[chosen]]],
        size,
        engine,
        [queries[number].reference for number in best[order[chosen]].tolist()],
    )
