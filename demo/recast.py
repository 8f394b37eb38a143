"""Other brands for the broadcast: for a seed, invented names, colours and typefaces in place of the script's own.

What stands where and when is `demo.script`'s, and so is the shape of a name: its words, its lines, an accent, about its
length. So what a reader is tuned on and what it is tried on need not be the same broadcast.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np

from demo.boards import Advert

T = TypeVar("T")

_ONSETS = (*"bcdfghklmnprstvwz", "br", "dr", "fl", "gr", "pl", "qu", "st", "tr")
_VOWELS = ("a", "e", "i", "o", "u")
_CODAS = ("", "", "l", "n", "r", "s", "x", "nd", "rt", "sk")
_ACCENTS = {"a": "á", "e": "é", "i": "í", "o": "ö", "u": "ü"}
_PALETTES = (
    ("#0b2a5b", "#ffffff", "#35b6e6"),
    ("#f3f1ea", "#8a1538", "#8a1538"),
    ("#ffcf33", "#33261a", "#b5651d"),
    ("#12382e", "#f0e3b8", "#c7a64b"),
    ("#d7261e", "#ffffff", "#ffd24a"),
    ("#5b2a86", "#ffffff", "#f28ac0"),
    ("#101114", "#c8f031", "#c8f031"),
    ("#ffffff", "#0a4a8f", "#f0562b"),
    ("#1f7a8c", "#f7f7f2", "#bfdbf7"),
    ("#e8e1d3", "#2b2d42", "#ef8354"),
    ("#2d2d2d", "#e9e9e9", "#7a7a7a"),
    ("#f08a24", "#1b1b1b", "#ffffff"),
)
"""Paper, ink and accent."""
_WEIGHTS = (500, 600, 700, 800, 900)
_LETTERS_A_SYLLABLE = 3


class Recast:
    """The same advert gets the same other one, wherever it stands."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 0x5EED])
        self._names: dict[str, tuple[str, ...]] = {}
        self._looks: dict[Advert, Advert] = {}

    def __call__(self, advert: Advert) -> Advert:
        """The advert in its place. Words that are nobody's and symbols stay."""
        if advert.brand is None or advert.kind == "logo":
            return advert
        if advert not in self._looks:
            words = self._words(advert.brand)
            paper, ink, accent = self._pick(_PALETTES)
            font: Literal["sans", "italic"] = "italic" if self._rng.random() < 0.25 else "sans"
            weight = int(self._pick(_WEIGHTS))
            lines = self._lines(advert, words)
            self._looks[advert] = Advert(lines, " ".join(words), paper, ink, accent, font, weight)
        return self._looks[advert]

    def _words(self, brand: str) -> tuple[str, ...]:
        if brand not in self._names:
            self._names[brand] = tuple(self._word(word) for word in brand.split())
        return self._names[brand]

    def _word(self, like: str) -> str:
        if not like[0].isalpha():
            return like
        syllables = max(1, round(len(like) / _LETTERS_A_SYLLABLE + self._rng.uniform(-0.5, 0.5)))
        word = "".join(self._pick(_ONSETS) + self._pick(_VOWELS) for _ in range(syllables)) + self._pick(_CODAS)
        while len(word) < min(len(like), 4):
            word += self._pick(_VOWELS)
        if not like.isascii():
            at = next(n for n, letter in enumerate(word) if letter in _ACCENTS)
            word = word[:at] + _ACCENTS[word[at]] + word[at + 1 :]
        return word.capitalize()

    def _lines(self, advert: Advert, words: tuple[str, ...]) -> tuple[str, ...]:
        """The words on as many lines, each as many words as the advert has there; capitals or not by chance."""
        lines: list[str] = []
        capitals = self._rng.random() < 0.5
        for line in advert.lines:
            count = len(line.split())
            text, words = " ".join(words[:count]), words[count:]
            lines.append(text.upper() if capitals and not lines else text)
        return tuple(lines)

    def _pick(self, among: tuple[T, ...]) -> T:
        return among[int(self._rng.integers(len(among)))]
