"""The colours of brands: told apart, and seen on white and on dark."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mpr_assets.report.page.colours import brand_colours

SHEETS = {"light": "#ffffff", "dark": "#171b20"}
"""What bars are drawn on, as page.css has it."""


def linear(colour: str) -> NDArray[np.float64]:
    encoded = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.asarray(np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4), np.float64)


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 defines it."""
    dark, light = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def oklab(colour: str) -> NDArray[np.float64]:
    to_lms = [[0.41222, 0.53633, 0.05145], [0.2119, 0.6807, 0.1074], [0.0883, 0.28172, 0.62998]]
    to_lab = [[0.21045, 0.79362, -0.00407], [1.978, -2.42859, 0.45059], [0.0259, 0.78277, -0.80868]]
    return np.asarray(to_lab @ np.cbrt(to_lms @ linear(colour)), np.float64)


def distances(mode: str, count: int) -> NDArray[np.float64]:
    places = np.array([oklab(getattr(colour, mode)) for colour in brand_colours(count)])
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return np.asarray(apart, np.float64)


def test_no_brand_and_a_first_one() -> None:
    assert brand_colours(0) == ()
    assert brand_colours(9) == brand_colours(200)[:9]


@pytest.mark.parametrize("mode", SHEETS)
def test_colours_are_told_apart(mode: str) -> None:
    apart = distances(mode, 200)
    near = np.abs(np.subtract.outer(np.arange(200), np.arange(200))) <= 6
    assert apart[near].min() > 0.13
    assert apart[:9, :9].min() > 0.14
    assert apart.min() > 0.012


@pytest.mark.parametrize(("mode", "sheet"), SHEETS.items(), ids=SHEETS)
def test_colours_are_seen(mode: str, sheet: str) -> None:
    assert min(contrast(getattr(colour, mode), sheet) for colour in brand_colours(200)) >= 3


def test_beyond_the_palette_colours_come_again() -> None:
    assert brand_colours(201)[200] == brand_colours(201)[0]
