"""What a picture looks like: colours, brightness, contrast, saturation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from gpu_service.errors import BadInput
from gpu_service.pictures import Image
from gpu_service.routines import Batch
from gpu_service.routines.look import LOOK, LookSettings, look_of
from gpu_service.wire import LookAnswer, NoItem

Rgb: TypeAlias = tuple[int, int, int]
RED, GREEN, BLUE, GREY, BLACK, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (102, 102, 102), (0, 0, 0), (255,) * 3


def striped(*stripes: tuple[int, Rgb], width: int = 320) -> Image:
    """Stripes one below the other, as (height in px, red green blue)."""
    rows = [np.full((height, width, 3), rgb[::-1], np.uint8) for height, rgb in stripes]
    return np.concatenate(rows)


def colours(answer: LookAnswer) -> list[tuple[Rgb, float]]:
    return [((one.red, one.green, one.blue), one.share) for one in answer.colours]


LOOKS: dict[str, tuple[Image, list[tuple[Rgb, float]], tuple[float, float, float]]] = {
    "black": (striped((180, BLACK)), [(BLACK, 1.0)], (0.0, 0.0, 0.0)),
    "white": (striped((180, WHITE)), [(WHITE, 1.0)], (1.0, 0.0, 0.0)),
    "one pixel": (striped((1, GREY), width=1), [(GREY, 1.0)], (0.4, 0.0, 0.0)),
    "grey has no saturation": (striped((180, GREY)), [(GREY, 1.0)], (0.4, 0.0, 0.0)),
    "red is fully saturated and not bright": (striped((180, RED)), [(RED, 1.0)], (76 / 255, 0.0, 1.0)),
    "half black, half white: as much contrast as there can be": (
        striped((64, BLACK), (64, WHITE)),
        [(BLACK, 0.5), (WHITE, 0.5)],
        (0.5, 0.5, 0.0),
    ),
    "the largest first": (
        striped((32, BLUE), (64, GREEN), (160, RED)),
        [(RED, 0.625), (GREEN, 0.25), (BLUE, 0.125)],
        (0.3475, 0.1512, 1.0),
    ),
    "four colours are told as three": (
        striped((64, GREY), (64, (104, 102, 102)), (64, RED), (64, BLUE)),
        [((103, 102, 102), 0.5), (BLUE, 0.25), (RED, 0.25)],
        (0.3039, 0.1177, 0.5049),
    ),
    "a small mark of a strong colour is one of three": (
        striped((240, GREY), (12, (90, 90, 90)), (4, RED)),
        [(GREY, 0.9375), ((90, 90, 90), 0.0469), (RED, 0.0156)],
        (0.3961, 0.0163, 0.0156),
    ),
}


@pytest.mark.parametrize("name", LOOKS)
def test_look(name: str) -> None:
    image, expected, figures = LOOKS[name]
    found = look_of(image, LookSettings())
    assert colours(found) == expected
    assert (found.brightness, found.contrast, found.saturation) == pytest.approx(figures, abs=0.001)


@pytest.mark.parametrize("number", [1, 2, 8])
def test_as_many_colours_as_asked_for(number: int) -> None:
    stripes: Sequence[tuple[int, Rgb]] = [(8, (30 * at, 255 - 30 * at, 30 * (at % 3))) for at in range(8)]
    found = look_of(striped(*stripes), LookSettings(colours=number))
    assert len(found.colours) == number
    assert sum(one.share for one in found.colours) == pytest.approx(1, abs=0.001)


@pytest.fixture
def any_chance() -> Iterator[None]:
    yield
    cv2.setRNGSeed(0)
    cv2.setNumThreads(-1)


@pytest.mark.usefixtures("any_chance")
def test_nothing_is_left_to_chance() -> None:
    noise = np.random.default_rng(7).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    image = np.asarray(cv2.GaussianBlur(noise, (0, 0), 5), np.uint8)
    first = look_of(image, LookSettings())
    for seed, threads in ((1, 1), (2, 2), (3, 4)):
        cv2.setRNGSeed(seed)
        cv2.setNumThreads(threads)
        assert look_of(image, LookSettings()) == first


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(BadInput, match="0 x 5 pixels"):
        look_of(np.zeros((5, 0, 3), np.uint8), LookSettings())


@pytest.mark.parametrize("settings", [{"colours": 0}, {"colours": 9}, {"colors": 3}], ids=["none", "many", "misspelt"])
def test_refused_settings(settings: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        LookSettings.model_validate(settings)


def test_the_routine_shows_the_picture_in_its_colours_alone() -> None:
    images = [striped((64, BLACK), (64, WHITE)), striped((64, GREY), (64, (104, 102, 102)), (128, RED))]
    batch = Batch(images, [NoItem(), NoItem()], LookSettings(colours=2))
    answers = LOOK.run(batch)
    shown = LOOK.debug(batch)
    assert [answer for answer, _ in shown] == answers
    assert [list(pictures) for _, pictures in shown] == [["colours"], ["colours"]]
    assert np.array_equal(shown[0][1]["colours"], images[0])
    assert np.unique(shown[1][1]["colours"].reshape(-1, 3), axis=0)[:, ::-1].tolist() == [[255, 0, 0], [103, 102, 102]]
    assert LOOK.identity(batch.settings) == f"look/1/opencv-{cv2.__version__}"
