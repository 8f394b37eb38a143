from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpr_assets.report.areas import area
from mpr_assets.stages.match_brands import MatchBrandsSettings, match_brands
from mpr_assets.text.detections import DETECTION_SCHEMA
from mpr_resources.brands.brand_file import Brand, BrandList

LINES = {
    "seq": pl.Int64,
    "line": pl.Int32,
    "track": pl.Int64,
    "text": pl.Utf8,
    "confidence": pl.Float64,
    "quad": pl.List(pl.Float64),
    "x": pl.Int32,
    "y": pl.Int32,
    "w": pl.Int32,
    "h": pl.Int32,
    "read": pl.Boolean,
    "reading": pl.Utf8,
    "reading_confidence": pl.Float64,
    "source": pl.Utf8,
}
OBJECTS = {
    "seq": pl.Int64,
    "x": pl.Int32,
    "y": pl.Int32,
    "w": pl.Int32,
    "h": pl.Int32,
    "quad": pl.List(pl.Float64),
    "label": pl.Utf8,
    "confidence": pl.Float64,
    "engine": pl.Utf8,
    "reference": pl.Utf8,
}
DEFAULTS = MatchBrandsSettings()
NO_OBJECTS = pl.DataFrame(schema=OBJECTS)
SURE, UNSURE = 0.97, 0.8

Line = tuple[str, tuple[int, int, int, int]]


def lines(*frame: Line, confidence: float = SURE, seq: int = 0) -> pl.DataFrame:
    rows = []
    for number, (text, (x, y, w, h)) in enumerate(frame):
        quad = [float(v) for v in (x, y, x + w, y, x + w, y + h, x, y + h)]
        rows.append((seq, number, number + 10, text, confidence, quad, x, y, w, h, True, text, confidence, "frame"))
    return pl.DataFrame(rows, schema=LINES, orient="row")


def as_brands(names: list[str | Brand], **others: Any) -> BrandList:
    return BrandList(tuple(Brand(name=name) if isinstance(name, str) else name for name in names), **others)


def read(names: list[str | Brand], text: str, confidence: float = SURE, **changes: object) -> list[str]:
    """The brands found in one line, or the reason why there is none."""
    frame = lines((text, (100, 100, 20 * max(len(text), 1), 30)), confidence=confidence)
    table = match_brands(frame, NO_OBJECTS, as_brands(names), MatchBrandsSettings.model_validate(changes))
    return [row["brand"] or row["reason"] for row in table.iter_rows(named=True)]


def test_nothing_to_match() -> None:
    table = match_brands(pl.DataFrame(schema=LINES), NO_OBJECTS, BrandList(), DEFAULTS)
    assert table.is_empty()
    assert table.schema == pl.Schema(DETECTION_SCHEMA)


TV = "Everything you love on your TV."
NOW = "Everything you love now on your TV."
VICE = "Vice President - Southern & Eastern Europe, Middle East & Africa"
APPLE = Brand(name="Apple", exclude=("apple juice", "Apple Street"))
ALIASED = Brand(name="Acme", aliases=("Acme Corporation", "ACM"))

FOUND: dict[str, tuple[list[str | Brand], str, list[str]]] = {
    "exact": (["Acme"], "Acme", ["Acme"]),
    "capitals": (["Acme"], "ACME", ["Acme"]),
    "in_a_sentence": (["Acme"], "Fly with Acme today", ["Acme"]),
    "between_punctuation": (["Acme"], "(Acme), -", ["Acme"]),
    "trade_mark": (["Acme"], "Acme™", ["Acme"]),
    "possessive": (["Acme"], "Acme's new shop", ["Acme"]),
    "french_article": (["Oréal"], "L'OREAL", ["Oréal"]),
    "diacritics": (["Citroën"], "CITROEN", ["Citroën"]),
    "full_width": (["Acme"], "ＡＣＭＥ", ["Acme"]),
    "alias": ([ALIASED], "ACM", ["Acme"]),
    "longer_alias": ([ALIASED], "Acme Corporation", ["Acme"]),
    "cyrillic_lookalikes": (["Acme"], "АСМЕ", ["Acme"]),
    "greek_lookalikes": (["Nike"], "ΝΙΚΕ", ["Nike"]),
    "cyrillic_brand": (["Москва"], "МОСКВА", ["Москва"]),
    "han_in_a_sentence": (["可口可乐"], "喝可口可乐吧", ["可口可乐"]),
    "latin_beside_han": (["Sony"], "索尼SONY", ["Sony"]),
    "hangul": (["삼성"], "삼성 갤럭시", ["삼성"]),
    "apostrophe_lost": (["McDonald's"], "MCDONALDS", ["McDonald's"]),
    "apostrophe_not_in_list": (["McDonalds"], "McDonald's", ["McDonalds"]),
    "elision_lost": (["L'Oréal"], "LOREAL PARIS", ["L'Oréal"]),
    "ampersand_spaced": (["H&M"], "H & M", ["H&M"]),
    "ampersand_tight": (["H & M"], "H&M", ["H & M"]),
    "ampersand_as_8": (["Procter & Gamble"], "Procter 8 Gamble", ["Procter & Gamble"]),
    "ampersand_lost": (["Procter & Gamble"], "Procter Gamble", ["Procter & Gamble"]),
    "ampersand_spelt_out": (["Procter & Gamble"], "Procter and Gamble", ["Procter & Gamble"]),
    "hyphen_as_space": (["Coca-Cola"], "Coca Cola", ["Coca-Cola"]),
    "hyphen_lost": (["Coca-Cola"], "COCACOLA", ["Coca-Cola"]),
    "spaces_lost": ([TV], "EverythingyouloveonyourTV.", [TV]),
    "spaces_and_a_word_lost": ([NOW], "EverythingyouloveonyourTV.", [NOW]),
    "space_lost": (["GOOGLE PARIS"], "GoogleParis", ["GOOGLE PARIS"]),
    "some_spaces_lost": ([VICE], "VicePresident-Southern & EasternEurope; Middle East & Africa", [VICE]),
    "spelt_out": (["SINTEL"], "S I N T E L", ["SINTEL"]),
    "split_line": (["Samsung"], "SAM SUNG", ["Samsung"]),
    "split_as_its_alias": (
        [Brand(name="Mastercard", aliases=("Master Card",))],
        "Pay by Master card here",
        ["Mastercard"],
    ),
    "split_at_its_capital": (["YouTube"], "You Tube right on your TV.", ["YouTube"]),
    "split_at_its_capital_alone": (["PayPal"], "Pay Pal", ["PayPal"]),
    "split_at_its_capital_after_another_name": (["PlayStation"], "Sony Play Station games", ["PlayStation"]),
    "split_at_its_capital_after_a_small_letter": (["iPhone"], "your new i Phone", ["iPhone"]),
    "split_at_one_of_its_words_capitals": (["YouTube Music"], "listen on You Tube Music", ["YouTube Music"]),
    "split_into_no_words": (["Vodafone"], "Powered by VODA FONE", ["Vodafone"]),
    "misread_name_of_common_words": (["Super Bowl"], "SUPER BOWI", ["Super Bowl"]),
    "umlaut_written_out": (["Löwenbräu"], "LOEWENBRAEU", ["Löwenbräu"]),
    "umlaut_written_out_in_address": (["Müller"], "www.mueller.de", ["Müller"]),
    "umlaut_without_dots": (["Müller"], "MULLER", ["Müller"]),
    "umlaut_of_a_name_written_out": (["Mueller"], "Müller", ["Mueller"]),
    "umlaut_of_another_brand": (["Müller", "Mueller"], "MUELLER", ["Mueller"]),
    "cyrillic_read_as_latin": (["Москва"], "MOCKBA", ["Москва"]),
    "greek_read_as_latin": (["ΝΙΚΗ"], "NIKH", ["ΝΙΚΗ"]),
    "zero_for_o": (["Google"], "G00GLE", ["Google"]),
    "small_l_for_i": (["SINTEL"], "SlNTEL", ["SINTEL"]),
    "small_l_for_i_short": (["IKEA"], "lKEA", ["IKEA"]),
    "one_for_i_short": (["IKEA"], "1KEA", ["IKEA"]),
    "five_for_s_short": (["Visa"], "V1SA", ["Visa"]),
    "m_for_rn": (["Barnes"], "BAMES", ["Barnes"]),
    "rn_for_m": (["Samsung"], "Sarnsung", ["Samsung"]),
    "confused_in_long": (["chromecast"], "chromecost", ["chromecast"]),
    "letters_lost_in_long": (["RUE DE LONDRES"], "RUE DE LONDR", ["RUE DE LONDRES"]),
    "digits_read_as_letters": (["CAM 12"], "CAM l2", ["CAM 12"]),
    "two_letters": (["HP"], "HP", ["HP"]),
    "digit_and_letter": (["3M"], "3M", ["3M"]),
    "one_letter_alone": (["X"], "X", ["X"]),
    "domain": (["Acme"], "www.acme.com", ["Acme"]),
    "e_mail": (["Acme"], "info@acme.com", ["Acme"]),
    "handle": (["Acme"], "@acme", ["Acme"]),
    "hashtag": (["Northgate FC"], "#NorthgateFC", ["Northgate FC"]),
    "address_as_brand": (["http://durian.blender.org"], "http://durian.blender.org", ["http://durian.blender.org"]),
    "address_misread": (["http://durian.blender.org"], "htp:/durian.blender.org", ["http://durian.blender.org"]),
    "date_glued_to_time": (["2022-02-01"], "2022-02-0118:26:38", ["2022-02-01"]),
    "phrase_glued_to_word": (["For Bigger Escapes"], "For Bigger EscapesNow", ["For Bigger Escapes"]),
    "price_phrase": (["For $35. For everyone."], "For $35.Foreveryone.", ["For $35. For everyone."]),
    "brackets_lost": (["(PLACE) SUR UN POINT"], "PLACE SUR UN POIN", ["(PLACE) SUR UN POINT"]),
    "longest_wins": (["Google", "Google Play"], "Google Play", ["Google Play"]),
    "longest_wins_misread": (["Google", "Google Play"], "Google P1ay right on your TV.", ["Google Play"]),
    "longest_wins_in_address": (
        ["chromecast", "google.com/chromecast", "Google"],
        "google.com/chromecast",
        ["google.com/chromecast"],
    ),
    "longest_wins_with_article": (
        ["BLENDER FOUNDATION", "THE BLENDER FOUNDATION"],
        "THE BLENDER FOUNDATION",
        ["THE BLENDER FOUNDATION"],
    ),
    "shorter_where_longer_is_not": (["Google", "Google Play"], "Google Plan", ["Google"]),
    "two_brands": (["Acme", "Beta"], "Acme and Beta", ["Acme", "Beta"]),
    "twice": (["Acme"], "Acme Acme", ["Acme", "Acme"]),
    "excluded_elsewhere": ([APPLE], "Apple juice by Apple", ["Apple"]),
}


@pytest.mark.parametrize("name", FOUND)
def test_finds(name: str) -> None:
    brands, text, expected = FOUND[name]
    assert read(brands, text) == expected


NOT_FOUND: dict[str, tuple[list[str | Brand], str, str]] = {
    "no_brands": ([], "Acme", "no_brand"),
    "empty_text": (["Acme"], "", "too_short"),
    "punctuation": (["Acme"], "--", "too_short"),
    "one_letter": (["Acme"], "x", "too_short"),
    "score": (["Acme"], "2 - 1", "number"),
    "clock": (["Acme"], "18:26:38", "number"),
    "one_digit": (["Acme"], "7", "number"),
    "in_a_longer_word": (["chrome"], "chromecast", "no_brand"),
    "in_a_hashtag": (["Northgate FC"], "#NorthgateFCForever", "no_brand"),
    "longer_by_a_letter": (["chrome"], "chromes", "near_miss:chrome"),
    "longer_by_a_letter_unsure": (["Orange"], "Oranges", "near_miss:Orange"),
    "two_letter_word_apart": (["HP"], "H P", "no_brand"),
    "two_letters_in_a_word": (["HP"], "php", "no_brand"),
    "initials": (["DC"], "Washington D.C.", "no_brand"),
    "metres": (["3M"], "3 m", "no_brand"),
    "visage": (["Visa"], "visage", "no_brand"),
    "vista": (["Visa"], "VISTA", "near_miss:Visa"),
    "vis_a_vis": (["Visa"], "vis a vis", "near_miss:Visa"),
    "fjord": (["Ford"], "Fjord", "near_miss:Ford"),
    "fort": (["Ford"], "Fort", "near_miss:Ford"),
    "mike": (["Nike"], "Mike", "near_miss:Nike"),
    "like": (["Nike"], "Like", "near_miss:Nike"),
    "mall_for_mail": (["Mail"], "MALL", "near_miss:Mail"),
    "initials_without_ampersand": (["H&M"], "HM", "no_brand"),
    "contraction": (["Shell"], "she'll be back", "near_miss:Shell"),
    "shelf": (["Shell"], "Shelf", "near_miss:Shell"),
    "black": (["Block"], "Black", "near_miss:Block"),
    "two_words_make_no_name": (["Amway"], "I am way ahead", "near_miss:Amway"),
    "p_and_a": (["Panda"], "P and A", "near_miss:Panda"),
    "other_club": (["Northgate FC"], "Northgate SC", "near_miss:Northgate FC"),
    "other_number": (["CAM 12"], "CAM 11", "near_miss:CAM 12"),
    "other_date": (["2022-02-01"], "2022-02-02", "number"),
    "number_is_no_name": (["SOLOS"], "50105", "number"),
    "other_phrase": (["FOR BIGGER ESCAPES"], "FOR BIGGER JOYRIDES", "no_brand"),
    "one_letter_among_words": (["X"], "2 x 4", "no_brand"),
    "cyrillic_word": (["Pop"], "рора", "no_brand"),
    "common_word_for_a_name": (["Nespresso"], "ESPRESSO BAR", "near_miss:Nespresso"),
    "common_word_cut": (["Discovery"], "DISCOVER THE WORLD", "near_miss:Discovery"),
    "common_word_changed": (["Rational"], "NATIONAL ANTHEM", "near_miss:Rational"),
    "common_word_in_the_middle": (["Converse"], "WHERE ROADS CONVERGE", "near_miss:Converse"),
    "common_word_longer": (["Travelers"], "FREQUENT TRAVELLERS", "near_miss:Travelers"),
    "common_words_with_a_space": (["Goodyear"], "A GOOD YEAR", "near_miss:Goodyear"),
    "common_words_alone": (["Homebase"], "HOME BASE", "near_miss:Homebase"),
    "common_words_in_front": (["Superdry"], "super dry beer", "near_miss:Superdry"),
    "common_words_in_a_title": (["YouTube"], "The You Tube of Toothpaste", "near_miss:YouTube"),
    "common_words_at_the_start_of_a_sentence": (["OnePlus"], "One plus one makes two", "near_miss:OnePlus"),
    "common_words_of_a_name_without_inner_capital": (["Homebase"], "our Home Base there", "near_miss:Homebase"),
    "common_words_no_alias": (["Mastercard"], "Pay by Master card here", "near_miss:Mastercard"),
    "cyrillic_that_looks_like_a_word": (["Сор"], "COP", "no_brand"),
    "excluded": ([APPLE], "Fresh apple juice", "excluded"),
    "excluded_street": ([APPLE], "12 Apple Street", "excluded"),
}


@pytest.mark.parametrize("name", NOT_FOUND)
def test_finds_none_and_says_why(name: str) -> None:
    brands, text, reason = NOT_FOUND[name]
    assert read(brands, text) == [reason]


UNCERTAIN: dict[str, tuple[list[str | Brand], str, float, list[str]]] = {
    "short_name_misread": (["Google"], "Goagle", UNSURE, ["Google"]),
    "short_name_misread_for_sure": (["Google"], "Goagle", SURE, ["near_miss:Google"]),
    "first_letter_is_never_guessed": (["Lexus"], "Nexus", UNSURE, ["near_miss:Lexus"]),
    "longer_word_is_never_it": (["Target"], "Targets", UNSURE, ["near_miss:Target"]),
    "part_of_a_word_is_never_it": (["Sprint"], "print", UNSURE, ["near_miss:Sprint"]),
    "short_name_misread_in_a_sentence": (["Google"], "with Goagle now", UNSURE, ["near_miss:Google"]),
    "five_letters_are_not_guessed": (["Shell"], "Shelf", UNSURE, ["near_miss:Shell"]),
    "long_name_misread_for_sure": (["Mastercard"], "Mastercord", SURE, ["Mastercard"]),
    "long_name_in_the_plural": (["Western Union"], "western unions", SURE, ["near_miss:Western Union"]),
    "badly_read": (["Google"], "Google", 0.4, ["low_confidence"]),
    "badly_read_no_brand": ([], "Google", 0.4, ["low_confidence"]),
    "short_name_needs_more": (["HDMI"], "HDMI", 0.6, ["low_confidence"]),
    "longer_name_needs_less": (["Google"], "Google", 0.6, ["Google"]),
}


@pytest.mark.parametrize("name", UNCERTAIN)
def test_how_sure_the_reading_is_counts(name: str) -> None:
    brands, text, confidence, expected = UNCERTAIN[name]
    assert read(brands, text, confidence) == expected


CHANGED: dict[str, tuple[list[str | Brand], str, dict[str, object], list[str]]] = {
    "no_domains": (["Acme"], "www.acme.com", {"match_addresses": False}, ["no_brand"]),
    "no_handles": (["Acme"], "@acme", {"match_addresses": False}, ["no_brand"]),
    "no_hashtags": (["Acme"], "#acme", {"match_addresses": False}, ["no_brand"]),
    "name_before_a_handle": (["Acme"], "Acme @acme", {"match_addresses": False}, ["Acme"]),
    "whole_address_still_counts": (["acme.com/x"], "See acme.com/x", {"match_addresses": False}, ["acme.com/x"]),
    "no_edits": (["Mastercard"], "Mastercord", {"exact_letters": 20}, ["near_miss:Mastercard"]),
    "fewer_edits": (["Mastercard"], "Mstrcard", {"edit_share": 0.1}, ["near_miss:Mastercard"]),
    "lower_bar": (["Google"], "Google", {"min_confidence": 0.99}, ["low_confidence"]),
}


@pytest.mark.parametrize("name", CHANGED)
def test_settings(name: str) -> None:
    brands, text, changes, expected = CHANGED[name]
    assert read(brands, text, **changes) == expected


Box = tuple[int, int, int, int]
TILES = [(word, (100 + 110 * n, 100, 100, 30)) for n, word in enumerate(["Google", "Play", "Google", "Play", "Google"])]
JOINED: dict[str, tuple[list[str], list[Line], list[tuple[str, Box]]]] = {
    "stacked": (
        ["Acme Fly Better"],
        [("Acme", (100, 100, 80, 30)), ("Fly Better", (90, 140, 100, 20))],
        [("Acme Fly Better", (90, 100, 100, 60))],
    ),
    "stacked_takes_the_words": (
        ["Acme", "Acme Fly Better"],
        [("Acme", (100, 100, 80, 30)), ("Fly Better", (90, 140, 100, 20))],
        [("Acme Fly Better", (90, 100, 100, 60))],
    ),
    "stacked_in_any_order_of_lines": (
        ["Acme Fly Better"],
        [("Fly Better", (90, 140, 100, 20)), ("Acme", (100, 100, 80, 30))],
        [("Acme Fly Better", (90, 100, 100, 60))],
    ),
    "upside_down": (
        ["Acme Fly Better"],
        [("Fly Better", (90, 100, 100, 30)), ("Acme", (100, 140, 80, 30))],
        [("", (90, 100, 100, 30)), ("", (100, 140, 80, 30))],
    ),
    "side_by_side": (
        ["Google Play"],
        [("Google", (100, 100, 100, 30)), ("Play", (210, 102, 60, 28))],
        [("Google Play", (100, 100, 170, 30))],
    ),
    "word_by_word": (
        [NOW],
        [(word, (100 + 100 * n, 100, 90, 30)) for n, word in enumerate(NOW.split())],
        [(NOW, (100, 100, 690, 30))],
    ),
    "three_lines": (
        [VICE],
        [
            ("Vice President - Southern &", (100, 100, 300, 20)),
            ("EasternEurope, Middle", (100, 124, 250, 20)),
            ("East & Africa", (100, 148, 140, 20)),
        ],
        [(VICE, (100, 100, 300, 68))],
    ),
    "wraps_from_the_end_of_a_row": (
        ["Fly Better With Acme"],
        [
            ("Fly", (100, 100, 50, 30)),
            ("Better", (160, 100, 100, 30)),
            ("With", (100, 140, 60, 30)),
            ("Acme", (170, 140, 80, 30)),
        ],
        [("Fly Better With Acme", (100, 100, 160, 70))],
    ),
    "part_of_each_line": (
        ["Google Play"],
        [("get it on Google", (100, 100, 320, 30)), ("Play today", (100, 140, 200, 30))],
        [("Google Play", (100, 100, 320, 70))],
    ),
    "misread_over_two_lines": (
        ["For Bigger Escapes"],
        [("FOR BIGGFR", (100, 100, 200, 40)), ("ESCAPES", (100, 150, 200, 40))],
        [("For Bigger Escapes", (100, 100, 200, 90))],
    ),
    "tiles": (
        ["Google", "Google Play"],
        TILES,
        [("Google", (540, 100, 100, 30)), ("Google Play", (100, 100, 210, 30)), ("Google Play", (320, 100, 210, 30))],
    ),
    "too_far_below": (
        ["Google", "Google Play"],
        [("Google", (100, 100, 100, 30)), ("Play", (100, 300, 60, 30))],
        [("Google", (100, 100, 100, 30)), ("", (100, 300, 60, 30))],
    ),
    "too_far_beside": (
        ["Google", "Google Play"],
        [("Google", (100, 100, 100, 30)), ("Play", (400, 100, 60, 30))],
        [("Google", (100, 100, 100, 30)), ("", (400, 100, 60, 30))],
    ),
    "too_unlike_in_height": (
        ["Google", "Google Play"],
        [("Google", (100, 100, 400, 100)), ("Play", (100, 210, 30, 12))],
        [("Google", (100, 100, 400, 100)), ("", (100, 210, 30, 12))],
    ),
    "word_parted_by_a_hyphen": (
        ["Volkswagen"],
        [("Der neue Volks-", (227, 200, 507, 66)), ("wagen ist da", (271, 267, 417, 74))],
        [("Volkswagen", (271, 200, 426, 141))],
    ),
    "word_parted_into_no_words": (
        ["Vodafone"],
        [("with VODA", (100, 100, 200, 40)), ("FONE now", (100, 150, 200, 40))],
        [("Vodafone", (100, 100, 200, 90))],
    ),
    "word_parted_into_words_of_their_own_lines": (
        ["Mastercard"],
        [("MASTER", (100, 100, 200, 40)), ("CARD", (130, 150, 140, 40))],
        [("Mastercard", (100, 100, 200, 90))],
    ),
    "common_words_beside_each_other": (
        ["Mastercard"],
        [("MASTER", (100, 100, 200, 40)), ("CARD", (320, 100, 140, 40))],
        [("", (100, 100, 200, 40)), ("", (320, 100, 140, 40))],
    ),
    "common_words_of_longer_lines": (
        ["Goodyear"],
        [("IT WAS GOOD", (100, 100, 200, 40)), ("YEAR AFTER YEAR", (100, 150, 240, 40))],
        [("", (100, 100, 200, 40)), ("", (100, 150, 240, 40))],
    ),
    "same_place_read_twice": (
        ["Acme"],
        [("Acme", (100, 100, 80, 30)), ("ACME", (102, 101, 80, 30))],
        [("Acme", (100, 100, 80, 30))],
    ),
    "two_places": (
        ["Acme"],
        [("Acme", (100, 100, 80, 30)), ("ACME", (300, 100, 80, 30))],
        [("Acme", (100, 100, 80, 30)), ("Acme", (300, 100, 80, 30))],
    ),
}


@pytest.mark.parametrize("name", JOINED)
def test_lines_that_stand_together(name: str) -> None:
    names, frame, expected = JOINED[name]
    table = match_brands(lines(*frame), NO_OBJECTS, as_brands([*names]), DEFAULTS)
    got = [(r["brand"] or "", (r["x"], r["y"], r["w"], r["h"])) for r in table.iter_rows(named=True)]
    assert got == expected


FIRST, LAST = ("VELQUORA", (100, 100, 200, 30)), ("LABS", (700, 101, 100, 30))
IN_A_ROW: dict[str, tuple[list[str | Brand], list[Line], list[tuple[str, Box]]]] = {
    "pieces_of_one_line": (
        ["Velquora Labs"],
        [("velq", (100, 100, 40, 30)), ("uora labs", (146, 101, 240, 30))],
        [("Velquora Labs", (100, 100, 286, 31))],
    ),
    "three_pieces_and_other_words": (
        ["Velquora Labs"],
        [("by vel", (100, 100, 120, 30)), ("quo", (226, 101, 60, 30)), ("ra labs now", (292, 100, 220, 30))],
        [("Velquora Labs", (160, 100, 264, 31))],
    ),
    "pieces_of_two_lines": (
        ["Velquora Labs"],
        [("velq", (100, 100, 40, 30)), ("uora labs", (146, 118, 240, 30))],
        [("", (100, 100, 40, 30)), ("", (146, 118, 240, 30))],
    ),
    "pieces_too_far_from_each_other": (
        ["Velquora Labs"],
        [("velq", (100, 100, 40, 30)), ("uora labs", (170, 101, 240, 30))],
        [("", (100, 100, 40, 30)), ("", (170, 101, 240, 30))],
    ),
    "pieces_of_unlike_height": (
        ["Velquora Labs"],
        [("velq", (100, 100, 40, 30)), ("uora labs", (146, 92, 240, 45))],
        [("", (146, 92, 240, 45)), ("", (100, 100, 40, 30))],
    ),
    "words_far_apart": (["Velquora Labs"], [FIRST, LAST], [("Velquora Labs", (100, 100, 700, 31))]),
    "words_too_far_apart": (
        ["Velquora Labs"],
        [FIRST, ("LABS", (1000, 101, 100, 30))],
        [("", (100, 100, 200, 30)), ("", (1000, 101, 100, 30))],
    ),
    "another_text_between_them": (
        ["Velquora Labs"],
        [FIRST, ("and", (500, 100, 60, 30)), LAST],
        [("", (100, 100, 200, 30)), ("", (500, 100, 60, 30)), ("", (700, 101, 100, 30))],
    ),
    "other_words_beside_them": (
        ["Under Armour"],
        [("We shall under", (100, 100, 280, 30)), ("armour", (700, 101, 120, 30))],
        [("", (100, 100, 280, 30)), ("", (700, 101, 120, 30))],
    ),
    "one_in_capitals": (
        ["Best Buy"],
        [("BEST", (100, 100, 100, 30)), ("buy", (500, 101, 80, 30))],
        [("", (100, 100, 100, 30)), ("", (500, 101, 80, 30))],
    ),
    "of_another_height": (
        ["Best Buy"],
        [("BEST", (100, 100, 100, 30)), ("BUY", (500, 92, 80, 44))],
        [("", (500, 92, 80, 44)), ("", (100, 100, 100, 30))],
    ),
    "on_another_baseline": (
        ["Best Buy"],
        [("BEST", (100, 100, 100, 30)), ("BUY", (500, 115, 80, 30))],
        [("", (100, 100, 100, 30)), ("", (500, 115, 80, 30))],
    ),
    "misread_far_apart": (
        ["Velquora Labs"],
        [("VELQUORA", (100, 100, 200, 30)), ("LARS", (700, 101, 100, 30))],
        [("", (100, 100, 200, 30)), ("", (700, 101, 100, 30))],
    ),
    "a_brand_by_itself": (
        ["Google", "Google Play"],
        [("Google", (100, 100, 100, 30)), ("Play", (400, 100, 60, 30))],
        [("Google", (100, 100, 100, 30)), ("", (400, 100, 60, 30))],
    ),
}


@pytest.mark.parametrize("name", IN_A_ROW)
def test_lines_in_a_row(name: str) -> None:
    names, frame, expected = IN_A_ROW[name]
    table = match_brands(lines(*frame), NO_OBJECTS, as_brands([*names]), DEFAULTS)
    got = [(r["brand"] or "", (r["x"], r["y"], r["w"], r["h"])) for r in table.iter_rows(named=True)]
    assert got == expected


@pytest.mark.parametrize(("changes", "expected"), [({}, 1), ({"join_far_heights": 0}, 0), ({"max_joined_lines": 1}, 0)])
def test_far_words_are_joined_as_the_settings_say(changes: dict[str, object], expected: int) -> None:
    settings = MatchBrandsSettings.model_validate(changes)
    table = match_brands(lines(FIRST, LAST), NO_OBJECTS, as_brands(["Velquora Labs"]), settings)
    assert table["brand"].drop_nulls().len() == expected


def test_tilted_lines_are_joined() -> None:
    # "Acme" and "Fly Better" 10 degrees down to the right, the second beside the first.
    quads = [[100, 100, 198, 117, 193, 147, 95, 130], [208, 119, 306, 136, 301, 166, 203, 149]]
    rows = [
        (
            0,
            n,
            n,
            text,
            SURE,
            [float(v) for v in quad],
            quad[6],
            quad[1],
            quad[2] - quad[6],
            quad[5] - quad[1],
            True,
            text,
            SURE,
            "",
        )
        for n, (text, quad) in enumerate(zip(("Acme", "Fly Better"), quads, strict=True))
    ]
    table = match_brands(
        pl.DataFrame(rows, schema=LINES, orient="row"), NO_OBJECTS, as_brands(["Acme Fly Better"]), DEFAULTS
    )
    assert table.select("brand", "x", "y", "w", "h").rows() == [("Acme Fly Better", 95, 100, 211, 66)]
    corners = table["polygon"][0].to_list()
    around_both = area(list(zip(corners[::2], corners[1::2], strict=True)))
    assert around_both == pytest.approx(206 * 30 + 36 * 5, rel=0.01)  # of the parallelogram; its box has 211 x 66


OF_A_TRACK: dict[str, tuple[list[str], str, list[tuple[str, float]], list[tuple[str | None, Box]]]] = {
    # the brands; what the track's readings were put together to; how it was read, frame by frame; the detections
    "a_symbol_before_the_word": (
        ["Brastovar"],
        "WBrAstOVAR now",
        [("WBrAstOVAR now", 0.99), ("WBrAstOVAR now", 0.99)],
        [("Brastovar", (100, 100, 218, 30))] * 2,
    ),
    "on_one_frame_alone": (
        ["Brastovar"],
        "WBrAstOVAR",
        [("WBrAstOVAR", 0.99)],
        [(None, (100, 100, 300, 30))],
    ),
    "behind_a_net": (
        ["Velquora Labs"],
        "VEVOVORA LABSX",
        [("WLOUORA LARS", 0.8), ("LQUOR X LAB", 0.78), ("VEVOVORA LABSX", 0.75)],
        [("Velquora Labs", (100, 100, 300, 30))] * 3,
    ),
    "another_word": (
        ["Lexus"],
        "Nexus",
        [("Nexus", 0.95), ("Nexus", 0.9), ("Lexus", 0.7)],
        [(None, (100, 100, 300, 30))] * 3,
    ),
    "found_as_it_is": (
        ["Google"],
        "Google",
        [("Google", 0.95), ("Goog1e", 0.9)],
        [("Google", (100, 100, 300, 30))] * 2,
    ),
}


@pytest.mark.parametrize("name", OF_A_TRACK)
def test_readings_of_a_track_agree_on_a_name(name: str) -> None:
    names, voted, readings, expected = OF_A_TRACK[name]
    frames = [lines((voted, (100, 100, 300, 30)), confidence=SURE, seq=seq) for seq in range(len(readings))]
    told = [
        frame.with_columns(reading=pl.lit(text), reading_confidence=pl.lit(confidence))
        for frame, (text, confidence) in zip(frames, readings, strict=True)
    ]
    table = match_brands(pl.concat(told), NO_OBJECTS, as_brands([*names]), DEFAULTS)
    assert [(r["brand"], (r["x"], r["y"], r["w"], r["h"])) for r in table.iter_rows(named=True)] == expected


LEGIBILITY: dict[str, tuple[list[str | None], list[float | None]]] = {
    "read as it is": (["Velquora Labs"], [1]),
    "not read again: it looks as it did": (["Velquora Labs", None, "Velquora", None], [1, 1, 0.6667, 0.6667]),
    "found before it was read": ([None, "Velquora Labs"], [1, 1]),
    "half covered": (["Velquora Labs", "uora Labs"], [1, 0.6667]),
    "in a sentence": (["by Velquora Labs now"], [1]),
    "nothing of it": (["Velquora Labs", "xxx"], [1, 0]),
}


@pytest.mark.parametrize("case", LEGIBILITY)
def test_how_much_of_a_name_each_frame_shows(case: str) -> None:
    readings, expected = LEGIBILITY[case]
    frames = [
        lines(("Velquora Labs", (100, 100, 300, 30)), seq=seq).with_columns(reading=pl.lit(text, pl.String))
        for seq, text in enumerate(readings)
    ]
    table = match_brands(pl.concat(frames), NO_OBJECTS, as_brands(["Velquora Labs"]), DEFAULTS)
    assert table["brand"].to_list() == ["Velquora Labs"] * len(readings)
    assert table["legibility"].to_list() == expected


def test_row_of_a_detection() -> None:
    table = match_brands(
        lines(("aaaa Google aa", (100, 100, 280, 30)), confidence=0.8, seq=7),
        NO_OBJECTS,
        as_brands(["Google"]),
        DEFAULTS,
    )
    [row] = table.rows(named=True)
    assert row == {
        "seq": 7,
        "x": 200,
        "y": 100,
        "w": 124,
        "h": 30,
        "brand": "Google",
        "confidence": 0.8,
        "source": "ocr",
        "text": "aaaa Google aa",
        "reason": "",
        "track": 10,
        "polygon": [200.8, 100.0, 324.0, 100.0, 324.0, 130.0, 200.8, 130.0],
        "legibility": 1.0,
    }


def test_confidence_is_that_of_the_reading_times_the_likeness() -> None:
    table = match_brands(
        lines(("Mastercord", (0, 0, 200, 30)), confidence=0.8), NO_OBJECTS, as_brands(["Mastercard"]), DEFAULTS
    )
    assert table["confidence"].to_list() == pytest.approx([0.8 * 0.9])


OBJECT_CASES: dict[
    str, tuple[list[str], tuple[str, float, str], dict[str, object], list[tuple[str | None, str, str]]]
] = {
    "logo": (["Acme"], ("Acme", 0.8, "logo_match"), {}, [("Acme", "logo", "")]),
    "clip": (["Acme"], ("Acme", 0.8, "clip"), {}, [("Acme", "logo", "")]),
    "logo_without_a_brand_list": ([], ("Acme", 0.8, "logo_match"), {}, [("Acme", "logo", "")]),
    "class_that_is_a_brand": (["Acme"], ("ACME", 0.8, "yolo"), {}, [("Acme", "object", "")]),
    "class_that_is_none": (["Acme"], ("person", 0.8, "yolo"), {}, []),
    "class_without_a_brand_list": ([], ("person", 0.8, "yolo"), {}, []),
    "unsure": (
        ["Acme"],
        ("Acme", 0.3, "logo_match"),
        {"min_object_confidence": 0.5},
        [(None, "logo", "low_confidence")],
    ),
}


@pytest.mark.parametrize("name", OBJECT_CASES)
def test_objects(name: str) -> None:
    names, (label, confidence, engine), changes, expected = OBJECT_CASES[name]
    quad = [1.0, 2.0, 31.0, 4.0, 31.0, 42.0, 1.0, 40.0]
    objects = pl.DataFrame([(3, 1, 2, 30, 40, quad, label, confidence, engine, None)], schema=OBJECTS, orient="row")
    table = match_brands(
        pl.DataFrame(schema=LINES), objects, as_brands([*names]), MatchBrandsSettings.model_validate(changes)
    )
    assert table.select("brand", "source", "reason").rows() == expected
    place = table.select("seq", "x", "y", "w", "h", "polygon", "text", "track", "legibility").rows()
    assert place == [(3, 1, 2, 30, 40, quad, "", None, None)] * len(expected)


NEVER: dict[str, tuple[list[str], list[tuple[str, str | None, str]]]] = {
    "none": ([], [("Zarvox", None, "no_brand"), ("ZARVOX cup", None, "no_brand"), ("Acme", "Acme", "")]),
    "a text": (["Zarvox"], [("Zarvox", None, "excluded"), ("ZARVOX cup", None, "no_brand"), ("Acme", "Acme", "")]),
    "spelt otherwise": (["zarvox CUP"], [("Zarvox", None, "no_brand"), ("ZARVOX cup", None, "excluded")]),
}


@pytest.mark.parametrize("name", NEVER)
def test_a_text_that_is_never_a_brand_is_a_candidate_that_nobody_need_ask_about(name: str) -> None:
    never, expected = NEVER[name]
    frame = lines(*((text, (100, 60 * n, 200, 30)) for n, (text, _, _) in enumerate(expected)))
    table = match_brands(frame, NO_OBJECTS, as_brands(["Acme"], never=tuple(never)), DEFAULTS)
    assert sorted(table.select("text", "brand", "reason").rows()) == sorted(expected)


@pytest.mark.parametrize(("label", "expected"), [("Acme", ["Acme"]), ("Zarvox", ["Zarvox"]), ("ZAR VOX", [])])
def test_logos_where_only_the_registry_lists_brands(label: str, expected: list[str]) -> None:
    brands = as_brands(["Acme"], any_logo=True, never=() if expected else ("Zarvox",))
    objects = pl.DataFrame([(3, 1, 2, 30, 40, None, label, 0.8, "clip", None)], schema=OBJECTS, orient="row")
    table = match_brands(pl.DataFrame(schema=LINES), objects, brands, DEFAULTS)
    assert table["brand"].to_list() == expected


ABSENT = (
    "Shell", "Nike", "Puma", "Visa", "Ford", "Apple", "Orange", "Target", "Canon", "Sharp", "Block", "Chase", "Lexus",
    "Total", "HP", "LG", "3M", "Coca-Cola", "Burger King", "Bank of America", "Under Armour", "Western Union",
)  # fmt: skip
ORDINARY = (
    "The shelf is full of black clocks and smells of fresh apples and oranges.",
    "She'll be in the fort by the fjord; Mike would like to share a shark story.",
    "They had to chance it: the targets were cheap and the cannon was rusty.",
    "We shall under no circumstances arm our western unions, said the king of burgers.",
    "Length 3 m, 12 kg: the bank of an African river.",
    "Le visage de la France en totalité, vis à vis du port et de l'orangerie.",
    "Il a dit que la chasse est ouverte; on a mangé une pomme et du chocolat.",
    "Quel est le total des points? Personne ne le sait pour l'instant.".replace("total", "compte"),
    "Der Fuchs springt über den Zaun, und alle Leute schauen zu.",
    "Die Küche ist scharf, das Pferd fort, der Block im Wald verschwunden.".replace("Block", "Blick"),
    "Straßenbahn nach Süden, Abfahrt um 18:26 Uhr, Gleis 3.",
    "Final score 2-1 after extra time; man of the match is number 10.",
    "Breaking news: the lexicon of the nexus was shown to the public.",
    "Subscribe now, click the link below and hit that like button!",
    "Directed by A. Smith - Produced by P. & A. Jones - Music by L. G. Brown",
)


@pytest.mark.parametrize("text", ORDINARY)
@pytest.mark.parametrize("confidence", [0.7, SURE])
def test_ordinary_text_names_no_brand(text: str, confidence: float) -> None:
    words = text.split()
    frame: list[Line] = [(text, (0, 0, 900, 30))]
    frame += [(word, (90 * (n % 10), 60 + 40 * (n // 10), 80, 30)) for n, word in enumerate(words)]
    table = match_brands(lines(*frame, confidence=confidence), NO_OBJECTS, as_brands([*ABSENT]), DEFAULTS)
    assert table.filter(pl.col("brand").is_not_null()).rows() == []


LETTERS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=4)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(ABSENT), LETTERS, LETTERS)
def test_name_is_never_found_inside_a_longer_word(name: str, before: str, after: str) -> None:
    word = before + name.replace(" ", "").replace("-", "") + after
    assert not [brand for brand in read([name], word) if brand == name]


@settings(deadline=None, max_examples=40)
@given(st.permutations(ABSENT), st.sampled_from(ABSENT), st.sampled_from(ABSENT))
def test_order_of_brands_does_not_matter(shuffled: list[str], one: str, other: str) -> None:
    frame = lines((f"{one} {other}", (0, 0, 400, 30)), (other, (0, 40, 200, 30)), (one, (210, 40, 200, 30)))
    expected = match_brands(frame, NO_OBJECTS, as_brands([*ABSENT]), DEFAULTS)
    assert match_brands(frame, NO_OBJECTS, as_brands([*shuffled]), DEFAULTS).equals(expected)


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=40), st.floats(0, 1))
def test_any_text_gives_rows_in_its_line(text: str, confidence: float) -> None:
    frame = lines((text, (10, 20, 300, 30)), confidence=confidence)
    table = match_brands(frame, NO_OBJECTS, as_brands([*ABSENT]), DEFAULTS)
    assert table.schema == pl.Schema(DETECTION_SCHEMA)
    for row in table.iter_rows(named=True):
        assert (row["brand"] is None) == (row["reason"] != "")
        assert 10 <= row["x"] <= row["x"] + row["w"] <= 310
        assert (row["y"], row["h"]) == (20, 30)


def test_many_frames_and_brands_take_little_work_a_frame() -> None:
    """Each distinct text is looked at once, however many frames show it."""
    one = lines(*[(f"line {n} of Brand {n}", (100, 50 * n, 300, 30)) for n in range(10)])
    frames = pl.concat([one.with_columns(pl.lit(seq, pl.Int64).alias("seq")) for seq in range(300)])
    brands = as_brands([f"Brand {n:03}" for n in range(500)] + ["Brand 7"])
    table = match_brands(frames, NO_OBJECTS, brands, DEFAULTS)
    assert table["brand"].drop_nulls().value_counts().rows() == [("Brand 7", 300)]
    assert table.height == 3000
