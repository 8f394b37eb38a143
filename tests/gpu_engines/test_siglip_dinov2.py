"""The engines siglip and dinov2: as `clip`, a tiny SigLIP that has learnt two logos, and a random DINOv2."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from gpu_service import models
from gpu_service.errors import MissingEngine
from gpu_service.models import ModelFiles
from gpu_service.pictures import Image
from gpu_service.routines import Batch, Reference
from gpu_service.routines.detect import DETECT, DetectSettings, Engine
from gpu_service.wire import NoItem, ObjectFinding
from tests.gpu_engines.test_clip import PLACES, bars, disc, frame, lessons
from tests.gpu_engines.tiny_models import make_dinov2, make_siglip, plain

DISC, BARS = (
    Reference(n, f"{n}.png", bytes(cv2.imencode(".png", p)[1])) for n, p in (("Disc", disc()), ("Bars", bars()))
)
SIGLIP = DetectSettings(engines=("siglip",), siglip_model="siglip", clip_brands=("Disc", "Bars"), clip_boards=False)
DINOV2 = DetectSettings(engines=("dinov2",), dinov2_model="dinov2", dinov2_likeness=0.85, clip_boards=False)
OTHER = plain((90, 90, 90), 50)
"""A texture would be like a brand to a DINOv2 that has learnt nothing."""
REFERENCES: dict[Engine, tuple[Reference, ...]] = {"siglip": (), "dinov2": (DISC, BARS)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models")
    make_siglip(made / "siglip", lessons())
    make_dinov2(made / "dinov2")
    return made


@pytest.fixture(autouse=True)
def known(folder: Path, host: None) -> None:
    models.use(ModelFiles(files={name: str(folder / name) for name in ("siglip", "dinov2")}))


def named(image: Image, settings: DetectSettings, monkeypatch: pytest.MonkeyPatch) -> list[ObjectFinding]:
    """What the engine says of the places, which another engine found before it."""
    from gpu_service.routines import detect

    places = [ObjectFinding(box=box, label="something", confidence=0.6, engine="logo_match") for box in PLACES]
    monkeypatch.setattr(detect.logo, "find_logos", lambda *_: places)
    [engine] = settings.engines
    after = settings.model_copy(update={"engines": ("logo_match", engine)})
    [answer] = DETECT.run(Batch([image], [NoItem()], after, REFERENCES[engine]))
    return [finding for finding in answer.objects if finding.engine == engine]


@pytest.mark.parametrize("settings", [SIGLIP, DINOV2], ids=["siglip", "dinov2"])
@pytest.mark.parametrize(
    ("things", "labels"),
    [([], []), ([OTHER], []), ([disc(), OTHER, bars()], ["Bars", "Disc"])],
    ids=["an empty frame", "another thing", "two brands and another thing"],
)
def test_regions_are_named_or_left_alone(
    things: list[Image], labels: list[str], settings: DetectSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [finding.label for finding in named(frame(*things), settings, monkeypatch)] == labels


@pytest.mark.parametrize("settings", [SIGLIP, DINOV2], ids=["siglip", "dinov2"])
def test_a_model_that_is_not_there(settings: DetectSettings) -> None:
    models.use(ModelFiles())
    [engine] = settings.engines
    with pytest.raises(MissingEngine, match=f"no model `{engine}`, which `{engine}_model` requests"):
        DETECT.run(Batch([frame()], [NoItem()], settings, REFERENCES[engine]))
    with pytest.raises(MissingEngine, match=f"set `{engine}_model` to a model of the host"):
        DETECT.identity(settings.model_copy(update={f"{engine}_model": ""}))
