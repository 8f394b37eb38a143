from __future__ import annotations

import pytest

from mpr_assets.text.consensus import Weight, agreed_names
from mpr_assets.text.name_index import NameIndex
from mpr_assets.text.names import Tolerance
from mpr_resources.brands.brand_file import Brand

Readings = list[tuple[str, float]]
AGREED: dict[str, tuple[list[str], Readings, list[str]]] = {
    "no_reading": (["Brastovar"], [], []),
    "no_name": ([], [("BRASTOVAR", 0.9)], []),
    "read_alike": (["Brastovar"], [("BRASTOVAR", 0.9), ("BRASTOVAR", 0.9)], ["Brastovar"]),
    "a_symbol_before_the_word": (["Brastovar"], [("WBrAstOVAR", 0.99), ("WBrAstOVAR", 0.99)], ["Brastovar"]),
    "a_symbol_read_as_two_letters": (["Brastovar"], [("IIBrAstOVAR", 0.9)], ["Brastovar"]),
    "a_symbol_read_otherwise_each_time": (["Brastovar"], [("WBRASTOVAR", 0.9), ("OBRASTOVAR", 0.9)], ["Brastovar"]),
    "a_symbol_not_always_read": (["Brastovar"], [("WBRASTOVAR", 0.9), ("BRASTOVAR", 0.8)], ["Brastovar"]),
    "a_letter_that_most_have": (["Brastovar"], [("WBRASTOVAR", 0.9)] * 3 + [("BRASTOVAR", 0.8)], []),
    "a_letter_that_all_have": (["Brastovar"], [("WBRASTOVAR", 0.9)] * 3, []),
    "small_letters_before_a_capital": (["MacDonaldson"], [("ofMacDonaldson", 0.9)] * 2, []),
    "behind_a_net": (
        ["Velquora Labs"],
        [("WLOUORA LARS", 0.8), ("LQUOR X LAB", 0.78), ("VEVOVORA LABSX", 0.75)],
        ["Velquora Labs"],
    ),
    "two_halves": (["Velquora Labs"], [("VELQUO", 0.8), ("QUORA LABS", 0.8)], ["Velquora Labs"]),
    "two_halves_of_a_short_name": (["Target"], [("TARG", 0.8), ("RGET", 0.8)], []),
    "another_word_that_is_read_more_often": (["Lexus"], [("Nexus", 0.8), ("Nexus", 0.8), ("Lexus", 0.7)], []),
    "another_word_with_a_letter_more": (["Target"], [("TARGETS", 0.9), ("TARGETS", 0.9), ("TARGET", 0.9)], []),
    "the_longer_of_two_names": (
        ["chrome", "chromecast"],
        [("chrome", 0.9), ("chromecast", 0.9), ("chromecast", 0.9)],
        ["chromecast"],
    ),
    "a_number_that_changes": (["CAM 12"], [("CAM 11", 0.9), ("CAM 13", 0.9), ("CAM 12", 0.9)], []),
}


@pytest.mark.parametrize("name", AGREED)
def test_names_that_readings_agree_on(name: str) -> None:
    brands, readings, expected = AGREED[name]
    weights: dict[str, Weight] = {}
    for text, confidence in readings:
        so_far = weights.get(text, Weight(0.0, 0.0, 0))
        weights[text] = Weight(so_far.confidences + confidence, so_far.squares + confidence**2, so_far.times + 1)
    index = NameIndex([Brand(name=brand) for brand in brands], Tolerance())
    assert [agreed.hit.name.brand for agreed in agreed_names(weights, index)] == expected


def test_confidence_is_that_of_the_readings_times_what_they_have_of_the_name() -> None:
    index = NameIndex([Brand(name="Brastovar")], Tolerance())
    weights = {"BRASTOVAR": Weight(0.9, 0.81, 1), "BRASTOVAM": Weight(0.9, 0.81, 1)}
    [agreed] = agreed_names(weights, index)
    assert agreed.confidence == pytest.approx(0.9 * (1 + 8 / 9) / 2)
