from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest

from gpu_service.client.local import LocalInference
from gpu_service.pictures import Image, Picture
from gpu_service.routines import T
from gpu_service.wire import (
    OcrAnswer,
    OcrItem,
    Quad,
    TextLine,
)
from mpr_assets.stages.run_ocr import (
    SCHEMA,
    CropGroup,
    RunOcrSettings,
    read_text,
)
from mpr_assets.text.readings import Recognition, vote
from mpr_resources.storage.pictures import Frame

FONT = cv2.FontFace("sans")
SETTINGS = RunOcrSettings()


class Counting(LocalInference):
    """The real thing, with the lines that it was asked to recognise counted."""

    def __init__(self) -> None:
        self.lines_read = 0

    def map(
        self, routine: Any, pictures: Iterable[tuple[T, Picture, OcrItem]], settings: Any, references: Any = ()
    ) -> Iterator[tuple[T, Any]]:
        for token, picture, item in pictures:
            self.lines_read += 0 if item.find else len(item.quads)
            yield from super().map(routine, [(token, picture, item)], settings, references)


Scripted = list[tuple[int, int, int, int, str, float]]


class Script:
    """Stands at the seam: frame by frame, what is found where (x, y, w, h) and how it reads (text, confidence)."""

    def __init__(self, frames: list[Scripted]) -> None:
        self.frames = frames
        self.found = -1

    def map(self, routine: Any, pictures: Iterable[tuple[T, Picture, OcrItem]], settings: Any, references: Any = ()):
        for token, _, item in pictures:
            if item.find:
                self.found += 1
                here = self.frames[self.found]
                yield token, OcrAnswer(lines=tuple(TextLine(quad=rectangle(*line[:4])) for line in here))
                continue
            readings = {rectangle(*line[:4]): line[4:] for line in self.frames[self.found]}
            lines = [(quad, *readings[quad]) for quad in item.quads]
            yield token, OcrAnswer(lines=tuple(TextLine(quad=q, text=text, confidence=c) for q, text, c in lines))


def rectangle(x: float, y: float, w: float, h: float) -> Quad:
    return (x, y), (x + w, y), (x + w, y + h), (x, y + h)


def scene(seed: int = 0) -> Image:
    """A smooth background, another for each seed."""
    noise = np.random.default_rng(seed).integers(40, 120, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(noise, (640, 360), interpolation=cv2.INTER_CUBIC)


def written(text: str, x: int = 200, y: int = 180, seed: int = 0, size: int = 44) -> Image:
    image = scene(seed)
    cv2.putText(image, text, (x, y), (255, 255, 255), FONT, size, 500)
    return image


def noise(seed: int) -> Image:
    return np.random.default_rng(seed).integers(0, 255, (360, 640, 3), dtype=np.uint8)


def shot(images: Iterable[Image], number: int = 0, first: int = 0) -> list[tuple[Frame, int]]:
    return [(Frame(seq, seq * 500, Picture(pixels=image)), number) for seq, image in enumerate(images, start=first)]


def texts(table: pl.DataFrame) -> dict[int, list[str]]:
    return {seq: table.filter(pl.col("seq") == seq)["text"].to_list() for seq in table["seq"].unique().sort()}


@pytest.mark.parametrize(
    "frames",
    [pytest.param([], id="no frames"), pytest.param(shot([scene()] * 3), id="nothing written")],
)
def test_no_text_is_an_empty_table(frames):
    table = read_text(frames, [], LocalInference(), SETTINGS)
    assert table.is_empty()
    assert dict(table.schema) == SCHEMA


@pytest.mark.parametrize("every", [1, 4], ids=["every frame in full", "every fourth"])
def test_text_that_stays_is_read_once_and_followed(every):
    inference = Counting()
    table = read_text(shot([written("KORVAX")] * 10), [], inference, RunOcrSettings(full_scan_every=every))
    assert texts(table) == {seq: ["KORVAX"] for seq in range(10)}
    assert table["track"].n_unique() == 1
    assert table["read"].to_list() == [True] + [False] * 9
    assert inference.lines_read == 1


def test_text_on_a_background_that_changes_is_one_track():
    table = read_text(shot(written("KORVAX", seed=seed) for seed in range(4)), [], LocalInference(), SETTINGS)
    assert texts(table) == {seq: ["KORVAX"] for seq in range(4)}
    assert table["track"].n_unique() == 1


@pytest.mark.parametrize(
    ("place", "most_read"),
    [
        pytest.param(lambda i: (60 + 40 * i, 180), 2, id="steadily"),
        pytest.param(lambda i: [(60, 80), (400, 300), (220, 60), (90, 320)][i], 4, id="in leaps"),
    ],
)
def test_text_that_moves_is_one_track(place: Callable[[int], tuple[int, int]], most_read: int):
    inference = Counting()
    table = read_text(shot(written("KORVAX", *place(i)) for i in range(4)), [], inference, SETTINGS)
    assert texts(table) == {seq: ["KORVAX"] for seq in range(4)}
    assert table["track"].n_unique() == 1
    assert inference.lines_read <= most_read
    left = cv2.getTextSize((640, 360), "KORVAX", (0, 0), FONT, 44, 500)[0]
    assert table["x"].to_list() == pytest.approx([place(i)[0] + left for i in range(4)], abs=14)


def test_text_that_the_edge_cut_off_is_read_again_once_it_has_come_in():
    images = [written("BRASTOVAR", x) for x in (445, 405, 365, 330)]
    table = read_text(shot(images), [], LocalInference(), SETTINGS)
    assert texts(table)[3] == ["BRASTOVAR"]
    whole = table.filter(pl.col("x") + pl.col("w") < 630)
    assert set(whole["text"]) == {"BRASTOVAR"}


def test_following_stops_at_a_shot():
    inference = Counting()
    frames = shot([written("KORVAX")] * 3) + shot([written("KORVAX")] * 3, number=1, first=3)
    table = read_text(frames, [], inference, SETTINGS)
    assert table["track"].to_list() == [0, 0, 0, 1, 1, 1]
    assert table["read"].to_list() == [True, False, False] * 2
    assert inference.lines_read == 2


def test_one_letter_that_changes_is_seen():
    images = [written("KORVAX"), written("KORVAX"), written("KORVEX"), written("KORVEX")]
    table = read_text(shot(images), [], LocalInference(), SETTINGS)
    assert texts(table) == {0: ["KORVAX"], 1: ["KORVAX"], 2: ["KORVEX"], 3: ["KORVEX"]}


def test_text_found_late_is_followed_back_to_where_it_appeared():
    blank, full = [], [(190, 130, 220, 60, "KORVAX", 0.99)]
    images = [scene(), scene(), written("KORVAX"), written("KORVAX"), written("KORVAX")]
    table = read_text(shot(images), [], Script([blank, blank, blank, blank, full]), SETTINGS)
    assert table.select("seq", "read").rows() == [(2, False), (3, False), (4, True)]


PLACE = (190, 130, 220, 60)
HIGHER = (190, 118, 220, 72)
AGAIN: dict[str, tuple[list[tuple[tuple[int, int, int, int], str, float]], str, int]] = {
    "the same outline": ([(PLACE, "CKORVA", 0.93), (PLACE, "KORVAX", 0.99)], "CKORVA", 1),
    "another outline": ([(PLACE, "CKORVA", 0.93), (HIGHER, "KORVAX", 0.99)], "KORVAX", 2),
    "another outline, nothing read": ([(PLACE, "KORVAX", 0.93), (HIGHER, "", 0.0)], "KORVAX", 1),
    "two agree": ([(PLACE, "KORVAX", 0.99), (HIGHER, "korvax", 0.9), (PLACE, "KORVA", 1.0)], "KORVAX", 2),
}


@pytest.mark.parametrize("name", AGAIN)
def test_unchanged_text_is_read_again_where_a_full_scan_outlines_it_otherwise(name: str):
    frames, expected, times_read = AGAIN[name]
    script = Script([[(*place, text, confidence)] for place, text, confidence in frames])
    settings = RunOcrSettings(full_scan_every=1)
    table = read_text(shot([written("KORVAX")] * len(frames)), [], script, settings)
    assert table["text"].to_list() == [expected] * len(frames)
    assert table["read"].sum() == times_read


def test_a_quick_scan_does_not_have_unchanged_text_read_again():
    script = Script([[(*PLACE, "CKORVA", 0.93)], [(*HIGHER, "KORVAX", 0.99)]])
    table = read_text(shot([written("KORVAX")] * 2), [], script, SETTINGS)
    assert table["text"].to_list() == ["CKORVA"] * 2


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param([("KORVAX", 0.9)], ["KORVAX"], id="one"),
        pytest.param([("", 0.0)], [], id="no text"),
        pytest.param([("KORVAX", 0.9), ("KCRVAX", 0.6), ("KORVAX", 0.8)], ["KORVAX"] * 3, id="misread once"),
        pytest.param([("KCRVAX", 0.6), ("KORVAX", 0.95), ("KORVAX", 0.9)], ["KORVAX"] * 3, id="misread first"),
        pytest.param([("ORVA", 0.95), ("KORVAX", 0.95)], ["KORVAX"] * 2, id="cut off first"),
        pytest.param([("KORVAX", 0.99), ("Lumen", 0.99)], ["KORVAX", "Lumen"], id="another text"),
        pytest.param([("KORVAX", 0.99), ("KORVEX", 0.99)], ["KORVAX", "KORVEX"], id="sure of both"),
        pytest.param([("chrome", 0.99), ("chromecast", 0.99)], ["chrome", "chromecast"], id="a longer word"),
    ],
)
def test_readings_of_one_place_vote(readings, expected):
    script = Script([[(*PLACE, *reading)] for reading in readings])
    table = read_text(shot(noise(seed) for seed in range(len(readings))), [], script, SETTINGS)
    assert table["text"].to_list() == expected
    assert table["read"].all()
    assert table["track"].n_unique() == len(set(expected))


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param([("Acme", 0.9)], ("Acme", 0.9), id="one"),
        pytest.param([("Acme", 0.6), ("Acrne", 0.9), ("Acme", 0.8)], ("Acme", 0.8), id="two against one that is surer"),
        pytest.param([("Acme", 0.6), ("Axme", 0.9)], ("Axme", 0.9), id="the surer of two"),
        pytest.param([("Acm", 0.9), ("Acm", 0.9), ("Acme", 0.9)], ("Acme", 0.9), id="the longer of those cut off"),
    ],
)
def test_vote(readings, expected):
    quad = np.zeros((4, 2), np.float32)
    assert vote([Recognition(text, confidence, quad) for text, confidence in readings]) == expected


def test_crops_are_read_and_laid_into_each_frame():
    crop = np.full((120, 400, 3), 90, np.uint8)
    cv2.putText(crop, "Lumen", (40, 80), (255, 255, 255), FONT, 60, 500)
    half = {0: [0.5, 0, 100, 0, 0.5, 50, 0, 0, 1], 2: [0.5, 0, 300, 0, 0.5, 250, 0, 0, 1]}
    group = CropGroup(7, Picture(pixels=crop), half)
    table = read_text(shot([scene()] * 3), [group], LocalInference(), SETTINGS)
    assert table.select("seq", "text", "source", "read").rows() == [
        (0, "Lumen", "crop", True),
        (2, "Lumen", "crop", False),
    ]
    x, y, w, h = cv2.getTextSize((400, 120), "Lumen", (40, 80), FONT, 60, 500)
    expected = np.array(rectangle(x / 2 + 100, y / 2 + 50, w / 2, h / 2))
    np.testing.assert_allclose(np.array(table["quad"][0].to_list()).reshape(4, 2), expected, atol=8)
    np.testing.assert_allclose(np.array(table["quad"][1].to_list()).reshape(4, 2), expected + 200, atol=8)


@pytest.mark.parametrize(
    ("in_crop", "expected"),
    [
        pytest.param(("KORVAX", 0.8), [("KORVAX", "frame")], id="surer in the frame"),
        pytest.param(("KORVAX", 0.99), [("KORVAX", "crop")], id="surer in the crop"),
        pytest.param(("KORVAX AIR", 0.9), [("KORVAX AIR", "crop")], id="longer in the crop"),
    ],
)
def test_a_line_seen_in_frame_and_crop_counts_once(in_crop, expected):
    script = Script([[(*PLACE, "KORVAX", 0.9)], [(0, 0, 220, 60, *in_crop)]])
    original = script.map

    def both(routine: Any, pictures: Any, settings: Any, references: Any = ()):
        for token, picture, item in pictures:
            [(_, answer)] = original(routine, [(token, picture, item)], settings)
            if item.find and item.recognise:
                [line] = answer.lines
                answer = OcrAnswer(lines=(TextLine(quad=line.quad, text=in_crop[0], confidence=in_crop[1]),))
            yield token, answer

    script.map = both  # type: ignore[method-assign]
    group = CropGroup(0, Picture(pixels=scene()), {0: [1, 0, 190, 0, 1, 130, 0, 0, 1]})
    table = read_text(shot([scene()]), [group], script, SETTINGS)
    assert table.select("text", "source").rows() == expected


def test_crops_are_left_alone_when_told_so():
    group = CropGroup(0, Picture(pixels=written("KORVAX")), {0: [1, 0, 0, 0, 1, 0, 0, 0, 1]})
    assert read_text(shot([scene()]), [group], LocalInference(), RunOcrSettings(read_crops=False)).is_empty()


def test_lines_are_numbered_from_top_to_bottom_and_equal_input_gives_equal_tables():
    image = written("KORVAX", 200, 120)
    cv2.putText(image, "Lumen", (210, 300), (255, 255, 255), FONT, 44, 500)
    first, second = (read_text(shot([image] * 2), [], LocalInference(), SETTINGS) for _ in range(2))
    assert first.select("seq", "line", "text").rows() == [
        (0, 0, "KORVAX"),
        (0, 1, "Lumen"),
        (1, 0, "KORVAX"),
        (1, 1, "Lumen"),
    ]
    assert first.equals(second)
    assert first["quad"].to_list() == second["quad"].to_list()
    for x, y, w, h, quad in first.select("x", "y", "w", "h", "quad").iter_rows():
        assert (x, y) == (int(min(quad[::2])), int(min(quad[1::2])))
        assert x + w >= max(quad[::2])
        assert y + h >= max(quad[1::2])


def stacked(word: str, step: int = 50) -> Image:
    image = scene()
    for at, letter in enumerate(word):
        left, _, width, _ = cv2.getTextSize((640, 360), letter, (0, 0), FONT, 36, 600)
        cv2.putText(image, letter, (300 - width // 2 - left, 60 + step * at), (255, 255, 255), FONT, 36, 600)
    return image


def test_letters_one_above_another_are_one_line_read_once():
    inference = Counting()
    table = read_text(shot([stacked("VIKTRO")] * 4), [], inference, SETTINGS)
    assert texts(table) == {seq: ["VIKTRO"] for seq in range(4)}
    assert (table["track"].n_unique(), table["read"].sum()) == (1, 1)
    x, y, w, h = table.select("x", "y", "w", "h").row(0)
    assert (x + w / 2, y + h / 2) == pytest.approx((300, 172), abs=6)
    alone = read_text(shot([stacked("VIKTRO")]), [], inference, RunOcrSettings(stacked_letters=False))
    assert max(map(len, alone["text"])) == 1


def test_turned_text_is_read_turned_where_it_is_high_enough():
    image = np.rot90(written("KORVAX")).copy()
    assert texts(read_text(shot([image]), [], LocalInference(), SETTINGS)) == {0: ["KORVAX"]}
    upright = RunOcrSettings(turn_ratio=50)
    assert "KORVAX" not in read_text(shot([image]), [], LocalInference(), upright)["text"].to_list()
