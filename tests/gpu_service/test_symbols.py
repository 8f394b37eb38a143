from __future__ import annotations

import cv2
import numpy as np
import pytest

from gpu_service.pictures import Image
from gpu_service.routines.ocr.engine import StripText
from gpu_service.routines.ocr.symbols import with_symbol_apart

TALL, LETTER, INITIAL, TAILED = (8, 42), (16, 34), (8, 34), (16, 42)
"""Rows that something is drawn in."""
PITCH_PX = 24


def strip(*rows: tuple[int, int]) -> Image:
    """A line 48 px high: a box for each character, in these rows."""
    picture = np.full((48, PITCH_PX * max(len(rows), 1), 3), 90, np.uint8)
    for number, (top, bottom) in enumerate(rows):
        left = PITCH_PX * number + 4
        cv2.rectangle(picture, (left, top), (left + PITCH_PX - 10, bottom - 1), (230, 230, 230), 2)
    return picture


def reading(text: str, *unsure: int) -> StripText:
    """Each character is read surely, but for these."""
    confidences = [0.6 if number in unsure else 0.99 for number in range(len(text))]
    return StripText(text, tuple(confidences), tuple(PITCH_PX * (number + 0.5) for number in range(len(text))))


LETTERS = [LETTER] * 7
READINGS: dict[str, tuple[Image, StripText, str]] = {
    "nothing": (strip(), reading(""), ""),
    "a word": (strip(*LETTERS), reading("AMCREST"), "AMCREST"),
    "a symbol before a word": (strip(TALL, *LETTERS), reading("OAMCREST", 0), "O AMCREST"),
    "a symbol read as two letters": (strip(TALL, TALL, *LETTERS), reading("JOAMCREST", 0, 1), "JO AMCREST"),
    "a symbol before a word of several": (strip(TALL, *LETTERS), reading("OAMC EST", 0), "OAMC EST"),
    "a symbol before the first of two words": (strip(TALL, *LETTERS, LETTER), reading("OAMCR EST", 0), "O AMCR EST"),
    "letters on restless ground": (strip(TALL, LETTER, *[(0, 48)] * 6), reading("OAMCREST", 0), "O AMCREST"),
    "read surely": (strip(TALL, *LETTERS), reading("OAMCREST"), "OAMCREST"),
    "no higher than the letters": (strip(LETTER, *LETTERS), reading("OAMCREST", 0), "OAMCREST"),
    "an initial, higher only": (strip(INITIAL, *LETTERS), reading("Lamcrest", 0), "Lamcrest"),
    "a tail, lower only": (strip(TAILED, *LETTERS), reading("pamcrest", 0), "pamcrest"),
    "letters are not sure either": (strip(TALL, *LETTERS), reading("OAMCREST", 0, 2, 3), "OAMCREST"),
    "a short word": (strip(TALL, *LETTERS[:3]), reading("OAMC", 0), "OAMC"),
    "figures": (strip(TALL, *LETTERS), reading("O2022021", 0), "O2022021"),
}


@pytest.mark.parametrize("name", READINGS)
def test_a_symbol_is_set_apart_from_its_word(name: str) -> None:
    picture, read, expected = READINGS[name]
    apart = with_symbol_apart(picture, read)
    assert apart.text == expected
    assert len(apart.confidences) == len(apart.centres_px) == len(expected)
    assert apart.confidence == pytest.approx(read.confidence)
