from __future__ import annotations

import numpy as np
import pytest

from gpu_service.pictures import Image
from mpr_assets.text.scanning import FullScans
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
    scans = FullScans(every=4, new_detail=0.5)
    assert [number for number, (shot, image) in enumerate(frames) if scans.due(shot, image)] == expected


def test_every_frame_where_that_is_set() -> None:
    scans = FullScans(every=1, new_detail=1.0)
    assert [scans.due(shot, image) for shot, image in CALM] == [True] * 6
