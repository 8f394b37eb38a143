"""Colours that tell the brands of one page apart, on white and on dark. Colours drawn into pictures are not here.

The idea is Glasbey's (Glasbey, van der Heijden, Toh, Gray, "Colour displays for categorical images", 2007): each next
colour is the one farthest from those already given. Distances are in OKLab (Ottosson, "A perceptual color space for
image processing", 2020). The 200th colour cannot be far from all others, so distance to near rows of the list counts
more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

LIGHTNESSES = (0.40, 0.48, 0.56, 0.64)
"""OKLab lightness on white; lighter colours have no contrast of 3 there (WCAG 2.2, 1.4.11)."""
LIFT = 0.2
"""On dark the same colour is lighter by this, for a contrast of 3 there."""
CHROMAS = (0.18, 0.12, 0.06)
HUES = 60
NEAR_ROWS = 6
NEAR_APART = 0.14
"""Rows so near to each other are at least this far apart in OKLab; 0.02 is hardly seen."""
FIRST = (0.56, 0.18, 258)
"""Lightness, chroma, hue in degrees of a page's first brand: blue."""
PALETTE = 200

Colours = NDArray[np.float64]
"""(n, 3), OKLab."""


@dataclass(frozen=True)
class BrandColour:
    """`#rrggbb` on white, and on dark."""

    light: str
    dark: str


@lru_cache(maxsize=8)
def brand_colours(count: int) -> tuple[BrandColour, ...]:
    """Colours for a list of `count` brands in its order, the first ones the same however long it is.

    Near rows differ strongly. Up to 200 all are different; beyond 200 they begin again.
    """
    return tuple(_palette()[rank % PALETTE] for rank in range(count))


@lru_cache(maxsize=1)
def _palette() -> tuple[BrandColour, ...]:
    light = _in_srgb(_candidates())
    dark = _in_srgb(light + np.array([LIFT, 0, 0]))
    both = np.concatenate([light, dark], axis=1)

    def apart(rows: Colours) -> NDArray[np.float64]:
        """(candidates, rows): how far they are apart where they are nearer, on white or on dark."""
        steps = (both[:, None] - rows[None]).reshape(len(both), len(rows), 2, 3)
        return np.asarray(np.linalg.norm(steps, axis=3).min(axis=2), np.float64)

    order = [int(np.linalg.norm(light - _lab(*FIRST), axis=1).argmin())]
    nearest = apart(both[order])[:, 0]
    while len(order) < PALETTE:
        near = apart(both[order[-NEAR_ROWS:]]).min(axis=1)
        best = int(np.where(near >= NEAR_APART, nearest, near - 1).argmax())
        order.append(best)
        nearest = np.minimum(nearest, apart(both[[best]])[:, 0])
    return tuple(map(BrandColour, _hex(light[order]), _hex(dark[order])))


def _candidates() -> Colours:
    """Hues at each lightness and chroma, fewer where the circle is smaller."""
    return np.array(
        [
            _lab(lightness, chroma, 360 * step / round(HUES * chroma / CHROMAS[0]))
            for lightness in LIGHTNESSES
            for chroma in CHROMAS
            for step in range(round(HUES * chroma / CHROMAS[0]))
        ]
    )


def _lab(lightness: float, chroma: float, hue_deg: float) -> list[float]:
    angle = np.radians(hue_deg)
    return [lightness, chroma * float(np.cos(angle)), chroma * float(np.sin(angle))]


def _in_srgb(colours: Colours) -> Colours:
    """What sRGB does not have is made less vivid until it does, equally light and of the same hue."""
    inside = colours.copy()
    for _ in range(60):
        linear = _linear_rgb(inside)
        outside = ((linear < 0) | (linear > 1)).any(axis=1)
        inside[outside, 1:] *= 0.96
    return inside


def _hex(oklab: Colours) -> list[str]:
    linear = np.clip(_linear_rgb(oklab), 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return ["#{:02x}{:02x}{:02x}".format(*rgb) for rgb in np.round(255 * encoded).astype(int).tolist()]


def _linear_rgb(oklab: Colours) -> Colours:
    to_lms = np.array(
        [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855]]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    return np.asarray((oklab @ to_lms.T) ** 3 @ to_rgb.T, np.float64)
