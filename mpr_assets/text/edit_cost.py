"""The edit cost between a reading and a name. Finding names in a text is in `name_index`.

Both are folded and without spaces. Differences are edits (Levenshtein distance, by rapidfuzz); letters that OCR
confuses cost a quarter of an edit. Digits are never taken for other digits, for they tell things apart.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from mpr_assets.text.names import Name, Tolerance, word_ends
from mpr_resources.brands.folding import SYMBOLS, Word

# Of costs and lengths no measurement is known. What they make of misread names and of other words is held by
# `tests/mpr_assets/stages/test_match_brands.py`.
CONFUSED_COST = 0.25
AMPERSAND_COST = 0.5
ADDED_SPACE_COST = 0.5
_ALIKE = "0o 0d od 1l 1i il 5s 8b &8 2z 6g 9g gq uv ce".split()  # noqa: SIM905 - pairs are read easier so
CONFUSED = frozenset(pair for both in _ALIKE for pair in (both, both[::-1]))
"""Letters that OCR takes for one another, folded, in both orders."""
_CLASSES = str.maketrans("0d1i58&69q2ve", "oollsbbgggzuc")
_CONTRACTIONS = frozenset({"ll", "re", "ve", "d", "m", "t"})
NEAR_MISS_FACTOR = 1.6
"""How much more than the edits allowed still makes a near miss."""
NEAR_LETTERS = 4
"""A shorter name has no near misses: too many texts would be one."""
GUESSED_LETTERS = 6
"""A shorter name is not guessed where a letter is wrong that OCR does not confuse: "Shelf" is not "Shell"."""
FEW_WORDS = 3
"""In a name of up to so many words each word must be read well by itself, and the name is not part of a longer word."""


class Mismatch(StrEnum):
    """Why a reading is not taken for a name: the first rule that is against it."""

    SHORT = "short"
    """So short a name must be read letter by letter."""
    DIGITS = "digits"
    """Digits are never taken for other digits or letters: they tell things apart."""
    LOOKALIKE = "lookalike"
    """Letters that look like those of another script, not as many."""
    LONGER_WORD = "longer_word"
    """It is a part of a longer word."""
    LETTER = "letter"
    """A letter is wrong, too many or missing where the name is too short for it, or at an end."""
    WORD = "word"
    """A third of the letters of one of its words are wrong."""
    TOO_FAR = "too_far"
    """More edits than are allowed."""
    AMONG_WORDS = "among_words"
    """It is misread, and short, and stands among other words."""
    APOSTROPHE = "apostrophe"
    """An apostrophe makes it another word."""
    SPACE = "space"
    """A space within it makes it other words."""
    ONE_LETTER = "one_letter"
    """A name of one letter must stand alone."""
    COMMON_WORDS = "common_words"
    """It is made of common words."""


def compare(read: str, name: Name, tolerance: Tolerance) -> tuple[float, bool] | Mismatch:
    """What it costs to take a reading for a name, and whether only an uncertain reading may be taken for it; or why it
    is not the name.
    """
    if read == name.key:
        return 0.0, False
    if name.letters < tolerance.exact_letters:
        return Mismatch.SHORT
    if read.isdigit() and not name.key.isdigit():
        return Mismatch.DIGITS
    if name.lookalike and len(read) != name.letters:
        return Mismatch.LOOKALIKE
    best = _compare(read, name.key, name.breaks, tolerance)
    merged = [_digraphs(word) for word in name.words]
    if _digraphs(read) != read or merged != list(name.words):
        other = _compare(_digraphs(read), "".join(merged), word_ends(merged), tolerance)
        if not isinstance(other, Mismatch):
            other = (other[0] + CONFUSED_COST, other[1])
            best = other if isinstance(best, Mismatch) else min(best, other)
    if isinstance(best, Mismatch) or best[0] <= allowed_cost(name.letters, tolerance):
        return best
    return Mismatch.SHORT if name.letters <= tolerance.exact_letters else Mismatch.TOO_FAR


def _compare(read: str, key: str, breaks: Sequence[int], tolerance: Tolerance) -> tuple[float, bool] | Mismatch:
    cost, plain, in_word = 0.0, 0, defaultdict[int, int](int)
    short, few_words = len(key) <= tolerance.one_edit_letters, len(breaks) < FEW_WORDS
    if few_words and len(read) > len(key) and key in read:
        return Mismatch.LONGER_WORD
    for edit in Levenshtein.editops(read, key):
        kind, at, to = edit.tag, edit.src_pos, edit.dest_pos
        had = read[at] if kind != "insert" else ""
        wanted = key[to] if kind != "delete" else ""
        if had + wanted in CONFUSED:
            if len(key) <= tolerance.exact_letters and not had.isdigit():
                return Mismatch.SHORT
            cost += CONFUSED_COST
        elif "&" in (had, wanted):
            cost += AMPERSAND_COST
        elif had.isdigit() or wanted.isdigit():
            return Mismatch.DIGITS
        else:
            longer = kind == "delete" and at in (0, len(read) - 1)
            cut = kind == "insert" and to in (0, len(key) - 1)
            if (few_words and longer) or (short and (cut or to == 0 or len(key) < GUESSED_LETTERS)):
                return Mismatch.LETTER
            cost, plain = cost + 1.0, plain + 1
            in_word[bisect_right(breaks, min(to, len(key) - 1))] += 1
    ends = [0, *breaks, len(key)]
    lengths = {word: ends[word + 1] - ends[word] for word in in_word}
    if few_words and any(in_word[word] > lengths[word] // 3 for word in in_word):
        return Mismatch.WORD
    little = few_words and any(length <= tolerance.exact_letters for length in lengths.values())
    return cost, plain > 0 and (short or little)


class CloseKeys:
    """Keys, each with the edits that a reading may be from it, ready to be compared with many readings.

    Letters that OCR confuses count as equal here.
    """

    def __init__(self, keys: Sequence[str], limits: Sequence[int]) -> None:
        self._skeletons = [skeleton(key) for key in keys]
        self._lengths, self._limits = np.array([len(key) for key in keys], int), np.array(limits, int)
        self._of_length: dict[int, tuple[NDArray[np.intp], list[str]]] = {}

    def pairs(self, reads: Iterable[str]) -> Iterator[tuple[str, int, int]]:
        """Pairs of a reading and the number of a key within that key's limit, and their distance."""
        by_length: dict[int, list[str]] = defaultdict(list)
        for read in sorted(reads):
            by_length[len(read)].append(read)
        for length, same_length in by_length.items():
            columns, chosen = self._reached_by(length)
            if not chosen:
                continue
            near = self._limits[columns]
            for begin in range(0, len(same_length), 4096):
                part = same_length[begin : begin + 4096]
                distances = process.cdist(
                    [skeleton(read) for read in part],
                    chosen,
                    scorer=Levenshtein.distance,
                    score_cutoff=int(near.max()),
                    dtype=np.uint8,
                )
                for row, column in zip(*np.nonzero(distances <= near), strict=True):
                    yield part[row], int(columns[column]), int(distances[row, column])

    def _reached_by(self, length: int) -> tuple[NDArray[np.intp], list[str]]:
        """The keys that a reading of so many letters may be near to: numbers and skeletons."""
        if length not in self._of_length:
            [columns] = np.nonzero((np.abs(self._lengths - length) <= self._limits) & (self._limits > 0))
            self._of_length[length] = columns, [self._skeletons[column] for column in columns]
        return self._of_length[length]


@lru_cache(maxsize=1 << 17)
def skeleton(key: str) -> str:
    """A key with the letters that OCR confuses made equal."""
    return key.translate(_CLASSES).replace("rn", "m").replace("uu", "w")


def near_edits(letters: int, tolerance: Tolerance) -> int:
    """The edits that make a reading a near miss of a name of so many letters, if it is not the name."""
    if letters < NEAR_LETTERS:
        return 0
    if letters <= tolerance.one_edit_letters:
        return 1
    return math.ceil(NEAR_MISS_FACTOR * max(tolerance.edits(letters), 1.0))


def allowed_cost(letters: int, tolerance: Tolerance) -> float:
    """What it may cost to take a reading for a name of so many letters.

    A name that must be exact may still have two digits for letters that they look like, if it is not shorter still.
    """
    return tolerance.edits(letters) or (2 * CONFUSED_COST if letters == tolerance.exact_letters else 0.0)


def _digraphs(text: str) -> str:
    return text.replace("rn", "m").replace("vv", "w")


def added_spaces(name: Name, words: Sequence[Word], *, exact: bool) -> int | None:
    """How many spaces the text has inside words of the name; None where an apostrophe makes it another word."""
    breaks, place = [], 0
    for before, word in itertools.pairwise(words):
        place += len(before.text)
        if word.joint == "'":
            if word.text in _CONTRACTIONS and len(before.text) > 1 and place not in name.breaks:
                return None
        elif word.joint == " " and before.text not in SYMBOLS and word.text not in SYMBOLS:
            breaks.append(place)
    if exact:
        return len(set(breaks) - set(name.breaks))
    return max(0, len(breaks) - len(name.breaks))
