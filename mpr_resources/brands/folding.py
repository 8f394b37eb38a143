"""What of a text counts when names are compared: its words, folded. Which words make a brand is not decided here.

Folding: compatibility forms (full width, ligatures), case, diacritics and punctuation go; `&` and `+` stay, for
"H&M" is not "HM". Scripts written without spaces (Han, Hiragana, Thai, ...) give one word a character.

Why this is not a library: `rapidfuzz.utils.default_process`, which is at hand, turns `H&M` into `h m` and keeps
diacritics, full-width letters and ligatures.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache

SYMBOLS = "&+"
APOSTROPHES = "'’‘‛`´ʼ＇′"
# NFKC would turn "Acme™" into "AcmeTM", and the acute accent into a space: both go first.
_BEFORE = str.maketrans({**dict.fromkeys("™®©℠℗", ""), **dict.fromkeys(APOSTROPHES, "'")})
_PLAIN = str.maketrans(
    {"ø": "o", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ı": "i", "ħ": "h", "ŧ": "t"}
)
_GREEK_OR_CYRILLIC = re.compile("[\u0370-\u052f]")
_WRITTEN_OUT = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"} | {"Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "Ø": "Oe", "Å": "Aa"}
)
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_KATAKANA = re.compile("[\u30a0-\u30ff]")
_SCHEMES = frozenset({"http", "https", "www"})
_MARKS = ("Mn", "Mc", "Me")


@dataclass(frozen=True, slots=True)
class Word:
    """A folded word of a text.

    Attributes:
        text: the folded letters and digits, or one of `SYMBOLS`.
        start, end: where it stands in `FoldedText.normal`, half-open.
        joint: what parts it from the word before: " " for anything like a space, "'" for an apostrophe, "" for nothing
            (a symbol, another script, the first word).
        other: how else it may be spelt: its umlauts written out (`mueller` for Müller), its Cyrillic or Greek letters
            taken for the Latin ones of the same shape; None where it has only one spelling.
    """

    text: str
    start: int
    end: int
    joint: str
    other: str | None = None


@dataclass(frozen=True, slots=True)
class FoldedText:
    """A text's words, and the compatibility-normal form that their positions refer to."""

    normal: str
    words: tuple[Word, ...]

    @property
    def key(self) -> str:
        """All words without spaces: what two spellings of one name share."""
        return "".join(word.text for word in self.words)


def fold(text: str, *, repair: bool = False) -> FoldedText:
    """Fold a text into words. `repair`: the text was read by OCR; capital I and small l are told apart by their word.

    >>> [word.text for word in fold("Café™ H&M").words]
    ['cafe', 'h', '&', 'm']
    """
    normal = unicodedata.normalize("NFKC", text.translate(_BEFORE))
    words: list[Word] = []
    joint, start, kind = "", 0, ""
    for position, character in enumerate(normal + " "):
        now = _kind(character, kind)
        if now and now == kind and now not in ("symbol", "spaceless"):
            continue
        if now == "same":
            continue
        if kind:
            _append(words, normal, start, position, joint, repair)
            joint = ""
        if not now:
            joint = "'" if character == "'" and joint != " " and kind else " "
        start, kind = position, now
    return FoldedText(normal, tuple(_without_scheme(words, normal)))


@lru_cache(maxsize=65536)
def fold_key(text: str) -> str:
    """The space-free folded form: equal for spellings of one name.

    >>> fold_key("Coca-Cola") == fold_key("COCA COLA")
    True
    """
    return fold(text).key


def written_out(text: str) -> str:
    """A text with its umlauts, and the Scandinavian vowels like them, written as two letters.

    >>> written_out("Löwenbräu")
    'Loewenbraeu'
    """
    return unicodedata.normalize("NFC", text).translate(_WRITTEN_OUT)


def as_latin(text: str) -> str | None:
    """A text with its Greek and Cyrillic letters taken for the Latin ones that look the same; None where one has none.

    >>> as_latin("МОСКВА"), as_latin("ЛАДА")
    ('MOCKBA', None)
    """
    if not _GREEK_OR_CYRILLIC.search(text):
        return None
    latin = text.translate(_latin_shapes())
    return None if _GREEK_OR_CYRILLIC.search(latin) else latin


@cache
def _latin_shapes() -> dict[int, str]:
    """Unicode's confusables (UTS 39) of Greek and Cyrillic letters that are one Latin letter.

    Among capitals the table's small l is a capital I: to Unicode the two look the same.
    """
    from confusable_homoglyphs.confusables import confusables_data

    shapes: dict[int, str] = {}
    for letter in map(chr, range(0x370, 0x530)):
        alike = [one["c"] for one in confusables_data.get(letter, ())]
        latin = [c for c in alike if len(c) == 1 and c.isascii() and c.isalpha()]
        if latin:
            shapes[ord(letter)] = "I" if letter.isupper() and "l" in latin else latin[0]
    return shapes


def _append(words: list[Word], normal: str, start: int, end: int, joint: str, repair: bool) -> None:
    raw = normal[start:end]
    if repair:
        raw = _told_apart(raw)
    text = bare_letters(raw)
    if not text:
        return
    other = as_latin(raw)
    if other is None:
        other = written_out(raw)
    elif any("a" <= c <= "z" for c in text):
        # Latin mixed with another alphabet in one word is a misreading: no alphabet mixes.
        text = bare_letters(other)
    other = bare_letters(other)
    words.append(Word(text, start, end, joint if words else "", other if other != text else None))


def bare_letters(raw: str) -> str:
    """A word without case and diacritics."""
    decomposed = unicodedata.normalize("NFKD", raw.casefold())
    bare = "".join(c for c in decomposed if not "\u0300" <= c <= "\u036f").translate(_PLAIN)
    return "".join(c for c in unicodedata.normalize("NFC", bare) if unicodedata.category(c) != "Cf")


@lru_cache(maxsize=65536)
def _kind_alone(character: str) -> str:
    if character in SYMBOLS:
        return "symbol"
    category = unicodedata.category(character)
    if category in _MARKS or category == "Cf":
        return "same"
    if not character.isalnum():
        return ""
    if _SPACELESS.match(character):
        return "spaceless"
    return "katakana" if _KATAKANA.match(character) else "letters"


def _kind(character: str, before: str) -> str:
    """What sort of word a character belongs to: "" for none, "same" for the one before it."""
    kind = _kind_alone(character)
    return "" if kind == "same" and not before else kind


def _told_apart(raw: str) -> str:
    """Small l among capitals is I; capital I among small letters is l."""
    if len(raw) < 3:
        return raw
    if "l" in raw and raw.replace("l", "").isupper() and len(raw.replace("l", "")) >= 2:
        return raw.replace("l", "I")
    rest = raw[1:]
    if "I" in rest and rest.replace("I", "").islower() and len(rest.replace("I", "")) >= 2:
        return raw[0] + rest.replace("I", "l")
    return raw


def _without_scheme(words: list[Word], normal: str) -> list[Word]:
    """Without `http://` and `www.`, which say nothing about whose address it is."""
    kept = [
        word
        for word in words
        if not (word.text in _SCHEMES and normal[word.end : word.end + 1] in (":", ".") and len(words) > 1)
    ]
    return kept or words
