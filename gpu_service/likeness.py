"""How alike two pictures are: perceptual hashes, and the largest change of a block.

What counts as equal is for the settings of those who ask.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_service.pictures import Image

Gray: TypeAlias = NDArray[np.uint8]
"""Shape (height, width)."""

HASHED_SIDE_PX, FREQUENCIES = 32, 8
"""Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010, section 3.1: the DCT hash takes
the 8 x 8 lowest frequencies of the picture at 32 x 32."""


def phash(gray: Gray) -> int:
    """64 bits of a crop: which of its lowest frequencies are above their median; the mean brightness takes no part.

    Pictures that look alike differ in few bits: count them with `phash_distance`. Hashes are stored and name stored
    answers, so that of a frame, which leaves out other frequencies, is `frame_phash`.

    Args:
        gray: shape (height, width), uint8, at least one pixel.

    Returns:
        0 to 2**63 - 1; the lowest frequency is the highest bit.
    """
    small = cv2.resize(gray, (HASHED_SIDE_PX, HASHED_SIDE_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    return _above_median(_frequencies(small)[:FREQUENCIES, :FREQUENCIES].ravel()[1:])


def frame_phash(image: Image) -> int:
    """64 bits of a frame: as `phash`, of the frequencies that vary both across and down.

    Returns:
        0 to 2**64 - 1; the lowest frequency is the highest bit.
    """
    small = cv2.resize(image, (HASHED_SIDE_PX, HASHED_SIDE_PX), interpolation=cv2.INTER_AREA)
    gray = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.float32)
    # Rounded, so that the noise of a flat picture does not become bits.
    return _above_median(np.round(_frequencies(gray)[1 : 1 + FREQUENCIES, 1 : 1 + FREQUENCIES].ravel()))


def _frequencies(small: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.dct(small), np.float32)


def _above_median(frequencies: NDArray[np.float32]) -> int:
    """At most 64 values as bits, the last one lowest."""
    bits = np.zeros(64, np.bool_)
    bits[64 - len(frequencies) :] = frequencies > np.median(frequencies)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def phash_distance(one: int, other: int) -> int:
    """Bits in which two hashes differ.

    >>> phash_distance(0b1100, 0b0101)
    2
    """
    return (one ^ other).bit_count()


def block_change(one: Gray, other: Gray, block_px: tuple[int, int]) -> float:
    """Grey levels by which the most changed block differs, on average.

    A pixel differs by how far it leaves the range of its neighbours in the other picture, so that a shift of part of a
    pixel and the softness of a codec are no change, while a letter that is another one is.

    Args:
        one, other: of one shape.
        block_px: width and height of a block; about a letter.
    """
    outside = cv2.max(_outside(one, other), _outside(other, one))
    return float(cv2.blur(outside.astype(np.float32), block_px).max())


def _outside(values: Gray, reference: Gray) -> Gray:
    """By how much each value lies outside the range of the 3 x 3 pixels around it in the reference."""
    kernel = np.ones((3, 3), np.uint8)
    above = cv2.subtract(values, cv2.dilate(reference, kernel))
    below = cv2.subtract(cv2.erode(reference, kernel), values)
    return np.asarray(cv2.max(above, below), np.uint8)
