"""Finds brand names in texts that OCR read. Knows words and letters only: where the text stands is in `layout`.

A name matches whole words. A window of successive words, written without spaces, is compared with the name written the
same way, so that lost spaces cost nothing; both ends of the window are ends of words, so that a name inside a longer
word is never found. Differences are edits (Levenshtein distance); pairs of letters that OCR confuses cost a quarter.
A reading that is made of common words is those words: neither a misread name, nor a name with a space too many.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from mpr_assets.text.common_words import CommonWords
from mpr_assets.text.edit_cost import (
    ADDED_SPACE_COST,
    CloseKeys,
    Mismatch,
    added_spaces,
    allowed_cost,
    compare,
    near_edits,
    skeleton,
)
from mpr_assets.text.names import Name, Tolerance, names_of, own_spelling, parted_at_capitals
from mpr_resources.brands.brand_file import Brand
from mpr_resources.brands.folding import FoldedText, Word, fold

NONE: frozenset[int] = frozenset()
_ADDRESS = re.compile(
    r"\S*@\S+|#\S+|(?:https?:/|www\.)\S+|\b[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}(?:/\S*)?(?!\S)", re.IGNORECASE
)
VERBATIM_WORDS = 3
VERBATIM_LETTERS = 8
"""A name of at least so many words and letters may be glued to other text at one end, if each letter is right."""
KNOWN_LETTERS = 3
"""A shorter word says nothing against a misreading: almost any two letters are a word or an abbreviation."""
COMMON_PER_MILLION = 0.5
"""In running text, words that are each at least so common are no name with a space too many: "a good year for"."""
COMMON_ALONE_PER_MILLION = 5.0
"""The same where they are all that the line says, so that the name is likelier: "SAM SUNG" is one, "HOME BASE" none.
This one and the one above were set by `tests/mpr_assets/text/test_common_phrases.py`."""
TITLE_LETTERS = 4
"""Where a word of so many letters begins small the line is a sentence: in titles they begin with capitals (Associated
Press)."""
HALF_LETTERS = 2
"""Of a word that goes over from one line to the next at least so many letters stand on each."""
_HYPHENS = ("-", "\u2010", "\u2011", "\u00ad")
LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True)
class Hit:
    """A name in a text: words `start` to `end`, half-open.

    `unsure`: so much was misread that only an uncertain reading can be the name; a sure one is another word.
    `one_above_other`: it goes over several texts that are common words each; it is the name only where they are lines
    one above the other.
    """

    name: Name
    start: int
    end: int
    cost: float
    unsure: bool
    one_above_other: bool = False

    @property
    def score(self) -> float:
        return max(0.0, 1.0 - self.cost / self.name.letters)


@dataclass(frozen=True)
class Miss:
    """Words of a text that are not a name. `edits`: how many part them from it; `why`: the rule that is against it."""

    name: Name
    read: str
    edits: int
    why: Mismatch


@dataclass(frozen=True)
class ParsedText:
    """What is known of a text.

    Attributes:
        hits: every name in it, those that overlap too.
        reason: why it names no brand, if it names none: `number`, `too_short`, `near_miss:BRAND` or `no_brand`.
        opens, closes: the names (by number) that may go on after its last word, or have gone on before its first.
    """

    folded: FoldedText
    hits: tuple[Hit, ...] = ()
    reason: str = ""
    opens: frozenset[int] = NONE
    closes: frozenset[int] = NONE


class NameIndex:
    """The names of a list of brands, ready to be found. Each distinct text is looked at once."""

    def __init__(self, brands: Sequence[Brand], tolerance: Tolerance, languages: Sequence[str] = ("en",)) -> None:
        """`languages`: of the text that is no name; see `mpr_assets.text.common_words`."""
        self.tolerance = tolerance
        self._common = CommonWords(languages)
        self.names = sorted(set(names_of(brands)), key=lambda name: (name.brand, name.excluded, name.words))
        self._by_key: dict[str, list[int]] = defaultdict(list)
        self._by_skeleton: dict[str, list[int]] = defaultdict(list)
        self.names_of: dict[str, list[Name]] = defaultdict(list)
        opening: dict[str, set[int]] = defaultdict(set)
        closing: dict[str, set[int]] = defaultdict(set)
        for number, name in enumerate(self.names):
            self.names_of[name.brand].append(name)
            self._by_key[name.key].append(number)
            self._by_skeleton[skeleton(name.key)].append(number)
            for fragment, opens, closes in _fragments(name):
                if opens:
                    opening[fragment].add(number)
                if closes:
                    closing[fragment].add(number)
        self._opening, self._closing = _Fragments(opening), _Fragments(closing)
        self._halves = _Halves(self.names)
        texts = (text for brand in brands for text in (*brand.texts, *brand.exclude))
        self._own_spellings = frozenset(map(own_spelling, texts))
        self._close = CloseKeys(
            [name.key for name in self.names], [near_edits(name.letters, tolerance) for name in self.names]
        )
        self._verbatim: dict[str, list[Name]] = defaultdict(list)
        for name in self.names:
            if len(name.words) >= VERBATIM_WORDS and name.letters >= VERBATIM_LETTERS:
                self._verbatim[name.key].append(name)
        self._verbatim_letters = sorted({len(key) for key in self._verbatim})
        self._reach = [name.letters + near_edits(name.letters, tolerance) for name in self.names]
        self._longest = max(self._reach, default=0)
        self._readings: dict[str, ParsedText] = {}
        self._over: dict[tuple[str, str], frozenset[int]] = {}
        self._longest_of: dict[frozenset[int], int] = {}
        self._joined: dict[tuple[str, ...], tuple[Hit, ...]] = {}

    def read(self, texts: Iterable[str]) -> None:
        """Find the names in many texts at once, which is much faster than one by one."""
        new = {text: fold(text, repair=True) for text in sorted(set(texts)) if text not in self._readings}
        windows = {text: list(self._windows(folded)) for text, folded in new.items()}
        close, near = self._closenames_of({key for of_text in windows.values() for _, _, key in of_text})
        last = {folded.words[-1].text for folded in new.values() if folded.words}
        first = {folded.words[0].text for folded in new.values() if folded.words}
        opens, closes = self._opening.of(last), self._closing.of(first)
        for text, folded in new.items():
            hits = [
                hit
                for start, end, key in windows[text]
                for number in close.get(key, ())
                if (hit := self._hit(self.names[number], folded.words, start, end, key, folded.normal))
            ]
            hits += [hit for hit in self._verbatim_hits(folded.words) if hit not in hits]
            missed = [near[key] for _, _, key in windows[text] if key in near]
            self._readings[text] = ParsedText(
                folded,
                tuple(hits),
                _reason(folded.key, min(missed)[1] if missed else None),
                self._halves.before(folded.words[-1].text) | opens.get(folded.words[-1].text, NONE)
                if folded.words
                else NONE,
                self._halves.after(folded.words[0].text) | closes.get(folded.words[0].text, NONE)
                if folded.words
                else NONE,
            )

    def __getitem__(self, text: str) -> ParsedText:
        if text not in self._readings:
            self.read([text])
        return self._readings[text]

    def joined(self, texts: tuple[str, ...], numbers: frozenset[int]) -> tuple[Hit, ...]:
        """The names, of those numbered, that begin in the first of the texts and end in the last.

        Positions of words run on from text to text.
        """
        if texts not in self._joined:
            readings = [self[text] for text in texts]
            befores = ["", *(reading.folded.normal for reading in readings)]
            words = tuple(
                word for before, one in zip(befores, readings, strict=False) for word in _joinable(one, before)
            )
            first, last = len(readings[0].folded.words), len(words) - len(readings[-1].folded.words)
            self._joined[texts] = tuple(
                hit
                for start in range(first)
                for end in range(last + 1, len(words) + 1)
                for number in sorted(numbers)
                if (hit := self._hit(self.names[number], words, start, end, _key(words[start:end])))
            )
        return self._joined[texts]

    def longest_of(self, numbers: frozenset[int]) -> int:
        """How many letters a window may have to be one of these names."""
        if numbers not in self._longest_of:
            self._longest_of[numbers] = max(self._reach[number] for number in numbers)
        return self._longest_of[numbers]

    def over(self, text: str, following: str) -> frozenset[int]:
        """The names that may begin in or before a text and go on in the following one."""
        pair = (text, following)
        if pair not in self._over:
            self._over[pair] = self[text].opens & self[following].closes
        return self._over[pair]

    def _windows(self, folded: FoldedText) -> Iterator[tuple[int, int, str]]:
        """Every run of words that is not too long for a name: start, end, and it without spaces."""
        words = folded.words
        no_start, no_end = (set(), set()) if self.tolerance.match_addresses else _inside_addresses(folded)
        for start in range(len(words)):
            if start in no_start:
                continue
            key = other = ""
            for end in range(start + 1, len(words) + 1):
                word = words[end - 1]
                key += word.text
                other += word.other or word.text
                if len(key) > self._longest:
                    break
                if end in no_end:
                    continue
                yield start, end, key
                if other != key and other in self._by_key:
                    yield start, end, other

    def _closenames_of(self, keys: set[str]) -> tuple[dict[str, list[int]], dict[str, tuple[float, str]]]:
        """For each window the names that it may be, and the one that it just misses with how far it is."""
        close: dict[str, list[int]] = {}
        near: dict[str, tuple[float, str]] = {}
        for key in keys:
            found = self._by_skeleton.get(skeleton(key))
            if found:
                close[key] = list(found)
        for key, number, distance in self._close.pairs(keys):
            name = self.names[number]
            if 0 < distance <= self.tolerance.edits(name.letters):
                close.setdefault(key, []).append(number)
            if not name.excluded:
                missed = (distance / name.letters, name.brand)
                near[key] = min(near.get(key, missed), missed)
        return close, near

    def is_common(self, text: str) -> bool:
        """Whether all its words, but for very short ones, are in a dictionary."""
        return self._are_words([word.text for word in fold(text, repair=True).words])

    def misses(self, text: str, brand: str) -> list[Miss]:
        """How far each run of words of a text is from the brand's names, and why it is none; the nearest first."""
        words, normal = (folded := fold(text, repair=True)).words, folded.normal
        windows = list(self._windows(folded)) or ([(0, len(words), _key(words))] if words else [])
        missed = []
        for name in self.names_of.get(brand, ()):
            for start, end, key in () if name.excluded else windows:
                judged = self._judged(name, words, start, end, key, normal)
                if isinstance(judged, Mismatch):
                    edits = int(Levenshtein.distance(key, name.key))
                    missed.append(Miss(name, normal[words[start].start : words[end - 1].end], edits, judged))
        return sorted(missed, key=lambda one: (one.edits, -len(one.read), one.name.words, one.read))

    def _hit(
        self, name: Name, words: tuple[Word, ...], start: int, end: int, key: str, text: str | None = None
    ) -> Hit | None:
        """The name in these words, if they are near enough to it; see `_judged`."""
        judged = self._judged(name, words, start, end, key, text)
        return None if isinstance(judged, Mismatch) else judged

    def _judged(
        self, name: Name, words: tuple[Word, ...], start: int, end: int, key: str, text: str | None
    ) -> Hit | Mismatch:
        """The name in these words, or why they are not it.

        Args:
            name: what is looked for.
            words: of a text, or of several lines one after the other.
            start, end: which of them, half-open.
            key: those without spaces.
            text: what `words` have their places in; None where they stand on several lines.
        """
        compared = compare(key, name, self.tolerance)
        if isinstance(compared, Mismatch):
            return compared
        cost, unsure = compared
        joined, alone = text is None, end - start == len(words)
        short = name.letters <= self.tolerance.one_edit_letters
        if unsure and short and (joined or not alone):
            return Mismatch.AMONG_WORDS
        window = words[start:end]
        added = added_spaces(name, window, exact=key == name.key)
        if added is None:
            return Mismatch.APOSTROPHE
        spelt_out = all(len(word.text) == 1 for word in window)
        if added and text is not None and key == name.key and self._is_own_spelling(words, start, end, text):
            return Hit(name, start, end, ADDED_SPACE_COST * added, unsure)
        if (
            added
            and short
            and (name.letters <= self.tolerance.exact_letters or not ((alone and len(window) == 2) or spelt_out))
        ):
            return Mismatch.SPACE
        if name.letters == 1 and not (alone and len(window) == 1):
            return Mismatch.ONE_LETTER
        others = [word.text for word in window if word.text not in name.words]
        if (cost or name.lookalike) and self._are_words(others if cost else [word.text for word in window]):
            return Mismatch.COMMON_WORDS
        limit = COMMON_ALONE_PER_MILLION if alone else COMMON_PER_MILLION
        common = bool(added) and not spelt_out and all(self._common.per_million(word) >= limit for word in others)
        if common and not (joined and alone):
            return Mismatch.COMMON_WORDS
        if not spelt_out:
            cost += ADDED_SPACE_COST * added
        if cost > allowed_cost(name.letters, self.tolerance):
            return Mismatch.SPACE
        return Hit(name, start, end, cost, unsure, common)

    def _is_own_spelling(self, words: tuple[Word, ...], start: int, end: int, text: str) -> bool:
        """Whether words are a name as its brand writes it, parted only where a capital stands in it: "You Tube".

        In a title every word begins with a capital, so that capitals say nothing there.
        """
        written = [text[word.start : word.end] for word in words]
        window, others = written[start:end], written[:start] + written[end:]
        return (
            "".join(window) in self._own_spellings
            and parted_at_capitals(window)
            and (not others or any(len(other) >= TITLE_LETTERS and other[0].islower() for other in others))
        )

    def _are_words(self, others: Sequence[str]) -> bool:
        """Whether a reading that is not quite a name is other words: whether each that is not the name's is known."""
        known = [self._common.per_million(word) > 0 for word in others if len(word) >= KNOWN_LETTERS]
        return bool(known) and all(known)

    def _verbatim_hits(self, words: tuple[Word, ...]) -> Iterator[Hit]:
        """Names of several words that are there letter by letter and space by space, glued to other text at one end."""
        text = _key(words)
        ends = [0]
        for word in words:
            ends.append(ends[-1] + len(word.text))
        for name, place in self._verbatim_in(text):
            if not all(place + at in ends for at in name.breaks):
                continue
            stop = place + name.letters
            if place in ends or stop in ends:
                yield Hit(name, bisect_right(ends, place) - 1, bisect_right(ends, stop - 1), 0.0, False)

    def _verbatim_in(self, text: str) -> Iterator[tuple[Name, int]]:
        """The names of several words that are in a text without spaces, and where each is first."""
        found: dict[str, int] = {}
        for letters in self._verbatim_letters:
            for start in range(len(text) - letters + 1):
                key = text[start : start + letters]
                if key in self._verbatim:
                    found.setdefault(key, start)
        for key, start in found.items():
            for name in self._verbatim[key]:
                yield name, start


class _Halves:
    """The words of the names by their first letters, and by their last: for words that go over two lines."""

    def __init__(self, names: Sequence[Name]) -> None:
        words = [(word, number) for number, name in enumerate(names) for word in name.words]
        self._forwards = sorted(words)
        self._backwards = sorted((word[::-1], number) for word, number in words)

    def before(self, half: str) -> frozenset[int]:
        """The names with a word that begins so and goes on."""
        return self._with(self._forwards, half)

    def after(self, half: str) -> frozenset[int]:
        """The names with a word that ends so and begins before."""
        return self._with(self._backwards, half[::-1])

    @staticmethod
    def _with(ordered: Sequence[tuple[str, int]], half: str) -> frozenset[int]:
        if len(half) < HALF_LETTERS:
            return NONE
        begin = bisect_left(ordered, (half, -1))
        end = bisect_left(ordered, (half + LAST_CHARACTER, -1), begin)
        return frozenset(number for word, number in ordered[begin:end] if len(word) >= len(half) + HALF_LETTERS)


def _joinable(reading: ParsedText, before: str) -> Iterator[Word]:
    """A text's words as they go on from those of the line before; a hyphen at its end parts no words."""
    for place, word in enumerate(reading.folded.words):
        joint = "" if before.rstrip().endswith(_HYPHENS) else " "
        yield word if place else Word(word.text, word.start, word.end, joint)


def _fragments(name: Name) -> Iterator[tuple[str, bool, bool]]:
    """Runs of words of a name, shorter than it, written together; whether it goes on after, and before."""
    count = len(name.words)
    for start in range(count):
        for end in range(start + 1, count + 1):
            if end - start < count:
                yield "".join(name.words[start:end]), end < count, start > 0


class _Fragments:
    """Fragments of names, each with the numbers of the names that it is of."""

    def __init__(self, numbers: Mapping[str, set[int]]) -> None:
        self._numbers = {fragment: frozenset(of) for fragment, of in numbers.items()}
        self._by_skeleton: dict[str, set[int]] = defaultdict(set)
        for fragment, of in numbers.items():
            self._by_skeleton[skeleton(fragment)] |= of
        self._ordered = sorted(numbers)
        self._close = CloseKeys(self._ordered, [len(fragment) // 4 for fragment in self._ordered])

    def of(self, words: set[str]) -> dict[str, frozenset[int]]:
        """For each word the names that it may be a fragment of."""
        found = {word: set(self._by_skeleton.get(skeleton(word), ())) for word in words}
        for word, number, _ in self._close.pairs(words):
            found[word] |= self._numbers[self._ordered[number]]
        return {word: frozenset(numbers) for word, numbers in found.items() if numbers}


def _reason(key: str, near: str | None) -> str:
    letters = sum(character.isalnum() for character in key)
    if letters and not any(character.isalpha() for character in key):
        return "number"
    if letters < 2:
        return "too_short"
    return f"near_miss:{near}" if near else "no_brand"


def _key(words: Sequence[Word]) -> str:
    return "".join(word.text for word in words)


def _inside_addresses(folded: FoldedText) -> tuple[set[int], set[int]]:
    """Where no name may start and where none may end: inside a web or e-mail address, a handle or a hashtag."""
    no_start: set[int] = set()
    no_end: set[int] = set()
    for address in _ADDRESS.finditer(folded.normal):
        inside = [n for n, word in enumerate(folded.words) if address.start() <= word.start < address.end()]
        no_end.update(inside[1:])
        no_start.update(inside if address.group()[0] in "@#" else inside[1:])
    return no_start, no_end
