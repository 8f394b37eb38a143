"""Abrupt changes between sampled frames, on frames made here."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from gpu_service.pictures import Image
from mpr_resources.media.abrupt_changes import Changes, PictureChange
from mpr_resources.media.geometry import Geometry
from mpr_resources.media.pixels import UPRIGHT, Orientation
from tests.stills import seen, smeared, still

WIDE = Geometry(64, 36, None, UPRIGHT)


def frame(pts: int, grey: int, size: tuple[int, int] = (64, 36), pixel_format: str = "gray") -> av.VideoFrame:
    pixels = np.full((size[1], size[0]), grey, np.uint8)
    made = av.VideoFrame.from_ndarray(pixels, format="gray").reformat(format=pixel_format)
    made.pts = pts
    return made


CUTS = {
    "nothing": ([], None),
    "one frame": ([10], None),
    "one step, none to compare it with": ([10, 200], None),
    "still": ([10, 10, 10, 10], None),
    "a cut": ([10, 10, 200, 200, 200], 2),
    "a cut at the sampled frame": ([10, 10, 10, 200], 3),
    "a small change is no cut": ([10, 10, 14, 14], None),
    "even motion is no cut": ([10, 40, 70, 100, 130], None),
    "a cut within motion": ([10, 20, 30, 200, 210], 3),
    "two cuts: neither stands out": ([10, 10, 200, 200, 10], None),
}


@pytest.mark.parametrize("name", CUTS)
def test_the_first_frame_after_an_abrupt_change(name: str) -> None:
    greys, expected = CUTS[name]
    changes = Changes()
    for pts, grey in enumerate(greys):
        changes.add(frame(pts, grey), WIDE)
    assert changes.until(99).cut_pts == expected
    assert changes.until(99).cut_pts is None


def test_the_step_from_the_sampled_frame_counts_for_the_next() -> None:
    changes = Changes()
    for pts, grey in enumerate([10, 10, 10]):
        changes.add(frame(pts, grey), WIDE)
    assert changes.until(99).cut_pts is None
    for pts, grey in enumerate([200, 200], start=3):
        changes.add(frame(pts, grey), WIDE)
    assert changes.until(99).cut_pts == 3


def pan(*places: int, seed: int = 1) -> list[Image]:
    """What a camera sees at these places of a still, one of 64 x 36 pixels."""
    return [smeared(seen(still(seed, (4000, 400)), x, 40, (640, 360)), 20)[::10, ::10] for x in places]


FLASH = [cv2.add(picture, np.full_like(picture, 90)) if n == 4 else picture for n, picture in enumerate(pan(*range(8)))]
FADE = [cv2.addWeighted(pan(at)[0], 1 - at / 10, pan(2000 + at)[0], at / 10, 0).astype(np.uint8) for at in range(11)]
PANS: dict[str, tuple[list[Image], int | None, bool]] = {
    "a slow pan": (pan(*range(0, 36, 3)), None, False),
    "a fast pan": (pan(*range(0, 1200, 100)), None, True),
    "a cut within a fast pan": (pan(*range(0, 500, 100), *range(2000, 2700, 100)), 5, False),
    "a cut within a fast pan to another place": (
        pan(*range(0, 500, 100)) + pan(*range(500, 1000, 100), seed=2),
        5,
        False,
    ),
    "a flash": (FLASH, None, False),
    "a fade": (FADE, None, False),
}


@pytest.mark.parametrize("name", PANS)
def test_a_fast_pan_is_no_cut_and_hides_none(name: str) -> None:
    pictures, cut, panned = PANS[name]
    changes = Changes()
    for pts, picture in enumerate(pictures):
        made = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
        made.pts = pts
        changes.add(made, WIDE)
    assert changes.until(99) == PictureChange(cut, panned)


FORMATS = {
    "of the grid's size": ((64, 36), "gray"),
    "smaller": ((32, 18), "gray"),
    "large": ((1920, 1080), "yuv420p"),
    "10 bits": ((64, 36), "yuv420p10le"),
    "packed": ((640, 360), "bgr24"),
    "planes of colours": ((640, 360), "gbrp"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_sizes_and_formats(name: str) -> None:
    size, pixel_format = FORMATS[name]
    changes = Changes()
    for pts, grey in enumerate([10, 10, 200, 200]):
        changes.add(frame(pts, grey, size, pixel_format), Geometry(*size, None, UPRIGHT))
    assert changes.until(99).cut_pts == 2


def test_what_comes_into_sight_is_a_change_and_what_stays_hidden_is_none() -> None:
    changes = Changes()
    for pts, (grey, alpha) in enumerate([(10, 0), (200, 0), (200, 0), (200, 255), (200, 255)]):
        pixels = np.full((36, 64, 4), (grey, grey, grey, alpha), np.uint8)
        seen = av.VideoFrame.from_ndarray(pixels, format="rgba")
        seen.pts = pts
        changes.add(seen, WIDE)
    assert changes.until(99).cut_pts == 3


def test_a_frame_that_is_decoded_again_is_no_step() -> None:
    changes = Changes()
    for pts, grey in [(0, 10), (1, 10), (2, 200), (0, 10), (1, 10), (2, 200), (3, 200)]:
        changes.add(frame(pts, grey), WIDE)
    assert changes.until(99).cut_pts == 2


RESHAPED = {
    "size": Geometry(128, 72, None, UPRIGHT),
    "aspect": Geometry(64, 36, Fraction(4, 3), UPRIGHT),
    "turn": Geometry(64, 36, None, Orientation(flip_x=True, flip_y=True)),
}


@pytest.mark.parametrize("name", RESHAPED)
def test_another_geometry_is_an_abrupt_change_whatever_is_seen(name: str) -> None:
    changes = Changes()
    for pts, geometry in enumerate([WIDE, WIDE, RESHAPED[name], RESHAPED[name]]):
        changes.add(frame(pts, 10), geometry)
    assert changes.until(99).cut_pts == 2
    changes.add(frame(4, 10), RESHAPED[name])
    assert changes.until(99).cut_pts is None
