from __future__ import annotations

import cv2
import numpy as np
import pytest

from gpu_service.pictures import Image
from mpr_assets.text.columns import columns, laid_out
from mpr_assets.text.quads import Quad

GROUND = np.full((360, 200, 3), 90, np.uint8)


def letter(y: int, text: str = "A", x: int = 80, w: int = 24, h: int = 28) -> tuple[Quad, str]:
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float32), text


def down(*texts: str, step: int = 40) -> list[tuple[Quad, str]]:
    return [letter(40 + step * at, text) for at, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("lines", "letters"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(down("A", "B"), [], id="two letters"),
        pytest.param(down("A", "B", "C"), [3], id="three letters"),
        pytest.param(down("A", "", "C", "D"), [4], id="one that was not read"),
        pytest.param([*down("A", "B", "C"), letter(200, "D")], [5], id="one that was not found"),
        pytest.param(down("1", "2", "3", "4"), [], id="digits of a table"),
        pytest.param(down("H", "0", "T", "E", "1"), [5], id="letters taken for digits"),
        pytest.param(down("AB", "CDE", "FG", "H"), [], id="words among them"),
        pytest.param(down("A", "B", "C", "D", step=15), [], id="over one another"),
        pytest.param(down("A", "B", "C", step=90), [], id="far apart"),
        pytest.param([letter(40), letter(80), letter(138)], [], id="unequal steps"),
        pytest.param([letter(40), letter(80, x=100), letter(120)], [], id="to the side"),
        pytest.param([letter(40), letter(80, h=60, w=50), letter(150)], [], id="unequal sizes"),
        pytest.param(
            [*down("A", "B", "C"), *((quad + np.float32([60, 0]), text) for quad, text in down("D", "E", "F"))],
            [3, 3],
            id="two columns",
        ),
    ],
)  # fmt: skip
def test_letters_one_above_another_are_a_column(lines: list[tuple[Quad, str]], letters: list[int]) -> None:
    assert [len(column.cells) for column in columns(lines, GROUND)] == letters


def drawn(word: str, step: int = 40) -> Image:
    """The word downwards, each letter in the middle of its column."""
    image, font = GROUND.copy(), cv2.FontFace("sans")
    for at, one in enumerate(word):
        left, _, width, _ = cv2.getTextSize((0, 0), one, (0, 0), font, 32, 600)
        cv2.putText(image, one, (92 - width // 2 - left, 66 + step * at), (255, 255, 255), font, 32, 600)
    return image


def test_the_place_goes_round_all_letters_and_runs_downwards() -> None:
    [column] = columns(down("A", "B", "C"), GROUND)
    assert column.quad.tolist() == [[105, 38], [105, 149], [78, 149], [78, 38]]


@pytest.mark.parametrize(
    ("found", "letters"),
    [
        pytest.param("TRALI", 5, id="all"),
        pytest.param(".RALI", 5, id="without the first"),
        pytest.param("TRAL.", 5, id="without the last"),
        pytest.param("TR.LI", 5, id="without one between"),
    ],
)
def test_letters_that_were_not_found_are_laid_beside_the_others(found: str, letters: int) -> None:
    image = drawn("TRALI")
    [column] = columns([line for line in down(*found) if line[1] != "."], image)
    assert len(column.cells) == letters
    whole = laid_out(columns(down(*"TRALI"), image)[0], image)
    assert abs(laid_out(column, image).shape[1] - whole.shape[1]) <= 6


def test_what_is_no_letter_is_not_laid_beside_them() -> None:
    image = drawn("TRAL")
    cv2.line(image, (92, 0), (92, 40), (255, 255, 255), 4)
    image[200:] = np.random.default_rng(0).integers(0, 255, image[200:].shape, dtype=np.uint8)
    [column] = columns(down(*"TRAL"), image)
    assert len(column.cells) == 4
