"""Names as they sound: which runs of words that a recogniser wrote may be a name that it could not know.

A recogniser writes what it knows: "Mirvane" becomes "mere vein". Words and name are compared by their Metaphone codes
(Philips, Hanging on the Metaphone, 1990; made for English), and then by their letters, since words that have a code in
common may still be far apart. Names as they are spelt are found in `name_index`.

The figures here were set by 40 names in 40,000 running words of English, in one place of which a name was heard, and by
what Whisper tiny.en wrote of 35 names, each spoken twice by espeak-ng.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import jellyfish
from rapidfuzz.distance import Levenshtein

from mpr_assets.text.common_words import CommonWords
from mpr_assets.text.names import spellings
from mpr_resources.brands.brand_file import Brand

TAG = "sounds-like"
"""Brands with this tag are looked for by their sound."""
EXTRA_WORDS = 2
"""A name may be heard as so many words more than it has."""
LEAST_CODE = 4
"""Sounds in a code: a shorter one is that of too many words."""
ONE_OFF_CODE = 5
"""A code of at least so many may differ by one sound."""
LEAST_LETTERS_ALIKE = 0.7
"""Of the letters, vowels being equal to one another: a recogniser that guesses keeps the consonants."""
COMMON_PER_MILLION = 1.0
"""A single word that is so common is itself."""
COMMON_TOGETHER_PER_MILLION = 100.0
"""So are several that are each so common: "but for" is not Betfair."""
_VOWELS = re.compile("[aeiouy]+")


@dataclass(frozen=True)
class SoundName:
    """A text that means a brand: folded without spaces, its code, and how many words it has."""

    brand: str
    key: str
    code: str
    words: int


@dataclass(frozen=True)
class Sounding:
    """Words `start` to `end`, half-open, that sound like a name.

    `likeness`: of their sounds, 0 to 1. `edits`: letters in which they differ.
    """

    name: SoundName
    start: int
    end: int
    likeness: float
    edits: int


class SoundIndex:
    """The names of the brands that are to be found by their sound."""

    def __init__(self, brands: Iterable[Brand], languages: Sequence[str] = ("en",)) -> None:
        self._names = [name for name in _sound_names(brands) if len(name.code) >= LEAST_CODE]
        self._most_words = max((name.words for name in self._names), default=0) + EXTRA_WORDS
        self._common = CommonWords(languages)

    def find(self, words: Sequence[str]) -> Iterator[Sounding]:
        """The runs of these words, folded, that sound like a name; they may overlap."""
        if not self._names:
            return
        for start in range(len(words)):
            key = ""
            for end in range(start + 1, min(len(words), start + self._most_words) + 1):
                key += words[end - 1]
                code, bare = code_of(key), _consonants(key)
                limit = COMMON_PER_MILLION if end - start == 1 else COMMON_TOGETHER_PER_MILLION
                common = all(self._common.per_million(word) >= limit for word in words[start:end])
                for name in self._names:
                    if end - start > name.words + EXTRA_WORDS or (common and key != name.key):
                        continue
                    likeness = _likeness(code, name.code)
                    if (
                        likeness
                        and Levenshtein.normalized_similarity(bare, _consonants(name.key)) >= LEAST_LETTERS_ALIKE
                    ):
                        yield Sounding(name, start, end, likeness, Levenshtein.distance(key, name.key))


def too_short(brands: Iterable[Brand]) -> list[str]:
    """Names that are to be found by their sound, folded, and have too few sounds to be told from other words."""
    return [name.key for name in _sound_names(brands) if len(name.code) < LEAST_CODE]


def _sound_names(brands: Iterable[Brand]) -> Iterator[SoundName]:
    for brand in brands:
        if TAG in brand.tags:
            for text in brand.texts:
                for words, lookalike in spellings(text):
                    if not lookalike:
                        key = "".join(words)
                        yield SoundName(brand.name, key, code_of(key), len(words))


def code_of(key: str) -> str:
    """The Metaphone code of folded words without spaces.

    >>> code_of("mirvane"), code_of("merevein")
    ('MRFN', 'MRFN')
    """
    return jellyfish.metaphone(key).replace(" ", "")


def _consonants(key: str) -> str:
    return _VOWELS.sub("a", key)


def _likeness(one: str, other: str) -> float:
    """Of two codes, 0 where they are too far apart."""
    if one == other:
        return 1.0
    near = min(len(one), len(other)) >= ONE_OFF_CODE and Levenshtein.distance(one, other, score_cutoff=1) <= 1
    return Levenshtein.normalized_similarity(one, other) if near else 0.0
