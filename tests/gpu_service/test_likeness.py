from __future__ import annotations

import cv2
import numpy as np
import pytest

from gpu_service.likeness import Gray, block_change, frame_phash, is_flat, phash, phash_distance, shared_view
from gpu_service.pictures import Image, decode, encode_jpeg
from tests.stills import seen, still


def scene(seed: int) -> Image:
    """Coloured squares of 40 pixels."""
    squares = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), np.uint8)
    return np.kron(squares, np.ones((40, 40, 1), np.uint8))


def gray(seed: int) -> Gray:
    return np.asarray(cv2.cvtColor(scene(seed), cv2.COLOR_BGR2GRAY), np.uint8)


CROPS: dict[str, tuple[Gray, int]] = {
    "one pixel": (np.full((1, 1), 77, np.uint8), 0),
    "flat": (np.full((9, 9), 77, np.uint8), 0),
    "squares": (gray(1), 0x205DBF8A9A435F90),
    "other squares": (gray(2), 0x153ADA512FBBA620),
}


@pytest.mark.parametrize("name", CROPS)
def test_the_hash_of_a_crop_is_as_stored_ones_are(name: str) -> None:
    picture, expected = CROPS[name]
    assert phash(picture) == expected


FRAMES: dict[str, tuple[Image, int]] = {
    "one pixel": (np.full((1, 1, 3), 77, np.uint8), 0),
    "flat": (np.zeros((90, 160, 3), np.uint8), 0),
    "squares": (scene(1), 0xBB7E143486BE219C),
    "other squares": (scene(2), 0x74B5A25F774D4015),
}


@pytest.mark.parametrize("name", FRAMES)
def test_the_hash_of_a_frame_is_as_stored_ones_are(name: str) -> None:
    picture, expected = FRAMES[name]
    assert frame_phash(picture) == expected


def test_hashes_of_a_crop_tell_pictures_apart() -> None:
    brighter = np.asarray(cv2.add(gray(1), 20), np.uint8)
    larger = np.asarray(cv2.resize(gray(1), None, fx=1.3, fy=1.3, interpolation=cv2.INTER_CUBIC), np.uint8)
    assert phash_distance(phash(gray(1)), phash(brighter)) <= 4
    assert phash_distance(phash(gray(1)), phash(larger)) <= 12
    assert phash_distance(phash(gray(1)), phash(gray(2))) >= 20


def test_hashes_of_a_frame_tell_pictures_apart() -> None:
    hashed = frame_phash(scene(1))
    assert phash_distance(hashed, frame_phash(decode(encode_jpeg(scene(1), 50)))) <= 2
    assert phash_distance(hashed, frame_phash(np.ascontiguousarray(scene(1)[::2, ::2]))) <= 2
    assert 20 <= phash_distance(hashed, frame_phash(scene(2))) <= 44


def flat(level: int, *changed: tuple[int, int, int]) -> Gray:
    """24 x 24 pixels of one level, but for some: column, row, level."""
    levels = np.full((24, 24), level, np.uint8)
    for x, y, value in changed:
        levels[y, x] = value
    return levels


def edge(x: int) -> Gray:
    """24 x 24 pixels, dark to the left of this column."""
    return np.where(np.arange(24) < x, 10, 200).astype(np.uint8)[None].repeat(24, axis=0)


CHANGES: dict[str, tuple[Gray, Gray, float]] = {
    "the same": (flat(50), flat(50), 0.0),
    "brighter": (flat(50), flat(80), 30.0),
    "one pixel in a block of 16": (flat(50), flat(50, (12, 12, 210)), 10.0),
    "two beside each other": (flat(50), flat(50, (12, 12, 210), (13, 12, 210)), 20.0),
    "two far apart": (flat(50), flat(50, (2, 2, 210), (20, 20, 210)), 10.0),
    "an edge moved by two pixels": (edge(12), edge(14), 95.0),
    "an edge moved by one pixel": (edge(12), edge(13), 0.0),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_most_changed_block(name: str) -> None:
    one, other, expected = CHANGES[name]
    assert block_change(one, other, (4, 4)) == pytest.approx(expected)


SIZE = (640, 360)
STILL, OTHER = still(1, (1300, 500)), still(2, (1300, 500))


def at(x: float, picture: Image = STILL) -> Gray:
    return np.asarray(cv2.cvtColor(seen(picture, x, 60, SIZE), cv2.COLOR_BGR2GRAY), np.uint8)


def zoomed(zoom: float, turn: float = 0.0) -> Gray:
    """What the camera sees in the middle of the still, zoomed in and turned by degrees."""
    upright = seen(STILL, 650 - 320 / zoom, 250 - 180 / zoom, SIZE, zoom)
    turned = cv2.warpAffine(upright, cv2.getRotationMatrix2D((320, 180), turn, 1), SIZE, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(cv2.cvtColor(turned, cv2.COLOR_BGR2GRAY), np.uint8)


FLAT = np.full(SIZE[::-1], 77, np.uint8)
LETTERED = cv2.putText(FLAT.copy(), "ACME SPORTS", (150, 150), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (240,), 4)
RELETTERED = cv2.putText(FLAT.copy(), "ACME SPORTS", (150, 150), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (240,), 4)
cv2.putText(RELETTERED, "KORVAX 2", (150, 300), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (240,), 4)

VIEWS: dict[str, tuple[Gray, Gray, float, float]] = {
    "both flat": (FLAT, FLAT, 1.0, 1.0),
    "one flat": (FLAT, at(0), 1.0, 0.0),
    "the other flat": (at(0), FLAT, 0.0, 1.0),
    "one picture": (at(0), at(0), 1.0, 1.0),
    "another picture": (at(0), at(0, OTHER), 0.0, 0.0),
    "moved by a twentieth": (at(0), at(32), 0.95, 0.95),
    "moved by a third": (at(0), at(213), 0.67, 0.67),
    "moved back by a half": (at(320), at(0), 0.5, 0.5),
    "moved out of sight": (at(0), at(650), 0.0, 0.0),
    "zoomed in by a tenth": (zoomed(1), zoomed(1.1), 0.83, 0.95),
    "zoomed in by a half": (zoomed(1), zoomed(1.5), 0.44, 1.0),
    "zoomed out by a third": (zoomed(1.5), zoomed(1), 1.0, 0.44),
    "turned": (zoomed(1), zoomed(1, 8), 0.9, 0.9),
    "lit up": (at(0), cv2.add(at(0), 60), 1.0, 1.0),
    "half faded to another": (at(0), cv2.addWeighted(at(0), 0.5, at(0, OTHER), 0.5, 0), 0.6, 0.6),
    "lettering added": (LETTERED, RELETTERED, 1.0, 0.6),
    "lettering taken away": (RELETTERED, LETTERED, 0.6, 1.0),
}


@pytest.mark.parametrize("name", VIEWS)
def test_how_much_of_a_view_two_pictures_share(name: str) -> None:
    one, other, of_one, of_other = VIEWS[name]
    assert shared_view(one, other) == pytest.approx((of_one, of_other), abs=0.06)


def test_what_is_flat() -> None:
    assert [is_flat(picture) for picture in (FLAT, LETTERED, at(0))] == [True, False, False]
