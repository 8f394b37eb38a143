"""What several readings of one line of text agree on. Where it stands is in `quads`; brands are in `name_index`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from mpr_assets.text.quads import Quad

SURE = 0.9
"""Confidence from which two readings that differ are of two texts. Of this and the other figures here no measurement
is known."""
REST_SHARE, REST_LETTERS = 0.5, 3
"""So much of a text, and so many letters, must be left of it at the frame's edge. MRC too counts what at least half of
which is seen."""


@dataclass(frozen=True)
class Recognition:
    """What a line says, and its place: it may go on beyond the ends that were found first.

    `cut_left`, `cut_right`: whether the frame's edge cuts it off there.
    """

    text: str
    confidence: float
    quad: Quad
    cut_left: bool = False
    cut_right: bool = False


def fold(text: str) -> str:
    """A text's letters and digits, case aside."""
    return "".join(character for character in text.casefold() if character.isalnum())


def vote(readings: Sequence[Recognition]) -> tuple[str, float]:
    """The reading that the others support most, weighted by their confidence, and how sure it is.

    A reading supports texts like itself (edit distance), and fully those that it is a part of: characters are lost at
    the ends of a line more often than invented. One that the frame's edge cuts off does not win against whole ones.
    """

    def support(text: str) -> float:
        whole = fold(text)
        return sum(
            r.confidence**2
            * (1.0 if (part := fold(r.text)) and (part in whole or is_rest(r, text)) else _similarity(part, whole))
            for r in readings
        )

    whole = [r for r in readings if r.text and not (r.cut_left or r.cut_right)]
    best = max(whole or readings, key=lambda r: (round(support(r.text), 6), r.confidence, r.text))
    return best.text, max(r.confidence for r in readings if r.text == best.text)


def _similarity(one: str, other: str) -> float:
    return float(Levenshtein.normalized_similarity(one, other))


def one_text(readings: Sequence[Recognition], new: Recognition) -> bool:
    """Whether a reading may be of the text that was read there: alike, and not both sure of different words."""
    text, confidence = vote(readings)
    a, b = fold(text), fold(new.text)
    if a == b:
        return True
    if not a or not b:
        return False
    if min(confidence, new.confidence) >= SURE and not (a in b or b in a):
        return False
    return int(Levenshtein.distance(a, b)) <= max(1, max(len(a), len(b)) // 3)


def is_rest(part: Recognition, whole: str) -> bool:
    """Whether a reading may be what the frame's edge leaves of a text.

    Where both edges cut it off neither end is known, and any run of letters would fit: it is not known again.
    """
    letters, text = fold(part.text), fold(whole)
    if part.cut_left == part.cut_right or len(letters) > len(text):
        return False
    # The letter at the edge may be cut through and misread.
    rest = letters[1:] if part.cut_left else letters[:-1]
    if len(letters) < max(REST_LETTERS, REST_SHARE * len(text)):
        return False
    return text.endswith(rest) if part.cut_left else text.startswith(rest)
