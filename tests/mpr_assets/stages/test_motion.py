"""How much of frames moves, and how the camera does."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from gpu_service.pictures import Image, Picture, encode_jpeg
from mpr_assets.overlays.preview_sheet import camera_arrow
from mpr_assets.report.camera import picture_motion
from mpr_assets.report.picture import known_shifts
from mpr_assets.stages.motion import SCHEMA, MotionSettings, motion
from mpr_resources.storage.pictures import Frame

SCENE = np.random.default_rng(3).integers(0, 256, (60, 100, 3), dtype=np.uint8)
WIDE = np.asarray(cv2.resize(SCENE, (1280, 640), interpolation=cv2.INTER_CUBIC), np.uint8)
SIZE = (640, 320)


def view(x: int = 0, ball_x: int | None = None) -> Image:
    """The scene from `x` on; a black square of 64 px, 2 % of the picture, at `ball_x`."""
    image = WIDE[100 : 100 + SIZE[1], x : x + SIZE[0]].copy()
    if ball_x is not None:
        image[128:192, ball_x : ball_x + 64] = 0
    return image


def frames(*shown: tuple[int, int, Image]) -> list[tuple[Frame, int]]:
    """Frames of (ms, shot, pixels), stored as JPEG."""
    return [
        (Frame(seq, ms, Picture(encoded=encode_jpeg(pixels, 90))), shot) for seq, (ms, shot, pixels) in enumerate(shown)
    ]


WALKS = frames(*((500 * at, 0, view(ball_x=64 * at)) for at in range(5)))
CASES: dict[str, tuple[list[tuple[Frame, int]], list[float | None]]] = {
    "no frames": ([], []),
    "one frame has nothing to be held against": (frames((0, 0, view())), [None]),
    "nothing moves": (frames(*((500 * at, 0, view()) for at in range(4))), [None, 0, 0, 0]),
    "a square comes in": (frames((0, 0, view()), (500, 0, view()), (1000, 0, view(ball_x=200))), [None, 0, 0.02]),
    "where it stood at first is told too": (WALKS, [None, 0.04, 0.04, 0.04, 0.04]),
    "what stands still for a tenth of the memory is background": (
        frames((0, 0, view()), *((500 * at, 0, view(ball_x=200)) for at in range(1, 8))),
        [None, 0.02, 0.02, 0.02, 0.02, 0.02, 0, 0],
    ),
    "a frame counts for as long as it stood": (
        frames((0, 0, view()), (500, 0, view(ball_x=200)), (3000, 0, view(ball_x=200))),
        [None, 0.02, 0],
    ),
    "a shot begins anew": (
        frames((0, 0, view()), (500, 0, view()), (1000, 1, view(ball_x=200)), (1500, 1, view(ball_x=200))),
        [None, 0, None, 0],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_share_that_moves(case: str) -> None:
    given, expected = CASES[case]
    table = motion(iter(given), MotionSettings())
    assert table.schema == pl.Schema(SCHEMA)
    assert table["seq"].to_list() == [frame.seq for frame, _ in given]
    found = table["moving_share"].to_list()
    assert [share is None for share in found] == [share is None for share in expected]
    assert [share or 0 for share in found] == pytest.approx([share or 0 for share in expected], abs=0.004)


def test_the_camera() -> None:
    given = frames((0, 0, view(0)), (500, 0, view(80)), (1000, 0, view(80)), (1500, 1, view(200)), (2000, 1, view(160)))
    table = motion(iter(given), MotionSettings())
    assert table["before_seq"].to_list() == [None, 0, 1, None, 3]
    right_px, down_px = table["right_px"].to_list(), table["down_px"].to_list()
    assert [right_px[at] for at in (0, 3)] == [None, None]
    assert [right_px[at] for at in (1, 2, 4)] == pytest.approx([-80, 0, 40], abs=2)
    assert [down_px[at] for at in (1, 2, 4)] == pytest.approx([0, 0, 0], abs=2)


def test_tracks_go_by_the_same_motion() -> None:
    given = frames((0, 0, view(0)), (500, 0, view(72)), (1000, 0, view(300, ball_x=10)), (1500, 1, view(72)))
    pictures = {frame.seq: frame.picture for frame, _ in given}
    known = known_shifts(motion(iter(given), MotionSettings()))
    assert known.keys() == {(0, 1), (1, 2)}
    looked_at = picture_motion(pictures.__getitem__)
    asked: list[int] = []

    def read(seq: int) -> Picture:
        asked.append(seq)
        return pictures[seq]

    told = picture_motion(read, known)
    assert [told(*pair) for pair in known] == [looked_at(*pair) for pair in known]
    assert asked == []
    assert told(0, 2) == looked_at(0, 2)
    assert asked == [0, 2]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({"history_ms": 100}, [0.02, 0], id="a short memory"),
        pytest.param({"variance_threshold": 1000}, [0.01, 0.01], id="little differs enough"),
    ],
)
def test_settings(settings: Mapping[str, float], expected: list[float]) -> None:
    given = frames((0, 0, view()), (500, 0, view(ball_x=200)), (1000, 0, view(ball_x=200)))
    found = motion(iter(given), MotionSettings.model_validate(settings))["moving_share"].to_list()
    assert found[1:] == pytest.approx(expected, abs=0.004)


@pytest.mark.parametrize("least", [0.0, 0.02, 0.5])
def test_a_frame_is_active_from_a_share_on(least: float) -> None:
    table = motion(iter(WALKS), MotionSettings(active_share=least)).drop_nulls("moving_share")
    assert table["active"].to_list() == [share >= least for share in table["moving_share"]]


def test_off_unless_a_profile_enables_it() -> None:
    assert not MotionSettings().enabled


@pytest.mark.parametrize("settings", [{"history_ms": 0}, {"active_share": 2}, {"variance_threshold": 0}])
def test_refused_settings(settings: Mapping[str, float]) -> None:
    with pytest.raises(ValidationError):
        MotionSettings.model_validate(settings)


ARROWS = {
    "nothing to draw of a first frame": ((0, None, None, None, None, None), []),
    "the camera went right": ((1, 0, 0.1, True, -80.0, 0.0), ["right"]),
    "the camera went up": ((1, 0, 0.1, True, 0.0, 60.0), ["up"]),
    "the camera is not known": ((1, 0, 0.1, True, None, None), []),
}
PLACES = {"right": (360, 160), "left": (280, 160), "up": (320, 130), "down": (320, 190)}


@pytest.mark.parametrize("case", ARROWS)
def test_an_arrow_shows_the_way_of_the_camera(case: str) -> None:
    row, there = ARROWS[case]
    drawn = camera_arrow(np.zeros((320, 640, 3), np.uint8), pl.DataFrame([row], schema=SCHEMA, orient="row"))
    assert [name for name, (x, y) in PLACES.items() if drawn[y, x].any()] == there
    assert drawn[:30].any() == (row[1] is not None), "how much moves is written at the top"
