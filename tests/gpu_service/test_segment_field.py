from __future__ import annotations

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from gpu_service.errors import BadInput
from gpu_service.pictures import Image
from gpu_service.routines import Batch
from gpu_service.routines.segment_field import SEGMENT_FIELD, SegmentFieldSettings, find_field
from gpu_service.wire import FieldAnswer, NoItem

GRASS = (40, 160, 50)
STANDS = (70, 60, 80)


def scene(width: int = 960, height: int = 540, color: tuple[int, int, int] = STANDS) -> Image:
    return np.full((height, width, 3), color, np.uint8)


def pitch(*corners: tuple[int, int], color: tuple[int, int, int] = GRASS, on: Image | None = None) -> Image:
    image = scene() if on is None else on
    cv2.fillPoly(image, [np.array(corners)], color)
    return image


LOWER_HALF = ((0, 270), (959, 270), (959, 539), (0, 539))


def lined_pitch() -> Image:
    image = pitch(*LOWER_HALF)
    cv2.line(image, (480, 270), (480, 539), (255, 255, 255), 10)
    cv2.circle(image, (480, 400), 80, (255, 255, 255), 6)
    cv2.rectangle(image, (200, 350), (212, 385), (30, 30, 200), -1)
    return image


def captioned_pitch() -> Image:
    image = pitch(*LOWER_HALF)
    cv2.rectangle(image, (0, 430), (959, 480), (20, 20, 20), -1)
    return image


@pytest.mark.parametrize(
    ("image", "share"),
    [
        pytest.param(scene(), 0.0, id="no field"),
        pytest.param(scene(color=(128, 128, 128)), 0.0, id="grey picture"),
        pytest.param(scene(1, 1), 0.0, id="one pixel of no field"),
        pytest.param(scene(1, 1, GRASS), 1.0, id="one pixel of field"),
        pytest.param(scene(color=GRASS), 1.0, id="field everywhere"),
        pytest.param(scene(20000, 8, GRASS), 1.0, id="very wide"),
        pytest.param(scene(7680, 4320, GRASS), 1.0, id="8K"),
        pytest.param(pitch(*LOWER_HALF), 0.5, id="lower half"),
        pytest.param(lined_pitch(), 0.5, id="lines and a player do not cut it up"),
        pytest.param(captioned_pitch(), 0.406, id="a caption is no field"),
        pytest.param(pitch((10, 10), (120, 10), (120, 120), (10, 120)), 0.0, id="too small an area"),
        pytest.param(
            np.random.default_rng(1).integers(0, 256, (540, 960, 3), dtype=np.uint8), 0.0, id="noise is no field"
        ),
    ],
)
def test_share_of_the_frame(image: Image, share: float) -> None:
    answer = find_field(image, SegmentFieldSettings())
    assert answer.share == pytest.approx(share, abs=0.012)
    assert bool(answer.polygon) == (share > 0)


def filled(answer: FieldAnswer, image: Image) -> np.ndarray:
    mask = np.zeros(image.shape[:2], np.uint8)
    if answer.polygon:
        cv2.fillPoly(mask, [np.array(answer.polygon).round().astype(np.int32)], 1)
    return mask.astype(bool)


@pytest.mark.parametrize(
    ("image", "field"),
    [
        pytest.param(scene(color=GRASS), scene(color=GRASS), id="all of the frame"),
        pytest.param(lined_pitch(), pitch(*LOWER_HALF), id="lower half with lines"),
        pytest.param(captioned_pitch(), pitch(*LOWER_HALF), id="both sides of a caption"),
        pytest.param(
            pitch((300, 200), (700, 220), (959, 539), (40, 539)),
            pitch((300, 200), (700, 220), (959, 539), (40, 539)),
            id="a trapezoid",
        ),
        pytest.param(
            pitch((700, 10), (950, 10), (950, 180), (700, 180), on=pitch(*LOWER_HALF)),
            pitch(*LOWER_HALF),
            id="a green wall far off is not joined to it",
        ),
    ],
)
def test_polygon_covers_the_field(image: Image, field: Image) -> None:
    truth = (field == GRASS).all(axis=2)
    found = filled(find_field(image, SegmentFieldSettings()), image)
    assert (truth & found).sum() / (truth | found).sum() > 0.97


def test_polygon_is_in_pixels_of_the_frame() -> None:
    large = cv2.resize(pitch(*LOWER_HALF), (3840, 2160), interpolation=cv2.INTER_NEAREST)
    polygon = np.array(find_field(large, SegmentFieldSettings(morph_kernel=117)).polygon)
    assert polygon.min(axis=0) == pytest.approx([0, 1080], abs=8)
    assert polygon.max(axis=0) == pytest.approx([3840, 2160], abs=8)


@pytest.mark.parametrize(
    ("settings", "share"),
    [
        pytest.param({"hue_low": 170, "hue_high": 10}, 0.5, id="wraps past 179"),
        pytest.param({"hue_low": 11, "hue_high": 169}, 0.0, id="all other hues"),
        pytest.param({"hue_low": 0, "hue_high": 10}, 0.25, id="one side of the wrap"),
    ],
)
def test_hue_range(settings: dict[str, int], share: float) -> None:
    image = scene(color=(128, 128, 128))
    image[270:, :480] = cv2.cvtColor(np.full((1, 1, 3), (3, 200, 200), np.uint8), cv2.COLOR_HSV2BGR)
    image[270:, 480:] = cv2.cvtColor(np.full((1, 1, 3), (176, 200, 200), np.uint8), cv2.COLOR_HSV2BGR)
    assert find_field(image, SegmentFieldSettings(**settings)).share == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"hue_high": 180}, id="hue beyond 179"),
        pytest.param({"sat_low": 200, "sat_high": 100}, id="saturation the wrong way round"),
        pytest.param({"val_low": 200, "val_high": 100}, id="value the wrong way round"),
        pytest.param({"hue_lo": 3}, id="misspelt"),
        pytest.param({"min_area_ratio": 1.5}, id="more than the frame"),
    ],
)
def test_refused_settings(settings: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        SegmentFieldSettings.model_validate(settings)


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(BadInput, match="0 x 5 pixels"):
        find_field(np.zeros((5, 0, 3), np.uint8), SegmentFieldSettings())


def test_routine_answers_in_order_and_shows_its_work() -> None:
    images = [scene(), lined_pitch()]
    batch = Batch(images, [NoItem(), NoItem()], SegmentFieldSettings())
    answers = SEGMENT_FIELD.run(batch)
    assert [bool(answer.polygon) for answer in answers] == [False, True]
    shown = SEGMENT_FIELD.debug(batch)
    assert [answer for answer, _ in shown] == answers
    for _, pictures in shown:
        assert {name: picture.shape for name, picture in pictures.items()} == {
            "mask": (540, 960, 3),
            "overlay": (540, 960, 3),
        }
    assert SEGMENT_FIELD.identity(batch.settings) == f"segment_field/1/opencv-{cv2.__version__}"
