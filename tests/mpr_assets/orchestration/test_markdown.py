from __future__ import annotations

import pytest

from mpr_assets.orchestration.markdown import bullets, escaped, table

J = "\u2060"
TEXTS = {
    "empty": ("", ""),
    "a name": ("Adidas 3", "Adidas 3"),
    "another script": ("試合 é", "試合 é"),
    "emphasis": ("*a* _b_ ~c~ `d`", r"\*a\* \_b\_ \~c\~ \`d\`"),
    "a link": ("[a](b)", r"\[a\]\(b\)"),
    "a picture": ("![a](b)", r"\!\[a\]\(b\)"),
    "a tag": ("<img src=x onerror=y>", r"\<img src\=x onerror\=y\>"),
    "an entity": ("&lt;b&gt;", r"\&lt\;b\&gt\;"),
    "a cell's end": ("a|b\\|c", r"a\|b\\\|c"),
    "lines": ("a\r\n\r\n# b\u2028c", r"a \# b c"),
    "direction": ("a\u202eb", "a b"),
    "an address": ("https://a.b", rf"https{J}\:{J}\/{J}\/{J}a\.b"),
    "an address without a scheme": ("www.a.b", rf"{J}w{J}w{J}w{J}\.{J}a\.b"),
    "mail": ("a@b.c", rf"a{J}\@{J}b\.c"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_of_others_is_shown_as_it_is(name: str) -> None:
    text, markdown = TEXTS[name]
    assert escaped(text) == markdown


TABLES = {
    "no row": ([], "| a\\|b | c |\n| --- | --- |"),
    "a row": ([["1|", "\n2"]], "| a\\|b | c |\n| --- | --- |\n| 1\\| | 2 |"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str) -> None:
    rows, markdown = TABLES[name]
    assert table(["a|b", "c"], rows) == markdown


def test_bullets() -> None:
    assert (bullets([]), bullets(["a*", "b"])) == ("", "- a\\*\n- b")
