"""What a host's short names stand for, and what a user reads when an engine's package or model is not here."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gpu_service import models
from gpu_service.errors import BadInput, MissingEngine
from gpu_service.host.config import from_arguments
from gpu_service.models import ModelFiles
from gpu_service.routines import Batch
from gpu_service.routines.detect import DETECT, DetectSettings
from gpu_service.routines.ocr.engine import OcrSettings
from gpu_service.routines.ocr.routine import OCR
from gpu_service.routines.vlm import VLM, VlmSettings
from gpu_service.wire import (
    Box,
    NoItem,
    OcrItem,
    VlmItem,
)
from tests.onnx_file import write_detector

BLACK = np.zeros((64, 64, 3), np.uint8)


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    models.use(ModelFiles())
    yield
    models.use(ModelFiles())


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("", {}),
        ("boards=/m/boards.pt", {"boards": "/m/boards.pt"}),
        (" a = /m/a , b=hub:o/n@main ", {"a": "/m/a", "b": "hub:o/n@main"}),
        ('{"a": "/with,comma"}', {"a": "/with,comma"}),
    ],
    ids=["none", "one", "two with spaces", "json"],
)
def test_models_are_named_on_the_command_line(text: str, files: dict[str, str]) -> None:
    assert from_arguments(["--models", text], {}).models == files
    assert from_arguments([], {"INFERENCE_MODELS": text}).models == files


@pytest.mark.parametrize("text", ["boards", "boards=", "=/m", '{"a": 1}', '{"a"'])
def test_a_list_of_models_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="list of models"):
        from_arguments(["--models", text], {})


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "No model is chosen; set `yolo_model` to a model of the host (known: boards)."),
        (
            "cars",
            "This host has no model `cars`, which `yolo_model` requests (known: boards); start it with "
            "--models NAME=PATH, or set INFERENCE_MODELS.",
        ),
        (
            "boards",
            "The model `boards`, which `yolo_model` requests, is not at the path in the host's --models "
            "(or INFERENCE_MODELS); correct the path.",
        ),
    ],
    ids=["none chosen", "unknown", "nothing there"],
)
def test_a_model_that_is_not_here(name: str, sentence: str) -> None:
    models.use(ModelFiles(files={"boards": "/nowhere/boards.pt"}))
    with pytest.raises(MissingEngine) as caught:
        models.find(name, "yolo_model")
    assert str(caught.value) == sentence


def test_a_request_cannot_name_a_path(tmp_path: Path) -> None:
    (tmp_path / "boards.pt").write_bytes(b"weights")
    with pytest.raises(MissingEngine, match="This host has no model"):
        models.find(str(tmp_path / "boards.pt"), "yolo_model")


def test_fingerprints_follow_the_content(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"one")
    assert models.fingerprint(file) == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    folder = models.fingerprint(tmp_path)
    os.utime(file, (1, 1))
    assert models.fingerprint(tmp_path) == folder
    file.write_bytes(b"two")
    assert models.fingerprint(tmp_path) != folder
    file.write_bytes(b"one")
    assert models.fingerprint(tmp_path) == folder
    file.rename(tmp_path / "b.bin")
    assert models.fingerprint(tmp_path) != folder


def test_many_threads_load_a_model_once_and_anew_when_its_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"1")
    models.use(ModelFiles(files={"m": str(file)}))
    made: list[object] = []

    def make(path: Path) -> object:
        time.sleep(0.05)
        made.append(path.read_bytes())
        return object()

    got: list[object] = []
    threads = [threading.Thread(target=lambda: got.append(models.load("test", "m", "x", make))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [b"1"]
    assert len(got) == 8
    assert len(set(map(id, got))) == 1
    file.write_bytes(b"22")
    assert models.load("test", "m", "x", make) is not got[0]
    assert made == [b"1", b"22"]


def test_of_a_model_in_many_variants_those_are_kept_that_were_used_last(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"1")
    models.use(ModelFiles(files={"m": str(file)}))
    made: list[str] = []
    for threads in ("1", "2", "3", "4", "1", "5", "1", "2"):
        models.load(f"variants {threads}", "m", "x", lambda _, threads=threads: made.append(threads) or threads)  # type: ignore[misc]
    assert made == ["1", "2", "3", "4", "5", "2"]
    assert [kind for kind, path in models._held if path == str(file)] == [f"variants {n}" for n in "4512"]


def test_a_damaged_model_is_named_with_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "boards.onnx"
    file.write_bytes(b"no model")
    models.use(ModelFiles(files={"boards": str(file)}))
    settings = DetectSettings(engines=("onnx",), onnx_model="boards")
    with pytest.raises(
        MissingEngine, match=r"^The model `boards`, which `onnx_model` requests, cannot be loaded by the "
    ):
        DETECT.run(Batch([BLACK], [NoItem()], settings))


DINO = DetectSettings(engines=("grounding_dino",), grounding_dino_model="m", query_names=("Acme",))


@pytest.mark.parametrize(
    ("package", "extra", "call"),
    [
        ("ultralytics", "yolo", lambda: DETECT.identity(DetectSettings(engines=("yolo",), yolo_model="m"))),
        ("transformers", "torch", lambda: DETECT.identity(DetectSettings(engines=("clip",), clip_model="m"))),
        ("transformers", "torch", lambda: DETECT.identity(DetectSettings(engines=("owlv2",), owlv2_model="m"))),
        ("transformers", "torch", lambda: DETECT.identity(DINO)),
        ("transformers", "torch", lambda: VLM.identity(VlmSettings(model="m"))),
        ("paddleocr", "paddle", lambda: OCR.identity(OcrSettings(engine="paddleocr", paddle_finder="m"))),
        ("ultralytics", "yolo", lambda: _detect(DetectSettings(engines=("yolo",), yolo_model="m"))),
        ("transformers", "torch", lambda: _detect(DetectSettings(engines=("clip",), clip_model="m"))),
        ("transformers", "torch", lambda: _detect(DetectSettings(engines=("owlv2",), owlv2_model="m"))),
        ("transformers", "torch", lambda: _detect(DINO)),
        ("transformers", "torch", lambda: VLM.run(Batch([BLACK], [VlmItem()], VlmSettings(model="m")))),
        ("paddleocr", "paddle", lambda: _read(OcrSettings(engine="paddleocr", paddle_finder="m", paddle_reader="m"))),
    ],
    ids=[
        f"{engine} {what}"
        for what in ("identity", "run")
        for engine in ("yolo", "clip", "owlv2", "grounding_dino", "vlm", "paddleocr")
    ],
)
def test_a_package_that_is_not_here(
    package: str, extra: str, call: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> str:
        raise models.importlib.metadata.PackageNotFoundError(name)

    def cannot(name: str) -> object:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(models.importlib.metadata, "version", absent)
    monkeypatch.setattr(models.importlib, "import_module", cannot)
    models.use(ModelFiles(files={"m": str(tmp_path)}))
    assert callable(call)
    with pytest.raises(MissingEngine) as caught:
        call()
    assert f"needs the package {package}, which cannot be used on this host" in str(caught.value)
    assert f"`pip install '.[{extra}]'`" in str(caught.value)


def _detect(settings: DetectSettings) -> object:
    return DETECT.run(Batch([BLACK], [NoItem()], settings))


def _read(settings: OcrSettings) -> object:
    return OCR.run(Batch([BLACK], [OcrItem()], settings))


def test_another_file_under_a_name_is_another_model_and_is_loaded_anew(tmp_path: Path) -> None:
    file = tmp_path / "boards.onnx"
    models.use(ModelFiles(files={"boards": str(file)}))
    settings = DetectSettings(engines=("onnx",), onnx_model="boards")
    seen = []
    for confidence in (0.9, 0.8):
        write_detector(file, confidence)
        [answer] = DETECT.run(Batch([BLACK], [NoItem()], settings, ()))
        seen += [(one.box, one.confidence) for one in answer.objects]
    assert seen == [(Box(x=8, y=8, w=32, h=16), 0.9), (Box(x=8, y=8, w=32, h=16), 0.8)]


def test_the_identity_of_a_model_is_that_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "boards.onnx"
    models.use(ModelFiles(files={"boards": str(file)}))
    settings = DetectSettings(engines=("onnx",), onnx_model="boards")
    identities = []
    for confidence in (0.9, 0.8, 0.9):
        write_detector(file, confidence)
        identities.append(DETECT.identity(settings))
    assert identities[0] == identities[2] != identities[1]
