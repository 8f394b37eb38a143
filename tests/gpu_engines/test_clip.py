"""The engine clip: a tiny CLIP that has learnt two logos names regions, and leaves the rest without a name."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from gpu_service import models
from gpu_service.models import ModelFiles
from gpu_service.pictures import Image
from gpu_service.routines import Batch, Reference
from gpu_service.routines.detect import DETECT, DetectSettings
from gpu_service.routines.objects import clip
from gpu_service.wire import Box, NoItem, ObjectFinding
from tests.gpu_engines.tiny_models import make_clip, plain, texture

SETTINGS = DetectSettings(engines=("clip",), clip_model="tiny", clip_brands=("Disc", "Bars"), clip_boards=False)
PLACES = [Box(x=20, y=20, w=80, h=80), Box(x=200, y=60, w=90, h=90), Box(x=320, y=30, w=70, h=70)]


def disc(size: int = 64) -> Image:
    image = np.full((size, size, 3), (230, 230, 230), np.uint8)
    cv2.circle(image, (size // 2, size // 2), size * 3 // 8, (30, 30, 200), -1)
    return image


def bars(size: int = 64) -> Image:
    image = np.full((size, size, 3), (230, 230, 230), np.uint8)
    for k in range(4):
        image[:, k * size // 4 : k * size // 4 + size // 8] = (160, 60, 20)
    return image


def lessons() -> list[tuple[Image, str]]:
    """Pictures, and the texts that go with them."""
    others = SETTINGS.clip_other
    pairs = [(disc(size), "the Disc logo") for size in range(40, 100, 10)]
    pairs += [(bars(size), "the Bars logo") for size in range(40, 100, 10)]
    pairs += [(texture(seed), others[-1]) for seed in range(8)]
    pairs += [(plain((20, 120 + seed, 20), seed), "grass") for seed in range(6)]
    pairs += [(plain((25 * seed, 25 * seed, 25 * seed), seed), "a plain surface") for seed in range(10)]
    return pairs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "tiny", lessons())


@pytest.fixture(autouse=True)
def known(folder: Path, host: None) -> None:
    models.use(ModelFiles(files={"tiny": str(folder)}))


def frame(*things: Image) -> Image:
    """Grass with things at the places."""
    image = plain((20, 125, 20), 3, (180, 420))
    for thing, box in zip(things, PLACES, strict=False):
        image[box.y : box.y + box.h, box.x : box.x + box.w] = cv2.resize(thing, (box.w, box.h))
    return image


def named(image: Image, settings: DetectSettings = SETTINGS, *references: Reference) -> list[ObjectFinding]:
    return clip.name_regions([image], [PLACES], references, settings)[0]


@pytest.mark.parametrize(
    ("things", "labels"),
    [
        ([], []),
        ([texture(90), texture(91), texture(92)], []),
        ([plain((90, 90, 90), 50)] * 3, []),
        ([disc(), texture(93), bars()], ["Bars", "Disc"]),
        ([bars(), bars(), disc()], ["Bars", "Bars", "Disc"]),
    ],
    ids=["an empty frame", "other things", "plain boards", "two brands and another thing", "three logos"],
)
def test_regions_are_named_or_left_alone(things: list[Image], labels: list[str]) -> None:
    found = named(frame(*things))
    assert [finding.label for finding in found] == labels
    assert all(finding.engine == "clip" and finding.confidence >= 0.6 for finding in found)
    assert {finding.box for finding in found} <= set(PLACES)


def test_reference_pictures_count_with_names() -> None:
    disc_png = Reference("Disc", "disc.png", bytes(cv2.imencode(".png", disc(120))[1]))
    settings = SETTINGS.model_copy(update={"clip_brands": ("Bars",), "clip_likeness": 0.9})
    found = named(frame(disc(), texture(93), bars()), settings, disc_png)
    assert [(finding.label, finding.box) for finding in found] == [("Bars", PLACES[2]), ("Disc", PLACES[0])]
    wrong = Reference("Disc", "disc.png", bytes(cv2.imencode(".png", texture(99))[1]))
    assert [finding.label for finding in named(frame(disc()), settings, wrong)] == []


def test_nothing_to_look_for_or_to_look_at() -> None:
    assert named(frame(disc()), SETTINGS.model_copy(update={"clip_brands": ()})) == []
    assert clip.name_regions([frame(disc())], [[]], [], SETTINGS) == [[]]
    assert clip.name_regions([], [], [], SETTINGS) == []


def test_boards_between_lines_are_regions_too() -> None:
    image = np.full((360, 640, 3), (60, 150, 60), np.uint8)
    image[140:200] = (230, 230, 230)
    for x in range(20, 620, 75):
        image[142:198, x : x + 56] = disc(56)
    batch = Batch(
        [image, np.zeros_like(image)], [NoItem(), NoItem()], SETTINGS.model_copy(update={"clip_boards": True})
    )
    board, black = DETECT.run(batch)
    assert {finding.label for finding in board.objects} == {"Disc"}
    assert all(abs(finding.box.y - 140) < 8 for finding in board.objects)
    assert black.objects == ()


def test_a_batch_finds_what_single_pictures_do() -> None:
    images = [frame(disc()), frame(), frame(bars(), disc())]
    together = clip.name_regions(images, [PLACES] * 3, [], SETTINGS.model_copy(update={"clip_batch": 2}))
    assert [[(f.label, f.box) for f in found] for found in together] == [
        [(f.label, f.box) for f in named(image)] for image in images
    ]


def test_what_other_engines_find_is_named_after_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from gpu_service.routines import detect

    logo = ObjectFinding(box=PLACES[0], label="something", confidence=0.6, engine="logo_match")
    monkeypatch.setattr(detect.logo, "find_logos", lambda *_: [logo])
    settings = SETTINGS.model_copy(update={"engines": ("logo_match", "clip")})
    [answer] = DETECT.run(Batch([frame(disc())], [NoItem()], settings))
    assert [(finding.label, finding.engine) for finding in answer.objects] == [
        ("something", "logo_match"),
        ("Disc", "clip"),
    ]
    assert DETECT.identity(settings).split("+")[1].startswith("clip/1/transformers-5.")
