from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpr_resources.brands.folding import fold

WORDS = {
    "empty": ("", []),
    "punctuation": ("-- !? …", []),
    "case": ("Acme FLY better", ["acme", "fly", "better"]),
    "diacritics": ("Café Łódź Ærø Straße", ["cafe", "lodz", "aero", "strasse"]),
    "full_width": ("ＡＣＭＥ　１２", ["acme", "12"]),
    "ligature": ("ﬁne ﬂow", ["fine", "flow"]),
    "trade_marks": ("Acme™ Nike® Foo©", ["acme", "nike", "foo"]),
    "soft_hyphen": ("Ac\u00adme", ["acme"]),
    "combining": ("Cafe\u0301", ["cafe"]),
    "dotted_capital_i": ("İstanbul ısı", ["istanbul", "isi"]),
    "apostrophes": ("McDonald's L’Oréal", ["mcdonald", "s", "l", "oreal"]),
    "ampersand": ("H&M", ["h", "&", "m"]),
    "plus": ("Canal+", ["canal", "+"]),
    "hyphen": ("Coca-Cola", ["coca", "cola"]),
    "address": ("http://www.acme.com/x", ["acme", "com", "x"]),
    "www_alone": ("www", ["www"]),
    "greek": ("ΣΊΣΥΦΟΣ", ["σισυφοσ"]),
    "cyrillic": ("Ёлка", ["елка"]),
    "latin_with_cyrillic": ("AСME", ["acme"]),
    "han": ("東京", ["東", "京"]),
    "han_latin_kana": ("索尼SONYソニー", ["索", "尼", "sony", "ソニー"]),
    "hangul": ("삼성 한국", ["삼성", "한국"]),
    "devanagari": ("हिन्दी", ["हिन्दी"]),
    "arabic": ("شركة", ["شركة"]),
    "numbers": ("3M 7-Eleven 2022-02-01", ["3m", "7", "eleven", "2022", "02", "01"]),
}


@pytest.mark.parametrize("name", WORDS)
def test_words(name: str) -> None:
    text, expected = WORDS[name]
    assert [word.text for word in fold(text).words] == expected


REPAIRED = {
    "small_l_in_capitals": ("SlNTEL", "sintel"),
    "small_l_first": ("lKEA", "ikea"),
    "capital_i_in_small": ("GoogIe", "google"),
    "capital_i_first": ("Ikea", "ikea"),
    "all_capitals": ("MAIL", "mail"),
    "roman": ("XVIII", "xviii"),
    "mixed_case": ("iPhone", "iphone"),
    "short": ("Il", "il"),
}


@pytest.mark.parametrize("name", REPAIRED)
def test_i_and_l_are_told_apart_by_their_word(name: str) -> None:
    text, expected = REPAIRED[name]
    assert fold(text, repair=True).key == expected


@given(st.text(max_size=30))
def test_folding_twice_changes_nothing(text: str) -> None:
    words = [word.text for word in fold(text).words]
    assert [word.text for word in fold(" ".join(words)).words] == words


@given(st.text(max_size=30))
def test_words_lie_in_order_in_the_text(text: str) -> None:
    folded = fold(text)
    at = 0
    for word in folded.words:
        assert at <= word.start < word.end <= len(folded.normal)
        at = word.end
