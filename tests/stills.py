"""Large still pictures, and cameras that move over them."""

from __future__ import annotations

import cv2
import numpy as np

from gpu_service.pictures import Image


def still(seed: int, size: tuple[int, int]) -> Image:
    """A picture of overlapping discs and boxes of all sizes (the dead leaves model): edges as in photographs."""
    rng = np.random.default_rng(seed)
    width, height = size
    picture = np.full((height, width, 3), rng.integers(60, 190, 3), np.uint8)
    for _ in range(width * height // 1500):
        x, y, radius = int(rng.integers(width)), int(rng.integers(height)), int(4 / rng.uniform(0.03, 1) ** 0.9)
        colour = np.clip(rng.normal(120, 50) + rng.normal(0, 25, 3), 0, 255).tolist()
        if rng.uniform() < 0.5:
            cv2.circle(picture, (x, y), radius, colour, -1, cv2.LINE_AA)
        else:
            cv2.rectangle(picture, (x, y), (x + 2 * radius, y + radius), colour, -1)
    return np.asarray(cv2.GaussianBlur(picture, (3, 3), 0), np.uint8)


def seen(picture: Image, x: float, y: float, size: tuple[int, int], zoom: float = 1.0) -> Image:
    """What a camera sees of a still, its top left corner being there: `zoom` 2 shows half the width."""
    to_frame = np.array([[zoom, 0, -x * zoom], [0, zoom, -y * zoom]], np.float64)
    return np.asarray(cv2.warpAffine(picture, to_frame, size, flags=cv2.INTER_LINEAR), np.uint8)


def smeared(picture: Image, along_px: int) -> Image:
    """Motion blur: the camera moves so far across while the shutter is open."""
    return np.asarray(cv2.blur(picture, (max(1, along_px), 1)), np.uint8)
