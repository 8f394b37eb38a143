from __future__ import annotations

import cv2
import numpy as np
import pytest

from gpu_service.errors import BadInput
from gpu_service.pictures import Image
from gpu_service.routines import Batch
from gpu_service.routines.ocr.engine import OcrSettings, StripText
from gpu_service.routines.ocr.routine import (
    OCR,
    _own_part,
    straighten,
    warm_places,
)
from gpu_service.wire import OcrAnswer, OcrItem, Quad

SETTINGS = OcrSettings()
EVERYTHING = OcrItem()
FONT = cv2.FontFace("sans")
WEIGHT = 500


def canvas(width: int = 640, height: int = 360) -> Image:
    """A dull, smooth background."""
    ramp = np.linspace(60, 110, width, dtype=np.uint8)
    return np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (height, width, 3)))


def written(text: str, x: int, y: int, size: int = 44, width: int = 640, height: int = 360) -> Image:
    """White text of so many pixels' size whose baseline starts at x, y."""
    image = canvas(width, height)
    cv2.putText(image, text, (x, y), (255, 255, 255), FONT, size, WEIGHT)
    return image


def text_box(text: str, x: int, y: int, size: int = 44) -> tuple[int, int, int, int]:
    """Where `written` puts it: x, y, width, height."""
    left, top, width, height = cv2.getTextSize((640, 360), text, (x, y), FONT, size, WEIGHT)
    return left, top, width, height


def around(x: int, y: int, w: int, h: int, margin: int = 6) -> Quad:
    left, top, right, bottom = x - margin, y - margin, x + w + margin, y + h + margin
    return (left, top), (right, top), (right, bottom), (left, bottom)


def ask(image: Image, item: OcrItem = EVERYTHING, settings: OcrSettings = SETTINGS) -> OcrAnswer:
    [answer] = OCR.run(Batch([image], [item], settings))
    return answer


def texts(answer: OcrAnswer) -> list[str]:
    return [line.text for line in answer.lines]


def test_no_pictures_give_no_answers():
    assert OCR.run(Batch([], [], SETTINGS)) == []


@pytest.mark.parametrize("full_scan", [True, False], ids=["full scan", "quick"])
@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(canvas(), [], id="nothing written"),
        pytest.param(canvas(1, 1), [], id="one pixel"),
        pytest.param(canvas(2000, 3), [], id="a sliver"),
        pytest.param(written("Zephyra Air", 120, 180), ["Zephyra Air"], id="one line"),
        pytest.param(written("KORVAX", 100, 60, 16, 1280, 720), ["KORVAX"], id="small in a large picture"),
        pytest.param(written("KORVAX", 40, 400, 140, 660, 600), ["KORVAX"], id="large"),
        pytest.param(np.rot90(written("KORVAX", 200, 180)).copy(), ["KORVAX"], id="upwards"),
        pytest.param(np.rot90(written("KORVAX", 200, 180), -1).copy(), ["KORVAX"], id="downwards"),
    ],
)
def test_finds_and_reads(image: Image, expected: list[str], full_scan: bool):
    assert texts(ask(image, OcrItem(full_scan=full_scan))) == expected


def test_finds_without_reading():
    [line] = ask(written("KORVAX", 120, 180), OcrItem(recognise=False)).lines
    assert (line.text, line.confidence) == ("", 0)


def test_quads_go_round_from_the_top_left_close_to_the_letters():
    x, y, w, h = text_box("KORVAX", 200, 180)
    [line] = ask(written("KORVAX", 200, 180)).lines
    np.testing.assert_allclose(np.array(line.quad), [[x, y], [x + w, y], [x + w, y + h], [x, y + h]], atol=14)


def test_reads_given_quads_in_their_order_and_says_where_there_is_nothing():
    image = written("KORVAX", 200, 100)
    cv2.putText(image, "Lumen", (200, 300), (255, 255, 255), FONT, 44, WEIGHT)
    boxes = [text_box("Lumen", 200, 300), (30, 20, 100, 40), text_box("KORVAX", 200, 100)]
    answer = ask(image, OcrItem(find=False, quads=tuple(around(*box) for box in boxes)))
    assert texts(answer) == ["Lumen", "", "KORVAX"]
    assert answer.lines[1].confidence == 0


@pytest.mark.parametrize(
    "box",
    [(0, 0, 200_000, 200_000), (-1_000, 0, 100, 40), (0, 1_000, 100, 40)],
    ids=["far larger than the picture", "far to the left", "far below"],
)
def test_a_line_far_outside_the_picture_is_refused(box: tuple[int, int, int, int]):
    with pytest.raises(BadInput, match="A line to be read lies far outside the picture of 640 x 360 pixels"):
        ask(canvas(), OcrItem(find=False, quads=(around(*box),)))


def test_a_line_cut_off_is_read_beyond_its_ends_to_the_next_space():
    start, y, whole, h = text_box("KORVAX", 200, 180)
    x, _, w, _ = text_box("RVA", start + text_box("KO", 200, 180)[2], 180)
    image = written("Blue", 90, 180)
    cv2.putText(image, "KORVAX Red", (200, 180), (255, 255, 255), FONT, 44, WEIGHT)
    [line] = ask(image, OcrItem(find=False, quads=(around(x, y, w, h),))).lines
    assert line.text == "KORVAX"
    assert line.quad[0][0] == pytest.approx(start, abs=16)
    assert line.quad[1][0] == pytest.approx(start + whole, abs=16)


def test_debug_gives_the_same_answer_and_pictures_of_the_frame():
    image = written("KORVAX", 200, 180)
    [(answer, pictures)] = OCR.debug(Batch([image], [OcrItem()], SETTINGS))
    assert answer == ask(image)
    assert list(pictures) == ["heat", "lines"]
    assert all(picture.shape == image.shape and picture.dtype == np.uint8 for picture in pictures.values())


def test_equal_calls_give_equal_answers():
    image = written("Zephyra Air", 120, 180)
    assert ask(image) == ask(image)


def test_identity_names_engine_version_and_models():
    identity = OCR.identity(SETTINGS)
    assert identity.startswith("rapidocr 3.")
    assert "det_small.onnx:" in identity
    assert "rec_small.onnx:" in identity
    assert identity == OCR.identity(SETTINGS)


@pytest.mark.parametrize(
    ("text", "confidences", "centres", "expected"),
    [
        pytest.param("", (), (), ("", 0, 0), id="nothing"),
        pytest.param("abc", (1, 1, 1), (20, 40, 60), ("abc", 0, 0), id="all inside"),
        pytest.param("abc", (1, 1, 1), (5, 40, 60), ("abc", 5 / 48, 0), id="one before"),
        pytest.param("abc", (1, 1, 1), (20, 40, 95), ("abc", 0, 5 / 48), id="one behind"),
        pytest.param("abc", (0.5, 1, 1), (5, 40, 60), ("bc", 0, 0), id="unsure beyond the end"),
        pytest.param("a bc", (1, 1, 1, 1), (2, 6, 40, 60), ("bc", 0, 0), id="another word"),
        pytest.param("ab", (1, 1), (2, 95), ("", 0, 0), id="only beyond"),
    ],
)
def test_what_belongs_to_a_line(text, confidences, centres, expected):
    part, beyond = _own_part(StripText(text, confidences, centres), (10, 90))
    assert (part.text, *beyond) == expected


@pytest.mark.parametrize(
    ("spots", "expected"),
    [
        pytest.param([], [], id="cold"),
        pytest.param([(100, 100)], [(76, 76, 49, 49)], id="one"),
        pytest.param([(0, 0)], [(0, 0, 25, 25)], id="at the rim"),
        pytest.param([(100, 100), (130, 100)], [(76, 76, 79, 49)], id="two whose margins meet"),
        pytest.param([(100, 100), (200, 100)], [(76, 76, 49, 49), (176, 76, 49, 49)], id="two apart"),
    ],
)
def test_warm_places(spots, expected):
    heat = np.zeros((256, 320), np.float32)
    for x, y in spots:
        heat[y, x] = 0.1
    assert warm_places(heat, 0.05) == expected


def test_straightened_lines_have_one_height_and_keep_their_shape():
    quad = np.array([[10, 10], [110, 10], [110, 30], [10, 30]], np.float32)
    assert straighten(canvas(), quad).shape == (48, 240, 3)
    assert straighten(canvas(), quad * 10).shape == (48, 240, 3)
