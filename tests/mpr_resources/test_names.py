from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpr_resources.names import check_name, name_of_file, shortened

MADE = {
    "nothing": ("", "timeline-e3b0c442"),
    "plain": ("match-1_b", "match-1_b"),
    "spaces and brackets": ("Finale (2. Halbzeit)", "Finale_2_Halbzeit"),
    "japanese": ("試合", "試合"),
    "another": ("決勝", "決勝"),
    "vowels that are marks": ("मैच 2", "मैच_2"),
    "accents in pieces": (unicodedata.normalize("NFD", "Größe é"), "Größe_é"),
    "korean in pieces": (unicodedata.normalize("NFD", "경기"), "경기"),
    "a mark of its own": ("⚽\ufe0f match", "match"),
    "begins with an underscore": ("_x_", "x"),
    "nothing readable": ("!!!", "timeline-e84c538e"),
    "nothing readable either": ("???", "timeline-a03b221c"),
    "not UTF-8": ("caf\udce9", "caf"),
    "long": ("x" * 300, "x" * 80),
    "long in bytes": ("試" * 79, "試" * 66),
}


@pytest.mark.parametrize("case", MADE)
def test_a_name_is_made_of_a_files(case: str) -> None:
    stem, name = MADE[case]
    assert name_of_file(stem, "timeline") == name


@given(st.text())
def test_a_name_that_is_made_can_be_used(stem: str) -> None:
    assert check_name(name_of_file(stem, "timeline"), "timeline name")


def test_what_is_cut_ends_in_no_dash() -> None:
    assert shortened("-ab-cd", 3, 100) == "ab"
