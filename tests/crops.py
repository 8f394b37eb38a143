"""Crops for tests of escalation: boards with words, each as a codec and a camera change it from frame to frame."""

from __future__ import annotations

import cv2
import numpy as np

from gpu_service.pictures import Image, decode, encode_jpeg

SYLLABLES = ("ba", "ke", "lo", "mi", "nu", "ra", "so", "ti", "vu", "ze")


def word(number: int) -> str:
    """A name of its own for each number below 1000."""
    return "".join(SYLLABLES[int(digit)] for digit in f"{number:03d}").capitalize()


def board(number: int, variant: int = 0) -> Image:
    """The board of a number: shape (64, 224, 3). Variants differ by noise, light, a shift and compression."""
    rng = np.random.default_rng(number)
    back, ink = rng.integers(0, 90, 3), rng.integers(165, 255, 3)
    if number % 2:
        back, ink = ink, back
    picture = np.full((64, 224, 3), back, np.uint8)
    left = 8 + (variant % 3)
    cv2.putText(picture, word(number), (left, 44), cv2.FONT_HERSHEY_DUPLEX, 1.3, ink.tolist(), 2, cv2.LINE_AA)
    if variant == 0:
        return picture
    rng = np.random.default_rng((number, variant))
    noisy = picture + rng.normal(rng.uniform(-6, 6), 3.0, picture.shape)
    return decode(encode_jpeg(np.clip(noisy, 0, 255).astype(np.uint8), 80))
