"""A symbol before a word, which a recogniser reads as one of its letters: set apart from it by a space.

Brands stand beside their signs: a hexagon before AMCREST is read as OAMCREST, and so in every frame. What tells is that
the recogniser is unsure of it, though sure of the letters, and that it is higher and reaches lower than these: letters
do one of both, but for a few. Which word it is, or whose sign, is not asked here.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from gpu_service.pictures import Image
from gpu_service.routines.ocr.engine import StripText

SYMBOL_CHARACTERS = 2
"""A symbol is read as so many characters at most."""
LEAST_LETTERS = 4
"""A shorter word is too little to tell how high its letters are."""
UNSURE, SURE_LETTERS = 0.9, 0.9
"""Confidence below which each character of a symbol is read, and above which on average the letters. In seven clips and
two copies of one the symbol was read at 0.4 to 0.83; of 219 other words three began so, with 0.3 to 0.8, of which the
height left one."""
BEYOND = 0.15
"""Of the height of the letters, how far a symbol goes beyond them above and below at least."""
INK_SHARE = 0.35
"""Of the sharpest row of a character, how sharp the others that it is drawn in are."""


def with_symbol_apart(strip: Image, reading: StripText) -> StripText:
    """A reading, with a space between a symbol that it begins with and the word.

    Args:
        strip: what was read, a straightened line.
        reading: of at least no character; `centres_px` are those of the strip.
    """
    word = reading.text.split(" ")[0]
    for count in range(SYMBOL_CHARACTERS, 0, -1):
        letters, sure = word[count:], reading.confidences[count : len(word)]
        if (
            len(letters) >= LEAST_LETTERS
            and all(letter.lower() != letter.upper() for letter in letters)
            and max(reading.confidences[:count]) < UNSURE
            and sum(sure) / len(sure) >= SURE_LETTERS
            and _is_higher_and_lower(strip, reading.centres_px[: len(word)], count)
        ):
            at = (reading.centres_px[count - 1] + reading.centres_px[count]) / 2
            return StripText(
                f"{reading.text[:count]} {reading.text[count:]}",
                (*reading.confidences[:count], reading.confidence, *reading.confidences[count:]),
                (*reading.centres_px[:count], at, *reading.centres_px[count:]),
            )
    return reading


def _is_higher_and_lower(strip: Image, centres_px: tuple[float, ...], count: int) -> bool:
    """Whether the first characters go beyond the letters both ways.

    What is behind the letters can make them seem higher, so that the lowest of them counts.
    """
    rows = _rows(strip, centres_px)
    top, bottom = min(rows[count:], key=lambda one: one[1] - one[0])
    beyond = BEYOND * (bottom - top)
    return (
        min(one[0] for one in rows[:count]) <= top - beyond and max(one[1] for one in rows[:count]) >= bottom + beyond
    )


def _rows(strip: Image, centres_px: tuple[float, ...]) -> list[tuple[int, int]]:
    """The rows that each character is drawn in, half-open."""
    grey = cv2.GaussianBlur(cv2.cvtColor(strip, cv2.COLOR_BGR2GRAY).astype(np.float32), (3, 3), 0)
    sharpness = cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    between = [(one + other) / 2 for one, other in pairwise(centres_px)]
    ends = [2 * centres_px[0] - between[0], *between, 2 * centres_px[-1] - between[-1]]
    found = []
    for left, right in pairwise(ends):
        start = min(max(0, int(left)), strip.shape[1] - 1)
        of_rows = np.asarray(sharpness[:, start : max(int(right), start) + 1], np.float32).mean(axis=1)
        drawn = np.flatnonzero(of_rows >= INK_SHARE * of_rows.max())
        found.append((int(drawn[0]), int(drawn[-1]) + 1))
    return found
