"""What all readings of a track say of a brand's name: the name is the hypothesis, and letter by letter they vote.

A word behind a net, on cloth or with a symbol before it is read otherwise in every frame, and none of the readings need
be the name. Here each is laid along the name; what most of them say at a letter counts. The text that results is
matched by the same rules as any other, so that nothing is looser: a letter that most readings have otherwise stays
wrong. This is ROVER (Fiscus 1997) with the name instead of the first reading as the base. Matching is in `name_index`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from mpr_assets.text.name_index import Hit, NameIndex
from mpr_resources.brands.folding import FoldedText, Word

NEAR_MISS = "near_miss:"
MOST_READINGS = 12
"""So many of a track's readings, those with the most weight, are looked at."""
SYMBOL_LETTERS = 2
"""A symbol before a word is read as so many letters at most. Of this and the next no measurement is known."""
EXTRA_SHARE, EXTRA_SHARE_SHORT = 2 / 3, 1 / 2
"""A letter besides those of the name counts where more than this share of the readings has it: one is made of a symbol
or a thread of a net more often than a true one is lost. In short names, which a letter makes others, less will do."""


@dataclass(frozen=True)
class AgreedName:
    """A name that the readings of a track agree on. `hit`: in the text that they agree on; `confidence`: 0 to 1."""

    hit: Hit
    confidence: float


@dataclass(frozen=True)
class Weight:
    """How much one text counts among a track's readings: the sums of its confidences and of their squares."""

    confidences: float
    squares: float
    times: int

    @property
    def confidence(self) -> float:
        return self.confidences / self.times


def agreed_names(readings: Mapping[str, Weight], index: NameIndex) -> list[AgreedName]:
    """The names that a track's readings agree on, by name and each once.

    Only names that one of the readings has or just misses are tried, and only what is not read so already: a reading
    that is not taken for the name by itself is not taken for it here. A name that one edit may make another word (see
    `Tolerance.one_edit_letters`) is not put together from parts.
    """
    heaviest = sorted(readings, key=lambda text: (-readings[text].squares, text))[:MOST_READINGS]
    brands = _brands_near(heaviest, index)
    found = []
    for name in (name for brand in sorted(brands) for name in index.names_of[brand]):
        if name.excluded:
            continue
        composed = name.letters > index.tolerance.one_edit_letters
        laid = [_laid_along(name.key, index[text].folded, composed) for text in heaviest]
        weights = [readings[text] for text in heaviest]
        votes = [(one, weight.squares) for one, weight in zip(laid, weights, strict=True)]
        text = _agreed_text(name.key, votes, EXTRA_SHARE if composed else EXTRA_SHARE_SHORT)
        hits = [hit for hit in index[text].hits if hit.name == name]
        read_so = any(hit.name.brand == name.brand for one in heaviest for hit in index[one].hits)
        if hits and (read_so or text not in {one.text for one in laid}):
            total = sum(weight.squares for weight in weights)
            agreement = sum(
                weight.squares * weight.confidence * one.agreement for one, weight in zip(laid, weights, strict=True)
            )
            found.append(AgreedName(min(hits, key=lambda hit: hit.cost), agreement / total if total else 0.0))
    return found


def nearest_words(words: Sequence[Word], key: str) -> tuple[int, int]:
    """The run of words, first and end, that is most like a name written without spaces. There is at least one word."""

    def distance(run: tuple[int, int]) -> tuple[int, int, int]:
        return (
            int(Levenshtein.distance("".join(word.text for word in words[slice(*run)]), key)),
            run[1] - run[0],
            run[0],
        )

    ends = range(1, len(words) + 1)
    return min(((start, end) for end in ends for start in range(end)), key=distance)


@dataclass(frozen=True)
class _Laid:
    """A reading laid along a name.

    Attributes:
        text: the words that were laid.
        letters: what it has at each of the name's letters: one, "" where it has none, None where it does not reach.
        extras: what it has besides before each of them, and after the last.
        spaces: where it has a space: before these of the name's letters.
        agreement: at what share of the letters that it reaches it has the name's.
    """

    text: str
    letters: tuple[str | None, ...]
    extras: tuple[str, ...]
    spaces: frozenset[int]
    agreement: float


def _laid_along(key: str, folded: FoldedText, composed: bool) -> _Laid:
    """`composed`: letters that are missing at the ends of the reading are not reached; else it lacks them."""
    letters: list[str | None] = [""] * len(key)
    extras = [""] * (len(key) + 1)
    spaces = set()
    if not folded.words:
        return _Laid("", (None,) * len(key), tuple(extras), frozenset(), 0.0)
    start, end = nearest_words(folded.words, key)
    words = folded.words[start:end]
    read = "".join(word.text for word in words)
    breaks, at = set(), 0
    for word in words[:-1]:
        at += len(word.text)
        breaks.add(at)
    for op in Levenshtein.opcodes(read, key):
        here = read[op.src_start : op.src_end]
        spaces |= {op.dest_start + one - op.src_start for one in breaks if op.src_start <= one < op.src_end}
        if op.tag in ("equal", "replace"):
            letters[op.dest_start : op.dest_end] = list(here)
        elif op.tag == "delete":
            extras[op.dest_start] += here
    if _is_symbol(extras[0], folded.normal[words[0].start : words[0].end]):
        extras[0] = ""
    reached = [n for n, letter in enumerate(letters) if letter]
    if composed and reached:
        letters = [x if reached[0] <= n <= reached[-1] else None for n, x in enumerate(letters)]
    told = [letter == wanted for letter, wanted in zip(letters, key, strict=True) if letter is not None]
    return _Laid(
        " ".join(word.text for word in words), tuple(letters), tuple(extras), frozenset(spaces), sum(told) / len(told)
    )


def _is_symbol(extra: str, raw: str) -> bool:
    """Whether what stands before a name looks like a symbol that was read as letters.

    It is a capital or a digit, and the word begins anew after it: "WBrAstOVAR", but not "WBRASTOVAR" or "McDonald".
    """
    rest = raw[len(extra) :]
    if not 0 < len(extra) <= SYMBOL_LETTERS or not rest[:1].isupper() or rest.isupper():
        return False
    return raw[: len(extra)].casefold() == extra and not any(letter.islower() for letter in raw[: len(extra)])


def _agreed_text(key: str, laid: Sequence[tuple[_Laid, float]], extra_share: float) -> str:
    """What most of the readings have, by weight, letter by letter; of letters that weigh the same that of the name."""
    most = sum(weight for _, weight in laid)
    text = ""
    for n in range(len(key) + 1):
        extra, weight = _heaviest((one.extras[n], weight) for one, weight in laid)
        text += extra if weight > extra_share * most else ""
        text += " " if 2 * sum(weight for one, weight in laid if n in one.spaces) > most else ""
        if n < len(key):
            read = ((letter, weight) for one, weight in laid if (letter := one.letters[n]) is not None)
            text += _heaviest(read, "" if key[n].isdigit() else key[n])[0]
    return text


def _heaviest(votes: Iterable[tuple[str, float]], preferred: str = "") -> tuple[str, float]:
    weights: dict[str, float] = defaultdict(float)
    for text, weight in votes:
        weights[text] += weight
    return max(weights.items(), key=lambda vote: (round(vote[1], 6), vote[0] == preferred, vote[0]), default=("", 0.0))


def _brands_near(texts: Iterable[str], index: NameIndex) -> frozenset[str]:
    brands = set()
    for text in texts:
        parsed = index[text]
        brands |= {hit.name.brand for hit in parsed.hits}
        if parsed.reason.startswith(NEAR_MISS):
            brands.add(parsed.reason.removeprefix(NEAR_MISS))
    return frozenset(brands)
