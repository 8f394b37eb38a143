"""The texts that mean a brand, and how far a reading may differ from one. What a difference costs is in `edit_cost`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mpr_resources.brands.brand_file import Brand
from mpr_resources.brands.folding import as_latin, fold, fold_key, written_out

AND_LETTERS = 8
"""In a name of at least so many letters `&` may be read as "and"."""


@dataclass(frozen=True)
class Tolerance:
    """How far a reading may differ from a name: see `MatchBrandsSettings`, whose fields these are."""

    exact_letters: int = 4
    one_edit_letters: int = 7
    edit_share: float = 0.18
    match_addresses: bool = True

    def edits(self, letters: int) -> float:
        """The edits allowed in a name of so many letters."""
        if letters <= self.exact_letters:
            return 0.0
        return 1.0 if letters <= self.one_edit_letters else max(1.0, self.edit_share * letters)


@dataclass(frozen=True)
class Name:
    """A text that means a brand, or that is excluded for it.

    Attributes:
        key: it without spaces.
        breaks: where its words end in `key`.
        lookalike: it is Greek or Cyrillic, given here in the Latin letters that look the same: what an engine that
            cannot write those scripts reads.
    """

    brand: str
    excluded: bool
    words: tuple[str, ...]
    key: str
    breaks: tuple[int, ...]
    lookalike: bool = False

    @property
    def letters(self) -> int:
        return len(self.key)


def names_of(brands: Sequence[Brand]) -> Iterator[Name]:
    """Every text that is looked for: names, aliases and exclusions, each in the spellings that mean the same.

    Another spelling than a brand's own is left out where it is the text of another brand.
    """
    owners = {fold_key(text): brand.name for brand in brands for text in brand.texts}
    for brand in brands:
        for excluded, texts in ((False, brand.texts), (True, brand.exclude)):
            for text in texts:
                for words, lookalike in spellings(text):
                    key = "".join(words)
                    if owners.get(key, brand.name) == brand.name:
                        yield Name(brand.name, excluded, words, key, tuple(word_ends(words)), lookalike)


def spellings(text: str) -> Iterator[tuple[tuple[str, ...], bool]]:
    """A text's words, in each spelling once, and whether it is Latin letters for others that look the same."""
    words = tuple(word.text for word in fold(text).words)
    yield words, False
    if "&" in words and sum(map(len, words)) >= AND_LETTERS:
        yield tuple("and" if word == "&" else word for word in words), False
    if text.isascii():
        return
    out = tuple(word.text for word in fold(written_out(text)).words)
    if out != words:
        yield out, False
    for shape in {as_latin(text.upper()), as_latin(text)} - {None}:
        yield tuple(word.text for word in fold(shape or "").words), True


def own_spelling(text: str) -> str:
    """A text's words as they are written, capitals kept and without spaces; "" where no capital begins inside a word.

    >>> own_spelling("YouTube Music"), own_spelling("Goodyear")
    ('YouTubeMusic', '')
    """
    folded = fold(text)
    words = [folded.normal[word.start : word.end] for word in folded.words]
    return "".join(words) if any(map(_inner_capitals, words)) else ""


def parted_at_capitals(words: Sequence[str]) -> bool:
    """Whether each of these words, as they are written, goes on in small letters, and the next begins with a capital.

    >>> parted_at_capitals(["You", "Tube"]), parted_at_capitals(["You", "tube"]), parted_at_capitals(["YOU", "TUBE"])
    (True, False, False)
    """
    return all(before[-1:].islower() and after[:1].isupper() for before, after in pairwise(words))


def _inner_capitals(word: str) -> bool:
    return any(before.islower() and after.isupper() for before, after in pairwise(word))


def word_ends(words: Sequence[str]) -> list[int]:
    """Where words end when written without spaces; the last one's end is left out."""
    return [int(end) for end in np.cumsum([len(word) for word in words])[:-1]]
