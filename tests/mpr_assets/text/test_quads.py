from __future__ import annotations

import numpy as np
import pytest

from mpr_assets.text.quads import Quad, area, common_area, covers, near, same_place


def upright(x: float, y: float, w: float, h: float) -> Quad:
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float32)


def slanted(x: float, y: float, length: float = 100, height: float = 20) -> Quad:
    """Runs down at 45 degrees from its top left corner."""
    along, down = np.array([0.5**0.5, 0.5**0.5]), np.array([-(0.5**0.5), 0.5**0.5])
    corners = np.array([0 * along, length * along, length * along + height * down, height * down])
    return np.asarray(np.array([x, y]) + corners, np.float32)


SQUARE = upright(0, 0, 10, 10)
OVERLAPS: dict[str, tuple[Quad, Quad, float, bool, bool, bool]] = {
    # one, other, area in common, near, the same place, one covers the other
    "equal": (SQUARE, SQUARE, 100, True, True, True),
    "apart": (SQUARE, upright(20, 0, 10, 10), 0, False, False, False),
    "side_by_side": (SQUARE, upright(10, 0, 10, 10), 0, False, False, False),
    "a_quarter": (SQUARE, upright(5, 5, 10, 10), 25, False, False, False),
    "a_half": (SQUARE, upright(5, 0, 10, 10), 50, True, True, False),
    "within": (SQUARE, upright(4, 4, 2, 2), 4, True, False, True),
    "a_line_without_height": (SQUARE, upright(0, 5, 10, 0), 0, False, False, True),
    "slanted_one_below_the_other": (slanted(100, 0), slanted(80, 20), 0, False, False, False),
    "slanted_somewhat_on": (slanted(100, 0), slanted(100 + 40 * 0.5**0.5, 40 * 0.5**0.5), 1200, True, True, False),
}


@pytest.mark.parametrize("name", OVERLAPS)
def test_overlap(name: str) -> None:
    one, other, shared, is_near, is_same, is_covered = OVERLAPS[name]
    assert common_area(one, other) == pytest.approx(shared, rel=1e-3)
    assert common_area(other, one) == pytest.approx(shared, rel=1e-3)
    assert (near(one, other), same_place(one, other), covers(one, other)) == (is_near, is_same, is_covered)


def test_area_is_that_of_the_outline_not_of_its_box() -> None:
    assert area(SQUARE) == 100
    assert area(slanted(0, 0)) == pytest.approx(2000, rel=1e-3)
