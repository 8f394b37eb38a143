"""What a picture looks like as a whole: its dominant colours, brightness, contrast and saturation.

Nothing of what is in it. Colours are told as red, green, blue, as they are shown; pixels are BGR as everywhere.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gpu_service.errors import BadInput
from gpu_service.pictures import Image
from gpu_service.routines import Batch, DebugPictures, Routine
from gpu_service.settings import Settings
from gpu_service.wire import DominantColour, LookAnswer, NoItem

Colours: TypeAlias = NDArray[np.float32]
"""Shape (number, 3): BGR, 0 to 255."""

SAMPLED_SIDE_PX = 64
"""Colours are those of the picture at this width and height, which is quick and averages noise away; shares of its area
stay what they were."""
BIN_SHIFT = 4
"""Colours that agree in all but this many bits are alike where a clustering begins."""
STEPS, SETTLED = 30, 0.5
"""The clustering ends after so many steps, or when its centres move by less than this, in grey levels."""


class LookSettings(Settings):
    """How many colours are told."""

    colours: int = Field(3, ge=1, le=8, description="maximum number of dominant colours of a frame")


def look_of(image: Image, settings: LookSettings) -> LookAnswer:
    """The look of a picture.

    Colours by k-means (Lloyd, Least squares quantization in PCM, 1982). It begins, without chance, with the most
    frequent colour and then, one after another, with those that are frequent and far from what is there: k-means++
    (Arthur and Vassilvitskii, 2007) with the likeliest choice each time. So equal pictures have equal colours.

    Returns:
        colours: at most `settings.colours`, the one with the largest share first, and fewer where there are fewer;
        brightness: mean of grey / 255; contrast: standard deviation of grey / 255; saturation: mean of HSV's S / 255.

    Raises:
        BadInput: the image has no pixels.
    """
    if not image.size:
        height, width = image.shape[:2]
        raise BadInput(f"A picture of {width} x {height} pixels has no colours", "send one with pixels")
    centres, shares = _dominant(image, settings.colours)
    mean, deviation = cv2.meanStdDev(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    saturation = cv2.mean(cv2.extractChannel(cv2.cvtColor(image, cv2.COLOR_BGR2HSV), 1))[0]
    colours = [
        DominantColour(red=round(red), green=round(green), blue=round(blue), share=round(share, 4))
        for (blue, green, red), share in zip(centres.tolist(), shares, strict=True)
    ]
    return LookAnswer(
        colours=tuple(colours),
        brightness=round(float(mean[0, 0]) / 255, 4),
        contrast=round(float(deviation[0, 0]) / 255, 4),
        saturation=round(saturation / 255, 4),
    )


def _dominant(image: Image, number: int) -> tuple[Colours, list[float]]:
    """The centres of the clusters and their shares of the picture, the largest first."""
    side = (SAMPLED_SIDE_PX, SAMPLED_SIDE_PX)
    samples = cv2.resize(image, side, interpolation=cv2.INTER_AREA).reshape(-1, 3).astype(np.float32)
    firsts = _firsts(samples, number)
    labels = np.argmin(_distances(samples, firsts), axis=1).astype(np.int32)
    until = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, STEPS, SETTLED)
    # With labels to begin with, and one attempt, nothing is drawn by chance.
    _, found, centres = cv2.kmeans(samples, len(firsts), labels, until, 1, cv2.KMEANS_USE_INITIAL_LABELS)
    counts = np.bincount(found.ravel(), minlength=len(firsts))
    order = np.lexsort((*centres.T, -counts))
    return np.asarray(centres[order], np.float32), (counts[order] / len(samples)).tolist()


def _firsts(samples: Colours, number: int) -> Colours:
    """Where the clusters begin; fewer than `number` where there are no more colours."""
    blue, green, red = (samples.astype(np.int64) >> BIN_SHIFT).T
    _, members, counts = np.unique((blue << 16) | (green << 8) | red, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(members, samples[:, channel]) for channel in range(3)], axis=1)
    means = (sums / counts[:, None]).astype(np.float32)
    chosen = [int(counts.argmax())]
    while len(chosen) < number:
        gain = counts * _distances(means, means[chosen]).min(axis=1)
        if gain.max() <= 0:
            break
        chosen.append(int(gain.argmax()))
    return means[chosen]


def _distances(colours: Colours, centres: Colours) -> NDArray[np.float32]:
    """Squared, shape (colours, centres)."""
    return np.asarray(np.square(colours[:, None] - centres[None]).sum(axis=2), np.float32)


def run(batch: Batch[LookSettings, NoItem]) -> list[LookAnswer]:
    return [look_of(image, batch.settings) for image in batch.images]


def debug(batch: Batch[LookSettings, NoItem]) -> list[tuple[LookAnswer, DebugPictures]]:
    """`colours`: the picture painted in its dominant colours alone."""
    answers: list[tuple[LookAnswer, DebugPictures]] = []
    for image in batch.images:
        answer = look_of(image, batch.settings)
        palette = np.array([(one.blue, one.green, one.red) for one in answer.colours], np.float32)
        nearest = [np.square(image.astype(np.float32) - colour).sum(axis=2) for colour in palette]
        painted = palette.astype(np.uint8)[np.argmin(nearest, axis=0)]
        answers.append((answer, {"colours": np.asarray(painted, np.uint8)}))
    return answers


def identity(settings: LookSettings) -> str:  # noqa: ARG001 - the same for all settings
    return f"look/1/opencv-{cv2.__version__}"


LOOK = Routine(
    name="look",
    settings=LookSettings,
    item=NoItem,
    answer=LookAnswer,
    run=run,
    debug=debug,
    identity=identity,
)
