from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from gpu_service.errors import BadInput
from gpu_service.pictures import Image, decode
from gpu_service.routines import Batch, preprocess
from gpu_service.routines.preprocess import (
    PREPROCESS,
    Crop,
    CropSettings,
    cut,
    sharpness,
)
from gpu_service.wire import (
    Box,
    CropBox,
    PreprocessItem,
    Quad,
)

BLUE = (200, 60, 20)


def scene(width: int = 1280, height: int = 720, gray: int = 90) -> Image:
    return np.full((height, width, 3), gray, np.uint8)


def board(width: int = 600, height: int = 44, ink: tuple[int, int, int] = (255, 255, 255)) -> Image:
    image = np.full((height, width, 3), BLUE, np.uint8)
    cv2.putText(image, "NORTHGATE FC", (20, height - 12), cv2.FONT_HERSHEY_SIMPLEX, height / 44, ink, 2, cv2.LINE_AA)
    return image


def sloping(degrees: float) -> tuple[Image, Quad]:
    """A board of 600 x 44 whose left top corner is (200, 300), sheared; with a red mark 400 px along, in its middle."""
    slope = math.tan(math.radians(degrees))
    face = board()
    cv2.circle(face, (400, 22), 5, (0, 0, 255), -1)
    image = scene()
    shear = np.array([[1, 0, 200], [slope, 1, 300]], np.float64)
    cv2.warpAffine(face, shear, (1280, 720), image, borderMode=cv2.BORDER_TRANSPARENT)
    fall = 600 * slope
    return image, ((200.0, 300.0), (800.0, 300 + fall), (800.0, 344 + fall), (200.0, 344.0))


def around(quad: Quad) -> Box:
    left, top = np.floor(np.min(quad, axis=0)).astype(int).tolist()
    right, bottom = np.ceil(np.max(quad, axis=0)).astype(int).tolist()
    return Box(x=left, y=top, w=right - left, h=bottom - top)


def corners_in_frame(crop: Crop) -> np.ndarray:
    height, width = crop.pixels.shape[:2]
    corners = np.array([[(0, 0), (width, 0), (width, height), (0, height)]], np.float64)
    return cv2.perspectiveTransform(corners, crop.to_frame)[0]


def red_mark(pixels: Image) -> np.ndarray:
    """Continuous coordinates of the middle of what is red."""
    red = (pixels[:, :, 2] > 150) & (pixels[:, :, 1] < 90) & (pixels[:, :, 0] < 90)
    rows, columns = np.nonzero(red)
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5])


@pytest.mark.parametrize(
    ("box", "size", "corners"),
    [
        pytest.param((100, 50, 200, 60), (200, 60), [(100, 50), (300, 50), (300, 110), (100, 110)], id="tall enough"),
        pytest.param((100, 50, 200, 24), (400, 48), [(100, 50), (300, 50), (300, 74), (100, 74)], id="enlarged twice"),
        pytest.param(
            (100, 50, 200, 6), (800, 24), [(100, 50), (300, 50), (300, 56), (100, 56)], id="four times at most"
        ),
        pytest.param((-20, -10, 120, 90), (100, 80), [(0, 0), (100, 0), (100, 80), (0, 80)], id="cut to the frame"),
        pytest.param(
            (1200, 700, 900, 900), (192, 48), [(1200, 700), (1280, 700), (1280, 720), (1200, 720)], id="corner"
        ),
    ],
)
def test_a_box_is_cut_and_enlarged(
    box: tuple[int, int, int, int], size: tuple[int, int], corners: list[tuple[int, int]]
) -> None:
    x, y, w, h = box
    crop = cut(scene(), CropBox(box=Box(x=x, y=y, w=w, h=h)), CropSettings())
    assert (crop.pixels.shape[1], crop.pixels.shape[0]) == size
    assert corners_in_frame(crop) == pytest.approx(np.array(corners), abs=1e-6)


def test_one_pixel() -> None:
    crop = cut(np.zeros((1, 1, 3), np.uint8), CropBox(box=Box(x=0, y=0, w=1, h=1)), CropSettings())
    assert crop.pixels.shape == (4, 4, 3)
    assert crop.plain


def test_a_tall_crop_with_contrast_is_the_frame_itself() -> None:
    image = np.random.default_rng(3).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    crop = cut(image, CropBox(box=Box(x=40, y=50, w=200, h=100)), CropSettings())
    assert np.array_equal(crop.pixels, image[50:150, 40:240])


@pytest.mark.parametrize("degrees", [-9.0, -4.0, 2.0, 5.0, 12.0])
def test_a_sloping_board_is_levelled(degrees: float) -> None:
    image, quad = sloping(degrees)
    crop = cut(image, CropBox(box=around(quad)), CropSettings())
    found = corners_in_frame(crop)
    slope = math.degrees(math.atan2(*(found[1] - found[0])[::-1]))
    assert slope == pytest.approx(degrees, abs=0.3)
    assert abs(found - np.array(quad)).max() < 6  # some room above and below
    assert crop.pixels.shape[0] < 70
    mark = cv2.perspectiveTransform(red_mark(crop.pixels)[None, None], crop.to_frame)[0, 0]
    assert mark == pytest.approx(red_mark(image), abs=1)


@pytest.mark.parametrize("degrees", [0.0, 0.3])
def test_a_level_board_is_cut_as_it_is(degrees: float) -> None:
    image, quad = sloping(degrees)
    crop = cut(image, CropBox(box=around(quad)), CropSettings())
    assert crop.to_frame[1, 0] == 0


def test_straighten_can_be_switched_off() -> None:
    image, quad = sloping(5.0)
    crop = cut(image, CropBox(box=around(quad)), CropSettings(straighten=False))
    assert crop.to_frame[1, 0] == 0


def test_a_quad_is_straightened() -> None:
    quad: Quad = ((220.0, 310.5), (780.0, 260.0), (800.0, 330.0), (210.0, 365.0))
    face = board()
    cv2.circle(face, (400, 22), 6, (0, 0, 255), -1)
    to_face = cv2.getPerspectiveTransform(
        np.array([(0, 0), (600, 0), (600, 44), (0, 44)], np.float32), np.array(quad, np.float32)
    )
    image = scene()
    cv2.warpPerspective(face, to_face, (1280, 720), image, borderMode=cv2.BORDER_TRANSPARENT)
    crop = cut(image, CropBox(box=around(quad), quad=quad), CropSettings())
    assert corners_in_frame(crop) == pytest.approx(np.array(quad), abs=0.01)
    mark = cv2.perspectiveTransform(red_mark(crop.pixels)[None, None], crop.to_frame)[0, 0]
    assert mark == pytest.approx(red_mark(image), abs=1)
    assert red_mark(crop.pixels) / crop.pixels.shape[1::-1] == pytest.approx([400 / 600, 0.5], abs=0.02)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        pytest.param(CropBox(box=Box(x=1280, y=0, w=10, h=10)), "lies outside its picture", id="beside"),
        pytest.param(CropBox(box=Box(x=5, y=5, w=0, h=10)), "lies outside its picture", id="no width"),
        pytest.param(CropBox(box=Box(x=-50, y=-50, w=20, h=20)), "lies outside its picture", id="above"),
        pytest.param(
            CropBox(box=Box(x=0, y=0, w=9, h=9), quad=((0.0, 0.0), (9.0, 0.0), (9.0, 0.0), (0.0, 0.0))),
            "is flat or crosses itself",
            id="a flat quad",
        ),
        pytest.param(
            CropBox(box=Box(x=0, y=0, w=9, h=9), quad=((0.0, 0.0), (90.0, 80.0), (90.0, 0.0), (0.0, 80.0))),
            "is flat or crosses itself",
            id="a crossed quad",
        ),
        pytest.param(
            CropBox(box=Box(x=0, y=0, w=9, h=9), quad=((2e3, 0.0), (3e3, 0.0), (3e3, 99.0), (2e3, 99.0))),
            "lies outside its picture",
            id="a quad beside",
        ),
    ],
)
def test_refused_crops(what: CropBox, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        cut(scene(), what, CropSettings())


def test_a_huge_quad_makes_no_huge_crop() -> None:
    quad: Quad = ((-9e5, -9e5), (9e5, -9e5), (9e5, 9e5), (-9e5, 9e5))
    crop = cut(scene(64, 64), CropBox(box=Box(x=0, y=0, w=9, h=9), quad=quad), CropSettings())
    assert crop.pixels.size <= 3 * 9_100_000


@pytest.mark.parametrize(
    ("face", "plain"),
    [
        pytest.param(np.full((44, 600, 3), BLUE, np.uint8), True, id="one colour"),
        pytest.param(
            np.tile(np.linspace(60, 160, 600).astype(np.uint8)[None, :, None], (44, 1, 3)), True, id="a shade"
        ),
        pytest.param(board(), False, id="bright letters"),
        pytest.param(cv2.GaussianBlur(board(ink=(215, 85, 45)), (0, 0), 1.2), False, id="faint soft letters"),
        pytest.param(board(ink=(20, 72, 88)), False, id="letters as bright as their ground"),
        pytest.param(
            np.pad(board(90, 30)[14:], ((14, 14), (900, 900), (0, 0)), "edge"), False, id="a word on a long board"
        ),
    ],
)
def test_crops_without_text_are_told(face: Image, plain: bool) -> None:
    what = PreprocessItem(crops=(CropBox(box=Box(x=0, y=0, w=face.shape[1], h=face.shape[0])),))
    [answer] = PREPROCESS.run(Batch([face], [what], CropSettings()))
    assert (answer.crops[0].picture_png == b"") == plain
    [read_all] = PREPROCESS.run(Batch([face], [what], CropSettings(plain_gradient=0)))
    assert read_all.crops[0].picture_png != b""


def test_low_contrast_is_stretched() -> None:
    face = np.full((60, 300, 3), 100, np.uint8)
    cv2.putText(face, "FAINT", (20, 45), cv2.FONT_HERSHEY_SIMPLEX, 1.4, (118, 118, 118), 3, cv2.LINE_AA)
    crop = cut(face, CropBox(box=Box(x=0, y=0, w=300, h=60)), CropSettings())
    assert np.ptp(crop.pixels) > 1.5 * np.ptp(face)


def test_sharpness_falls_with_blur() -> None:
    gray = cv2.cvtColor(board(), cv2.COLOR_BGR2GRAY)
    assert sharpness(np.full((9, 9), 77, np.uint8)) == 0
    assert sharpness(gray) > 2 * sharpness(np.asarray(cv2.GaussianBlur(gray, (0, 0), 1.0), np.uint8))


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"max_scale": 0.5}, id="smaller than the frame"),
        pytest.param({"min_height_px": 0}, id="no height"),
        pytest.param({"sharpness": 1}, id="unknown"),
    ],
)
def test_refused_settings(settings: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        CropSettings.model_validate(settings)


def test_routine_answers_in_order_and_shows_its_work() -> None:
    image, quad = sloping(5.0)
    item = PreprocessItem(crops=(CropBox(box=around(quad)), CropBox(box=Box(x=0, y=0, w=80, h=20))))
    batch = Batch([image, image], [PreprocessItem(), item], CropSettings())
    answers = PREPROCESS.run(batch)
    assert [len(answer.crops) for answer in answers] == [0, 2]
    board_crop, nothing = answers[1].crops
    assert decode(board_crop.picture_png).shape == (board_crop.height, board_crop.width, 3)
    assert nothing.picture_png == b""
    shown = PREPROCESS.debug(batch)
    assert [answer for answer, _ in shown] == answers
    assert [list(pictures) for _, pictures in shown] == [["cuts", "crops"], ["cuts", "crops"]]
    assert shown[1][1]["cuts"].shape == image.shape
    assert PREPROCESS.identity(batch.settings) == f"preprocess/1/opencv-{cv2.__version__}"


def test_crops_of_too_many_pixels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preprocess, "MOST_PX", 2_000_000)
    image = np.zeros((1000, 1000, 3), np.uint8)
    whole = CropBox(box=Box(x=0, y=0, w=1000, h=1000))
    two, three = (PreprocessItem(crops=(whole,) * count) for count in (2, 3))
    settings = CropSettings(straighten=False)
    assert [len(answer.crops) for answer in PREPROCESS.run(Batch([image], [two], settings))] == [2]
    for routine in (PREPROCESS.run, PREPROCESS.debug):
        with pytest.raises(BadInput, match=r"The 3 crops of one picture come to more than 2 megapixels; ask for fewer"):
            routine(Batch([image], [three], settings))
