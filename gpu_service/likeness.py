"""How alike two pictures are: perceptual hashes, the largest change of a block, how much of a view they share.

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


VIEW_WIDTH_PX = 192
"""Pictures are compared at this width: a comparison takes 1 to 4 ms."""
DETAIL_SIGMAS_PX = (0.7, 6.0)
"""What lies between two smoothings: edges and texture without noise and light."""
VIEW_BLOCK_PX = (13, 13)
FLAT_GREY_LEVELS = 2.0
"""Standard deviation of the detail in a block below which there is none."""
SHOWN_CORRELATION = 0.6
LEAST_DETAIL = 0.02
"""A picture with detail on less of its area counts as flat."""
SHIFTS_TRIED = 3
LARGEST_SHIFT = 0.75
"""Of the width and of the height; what is left of a picture then says little."""
SAME_VIEW = 0.9
"""Without a shift, from this share on no shift is looked for."""
MOVED_VIEW = 0.6
"""Shifted, from this share on no zoom or turn is looked for."""
FEATURES_WIDTH_PX, FEATURES = 256, 400
CORNER_GREY_LEVELS, REACH_PX = 8, 21
"""Contrast from which a corner is one, and side of what describes it: pictures are small and soft from motion."""
AGREED_FEATURES, AGREED_PX = 8, 3.0
"""So many pairs of features make a zoom, each so near to where it takes them."""
LARGEST_ZOOM = 2.0


def shared_view(one: Gray, other: Gray) -> tuple[float, float]:
    """How much of the detail of each of two pictures the other shows: at its place, or shifted, zoomed or turned whole.

    The highest peaks of the phase correlation (Kuglin and Hines, The phase correlation image alignment method, 1975)
    are the shifts that are tried; for each, a place counts as shown where blocks of both correlate. Where none shows
    much, so does the zoom and turn that most pairs of ORB features agree on (Rublee et al., ORB: an efficient
    alternative to SIFT or SURF, 2011; RANSAC). Between samples of half a second, within shots, the smaller share lay at
    0.44 and more even under large overlays and for most moves of the camera; over cuts it stayed below 0.25, or 0.33
    where both pictures had the same black borders.

    Args:
        one, other: of any, but one shape.

    Returns:
        The shares of one's and of other's detail, 0 to 1 each; 1 for a picture that is flat.
    """
    assert one.shape == other.shape
    first, second = _detail(one), _detail(other)
    own = [_amount(detail) for detail in (first, second)]
    flat = [count < LEAST_DETAIL * first.size for count in own]
    shown = [0.0, 0.0]
    if not any(flat):
        moved = _shown(first, second, (0, 0))
        if moved < SAME_VIEW * max(own):
            moved = max(moved, *(_shown(first, second, shift) for shift in _shifts(first, second)))
        shown = [moved, moved]
        to_other = _zoom(one, other) if moved < MOVED_VIEW * max(own) else None
        if to_other is not None:
            shown = max(shown, _shown_zoomed(first, second, to_other), key=min)
    shares = [1.0 if bare else min(1.0, at / count) for bare, at, count in zip(flat, shown, own, strict=True)]
    return shares[0], shares[1]


def view_shift(one: Gray, other: Gray) -> tuple[float, float] | None:
    """How far what one picture shows is shifted in the other, right and down, as parts of the width.

    Of the shifts that `shared_view` tries the one at which most is shown by both; exact to half a pixel of
    `VIEW_WIDTH_PX`.

    Returns:
        None where no shift shows `SHIFTED_VIEW` of the detail of the one that has less: another scene, or a flat one.
    """
    assert one.shape == other.shape
    first, second = _detail(one), _detail(other)
    least = min(_amount(first), _amount(second))
    if least < LEAST_DETAIL * first.size:
        return None
    shown, shift = max((_shown(first, second, shift), shift) for shift in [(0, 0), *_shifts(first, second)])
    return (shift[0] / VIEW_WIDTH_PX, shift[1] / VIEW_WIDTH_PX) if shown >= SHIFTED_VIEW * least else None


SHIFTED_VIEW = 0.35
"""Over cuts less than 0.25 is shared, see `shared_view`."""


def _shown_zoomed(one: NDArray[np.float32], other: NDArray[np.float32], to_other: NDArray[np.float32]) -> list[float]:
    """As `_shown`, of the one's pixels and of the other's; compared at the size at which there is less to be seen."""
    area = float(abs(np.linalg.det(to_other[:, :2])))
    carried, how = (other, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP) if area > 1 else (one, cv2.INTER_LINEAR)
    there = np.asarray(cv2.warpAffine(carried, to_other, one.shape[::-1], flags=how), np.float32)
    if area > 1:
        shown = _shown(one, there, (0, 0))
        return [shown, shown * area]
    shown = _shown(there, other, (0, 0))
    return [shown / area, shown]


def is_flat(picture: Gray) -> bool:
    """Whether a picture has next to no detail."""
    detail = _detail(picture)
    return _amount(detail) < LEAST_DETAIL * detail.size


def _amount(detail: NDArray[np.float32]) -> int:
    """How many pixels of detail there are."""
    return int((_variance(detail) > FLAT_GREY_LEVELS**2).sum())


def _zoom(one: Gray, other: Gray) -> NDArray[np.float32] | None:
    """Shape (2, 3): what takes places of one picture at `VIEW_WIDTH_PX` to the other's: zoomed, turned and shifted.

    None where too few features agree on one.
    """
    orb = cv2.ORB.create(
        FEATURES, edgeThreshold=REACH_PX // 2 + 1, patchSize=REACH_PX, fastThreshold=CORNER_GREY_LEVELS
    )
    size = FEATURES_WIDTH_PX, max(REACH_PX, round(one.shape[0] * FEATURES_WIDTH_PX / one.shape[1]))
    found = [orb.detectAndCompute(cv2.resize(p, size, interpolation=cv2.INTER_AREA), None) for p in (one, other)]
    if any(len(points) < AGREED_FEATURES for points, _ in found):
        return None
    (points, described), (others, others_described) = found
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(described, others_described)
    if len(pairs) < AGREED_FEATURES:
        return None
    matrix, agreed = cv2.estimateAffinePartial2D(
        np.array([points[pair.queryIdx].pt for pair in pairs], np.float32),
        np.array([others[pair.trainIdx].pt for pair in pairs], np.float32),
        ransacReprojThreshold=AGREED_PX,
    )
    if matrix is None or int(agreed.sum()) < AGREED_FEATURES:
        return None
    if not 1 / LARGEST_ZOOM <= float(np.hypot(*matrix[0, :2])) <= LARGEST_ZOOM:
        return None
    to_other = np.asarray(matrix, np.float32)
    to_other[:, 2] *= np.float32(VIEW_WIDTH_PX / FEATURES_WIDTH_PX)
    return to_other


def _detail(picture: Gray) -> NDArray[np.float32]:
    height_px = max(VIEW_BLOCK_PX[1], round(picture.shape[0] * VIEW_WIDTH_PX / picture.shape[1]))
    small = cv2.resize(picture, (VIEW_WIDTH_PX, height_px), interpolation=cv2.INTER_AREA).astype(np.float32)
    fine, coarse = (cv2.GaussianBlur(small, (0, 0), sigma) for sigma in DETAIL_SIGMAS_PX)
    return np.asarray(fine - coarse, np.float32)


def _variance(detail: NDArray[np.float32]) -> NDArray[np.float32]:
    mean = cv2.blur(detail, VIEW_BLOCK_PX)
    return np.asarray(np.maximum(cv2.blur(detail * detail, VIEW_BLOCK_PX) - mean * mean, 0), np.float32)


def _shown(one: NDArray[np.float32], other: NDArray[np.float32], shift: tuple[int, int]) -> int:
    """How many pixels of detail are in both, the one being shifted right and down onto the other."""
    height, width = one.shape
    right, down = shift
    one = one[max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)]
    other = other[max(0, down) : height - max(0, -down), max(0, right) : width - max(0, -right)]
    if min(one.shape) < VIEW_BLOCK_PX[0]:
        return 0
    means = cv2.blur(one, VIEW_BLOCK_PX), cv2.blur(other, VIEW_BLOCK_PX)
    variances = _variance(one), _variance(other)
    covariance = cv2.blur(one * other, VIEW_BLOCK_PX) - means[0] * means[1]
    alike = covariance > SHOWN_CORRELATION * np.sqrt(variances[0] * variances[1])
    return int((alike & (np.minimum(*variances) > FLAT_GREY_LEVELS**2)).sum())


def _shifts(one: NDArray[np.float32], other: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Right and down; the transform takes a picture to repeat itself, so that each peak stands for up to four."""
    height, width = one.shape
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    spectra = [np.fft.rfft2(detail * window) for detail in (one, other)]
    cross = spectra[1] * np.conj(spectra[0])
    size = np.abs(cross)
    surface = np.fft.irfft2(cross / (size + 1e-3 * size.mean() + 1e-9), (height, width)).astype(np.float32)
    # The peak of a shift by a part of a pixel is spread over its neighbours.
    surface = np.asarray(cv2.blur(np.pad(surface, 1, mode="wrap"), (3, 3))[1:-1, 1:-1], np.float32)
    shifts = []
    for _ in range(SHIFTS_TRIED):
        y, x = (int(at) for at in np.unravel_index(int(surface.argmax()), surface.shape))
        surface[np.ix_(np.arange(y - 4, y + 5) % height, np.arange(x - 4, x + 5) % width)] = -1
        shifts += [
            (right, down)
            for right in (x, x - width)
            for down in (y, y - height)
            if abs(right) <= LARGEST_SHIFT * width and abs(down) <= LARGEST_SHIFT * height
        ]
    return shifts
