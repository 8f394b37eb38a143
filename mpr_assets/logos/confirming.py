"""A logo and a reading of its brand in one place confirm each other: what a reading near a logo is worth.

Part of `match_brands`. How names are found in texts is in `mpr_assets.text.name_index`, how logos are found in
`detect_objects`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gpu_service.boxes import XYWH, touches
from mpr_assets.text.edit_cost import Mismatch
from mpr_assets.text.layout import Line
from mpr_assets.text.name_index import NameIndex

NEAR = 0.5
"""A line is near a logo where it touches its box, widened on all sides by this share of its long side."""
WEIGHT, CONSTANT = 14.0, -8.0
"""Logistic function of likeness times confidence: what a reading near a logo is worth. Chosen of four on photographs of
half of 27 brands; on the other half recall went from 0.485 to 0.515 against readings and logos each alone."""
MISREAD = frozenset({Mismatch.LETTER, Mismatch.WORD, Mismatch.TOO_FAR, Mismatch.AMONG_WORDS, Mismatch.LONGER_WORD})
"""Reasons for which a reading is not the name by itself, and may be with a logo. Digits, apostrophes, common words and
the like are others: there it says something else."""
LEAST_LETTERS = 4
"""A shorter name is read letter by letter or not at all: almost any text has half of it."""


def reading_near(box: XYWH, brand: str, lines: Sequence[Line], index: NameIndex) -> float:
    """How likely a logo's brand is by what is read at its place, 0 to 1; 0: nothing like it.

    The likeness of the likest reading, which is less with each letter that differs, times its confidence, through a
    logistic function.
    """
    best = max((_likeness(line, brand, index) for line in lines if is_near(box, line.box)), default=0.0)
    return 1 / (1 + math.exp(-WEIGHT * best - CONSTANT)) if best else 0.0


def is_near(logo: XYWH, text: XYWH) -> bool:
    """Whether a text stands on a logo or near it."""
    margin = round(NEAR * max(logo[2], logo[3]))
    return touches((logo[0] - margin, logo[1] - margin, logo[2] + 2 * margin, logo[3] + 2 * margin), text)


def _likeness(line: Line, brand: str, index: NameIndex) -> float:
    """Likeness of the line to the brand's names, times its confidence; 0 where it says something else."""
    hits = [hit for hit in index[line.text].hits if hit.name.brand == brand]
    if any(hit.name.excluded for hit in hits):
        return 0.0
    best = max((hit.score for hit in hits), default=0.0)
    for miss in () if hits else index.misses(line.text, brand):
        if miss.why in MISREAD and miss.name.letters >= LEAST_LETTERS and not index.is_common(miss.read):
            best = max(best, 1 - miss.edits / miss.name.letters)
    return best * line.confidence


def either(one: float, other: float) -> float:
    """The probability that at least one of two independent signs is right: noisy-or.

    >>> either(0.5, 0.5)
    0.75
    """
    return 1 - (1 - one) * (1 - other)
