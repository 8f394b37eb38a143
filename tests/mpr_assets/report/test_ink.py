"""How far letters reach, on drawn ones whose places are known to the pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gpu_service.pictures import Image
from mpr_assets.report.ink import ink_outline

LETTERS = (60, 50, 200, 70)
"""Left, top, right and bottom of ten letters, 11 px wide; every third is lower."""
OUTLINE = [45.0, 38.0, 215.0, 38.0, 215.0, 82.0, 45.0, 82.0]
"""What a text detector gives: with a margin."""
GROUND, INK = (90, 40, 10), (240, 240, 250)
Rectangle = tuple[int, int, int, int, tuple[int, int, int]]


def picture(ground: tuple[int, int, int] = GROUND, ink: tuple[int, int, int] = INK, *others: Rectangle) -> Image:
    """Letters on a ground; `others` are drawn over them."""
    pixels = np.full((120, 260, 3), ground, np.uint8)
    left, top, _, bottom = LETTERS
    for number in range(10):
        x = left + round(number * 129 / 9)
        pixels[top + (5 if number % 3 == 1 else 0) : bottom, x : x + 11] = ink
    for x0, y0, x1, y1, colour in others:
        pixels[y0:y1, x0:x1] = colour
    return pixels


STAND, GRASS, NEXT_BOARD, SHIRT = (45, 40, 35), (50, 140, 60), (30, 30, 220), (220, 160, 90)
IN_SIGHT = {
    "on a plain ground": picture(),
    "dark on light": picture((250, 240, 240), (30, 20, 60)),
    "letters that fill more than the ground": picture((20, 20, 20), (40, 220, 200)),
    "the stand above, the grass below": picture(GROUND, INK, (0, 0, 260, 42, STAND), (0, 78, 260, 120, GRASS)),
    "the next board": picture(GROUND, INK, (206, 30, 260, 90, NEXT_BOARD)),
    "a stripe beside": picture(GROUND, INK, (207, 32, 211, 88, INK), (0, 0, 260, 32, STAND), (0, 88, 260, 120, GRASS)),
    "a player in front of the middle": picture(GROUND, INK, (120, 44, 132, 120, SHIRT)),
    "blurred": cv2.GaussianBlur(picture(), (0, 0), 1.2),
    "compressed": cv2.imdecode(cv2.imencode(".jpg", picture(), [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR),
}


SHADED = np.clip(picture() - np.arange(0, 60, 0.5, np.float32)[:, None, None], 0, 255).astype(np.uint8)
OTHERWISE = {
    "a letter that goes down": (picture(GROUND, INK, (88, 55, 99, 79, INK)), (60, 50, 200, 79)),
    "an accent above a letter": (picture(GROUND, INK, (90, 43, 96, 46, INK)), (60, 43, 200, 70)),
    "a dot that is none of a letter's": (picture(GROUND, INK, (90, 38, 96, 40, INK)), LETTERS),
    "a stripe that goes up and down": (picture(GROUND, INK, (49, 42, 55, 78, INK)), LETTERS),
    "a ground that grows darker": (SHADED, LETTERS),
}
"""The picture, and where its letters are."""


@pytest.mark.parametrize("case", OTHERWISE)
def test_letters_otherwise(case: str) -> None:
    pixels, (left, top, right, bottom) = OTHERWISE[case]
    found = ink_outline(OUTLINE, np.asarray(pixels, np.uint8))
    assert found == pytest.approx([left, top, right, top, right, bottom, left, bottom], abs=1.1)


def test_letters_on_a_line_that_rises_within_an_upright_outline() -> None:
    flat = np.array([[[60, 50], [200, 50], [200, 70], [60, 70]]], np.float32)
    shear = np.array([[1, 0, 0], [-0.05, 1, 6]], np.float32)
    pixels = cv2.warpAffine(picture(), shear, (260, 120), borderValue=GROUND)
    expected = cv2.transform(flat, shear).ravel()
    assert ink_outline(OUTLINE, np.asarray(pixels, np.uint8)) == pytest.approx(expected.tolist(), abs=1.1)


RIM = [(60, 36, 160, 38, INK), (60, 100, 160, 102, INK), (60, 36, 62, 102, INK), (158, 36, 160, 102, INK)]
HULL = [58.0, 34.0, 162.0, 34.0, 162.0, 104.0, 110.0, 104.5, 58.0, 104.0]
"""Around both lines, as wide as the board: it has more than four corners."""


def two_lines(*others: Rectangle) -> Image:
    """Five letters over four lower ones."""
    pixels = np.full((120, 220, 3), GROUND, np.uint8)
    letters = [(x, 46, x + 11, 66, INK) for x in range(75, 150, 15)] + [(x, 76, x + 11, 92, INK) for x in (80, 95, 110)]
    for x0, y0, x1, y1, colour in (*others, *letters):
        pixels[y0:y1, x0:x1] = colour
    return pixels


TWO_LINES = {
    "two lines": two_lines(),
    "on a board with a rim": two_lines(*RIM),
    "on a board on grass": two_lines((0, 0, 220, 30, STAND), (0, 106, 220, 120, GRASS), *RIM),
}


@pytest.mark.parametrize("case", TWO_LINES)
def test_letters_of_several_lines(case: str) -> None:
    """The board's rim is no letter: the name reaches from the first line's top to the second's foot."""
    assert ink_outline(HULL, TWO_LINES[case]) == pytest.approx([75, 46, 146, 46, 146, 92, 75, 92], abs=1.1)


@pytest.mark.parametrize("case", IN_SIGHT)
def test_letters(case: str) -> None:
    left, top, right, bottom = LETTERS
    found = ink_outline(OUTLINE, np.asarray(IN_SIGHT[case], np.uint8))
    assert found == pytest.approx([left, top, right, top, right, bottom, left, bottom], abs=1.1)


def test_letters_at_a_tilt_in_perspective() -> None:
    to_frame = cv2.getPerspectiveTransform(
        np.array([[0, 0], [260, 0], [260, 120], [0, 120]], np.float32),
        np.array([[10, 60], [380, 20], [390, 230], [0, 200]], np.float32),
    )
    pixels = cv2.warpPerspective(picture(), to_frame, (400, 260), borderValue=GROUND)
    left, top, right, bottom = LETTERS
    corners = np.array([[[left, top], [right, top], [right, bottom], [left, bottom]]], np.float32)
    expected = cv2.perspectiveTransform(corners, to_frame).ravel()
    outline = cv2.perspectiveTransform(np.array(OUTLINE, np.float32).reshape(1, 4, 2), to_frame).ravel()
    assert ink_outline(outline.tolist(), np.asarray(pixels, np.uint8)) == pytest.approx(expected.tolist(), abs=1.5)


NOT_IN_SIGHT = {
    "nothing there": (np.full((120, 260, 3), 90, np.uint8), OUTLINE),
    "too faint": (picture((90, 90, 90), (96, 96, 96)), OUTLINE),
    "one board that fills it": (picture(GROUND, INK, (50, 44, 210, 76, NEXT_BOARD)), OUTLINE),
    "of no height": (picture(), [45.0, 38.0, 215.0, 38.0, 215.0, 39.0, 45.0, 39.0]),
    "of no area": (picture(), [45.0, 38.0] * 4),
    "outside the frame": (picture(), [value + 1000 for value in OUTLINE]),
}


@pytest.mark.parametrize("case", NOT_IN_SIGHT)
def test_no_letters(case: str) -> None:
    pixels, outline = NOT_IN_SIGHT[case]
    assert ink_outline(outline, pixels) is None
