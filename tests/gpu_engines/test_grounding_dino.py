"""The engine grounding_dino: what a tiny random model says of boxes becomes findings, as transformers reads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GroundingDinoProcessor

from gpu_service import models
from gpu_service.client.http import HttpInference
from gpu_service.client.local import LocalInference
from gpu_service.errors import MissingEngine
from gpu_service.host.config import ServiceConfig
from gpu_service.host.registry import ROUTINES
from gpu_service.models import ModelFiles
from gpu_service.pictures import Image, Picture
from gpu_service.routines import Batch, Inference
from gpu_service.routines.detect import DETECT, DetectSettings
from gpu_service.routines.objects.grounding_dino import GroundingDino
from gpu_service.wire import NoItem, ObjectFinding
from tests.gpu_engines.tiny_models import make_grounding_dino, texture
from tests.gpu_service.live import live_server

SETTINGS = DetectSettings(
    engines=("grounding_dino",),
    grounding_dino_model="tiny",
    query_names=("Disc", "Bars"),
    grounding_dino_threshold=0.5,
    object_overlap=1.0,
)
WIDE, HIGH, SQUARE = texture(3, (90, 160)), texture(4, (160, 90)), texture(5, (200, 200))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_grounding_dino(tmp_path_factory.mktemp("grounding_dino") / "tiny")


@pytest.fixture(autouse=True)
def known(folder: Path, host: None) -> None:
    models.use(ModelFiles(files={"tiny": str(folder)}))


@pytest.fixture
def url() -> Iterator[str]:
    with live_server(ServiceConfig(preload={}, deadline_ms=50), ROUTINES) as url:
        yield url


def find(settings: DetectSettings, *images: Image) -> list[list[ObjectFinding]]:
    answers = DETECT.run(Batch(images, [NoItem() for _ in images], settings))
    return [list(answer.objects) for answer in answers]


def theirs(image: Image, text: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Corners (n, 4) in pixels and probabilities (n, tokens) of all boxes, as transformers has them."""
    engine: Any = models.load("grounding_dino", "tiny", "x", GroundingDino)
    processor = GroundingDinoProcessor(engine._pictures_in, engine._tokenizer)
    inputs = processor(images=models.pil_picture(image), text=text, return_tensors="pt")
    with torch.inference_mode():
        seen = engine._model(**inputs)
    [read] = processor.post_process_grounded_object_detection(seen, inputs["input_ids"], 0, 0, [image.shape[:2]])
    return read["boxes"], seen.logits[0].sigmoid()


@pytest.mark.parametrize("image", [WIDE, HIGH, SQUARE], ids=["wide", "high", "square"])
@pytest.mark.parametrize(
    ("name", "tokens"), [("Disc", [1]), ("Skylorn", [1, 2])], ids=["a name of one token", "a name of two"]
)
def test_a_box_has_the_name_that_its_tokens_say_where_it_is(image: Image, name: str, tokens: list[int]) -> None:
    [found] = find(SETTINGS.model_copy(update={"query_names": (name,)}), image)
    boxes, probabilities = theirs(image, f"{name.lower()} logo.")
    height, width = image.shape[:2]
    expected = []
    for corners, confidence in zip(boxes.tolist(), probabilities[:, tokens].mean(dim=1).tolist(), strict=True):
        left, top = (round(max(0.0, value)) for value in corners[:2])
        right, bottom = round(min(width, corners[2])), round(min(height, corners[3]))
        if confidence >= 0.5 and right > left and bottom > top:
            expected.append(((left, top, right - left, bottom - top), confidence))
    assert 0 < len(expected) < len(boxes)
    assert sorted(one.box.xywh for one in found) == sorted(box for box, _ in expected)
    assert [one.confidence for one in found] == pytest.approx(
        sorted((sure for _, sure in expected), reverse=True), abs=1e-4
    )
    assert {(one.label, one.engine, one.reference) for one in found} == {(name, "grounding_dino", None)}


@pytest.mark.parametrize(
    ("change", "labels"),
    [
        ({"query_names": ()}, set()),
        ({"grounding_dino_threshold": 1.0}, set()),
        ({"query_names": ("DISC", "DISC")}, {"DISC"}),
        ({"query_names": ("Disc 試",)}, set()),
        ({"query_names": tuple("Sky" + "lorn" * n for n in range(1, 9))}, {"Skylorn" + "lorn" * n for n in range(8)}),
    ],
    ids=["no name", "too strict", "however it is written", "a name that the model cannot read", "several texts' worth"],
)
def test_what_gets_a_name(change: dict[str, object], labels: set[str]) -> None:
    [found] = find(SETTINGS.model_copy(update=change), WIDE)
    assert {one.label for one in found} == labels


def test_nothing_to_look_at() -> None:
    assert find(SETTINGS) == []


def test_a_batch_finds_what_single_pictures_do() -> None:
    images = [WIDE, texture(6, (90, 160)), HIGH, texture(7, (90, 160))]
    singly = [find(SETTINGS, image)[0] for image in images]
    together = find(SETTINGS.model_copy(update={"object_batch": 2}), *images)
    assert all(singly)
    assert [[(one.label, one.box) for one in found] for found in together] == [
        [(one.label, one.box) for one in found] for found in singly
    ]
    both = [[one.confidence for found in some for one in found] for some in (together, singly)]
    assert both[0] == pytest.approx(both[1], abs=0.001)


def test_the_host_answers_as_this_process_does(url: str) -> None:
    def ask(inference: Inference) -> list[tuple[ObjectFinding, ...]]:
        asked = ((number, Picture(pixels=image), NoItem()) for number, image in enumerate((WIDE, HIGH)))
        return [answer.objects for _, answer in inference.map(DETECT, asked, SETTINGS)]

    client = HttpInference([url])
    here, there = ask(LocalInference()), ask(client)
    assert [[(one.label, one.box) for one in found] for found in there] == [
        [(one.label, one.box) for one in found] for found in here
    ]
    assert all(here)
    assert client.identity(DETECT, SETTINGS) == LocalInference().identity(DETECT, SETTINGS)
    client.close()


def test_a_model_that_is_not_there(folder: Path) -> None:
    assert DETECT.identity(SETTINGS).startswith("grounding_dino/1/transformers-5.")
    models.use(ModelFiles())
    with pytest.raises(MissingEngine, match="no model `tiny`, which `grounding_dino_model` requests"):
        find(SETTINGS, WIDE)
    with pytest.raises(MissingEngine, match="set `grounding_dino_model` to a model of the host"):
        DETECT.identity(SETTINGS.model_copy(update={"grounding_dino_model": ""}))
