"""PaddleOCR reads what RapidOCR reads: the same models, loaded by PaddleOCR's own code from folders."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from gpu_service import models
from gpu_service.errors import MissingEngine
from gpu_service.models import ModelFiles
from gpu_service.pictures import Image
from gpu_service.routines import Batch
from gpu_service.routines.ocr.engine import OcrSettings
from gpu_service.routines.ocr.routine import OCR
from gpu_service.wire import OcrItem, TextLine
from tests.gpu_engines.tiny_models import make_paddle_folders

FROM_FOLDERS = OcrSettings(engine="paddleocr", paddle_finder="finder", paddle_reader="reader")
OWN = OcrSettings(engine="paddleocr")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_paddle_folders(tmp_path_factory.mktemp("paddle"))


def board() -> Image:
    image = np.full((200, 640, 3), 255, np.uint8)
    cv2.putText(image, "VOLTA Energy", (20, 80), cv2.FONT_HERSHEY_SIMPLEX, 2, (0, 0, 0), 4)
    cv2.putText(image, "since 1904", (20, 160), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 200), 2)
    return image


def read(settings: OcrSettings, image: Image) -> tuple[TextLine, ...]:
    return OCR.run(Batch([image], [OcrItem()], settings))[0].lines


def test_nothing_to_read(folders: tuple[Path, Path]) -> None:
    models.use(ModelFiles(files={"finder": str(folders[0]), "reader": str(folders[1])}))
    assert read(FROM_FOLDERS, np.zeros((120, 200, 3), np.uint8)) == ()


def test_models_from_folders(folders: tuple[Path, Path]) -> None:
    models.use(ModelFiles(files={"finder": str(folders[0]), "reader": str(folders[1])}))
    lines = read(FROM_FOLDERS, board())
    assert [line.text for line in lines] == ["VOLTA Energy", "since 1904"]
    for ours, theirs in zip(lines, read(OcrSettings(), board()), strict=True):
        assert np.abs(np.array(ours.quad) - np.array(theirs.quad)).max() < 2
        assert abs(ours.confidence - theirs.confidence) < 0.05
    identity = OCR.identity(FROM_FOLDERS)
    assert identity.startswith("paddleocr-3.")
    assert " finder:" in identity
    assert " reader:" in identity


def test_own_models_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    from paddlex.inference.utils.official_models import official_models

    def unreachable(*_: object, **__: object) -> Path:
        raise ConnectionError("No model source is available! Please check network.\nmore")

    monkeypatch.setattr(official_models, "get_model_path", unreachable)
    with pytest.raises(MissingEngine) as caught:
        read(OWN, board())
    assert str(caught.value) == (
        "PaddleOCR cannot fetch its model for TextDetection (No model source is available! Please check network); "
        "give the host a folder (--models NAME=FOLDER) and set `paddle_finder` to its name."
    )


def test_own_models_once_they_are_fetched(folders: tuple[Path, Path]) -> None:
    """PaddleOCR's default models, found where its download leaves them; their content is that of the smaller ones."""
    cache = Path(os.environ["PADDLE_PDX_CACHE_HOME"]) / "official_models"
    for kind, folder in zip(("det", "rec"), folders, strict=True):
        target = cache / f"PP-OCRv6_medium_{kind}_onnx"
        shutil.copytree(folder, target)
        description = (target / "inference.yml").read_text(encoding="utf-8")
        (target / "inference.yml").write_text(description.replace("v6_small", "v6_medium"), encoding="utf-8")
    assert [line.text for line in read(OWN, board())] == ["VOLTA Energy", "since 1904"]
    assert " PP-OCRv6_medium_rec:" in OCR.identity(OWN)


@pytest.mark.parametrize("missing", ["inference.yml", "inference.onnx"])
def test_a_folder_that_lacks_a_file(missing: str, folders: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(folders[0], tmp_path / "finder")
    (tmp_path / "finder" / missing).unlink()
    models.use(ModelFiles(files={"finder": str(tmp_path / "finder"), "reader": str(folders[1])}))
    with pytest.raises(MissingEngine, match=r"inference\.(yml|onnx)"):
        read(FROM_FOLDERS, board())
