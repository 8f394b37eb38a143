from __future__ import annotations

import numpy as np
import pytest

from gpu_service.pictures import Image
from mpr_assets.text.scanning import Scanning
from tests.stills import seen, still

SIZE = (320, 180)
STILL, OTHER = (still(seed, (1000, 300)) for seed in (1, 2))


def at(x: float, picture: Image = STILL) -> Image:
    return seen(picture, x, 60, SIZE)


CALM = [(0, at(0))] * 6
FRAMES: dict[str, tuple[list[tuple[int, Image]], list[int]]] = {
    "none": ([], []),
    "one": ([(0, at(0))], [0]),
    "one view: every fourth": (CALM, [0, 4]),
    "a new shot": ([*CALM[:2], *[(1, at(0))] * 6], [0, 2, 6]),
    "another view in the shot": ([*CALM[:2], *[(0, at(0, OTHER))] * 3], [0, 2]),
    "a slow pan: once half of the view is new": ([(0, at(70 * i)) for i in range(6)], [0, 3]),
    "a fast pan": ([(0, at(220 * i, OTHER)) for i in range(4)], [0, 1, 2, 3]),
    "a shot in another size": ([(0, at(0)), (1, seen(STILL, 0, 0, (200, 150)))], [0, 1]),
    "nothing to see": ([(0, np.zeros((180, 320, 3), np.uint8))] * 3, [0]),
}


@pytest.mark.parametrize("name", FRAMES)
def test_which_frames_are_scanned_in_full(name: str) -> None:
    frames, expected = FRAMES[name]
    scanning = Scanning(every=4, new_detail=0.5, small_text_megapixels=0.1)
    assert [number for number, frame in enumerate(frames) if scanning.next(*frame).full_scan] == expected


def test_every_frame_where_that_is_set() -> None:
    scanning = Scanning(every=1, new_detail=1.0, small_text_megapixels=0)
    assert [scanning.next(*frame).full_scan for frame in CALM] == [True] * 6


def test_full_scans_spend_on_small_text_what_was_saved_since_the_last() -> None:
    scanning = Scanning(every=4, new_detail=0.5, small_text_megapixels=0.1)
    frames = [*CALM[:3], (1, at(0)), (2, at(0)), *[(2, at(0))] * 4]
    spent = [scanning.next(*frame).small_text_megapixels for frame in frames]
    assert spent == pytest.approx([0.8, 0, 0, 0.3, 0.1, 0, 0, 0, 0.4])
