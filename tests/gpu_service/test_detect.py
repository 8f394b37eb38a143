"""The logo detector: drawn flat logos pasted on a plain and on a textured ground, with their exact places."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from gpu_service.boxes import iou
from gpu_service.errors import BadInput
from gpu_service.pictures import Image
from gpu_service.routines import Batch, Reference
from gpu_service.routines.detect import DETECT, DetectSettings
from gpu_service.wire import Box, NoItem, ObjectFinding

SVG_BOLT = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">
<path d="M14 1 3 14h6l-3 9 14-14h-7z"/><circle cx="20" cy="20" r="3"/></svg>"""


def kite(size: int = 240) -> NDArray[np.uint8]:
    """Alpha of a flat logo: a ring, with a notched arrow in it."""
    alpha = np.zeros((size, size), np.uint8)
    unit = size / 240
    cv2.circle(alpha, (round(120 * unit), round(120 * unit)), round(112 * unit), 255, -1)
    cv2.circle(alpha, (round(120 * unit), round(120 * unit)), round(92 * unit), 0, -1)
    arrow = np.array([[120, 40], [180, 180], [120, 150], [60, 180]], np.float64) * unit
    cv2.fillPoly(alpha, [arrow.astype(np.int32)], 255)
    return alpha


def comb(size: int = 240) -> NDArray[np.uint8]:
    """Alpha of another flat logo: bars of growing height on a foot."""
    alpha = np.zeros((size, size), np.uint8)
    unit = size / 240
    for k in range(4):
        x, top = 10 + 60 * k, 150 - 45 * k
        cv2.rectangle(alpha, (round(x * unit), round(top * unit)), (round((x + 40) * unit), round(200 * unit)), 255, -1)
    cv2.rectangle(alpha, (round(10 * unit), round(212 * unit)), (round(230 * unit), round(232 * unit)), 255, -1)
    return alpha


def png(alpha: NDArray[np.uint8], bgr: tuple[int, int, int] = (20, 20, 20)) -> bytes:
    pixels = np.dstack([np.full_like(alpha, c) for c in bgr] + [alpha])
    return bytes(cv2.imencode(".png", pixels)[1])


KITE = Reference("Kite", "kite.png", png(kite()))
COMB = Reference("Comb", "comb.png", png(comb()))
BOLT = Reference("Bolt", "bolt.svg", SVG_BOLT)


def ground(kind: str) -> Image:
    if kind == "plain":
        return np.full((180, 320, 3), (150, 150, 145), np.uint8)
    rng = np.random.default_rng(5)
    noise = rng.integers(60, 200, (12, 20, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(noise, (320, 180), interpolation=cv2.INTER_CUBIC), np.uint8)


def put(
    image: Image,
    alpha: NDArray[np.uint8],
    at: tuple[int, int],
    size: int,
    bgr: tuple[int, int, int],
    turn_deg: float = 0.0,
) -> Box:
    """Draw the logo centred at a place and return the box of its ink."""
    scale = size / alpha.shape[0]
    matrix = cv2.getRotationMatrix2D((alpha.shape[1] / 2, alpha.shape[0] / 2), turn_deg, scale)
    matrix[:, 2] += np.array(at) - (alpha.shape[1] / 2, alpha.shape[0] / 2)
    ink = cv2.warpAffine(alpha, matrix, image.shape[1::-1], flags=cv2.INTER_AREA)
    weight = (np.asarray(ink, np.float32) / 255)[..., None]
    image[:] = (image * (1 - weight) + np.array(bgr, np.float32) * weight).astype(np.uint8)
    x, y, w, h = cv2.boundingRect((np.asarray(ink) > 127).astype(np.uint8))
    return Box(x=x, y=y, w=w, h=h)


def find(image: Image, *references: Reference) -> tuple[ObjectFinding, ...]:
    [answer] = DETECT.run(Batch([image], [NoItem()], DetectSettings(), references))
    return answer.objects


def nothing(image: Image) -> list[tuple[str, Box]]:
    return []


def one(image: Image) -> list[tuple[str, Box]]:
    return [("Kite", put(image, kite(), (100, 75), 100, (235, 235, 235)))]


def dark(image: Image) -> list[tuple[str, Box]]:
    return [("Kite", put(image, kite(), (210, 100), 80, (15, 15, 15)))]


def rotated(image: Image) -> list[tuple[str, Box]]:
    return [("Comb", put(image, comb(), (150, 90), 90, (20, 20, 120), turn_deg=25))]


def covered(image: Image) -> list[tuple[str, Box]]:
    box = put(image, kite(), (150, 90), 110, (240, 240, 240))
    image[box.y : box.y + box.h, box.x : box.x + box.w // 4] = (40, 120, 60)
    return [("Kite", box)]


def two_instances(image: Image) -> list[tuple[str, Box]]:
    return [
        ("Kite", put(image, kite(), (70, 90), 80, (240, 240, 240))),
        ("Kite", put(image, kite(), (230, 85), 100, (10, 10, 10))),
    ]


def two_brands(image: Image) -> list[tuple[str, Box]]:
    return [
        ("Comb", put(image, comb(), (240, 90), 90, (240, 240, 240))),
        ("Kite", put(image, kite(), (75, 90), 90, (240, 240, 240))),
    ]


@pytest.mark.parametrize("on", ["plain", "textured"])
@pytest.mark.parametrize(
    "scene", [nothing, one, dark, rotated, covered, two_instances, two_brands], ids=lambda scene: scene.__name__
)
def test_finds_exactly_what_is_there(scene: Callable[[Image], list[tuple[str, Box]]], on: str) -> None:
    image = ground(on)
    truth = scene(image)
    found = find(image, KITE, COMB, BOLT)
    assert sorted(f.label for f in found) == sorted(brand for brand, _ in truth)
    for brand, box in truth:
        assert max(iou(f.box.xywh, box.xywh) for f in found if f.label == brand) > 0.8
    assert all(f.confidence >= 0.5 and f.engine == "logo_match" and f.quad is not None for f in found)


def test_finds_nothing_without_references_and_a_wrong_brand_nowhere() -> None:
    image = ground("plain")
    one(image)
    assert find(image) == ()
    assert find(image, COMB, BOLT) == ()


def test_says_which_reference_matched() -> None:
    image = ground("plain")
    one(image)
    [found] = find(image, Reference("Kite", "other.png", png(comb())), KITE)
    assert (found.label, found.reference) == ("Kite", "kite.png")


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(b"", id="of no size"),
        pytest.param(b'width="90000" height="90000" ', id="larger than memory"),
    ],
)
def test_finds_an_svg_logo(size: bytes) -> None:
    bolt = Reference("Bolt", "bolt.svg", SVG_BOLT.replace(b"viewBox", size + b"viewBox"))
    image = ground("plain")
    points = np.array([[14, 1], [3, 14], [9, 14], [6, 23], [20, 9], [13, 9]], np.float64) * 4 + (100, 30)
    cv2.fillPoly(image, [points.round().astype(np.int32)], (20, 20, 200), cv2.LINE_AA)
    cv2.circle(image, (180, 110), 12, (20, 20, 200), -1, cv2.LINE_AA)
    [found] = find(image, KITE, bolt, COMB)
    assert found.label == "Bolt"
    assert iou(found.box.xywh, (112, 34, 80, 88)) > 0.8


@pytest.mark.parametrize(
    ("encoded", "says"),
    [
        (b"", "cannot be read"),
        (b"this is not a picture", "cannot be read"),
        (b"<svg this is broken", "not an SVG picture that can be drawn"),
    ],
    ids=["empty", "text", "broken svg"],
)
def test_an_unreadable_reference_is_named(encoded: bytes, says: str) -> None:
    with pytest.raises(BadInput, match=rf"The logo bad\.png of Acme.*{says}"):
        find(ground("plain"), KITE, Reference("Acme", "bad.png", encoded))


def test_debug_gives_the_same_answer_with_pictures() -> None:
    image = ground("plain")
    one(image)
    batch = Batch([image], [NoItem()], DetectSettings(), (KITE, COMB))
    [(answer, pictures)] = DETECT.debug(batch)
    assert [answer] == DETECT.run(batch)
    assert "found" in pictures
    assert len(pictures) >= 2
    assert all(picture.dtype == np.uint8 and picture.shape[2] == 3 for picture in pictures.values())


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ValidationError, match="engines"):
        DetectSettings.model_validate({"engines": ["telepathy"]})


def test_identity_names_engine_version_and_library() -> None:
    assert DETECT.identity(DetectSettings()).startswith("logo_match/")
    assert f"opencv-{cv2.__version__}" in DETECT.identity(DetectSettings())
    assert DETECT.identity(DetectSettings(engines=())) == ""
