"""How far the picture moves between two frames."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gpu_service.errors import PermanentError
from gpu_service.pictures import Image, Picture, encode_jpeg
from mpr_assets.report.camera import picture_motion, still

SCENE = np.random.default_rng(3).integers(0, 256, (60, 100, 3), dtype=np.uint8)
WIDE = np.asarray(cv2.resize(SCENE, (1600, 960), interpolation=cv2.INTER_CUBIC), np.uint8)


def view(x: int, y: int) -> Image:
    return WIDE[y : y + 720, x : x + 1280]


OTHER = np.asarray(
    cv2.resize(np.random.default_rng(4).integers(0, 256, (60, 100, 3), dtype=np.uint8), (1280, 720)), np.uint8
)
VIEWS = {
    "still": (view(100, 100), view(100, 100), (0, 0)),
    "the camera turns right": (view(0, 100), view(200, 100), (-200, 0)),
    "up and left": (view(100, 100), view(20, 60), (80, 40)),
    "a strip that is still": (view(100, 100)[:4], view(100, 100)[:4], (0, 0)),
    "another scene": (view(0, 0), OTHER, None),
    "another size": (view(0, 0), view(0, 0)[:700], None),
}


@pytest.mark.parametrize(("before", "after", "moved"), VIEWS.values(), ids=VIEWS.keys())
def test_motion(before: Image, after: Image, moved: tuple[int, int] | None) -> None:
    pictures = [Picture(encoded=encode_jpeg(before)), Picture(encoded=encode_jpeg(after))]
    found = picture_motion(pictures.__getitem__)(0, 1)
    assert found is None if moved is None else found == pytest.approx(moved, abs=3)


def test_a_frame_is_read_once() -> None:
    asked: list[int] = []

    def read(seq: int) -> Picture:
        asked.append(seq)
        return Picture(pixels=view(10 * seq, 0))

    motion = picture_motion(read)
    for before, after in ((0, 1), (1, 2), (0, 1), (2, 3)):
        assert motion(before, after) == pytest.approx((-10, 0), abs=3)
    assert asked == [0, 1, 2, 3]


def test_a_damaged_frame_is_named() -> None:
    with pytest.raises(PermanentError, match="not a valid picture"):
        picture_motion(lambda _seq: Picture(encoded=b"no picture"))(0, 1)


def test_still() -> None:
    assert still(3, 4) == (0, 0)
