"""Brands in what is said, and what the report makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest

from mpr_assets.report.heard import Heard, captions, mentions
from mpr_assets.stages import match_speech, transcribe
from mpr_assets.stages.match_speech import MatchSpeechSettings
from mpr_resources.brands.brand_file import BrandList, load_brands

BRANDS = """
brands:
  - name: Acme Motors
    aliases: [Ackmee]
  - name: Acme
    exclude: [Acme Street]
  - name: Coca-Cola
  - Uber
  - name: Mirvane
    tags: [sounds-like]
    exclude: [mere vein clinic]
  - name: Zalando
"""


def words(*said: str, confidence: float = 0.8, pause_ms: int = 50, chunks: Sequence[int] = ()) -> pl.DataFrame:
    rows = []
    for at, text in enumerate(said):
        start_ms = at * (400 + pause_ms)
        rows.append((start_ms, start_ms + 400, text, confidence, "en", chunks[at] if chunks else 0))
    return pl.DataFrame(rows, transcribe.SCHEMA, orient="row")


@pytest.fixture(scope="module")
def brands(tmp_path_factory: pytest.TempPathFactory) -> BrandList:
    path = tmp_path_factory.mktemp("brands") / "brands.yaml"
    path.write_text(BRANDS)
    return load_brands(path)


SAID = {
    "nothing": (words(), []),
    "no brand": (words("a", "fine", "evening"), []),
    "a name": (words("by", "Acme", "Motors."), [("Acme Motors", 450, 1300, "Acme Motors.")]),
    "in small letters": (words("acme", "motors"), [("Acme Motors", 0, 850, "acme motors")]),
    "an alias": (words("the", "Ackmee"), [("Acme Motors", 450, 850, "Ackmee")]),
    "a misheard letter": (words("by", "Acme", "Moters"), [("Acme Motors", 450, 1300, "Acme Moters")]),
    "the longer name alone": (
        words("Acme", "Motors", "Acme"),
        [("Acme Motors", 0, 850, "Acme Motors"), ("Acme", 900, 1300, "Acme")],
    ),
    "a part of a word": (words("Acmetown"), []),
    "excluded": (words("in", "Acme", "Street"), []),
    "one word spoken, two written": (words("cold", "Coca-Cola,", "please"), [("Coca-Cola", 450, 850, "Coca-Cola,")]),
    "a pause between": (words("Coca", "Cola", pause_ms=2000), []),
    "two chunks": (words("Coca", "Cola", chunks=[0, 1]), []),
    "hardly heard": (words("Uber", confidence=0.3), []),
    "never one": (words("Uber"), []),
    "by its sound": (words("by", "mere", "vein,", "tonight"), [("Mirvane", 450, 1300, "mere vein,")]),
    "by its sound, excluded": (words("mere", "vein", "clinic"), []),
    "sounds of common words": (words("more", "of", "when"), []),
    "a sound that is not looked for": (words("by", "zah", "lando"), []),
}  # fmt: skip


@pytest.mark.parametrize("case", SAID)
def test_brands_in_what_is_said(case: str, brands: BrandList) -> None:
    said, expected = SAID[case]
    listed = BrandList(brands=brands.brands, never=("uber",)) if case == "never one" else brands
    found = match_speech.match_speech(said, listed, MatchSpeechSettings())
    assert dict(found.schema) == match_speech.SCHEMA
    assert list(found.select("brand", "start_ms", "end_ms", "text").iter_rows()) == expected


def test_what_the_report_has_of_it(brands: BrandList) -> None:
    said = words("Welcome", "to", "Acme.", "A", "fine", "day", chunks=[0, 0, 0, 0, 0, 1])
    found = match_speech.match_speech(said, brands, MatchSpeechSettings())
    heard = Heard(found, said)
    assert [(one.brand, one.start_ms, one.context) for one in mentions(heard)] == [
        ("Acme", 900, "Welcome to Acme. A fine")
    ]
    assert [(one.start_ms, one.end_ms, one.text) for one in captions(heard)] == [
        (0, 1300, "Welcome to Acme."),
        (1350, 2200, "A fine"),
        (2250, 2650, "day"),
    ]
    assert mentions(Heard(found.clear(), said.clear())) == captions(Heard(found.clear(), said.clear())) == ()
