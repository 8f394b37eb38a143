"""The engine owlv2: a tiny OWLv2 that has learnt two logos finds them by name and by picture, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from gpu_service import models
from gpu_service.client.http import HttpInference
from gpu_service.client.local import LocalInference
from gpu_service.errors import MissingEngine
from gpu_service.host.config import ServiceConfig
from gpu_service.host.registry import ROUTINES
from gpu_service.models import ModelFiles
from gpu_service.pictures import Image, Picture
from gpu_service.routines import Batch, Inference, Reference
from gpu_service.routines.detect import DETECT, DetectSettings
from gpu_service.wire import Box, NoItem, ObjectFinding
from tests.gpu_engines.test_clip import bars, disc
from tests.gpu_engines.tiny_models import make_owlv2, plain, texture
from tests.gpu_service.live import live_server

CELL_PX = 40
"""A patch of the model in frames of 320 on their long side."""
SETTINGS = DetectSettings(
    engines=("owlv2",),
    owlv2_model="tiny",
    query_names=("Disc", "Bars"),
    query_prompt="{}",
    owlv2_threshold=0.8,
    owlv2_picture_threshold=0.8,
    owlv2_other=(),
)
NAMELESS = SETTINGS.model_copy(update={"query_names": ()})
PICTURES = tuple(
    Reference(name, f"{name}.png", bytes(cv2.imencode(".png", mark)[1]))
    for name, mark in (("Disc", disc()), ("Bars", bars()))
)
OTHER = "a photo of something else"
THINGS = [texture(90), texture(91), texture(92), plain((90, 90, 90), 50)]


def frame(*marks: tuple[Image, int, int], size: tuple[int, int] = (180, 320), seed: int = 0) -> Image:
    """Grass with pictures in cells, each by column and row."""
    image = plain((20, 125, 20), seed, size)
    for mark, column, row in marks:
        x, y = column * CELL_PX, row * CELL_PX
        image[y : y + CELL_PX, x : x + CELL_PX] = cv2.resize(mark, (CELL_PX, CELL_PX))
    return image


def lessons() -> list[tuple[Image, list[str | None]]]:
    """Squares of 8 x 8 cells with logos and other things in some of them, and logos that fill them."""
    found: list[tuple[Image, list[str | None]]] = []
    for seed in range(24):
        random = np.random.default_rng(seed)
        shown: list[str | None] = [None] * 64
        marks = []
        for cell in random.choice(64, 16, replace=False).tolist():
            which = ("Disc", "Bars", OTHER)[random.integers(3)]
            mark = {"Disc": disc(), "Bars": bars(), OTHER: THINGS[random.integers(len(THINGS))]}[which]
            shown[cell] = which
            marks.append((mark, cell % 8, cell // 8))
        found.append((frame(*marks, size=(320, 320), seed=seed), shown))
    return [*found, (disc(320), ["Disc"] * 64), (bars(320), ["Bars"] * 64)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_owlv2(tmp_path_factory.mktemp("owlv2") / "tiny", lessons())


@pytest.fixture(autouse=True)
def known(folder: Path, host: None) -> None:
    models.use(ModelFiles(files={"tiny": str(folder)}))


@pytest.fixture
def url() -> Iterator[str]:
    with live_server(ServiceConfig(preload={}, deadline_ms=50), ROUTINES) as url:
        yield url


def find(settings: DetectSettings, *images: Image, pictures: tuple[Reference, ...] = ()) -> list[list[ObjectFinding]]:
    answers = DETECT.run(Batch(images, [NoItem() for _ in images], settings, pictures))
    return [list(answer.objects) for answer in answers]


def cell(column: int, row: int) -> Box:
    """Where the model has its box of a cell: as large, around its lower right corner."""
    half = CELL_PX // 2
    return Box(x=column * CELL_PX + half, y=row * CELL_PX + half, w=CELL_PX, h=CELL_PX)


TWO = frame((disc(), 1, 1), (texture(91), 4, 2), (bars(), 6, 0))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (frame(), []),
        (frame((texture(90), 2, 1), (plain((90, 90, 90), 50), 5, 2)), []),
        (TWO, [("Bars", cell(6, 0)), ("Disc", cell(1, 1))]),
        (
            frame((bars(), 0, 0), (bars(), 3, 2), (disc(), 5, 1)),
            [("Bars", cell(0, 0)), ("Bars", cell(3, 2)), ("Disc", cell(5, 1))],
        ),
    ],
    ids=["an empty frame", "other things", "two brands and another thing", "three logos"],
)
@pytest.mark.parametrize(
    ("settings", "pictures"),
    [(SETTINGS, ()), (NAMELESS, PICTURES), (SETTINGS, PICTURES)],
    ids=["by name", "by picture", "by both"],
)
def test_logos_are_found_where_they_are(
    image: Image, expected: list[tuple[str, Box]], settings: DetectSettings, pictures: tuple[Reference, ...]
) -> None:
    [found] = find(settings, image, pictures=pictures)
    assert sorted(((one.label, one.box) for one in found), key=lambda one: (one[0], one[1].x)) == expected
    assert {one.engine for one in found} <= {"owlv2"}
    named = {one.reference for one in found}
    assert (
        named <= ({"Disc.png", "Bars.png", None} if settings.query_names else {"Disc.png", "Bars.png"})
        if pictures
        else {None}
    )


@pytest.mark.parametrize(
    ("size", "column", "row", "box"),
    [
        ((180, 320), 0, 0, Box(x=20, y=20, w=40, h=40)),
        ((320, 180), 3, 6, Box(x=140, y=260, w=40, h=40)),
        ((180, 320), 3, 3, Box(x=140, y=140, w=40, h=40)),
        ((320, 320), 6, 6, Box(x=260, y=260, w=40, h=40)),
    ],
    ids=["wide", "high", "wide, at the lower edge", "square"],
)
def test_boxes_are_in_pixels_of_the_frame(size: tuple[int, int], column: int, row: int, box: Box) -> None:
    """The model sees a square: the frame in its top left corner, and below or beside it nothing."""
    [found] = find(SETTINGS, frame((disc(), column, row), size=size))
    assert [one.box for one in found] == [box]


def test_a_box_that_reaches_below_the_frame_is_cut_off() -> None:
    [found] = find(SETTINGS, frame((disc(), 2, 3), size=(165, 320)))
    assert [one.box for one in found] == [Box(x=100, y=140, w=40, h=25)]


def test_a_large_frame_is_scaled_back() -> None:
    small = frame((disc(), 2, 1))
    [found] = find(SETTINGS, cv2.resize(small, (640, 360), interpolation=cv2.INTER_NEAREST))
    assert [one.box for one in found] == [Box(x=200, y=120, w=80, h=80)]


@pytest.mark.parametrize(
    ("change", "labels"),
    [
        ({"query_names": ("Disc", OTHER)}, ["Disc", OTHER]),
        ({"query_names": ("Disc", OTHER), "owlv2_other": (OTHER,)}, ["Disc"]),
        ({"owlv2_threshold": 1.0}, []),
        ({"query_names": ("Bars",)}, ["Bars"]),
        ({"query_names": ("s",), "query_prompt": "Bar{}"}, ["s"]),
        ({"query_names": ("Disc", "Disc")}, ["Disc"]),
    ],
    ids=["two names", "as much like another thing", "too strict", "one name", "a prompt", "a name twice"],
)
def test_what_gets_a_name(change: dict[str, object], labels: list[str]) -> None:
    [found] = find(SETTINGS.model_copy(update=change), TWO)
    assert [one.label for one in found] == labels


def test_nothing_to_look_for_or_to_look_at() -> None:
    blank = Reference("Blank", "blank.png", bytes(cv2.imencode(".png", np.full((40, 40, 3), 255, np.uint8))[1]))
    assert find(NAMELESS, TWO) == [[]]
    assert find(NAMELESS, TWO, pictures=(blank,)) == [[]]
    assert find(SETTINGS, pictures=PICTURES) == []


def test_a_batch_finds_what_single_pictures_do() -> None:
    images = [TWO, frame(), frame((bars(), 2, 2), size=(320, 180)), frame((disc(), 0, 0))]
    singly = [find(SETTINGS, image, pictures=PICTURES)[0] for image in images]
    together = find(SETTINGS.model_copy(update={"object_batch": 3}), *images, pictures=PICTURES)
    assert [len(found) for found in together] == [2, 0, 1, 1]
    assert [[(one.label, one.box, one.reference) for one in found] for found in together] == [
        [(one.label, one.box, one.reference) for one in found] for found in singly
    ]
    both = [[one.confidence for found in some for one in found] for some in (together, singly)]
    assert both[0] == pytest.approx(both[1], abs=0.001)


def test_the_host_answers_as_this_process_does(url: str) -> None:
    def ask(inference: Inference) -> list[tuple[ObjectFinding, ...]]:
        asked = ((number, Picture(pixels=image), NoItem()) for number, image in enumerate((TWO, frame())))
        return [answer.objects for _, answer in inference.map(DETECT, asked, SETTINGS, PICTURES)]

    client = HttpInference([url])
    here, there = ask(LocalInference()), ask(client)
    assert [[(one.label, one.box, one.reference) for one in found] for found in there] == [
        [(one.label, one.box, one.reference) for one in found] for found in here
    ]
    assert [len(found) for found in here] == [2, 0]
    assert client.identity(DETECT, SETTINGS) == LocalInference().identity(DETECT, SETTINGS)
    client.close()


def test_the_identity_is_that_of_the_weights(folder: Path, tmp_path: Path) -> None:
    other = make_owlv2(tmp_path / "other")
    identity = DETECT.identity(SETTINGS)
    assert identity.startswith("owlv2/1/transformers-5.")
    models.use(ModelFiles(files={"tiny": str(other)}))
    assert DETECT.identity(SETTINGS).rpartition(":")[0] == identity.rpartition(":")[0]
    assert DETECT.identity(SETTINGS) != identity


def test_a_model_that_is_not_there() -> None:
    models.use(ModelFiles())
    with pytest.raises(MissingEngine, match="no model `tiny`, which `owlv2_model` requests"):
        find(SETTINGS, TWO)
    with pytest.raises(MissingEngine, match="set `owlv2_model` to a model of the host"):
        DETECT.identity(SETTINGS.model_copy(update={"owlv2_model": ""}))


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    models.use(ModelFiles(files={"tiny": str(tmp_path)}))
    with pytest.raises(
        MissingEngine, match=r"^The model `tiny`, which `owlv2_model` requests, cannot be loaded by the "
    ):
        find(SETTINGS, TWO)
