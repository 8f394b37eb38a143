"""Recognisers for other scripts: the forms in which they come, and what they read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_service import models
from gpu_service.errors import MissingEngine
from gpu_service.models import ModelFiles
from gpu_service.routines import Batch
from gpu_service.routines.ocr.ctc import in_reading_order
from gpu_service.routines.ocr.engine import OcrSettings
from gpu_service.routines.ocr.routine import OCR
from gpu_service.wire import OcrItem
from tests.gpu_service.test_ocr import written
from tests.onnx_file import write_detector, write_reader

SETTINGS = OcrSettings(rapid_reader="hangul")
HANGUL = "삼성전자"


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    yield
    models.use(ModelFiles())


def known(path: Path) -> None:
    models.use(ModelFiles(files={"hangul": str(path)}))


def folder(path: Path, **files: str) -> Path:
    """A folder with a recogniser that does not say what it writes, and these files."""
    path.mkdir()
    write_reader(path / "inference.onnx", "삼성", HANGUL, says=False)
    for name, content in files.items():
        (path / name.replace("__", ".")).write_text(content, encoding="utf-8")
    return path


def file_that_says(path: Path) -> Path:
    write_reader(path, "삼성", HANGUL)
    return path


LINES = "\n".join(HANGUL)
FORMS = {
    "a file that says": lambda path: file_that_says(path / "one.onnx"),
    "PaddleOCR's folder": lambda path: folder(
        path / "a", inference__yml=f"PostProcess: {{character_dict: [{', '.join(HANGUL)}]}}"
    ),
    "a dictionary": lambda path: folder(path / "b", dict__txt=LINES),
    "a dictionary with an empty end": lambda path: folder(path / "c", dict__txt=f"{LINES}\n"),
    "a dictionary with blank and space": lambda path: folder(path / "d", dict__txt=f"blank\n{LINES}\n \n"),
    "a dictionary with the space": lambda path: folder(path / "e", dict__txt=f"{LINES}\n "),
}


@pytest.mark.parametrize("form", FORMS)
def test_another_recogniser_reads_by_its_short_name(form: str, tmp_path: Path) -> None:
    known(FORMS[form](tmp_path))
    item = OcrItem(characters="삼성A전Я")
    [answer] = OCR.run(Batch([written("KORVAX", 120, 180)], [item], SETTINGS))
    assert [(line.text, line.confidence) for line in answer.lines] == [("삼성", 1.0)]
    assert answer.unwritable == "AЯ"
    assert OCR.identity(SETTINGS).startswith(f"{OCR.identity(OcrSettings())} hangul:")


WRONG = {
    "no model": (lambda path: path, "its folder holds no .onnx files, not one"),
    "no dictionary": (
        lambda path: folder(path / "a"),
        "it does not say which characters it writes: put its dictionary",
    ),
    "two dictionaries": (
        lambda path: folder(path / "a", a__txt=LINES, b__txt=LINES),
        "it does not say which characters it writes: put its dictionary",
    ),
    "another's dictionary": (
        lambda path: folder(path / "a", a__txt="a\nb"),
        "its dictionary has 2 characters, but the model tells 4 apart",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_recogniser_is_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    make, reason = WRONG[case]
    known(make(tmp_path))
    with pytest.raises(MissingEngine) as caught:
        OCR.run(Batch([written("KORVAX", 120, 180)], [OcrItem()], SETTINGS))
    assert (
        f"The model `hangul`, which `rapid_reader` requests, cannot be loaded by the engine `rapidocr`: {reason}"
        in str(caught.value)
    )


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    detector = folder(tmp_path / "a", dict__txt=LINES)
    write_detector(detector / "inference.onnx", 0.9)
    known(detector)
    with pytest.raises(MissingEngine, match="cannot be loaded by the engine `rapidocr`"):
        OCR.run(Batch([written("KORVAX", 120, 180)], [OcrItem()], SETTINGS))


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("Acme 3.5", "Acme 3.5", id="from left to right"),
        pytest.param("ابحرم", "مرحبا", id="Arabic"),
        pytest.param("םולש", "שלום", id="Hebrew"),
        pytest.param("Acme ابحرم", "مرحبا Acme", id="with a Latin word"),
        pytest.param("3.5 ابحرم", "مرحبا 3.5", id="with a number"),
    ],
)
def test_text_from_right_to_left_is_turned_into_reading_order(seen: str, text: str) -> None:
    assert in_reading_order(seen) == text
