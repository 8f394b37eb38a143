"""What the detectors of objects have in common: their settings, and their boxes as findings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gpu_service.pictures import Image
from gpu_service.settings import Settings
from gpu_service.wire import Box, ObjectFinding


class BoxSettings(Settings):
    """What every detector of objects has. The overlap of 0.45 is YOLOv5's own default."""

    object_overlap: float = Field(
        0.45,
        ge=0,
        le=1,
        description="IoU above which the less confident of two boxes with the same label is dropped (NMS); of owlv2's, "
        "with any labels",
    )
    object_batch: int = Field(16, ge=1, le=256, description="pictures in one batch")


class ObjectSettings(BoxSettings):
    """How a trained detector looks. For `yolo` and for `onnx` alike.

    The threshold of 0.25 and the side of 640 are Ultralytics' own defaults.
    """

    object_threshold: float = Field(0.25, gt=0, le=1, description="minimum confidence of an object")
    object_side_px: int = Field(
        640, ge=32, le=4096, multiple_of=32, description="long side to which a picture is scaled for the detector"
    )


def in_batches(images: Sequence[Image], count: int) -> Iterator[list[int]]:
    """Indices of pictures to put to a detector together: of one size, so that none is padded for another's sake.

    What is found in a picture then never depends on the pictures beside it.
    """
    by_size: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, image in enumerate(images):
        by_size[image.shape].append(index)
    for indices in by_size.values():
        for start in range(0, len(indices), count):
            yield indices[start : start + count]


def findings(
    corners: NDArray[np.float32],
    labels: Sequence[str],
    confidences: NDArray[np.float32],
    size: tuple[int, int],
    engine: Literal["yolo", "onnx", "owlv2", "grounding_dino"],
    references: Sequence[str | None] | None = None,
) -> list[ObjectFinding]:
    """Boxes within the picture, sorted by label, then surest first; those with nothing left of them are dropped.

    Args:
        corners: (n, 4) left, top, right, bottom in pixels of the picture.
        labels: n.
        confidences: (n,), 0 to 1.
        size: width and height of the picture.
        references: n names of the reference pictures that were found; None: nothing was looked for by one.
    """
    within = np.clip(np.round(corners), 0, [size[0], size[1], size[0], size[1]]).astype(int)
    found = [
        ObjectFinding(
            box=Box(x=x0, y=y0, w=x1 - x0, h=y1 - y0),
            label=label,
            confidence=round(min(1.0, max(0.0, float(confidence))), 4),
            engine=engine,
            reference=reference,
        )
        for (x0, y0, x1, y1), label, confidence, reference in zip(
            within.tolist(), labels, confidences, references or [None] * len(labels), strict=True
        )
        if x1 > x0 and y1 > y0
    ]
    return sorted(found, key=lambda f: (f.label, -f.confidence, f.box.x, f.box.y))
