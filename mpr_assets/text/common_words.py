"""How common a word is in a language: what a reading is surely, before it is a misread name.

The words and their counts are pyspellchecker's: from subtitles (OpenSubtitles), cleaned and completed by its
maintainers, in its wheel. Chosen for that it is kept, MIT, needs nothing else and counts words; wordfreq's data is no
longer kept, and simplemma's has no counts. Which brand a word may be is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from mpr_resources.brands.folding import bare_letters


class CommonWords:
    """The words of some languages, folded. Their dictionaries are read when a word is first asked for."""

    def __init__(self, languages: Sequence[str]) -> None:
        self._languages = tuple(languages)

    def per_million(self, word: str) -> float:
        """How many of a million words of running text are this one, in the language where it is commonest.

        0 where no dictionary has it; above 0 in all of the rest, however rare.
        """
        return max((_frequencies(language).get(word, 0.0) for language in self._languages), default=0.0)


@lru_cache(maxsize=16)
def _frequencies(language: str) -> Mapping[str, float]:
    """Occurrences in a million, by folded word: 0.2 s and some 20 MB in English, up to three times that in others."""
    from spellchecker import SpellChecker

    counted = SpellChecker(language=language, distance=1).word_frequency
    share = 1e6 / counted.total_words
    found: dict[str, float] = {}
    for word, count in counted.dictionary.items():
        key = word if word.isascii() else bare_letters(word)
        found[key] = max(found.get(key, 0.0), count * share)
    return found
