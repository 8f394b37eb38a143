"""Vectors of crops: marks are nearest to themselves when they come back smaller, blurred and tilted."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gpu_service.client.http import HttpInference
from gpu_service.client.local import LocalInference
from gpu_service.errors import MissingEngine
from gpu_service.host.config import ServiceConfig
from gpu_service.host.registry import ROUTINES
from gpu_service.pictures import Image, Picture
from gpu_service.routines import Batch
from gpu_service.routines.logos import trunk
from gpu_service.routines.vectors import DIMENSIONS, VECTORS, VectorSettings, vector
from gpu_service.wire import NoItem
from tests.gpu_service.live import live_server

SETTINGS = VectorSettings()


def word(text: str, ink: tuple[int, int, int], ground: int) -> Image:
    image = np.full((60, 30 + 26 * len(text), 3), ground, np.uint8)
    return np.asarray(cv2.putText(image, text, (12, 42), cv2.FONT_HERSHEY_DUPLEX, 1.2, ink, 2, cv2.LINE_AA), np.uint8)


def sign(number: int) -> Image:
    image = np.full((90, 90, 3), (40, 160, 220), np.uint8)
    if number == 0:
        cv2.circle(image, (45, 45), 30, (250, 250, 250), -1)
    elif number == 1:
        cv2.fillPoly(image, [np.array([[10, 80], [45, 8], [80, 80]])], (250, 250, 250))
    else:
        cv2.rectangle(image, (8, 36), (82, 54), (250, 250, 250), -1)
    return image


def again(mark: Image) -> Image:
    """As a camera would see it another time."""
    height, width = mark.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + np.array([[3, 2], [-2, 4], [-4, -2], [2, -3]], np.float32)
    tilted = cv2.warpPerspective(
        mark, cv2.getPerspectiveTransform(corners, moved), (width, height), borderMode=cv2.BORDER_REPLICATE
    )
    small = cv2.resize(tilted, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 0.7) * 0.9, np.uint8)


MARKS = [
    *(word(text, (200, 60, 20), 240) for text in ("Velquora", "Mirvane", "Skylorn")),
    *(word(text, (250, 250, 250), 30) for text in ("Brastovar", "Lumoqua")),
    *(sign(number) for number in range(3)),
]


def test_marks_are_nearest_to_themselves() -> None:
    kept = np.stack([vector(mark, SETTINGS) for mark in MARKS])
    assert np.linalg.norm(kept, axis=1) == pytest.approx(1, abs=1e-5)
    likeness = np.stack([vector(again(mark), SETTINGS) for mark in MARKS]) @ kept.T
    assert likeness.argmax(axis=1).tolist() == list(range(len(MARKS)))


def test_the_smallest_crop_and_the_shares() -> None:
    dot = np.zeros((1, 1, 3), np.uint8)
    [answer] = VECTORS.run(Batch([dot], [NoItem()], SETTINGS))
    whole = np.array(answer.values)
    reads, looks = (vector(dot, VectorSettings(look=look)) for look in (0.0, 1.0))
    assert (len(whole), np.linalg.norm(whole)) == (DIMENSIONS, pytest.approx(1, abs=1e-5))
    # The two parts have nothing in common but for what the projection leaves of chance.
    assert [float(whole @ part) for part in (reads, looks)] == pytest.approx([0.65**0.5, 0.35**0.5], abs=0.15)
    assert VECTORS.identity(SETTINGS).startswith("vectors/2 PP-OCRv6_rec_small.onnx efficientnet-lite0:")


def test_a_host_makes_the_vectors_that_this_process_does() -> None:
    def asked() -> list[tuple[int, Picture, NoItem]]:
        return [(number, Picture(pixels=mark), NoItem()) for number, mark in enumerate(MARKS)]

    with live_server(ServiceConfig(preload={}), ROUTINES) as url:
        host = HttpInference([url])
        there = list(host.map(VECTORS, asked(), SETTINGS))
        identity = host.identity(VECTORS, SETTINGS)
        host.close()
    assert there == list(LocalInference().map(VECTORS, asked(), SETTINGS))
    assert identity == LocalInference().identity(VECTORS, SETTINGS)


def test_without_the_packages_it_says_which_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trunk, "WEIGHTS_PACKAGE", "no_such_package")
    with pytest.raises(MissingEngine, match=r"needs the package no_such_package.*\[logos\]"):
        VECTORS.identity(SETTINGS)
