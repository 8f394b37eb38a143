"""References that would be found anywhere, or nowhere: each is named, and what it finds counts less or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from gpu_service.pictures import Image, encode_png
from gpu_service.routines import Reference
from gpu_service.routines.logos.logo_set import weak_references
from tests.gpu_service.test_detect import BOLT, COMB, KITE, find, ground, kite, one, put

INK = (20, 20, 20)


def sheet(draw: Callable[[Image], object], side_px: int = 200) -> Reference:
    """Black on white."""
    picture = np.full((200, 200, 3), 255, np.uint8)
    draw(picture)
    small = cv2.resize(picture, (side_px, side_px), interpolation=cv2.INTER_NEAREST)
    return Reference("Acme", "acme.png", encode_png(np.asarray(small, np.uint8)))


def photograph(side_px: int) -> Reference:
    """Ink all over."""
    noise = np.random.default_rng(3).integers(0, 255, (6, 6, 3)).astype(np.uint8)
    return Reference("Acme", "acme.png", encode_png(np.asarray(cv2.resize(noise, (side_px, side_px)), np.uint8)))


def star(picture: Image) -> None:
    radius = np.where(np.arange(10) % 2 == 0, 80, 32)
    turn = np.arange(10) * np.pi / 5
    points = np.stack([100 + radius * np.sin(turn), 100 - radius * np.cos(turn)], axis=1)
    cv2.fillPoly(picture, [points.astype(np.int32)], INK)


def disc(picture: Image) -> None:
    cv2.circle(picture, (100, 100), 70, INK, -1)


def triangle(picture: Image) -> None:
    cv2.fillPoly(picture, [np.array([[100, 30], [170, 160], [30, 160]], np.int32)], INK)


def rings(picture: Image) -> None:
    for x in (70, 130):
        cv2.circle(picture, (x, 100), 50, INK, 12)


def sky(picture: Image) -> None:
    picture[:] = np.linspace(90, 170, 200).astype(np.uint8)[:, None, None]


PLAIN = "is a plain shape that many things have, so what it finds counts less"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        pytest.param(sheet(lambda _: None), "is blank, so it is not used", id="blank"),
        pytest.param(sheet(disc, 14), "is only 9 px large, so it is not used", id="of a few pixels"),
        pytest.param(sheet(star, 30), r"is only 2\d px large, so what it finds counts less", id="tiny"),
        pytest.param(photograph(24), r"is only 24 px large, so it will often be missed", id="a tiny photograph"),
        pytest.param(sheet(disc), PLAIN, id="disc"),
        pytest.param(sheet(triangle), PLAIN, id="triangle"),
        pytest.param(sheet(lambda p: cv2.rectangle(p, (20, 80), (180, 120), INK, -1)), PLAIN, id="bar"),
        pytest.param(sheet(lambda p: cv2.ellipse(p, (100, 100), (80, 40), 20, 0, 360, INK, -1)), PLAIN, id="ellipse"),
        pytest.param(sheet(lambda p: cv2.circle(p, (100, 100), 70, INK, 20)), PLAIN, id="ring"),
        pytest.param(sheet(lambda p: cv2.rectangle(p, (40, 40), (160, 160), INK, 10)), PLAIN, id="frame"),
        pytest.param(sheet(sky), "has hardly any detail, so it will often be missed", id="a piece of sky"),
    ],
)
def test_a_weak_reference_is_named_with_what_to_give_instead(reference: Reference, said: str) -> None:
    [weak] = weak_references([reference])
    assert (weak.brand, weak.name) == ("Acme", "acme.png")
    assert re.fullmatch(rf"The logo acme\.png of Acme {said}: give .*\.", weak.sentence)


@pytest.mark.parametrize(
    "reference",
    [KITE, COMB, BOLT, sheet(star), sheet(rings), photograph(90)],
    ids=["kite", "comb", "bolt", "star", "two rings", "photograph"],
)
def test_other_references_are_not(reference: Reference) -> None:
    assert weak_references([reference]) == []


def test_without_references_nothing_is_weak() -> None:
    assert weak_references([]) == []


def test_a_blank_reference_spoils_no_other() -> None:
    image = ground("plain")
    one(image)
    blank = Reference("Kite", "blank.png", sheet(lambda _: None).encoded)
    assert find(image, blank, KITE, COMB) == find(image, KITE, COMB)
    assert find(image, blank) == ()


def test_a_plain_shape_is_found_less_surely() -> None:
    image = ground("plain")
    cv2.circle(image, (150, 90), 40, (240, 240, 240), -1, cv2.LINE_AA)
    [sure] = find(image, sheet(disc))
    assert sure.confidence < 0.9
    put(image, kite(), (260, 90), 80, (240, 240, 240))
    [kite_found] = [one for one in find(image, sheet(disc), KITE) if one.label == "Kite"]
    assert kite_found.confidence > 0.9
