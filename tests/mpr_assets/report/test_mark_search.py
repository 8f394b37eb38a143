"""Whether a mark is still there in the next picture."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import pytest

from mpr_assets.report.mark_search import Grey, MarkSearch

WIDTH, HEIGHT = 640, 360
BOX = (260.0, 150.0, 120.0, 40.0)
GROUND: Grey = np.asarray(
    cv2.resize(np.random.default_rng(1).integers(60, 120, (36, 64), dtype=np.uint8), (WIDTH, HEIGHT)), np.uint8
)


def shown(x: int = 260, y: int = 150, text: str = "ACME", contrast: float = 1.0) -> Grey:
    """A picture with the mark's letters at a place, which may lie partly outside."""
    wide = np.zeros((HEIGHT + 400, WIDTH + 400), np.uint8)
    cv2.putText(wide, text, (x + 205, y + 235), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 255, 3, cv2.LINE_AA)
    letters = wide[200 : 200 + HEIGHT, 200 : 200 + WIDTH].astype(np.float32) / 255 * contrast
    return np.asarray(GROUND * (1 - letters) + 250 * letters, np.uint8)


def covered(share: float) -> Grey:
    picture = shown()
    picture[140:200, 260 : 260 + round(120 * share)] = 30
    return picture


class Case(NamedTuple):
    pictures: list[Grey]
    steps: int


CASES = {
    "no next picture": Case([], 0),
    "it stays": Case([shown(), shown()], 2),
    "it goes": Case([shown(), GROUND], 1),
    "another one takes its place": Case([shown(), shown(text="BOLT")], 1),
    "it moves": Case([shown(x) for x in (280, 300, 330, 370)], 4),
    "it moves fast": Case([shown(x) for x in (340, 420, 500)], 3),
    "too far from one picture to the next": Case([shown(20)], 0),
    "it leaves the frame": Case([shown(x) for x in (340, 420, 480, 520, 545)], 4),
    "it is a little covered": Case([covered(0.15)], 1),
    "it is half covered": Case([covered(0.5)], 0),
    "it fades": Case([shown(contrast=contrast) for contrast in (0.8, 0.5, 0.3, 0.1)], 3),
    "all goes black": Case([np.zeros_like(GROUND)], 0),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_steps(case: Case) -> None:
    search = MarkSearch(shown(), BOX)
    assert search.can_be_followed
    steps = 0
    for picture in case.pictures:
        if not search.follow(picture):
            break
        steps += 1
    assert steps == case.steps


def test_on_a_black_ground() -> None:
    """Where the surroundings are flat, correlation says nothing."""
    card = np.where(shown() > 200, 255, 0).astype(np.uint8)
    search = MarkSearch(card, BOX)
    assert [search.follow(card), search.follow(np.zeros_like(card))] == [True, False]


@pytest.mark.parametrize("box", [(10.0, 10.0, 120.0, 40.0), (0.0, 0.0, 1.0, 1.0)], ids=["flat", "a pixel"])
def test_nothing_to_be_known_by(box: tuple[float, float, float, float]) -> None:
    assert not MarkSearch(np.full((HEIGHT, WIDTH), 90, np.uint8), box).can_be_followed
