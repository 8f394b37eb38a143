"""How sharp and how rich in contrast marks are, on pixels whose measures are computed by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_service.pictures import Image
from mpr_assets.report.clarity import sharpness, sharpness_and_contrast

Grey = NDArray[np.uint8]


def step(low: int = 0, high: int = 255) -> Grey:
    """Dark on the left, light on the right."""
    picture = np.full((40, 60), low, np.uint8)
    picture[:, 30:] = high
    return picture


def ramp() -> Grey:
    """From dark to light in 30 steps of 8."""
    return np.tile(np.clip((np.arange(60) - 15) * 8, 0, 240), (40, 1)).astype(np.uint8)


SHARPNESS: dict[str, tuple[Grey, float]] = {
    "flat": (np.full((40, 60), 128, np.uint8), 0.0),
    "a step": (step(), 8 / 9),
    "a step of little contrast": (step(100, 109), 8 / 9),
    "a step across": (np.ascontiguousarray(step().T), 8 / 9),
    "a ramp": (ramp(), 0.074074),  # at each end of it 4/9 + 3/9 + 2/9 + 1/9 of a step goes, of 30 steps
    "every second column": (np.tile(np.array([0, 255], np.uint8), (40, 30)), 0.896),  # a little more at the rims
}


@pytest.mark.parametrize("case", SHARPNESS)
def test_sharpness(case: str) -> None:
    picture, expected = SHARPNESS[case]
    assert sharpness(picture) == pytest.approx(expected, abs=0.005)


def test_the_more_a_picture_is_blurred_the_less_sharp_it_is() -> None:
    rng = np.random.default_rng(1)
    blocks = np.kron(rng.integers(0, 256, (6, 12)), np.ones((8, 8))).astype(np.uint8)
    measured = [sharpness(cv2.GaussianBlur(blocks, (0, 0), sigma) if sigma else blocks) for sigma in (0, 1, 2, 4)]
    assert measured == sorted(measured, reverse=True)
    assert measured[0] > 0.8
    assert measured[-1] < 0.35


def frame(grey: Grey, height: int = 100, width: int = 200) -> Image:
    """A black frame with the picture at x 20, y 10."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[10 : 10 + grey.shape[0], 20 : 20 + grey.shape[1]] = grey[..., None]
    return pixels


BOX = (20, 10, 60, 40)
MARKS: dict[str, tuple[Image, tuple[int, int, int, int], list[float] | None, tuple[float, float] | None]] = {
    "a step": (frame(step()), BOX, None, (8 / 9, 1.0)),
    "half of it outside the frame": (frame(step())[:, 50:], (-30, 10, 60, 40), None, (0.0, 0.0)),
    "outside the frame": (frame(step()), (300, 10, 60, 40), None, None),
    "too small to tell": (frame(step()), (20, 10, 2, 40), None, None),
    "the polygon has the light part alone": (frame(step(55, 106)), BOX, [52, 12, 78, 12, 78, 48, 52, 48], (8 / 9, 0.0)),
    "grey on grey": (frame(step(55, 106)), BOX, None, (8 / 9, 0.2)),
}  # fmt: skip


@pytest.mark.parametrize("case", MARKS)
def test_sharpness_and_contrast(case: str) -> None:
    pixels, box, polygon, expected = MARKS[case]
    measured = sharpness_and_contrast(pixels, box, polygon)
    assert measured == (None if expected is None else pytest.approx(expected, abs=0.005))


def test_a_broadcast_is_as_sharp_in_4k() -> None:
    rng = np.random.default_rng(1)
    small = np.kron(rng.integers(0, 256, (18, 32)), np.ones((40, 40))).astype(np.uint8)
    large = cv2.resize(small, (3840, 2160), interpolation=cv2.INTER_NEAREST)
    one = sharpness_and_contrast(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR), (200, 200, 400, 120), None)
    other = sharpness_and_contrast(cv2.cvtColor(large, cv2.COLOR_GRAY2BGR), (600, 600, 1200, 360), None)
    assert one == pytest.approx(other, abs=0.01)
