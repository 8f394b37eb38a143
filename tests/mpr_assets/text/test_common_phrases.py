"""What is taken for a brand and is none, and what is one though misread: two tables that pull opposite ways."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import spellchecker

from mpr_assets.stages.match_brands import MatchBrandsSettings, match_brands
from mpr_resources.brands.brand_file import DEFAULT_LANGUAGES, Brand, BrandList, Language
from tests.mpr_assets.stages.test_match_brands import NO_OBJECTS, lines

HERE = Path(__file__).parent
SURE = 0.97
KNOWN_FALSE = {"family mart of town", "table ware shop", "kauf land und leute"}
"""Phrases in which a brand is found though it is none: `mart` and `ware` are rare words, and `kauf` no English one."""
KNOWN_MISSED = {"MASTERC4RD", "TIMBERLNAD"}
"""Readings of a brand that are missed: a digit that looks like no such letter, and two letters changed over."""


def table(name: str) -> list[tuple[str, str]]:
    """Pairs of a text and a brand; each text is read in small letters, in capitals and as a title."""
    rows = (line.split(" | ") for line in (HERE / name).read_text(encoding="utf-8").splitlines())
    return [(text, brand) for text, brand in rows]


def found(
    pairs: list[tuple[str, str]], confidence: float = SURE, languages: tuple[Language, ...] = DEFAULT_LANGUAGES
) -> set[str]:
    """The texts in which their brand is found."""
    hits = set()
    for text, brand in pairs:
        frame = lines((text, (0, 0, 400, 30)), confidence=confidence)
        result = match_brands(
            frame, NO_OBJECTS, BrandList((Brand(name=brand),), languages=languages), MatchBrandsSettings()
        )
        if result["brand"].drop_nulls().to_list():
            hits.add(text)
    return hits


def test_common_phrases_name_no_brand() -> None:
    pairs = table("common_phrases.txt")
    assert len({text for text, _ in pairs}) >= 200
    for write in (str, str.upper, str.title):
        assert found([(write(text), brand) for text, brand in pairs]) == {write(text) for text in KNOWN_FALSE}


def test_a_common_word_read_uncertainly_is_still_that_word() -> None:
    assert found(table("common_phrases.txt"), 0.75) == KNOWN_FALSE | {"capital on demand"}


def test_misread_names_are_found() -> None:
    pairs = table("true_readings.txt")
    assert {text for text, _ in pairs} - found(pairs) == KNOWN_MISSED


def test_words_are_common_in_the_languages_of_the_brand_file() -> None:
    assert found(table("common_phrases.txt"), languages=("en", "de")) == KNOWN_FALSE - {
        "kauf land und leute",
        "table ware shop",
    }


def test_every_language_of_a_brand_file_has_a_dictionary() -> None:
    folder = Path(spellchecker.__file__).parent / "resources"
    assert sorted(get_args(Language)) == sorted(file.name.split(".")[0] for file in folder.glob("*.json.gz"))
