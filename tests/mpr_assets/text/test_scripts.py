from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_service import models
from gpu_service.client.http import HttpInference
from gpu_service.client.local import LocalInference
from gpu_service.models import ModelFiles
from gpu_service.routines.ocr.engine import OcrSettings
from gpu_service.routines.ocr.routine import OCR
from mpr_assets.text.scripts import cannot_be_read
from mpr_resources.brands.brand_file import Brand
from tests.gpu_service.live import live_server
from tests.onnx_file import write_reader


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    yield
    models.use(ModelFiles())


def told(*brands: Brand, reader: str = "") -> list[tuple[str, ...]]:
    """Of each sentence the script, the names, and what to do."""
    sentences = cannot_be_read(brands, LocalInference(), OcrSettings(rapid_reader=reader))
    found = []
    for sentence in sentences:
        _, _, rest = sentence.partition("cannot write ")
        script, _, rest = rest.partition(", so ")
        names, _, todo = rest.partition(" will not be read: ")
        found.append((script, names, todo))
    return found


def other(model: str, reader: str = "rapid_reader") -> str:
    return f"set run_ocr.{reader} to a recogniser that can, as {model} (see docs/gpu-host.md), or {PICTURES}"


PICTURES = "give the brand reference pictures."


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param([], [], id="no brand"),
        pytest.param(["Acme", "Škoda", "Löwenbräu", "Đồng Tháp"], [], id="Latin"),
        pytest.param(["ソニー", "可口可乐", "可口可樂", "Αθήνα"], [], id="what PP-OCRv6 writes"),
        pytest.param(["МОСКВА"], [], id="Cyrillic that looks Latin"),
        pytest.param(["Лада"], [("Cyrillic", "Лада", other("cyrillic_PP-OCRv5_rec_mobile"))], id="Cyrillic"),
        pytest.param(["삼성"], [("Hangul", "삼성", other("korean_PP-OCRv5_rec_mobile"))], id="Hangul"),
        pytest.param(["بيبسي"], [("Arabic", "بيبسي", other("arabic_PP-OCRv5_rec_mobile"))], id="Arabic"),
        pytest.param(["กระทิงแดง"], [("Thai", "กระทิงแดง", other("th_PP-OCRv5_rec_mobile"))], id="Thai"),
        pytest.param(["שלום"], [("Hebrew", "שלום", PICTURES)], id="one that no model writes"),
        pytest.param(
            ["삼성", "현대", "기아", "라면", "Лада"],
            [
                ("Cyrillic", "Лада", other("cyrillic_PP-OCRv5_rec_mobile")),
                ("Hangul", "기아, 라면, 삼성 and 1 more", other("korean_PP-OCRv5_rec_mobile")),
            ],
            id="many",
        ),
    ],
)
def test_names_that_the_engine_cannot_write_are_told_by_script(
    names: list[str], expected: list[tuple[str, ...]]
) -> None:
    assert told(*(Brand(name=name) for name in names)) == expected


def test_an_alias_is_told_with_its_brand() -> None:
    [(_, names, _)] = told(Brand(name="Coke", aliases=("Кока-Кола", "Cola")))
    assert names == "Кока-Кола (Coke)"


def test_the_recogniser_that_is_chosen_is_asked(tmp_path: Path) -> None:
    write_reader(tmp_path / "hangul.onnx", "삼성", "삼성전자")
    models.use(ModelFiles(files={"hangul": str(tmp_path / "hangul.onnx")}))
    [(script, names, _)] = told(Brand(name="삼성"), Brand(name="현대"), Brand(name="전자"), reader="hangul")
    assert (script, names) == ("Hangul", "현대")


def test_a_host_says_the_same() -> None:
    brands = [Brand(name="삼성"), Brand(name="Лада")]
    with live_server(routines={"ocr": OCR}) as url, HttpInference([url]) as inference:
        assert cannot_be_read(brands, inference, OcrSettings()) == cannot_be_read(
            brands, LocalInference(), OcrSettings()
        )
