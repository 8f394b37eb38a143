"""From a recogniser's probabilities to characters, as all PP-OCR recognisers give them, whatever runs them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gpu_service.pictures import Image
from gpu_service.routines.ocr.engine import StripText

STRIP_STEP_PX, STRIP_MIN_PX = 16, 160
"""Strips are padded to a multiple and to a least width; the engines' own least width is 320, at twice the time."""

_KINDS = {"L": "l", "EN": "l", "AN": "l", "CS": "s", "ES": "s"}
_LEFT_TO_RIGHT = re.compile("l+(?:sl+)*")
"""In the kinds of a text's characters: letters and digits, with a sign such as a decimal point between two."""

COLUMN_PX = 8
"""Strip pixels to a step of the recogniser's answer."""


def strip_planes(strip: Image) -> NDArray[np.float32]:
    """A straightened line as the recognisers take it: shape (1, 3, height, padded width), -1 to 1, 0 in the padding."""
    width = max(STRIP_MIN_PX, -(-strip.shape[1] // STRIP_STEP_PX) * STRIP_STEP_PX)
    padded = np.zeros((1, 3, strip.shape[0], width), np.float32)
    padded[0, :, :, : strip.shape[1]] = planes(strip)
    return padded


def planes(image: Image) -> NDArray[np.float32]:
    """Shape (3, height, width), -1 to 1."""
    scaled = image.astype(np.float32) * np.float32(1 / 127.5) - np.float32(1)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


def in_reading_order(text: str) -> str:
    """A text as it is written down, given its characters as they stand from left to right, as recognisers do.

    Only Arabic, Hebrew and the like differ; numbers and Latin words among them still run from left to right.
    """
    kinds = [unicodedata.bidirectional(character) for character in text]
    if not {"R", "AL"}.intersection(kinds):
        return text
    characters = list(text)
    for run in _LEFT_TO_RIGHT.finditer("".join(_KINDS.get(kind, " ") for kind in kinds)):
        start, end = run.span()
        characters[start:end] = characters[start:end][::-1]
    return "".join(reversed(characters))


def decode(probabilities: NDArray[np.float32], characters: Sequence[str], space_threshold: float) -> StripText:
    """CTC: the best character of each step, repeats and blanks (0) left out.

    A space is also put where its probability peaks between two characters though blank is likelier: the recognisers
    are shy of narrow ones.

    Args:
        probabilities: shape (steps, characters).
        characters: the first is the blank.
    """
    space = characters.index(" ")
    best = probabilities.argmax(axis=1)
    kept = [i for i, index in enumerate(best) if index and (i == 0 or index != best[i - 1])]
    text = ""
    confidences: list[float] = []
    centres: list[float] = []
    for before, step in zip([None, *kept], kept, strict=False):
        if before is not None and best[step] != space and best[before] != space:
            between = float(probabilities[before : step + 1, space].max())
            if between >= space_threshold:
                text += " "
                confidences.append(1.0)
                centres.append((before + step + 1) / 2)
        text += characters[best[step]]
        confidences.append(float(probabilities[step, best[step]]))
        centres.append(step + 0.5)
    return StripText(text, tuple(confidences), tuple(centre * COLUMN_PX for centre in centres))
