from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import polars as pl
import pytest

from gpu_service.client.local import LocalInference
from gpu_service.pictures import (
    Image,
    Picture,
    decode,
    encode_jpeg,
)
from mpr_assets.stages.detect_edges import SCHEMA as REGIONS
from mpr_assets.stages.preprocess import SCHEMA, PreprocessSettings, preprocess
from mpr_resources.storage.pictures import Frame

OBJECTS = {**REGIONS, "engine": pl.Utf8, "reference": pl.Utf8}
SHOTS: dict[str, pl.DataType | type[pl.DataType]] = {"seq": pl.Int64, "shot": pl.Int32}
Where = tuple[int, int]


def picture(text: str, at: Where, size: Where = (300, 40), blur: float = 0.0, seed: int = 0) -> Image:
    """A board at this place on grey noise, as a codec leaves it."""
    x, y = at
    w, h = size
    image = np.random.default_rng(seed).integers(80, 100, (360, 640, 3)).astype(np.uint8)
    face = np.full((h, w, 3), (150, 40, 20), np.uint8)
    cv2.putText(face, text, (14, h - 12), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (255, 255, 255), 2, cv2.LINE_AA)
    image[y : y + h, x : x + w] = face
    if blur:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), blur), np.uint8)
    return decode(encode_jpeg(image, 90))


class Scene:
    """Frames with one region each, and what the stage made of them."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.regions: list[tuple[int, int, int, int, int, float, str]] = []
        self.objects: list[tuple[int, int, int, int, int, float, str, str, None]] = []
        self.shots: list[tuple[int, int]] = []
        self.stored: dict[int, bytes] = {}

    def add(self, pixels: Image, *boxes: tuple[int, int, int, int], shot: int = 0) -> Scene:
        seq = len(self.frames)
        self.frames.append(Frame(seq, seq * 500, Picture(pixels=pixels)))
        self.regions += [(seq, *box, 0.9, "board") for box in boxes]
        self.shots.append((seq, shot))
        return self

    def run(self, **settings: float) -> pl.DataFrame:
        return preprocess(
            self.read(),
            pl.DataFrame(self.regions, REGIONS, orient="row"),
            pl.DataFrame(self.objects, OBJECTS, orient="row"),
            pl.DataFrame(self.shots, SHOTS, orient="row"),
            LocalInference(),
            PreprocessSettings.model_validate(settings),
            self.stored.__setitem__,
        )

    def read(self) -> Iterator[Frame]:
        yield from self.frames


def still(*texts: str) -> Scene:
    scene = Scene()
    for seed, text in enumerate(texts):
        scene.add(picture(text, (100, 80), seed=seed), (100, 80, 300, 40))
    return scene


def groups(table: pl.DataFrame) -> list[list[int]]:
    return [part["seq"].to_list() for part in table.partition_by("crop", maintain_order=True)]


def cut_between_shots() -> Scene:
    scene = Scene()
    for shot in (0, 0, 1):
        scene.add(picture("ACME 12", (100, 80)), (100, 80, 300, 40), shot=shot)
    return scene


def trembling() -> Scene:
    scene = Scene()
    for seed, (dx, dy) in enumerate([(0, 0), (1, 1), (-2, 0), (1, -1), (0, 1)]):
        scene.add(picture("ACME 12", (100, 80), seed=seed), (100 + dx, 80 + dy, 300, 40))
    return scene


def panning(step: int) -> Scene:
    scene = Scene()
    for number in range(5):
        at = (40 + step * number, 80 + 3 * number)
        scene.add(picture("ACME 12", at, seed=number), (*at, 300, 40))
    return scene


def missing(frames: int) -> Scene:
    scene = Scene().add(picture("ACME 12", (100, 80)), (100, 80, 300, 40))
    for _ in range(frames):
        scene.add(picture("", (0, 0)))
    return scene.add(picture("ACME 12", (100, 80)), (100, 80, 300, 40))


def twins() -> Scene:
    scene = Scene()
    for seed in range(3):
        image = picture("ACME 12", (20, 80), seed=seed)
        image[200:240, 20:320] = image[80:120, 20:320]
        scene.add(image, (20, 80, 300, 40), (20, 200, 300, 40))
    return scene


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        pytest.param(Scene(), [], id="no frames"),
        pytest.param(Scene().add(picture("ACME", (100, 80))), [], id="no regions"),
        pytest.param(
            Scene().add(np.full((99, 99, 3), 80, np.uint8), (9, 9, 60, 30)), [], id="a plain region is not read"
        ),
        pytest.param(still("ACME 12"), [[0]], id="one frame"),
        pytest.param(still(*["ACME 12"] * 10), [list(range(10))], id="ten equal frames are one group"),
        pytest.param(still("ACME 12", "ACME 12", "ACME 13", "ACME 13"), [[0, 1], [2, 3]], id="a digit changes"),
        pytest.param(still("ACME 12", "ACMF 12"), [[0], [1]], id="a letter changes by a stroke"),
        pytest.param(still("ACME 12", "ACME 13", "ACME 12"), [[0, 2], [1]], id="a text comes back"),
        pytest.param(cut_between_shots(), [[0, 1], [2]], id="no group goes beyond its shot"),
        pytest.param(trembling(), [[0, 1, 2, 3, 4]], id="the box trembles"),
        pytest.param(panning(7), [[0, 1, 2, 3, 4]], id="the camera pans"),
        pytest.param(panning(60), [[0, 1, 2, 3, 4]], id="the camera pans fast"),
        pytest.param(missing(2), [[0, 3]], id="unseen for two frames"),
        pytest.param(missing(5), [[0], [6]], id="unseen for long"),
        pytest.param(twins(), [[0, 1, 2], [0, 1, 2]], id="two equal boards in a frame"),
    ],
)
def test_equal_crops_are_grouped(scene: Scene, expected: list[list[int]]) -> None:
    table = scene.run()
    assert table.schema == pl.Schema(SCHEMA)
    assert groups(table) == expected
    assert table["crop"].unique().sort().to_list() == list(range(len(expected))) == sorted(scene.stored)
    assert table.group_by("crop").agg(pl.col("representative").sum())["representative"].to_list() == [1] * len(expected)
    for crop, width, height in table.select("crop", "width_px", "height_px").unique().rows():
        assert decode(scene.stored[crop]).shape == (height, width, 3)


@pytest.mark.parametrize("scene", [pytest.param(trembling(), id="trembling"), pytest.param(panning(7), id="panning")])
def test_to_frame_leads_from_the_stored_crop_to_each_frame(scene: Scene) -> None:
    table = scene.run()
    assert table["crop"].n_unique() == 1
    crop = cv2.cvtColor(decode(scene.stored[0]), cv2.COLOR_BGR2GRAY)
    for seq, numbers in table.select("seq", "to_frame").rows():
        half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
        matrix = np.linalg.inv(half) @ np.array(numbers).reshape(3, 3) @ half
        gray = cv2.cvtColor(scene.frames[seq].picture.pixels, cv2.COLOR_BGR2GRAY)
        seen = cv2.warpPerspective(gray, matrix, crop.shape[::-1], flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
        inner = (slice(6, -6), slice(6, -6))
        (dx, dy), _ = cv2.phaseCorrelate(
            crop[inner].astype(np.float32),
            seen[inner].astype(np.float32),
            cv2.createHanningWindow(crop[inner].shape[::-1], cv2.CV_32F),
        )
        assert max(abs(dx), abs(dy)) < 0.6


def test_the_sharpest_crop_is_stored() -> None:
    scene = Scene()
    for blur in (1.0, 0.9, 0.0, 1.0):
        scene.add(picture("ACME 12", (100, 80), blur=blur), (100, 80, 300, 40))
    table = scene.run(max_change=40)
    assert groups(table) == [[0, 1, 2, 3]]
    assert table.filter("representative")["seq"].to_list() == [2]


def test_of_many_regions_the_surest_then_the_largest_are_cut() -> None:
    scene = Scene().add(picture("ACME 12", (100, 80)))
    scene.regions = [
        (0, 100, 80, 200, 40, 0.5, "board"),
        (0, 100, 80, 300, 40, 0.5, "board"),
        (0, 110, 84, 120, 30, 0.9, "board"),
    ]
    table = scene.run(max_crops=2)
    assert table.select("x", "w").rows() == [(110, 120), (100, 300)]


def test_an_object_on_a_region_is_cut_once() -> None:
    scene = Scene().add(picture("ACME 12", (100, 80)), (100, 80, 300, 40))
    scene.objects = [
        (0, 102, 81, 297, 39, 0.95, "Acme", "logo_match", None),
        (0, 110, 84, 60, 30, 0.5, "Acme", "logo_match", None),
    ]
    table = scene.run()
    assert table.select("x", "source", "label").rows() == [(102, "objects", "Acme"), (110, "objects", "Acme")]


def test_frames_without_regions_are_not_decoded() -> None:
    scene = Scene()
    scene.frames = [Frame(0, 0, Picture(encoded=b"not a picture"))]
    scene.shots = [(0, 0)]
    assert scene.run().is_empty()


def test_groups_are_stored_as_they_finish() -> None:
    scene = still(*["ACME 12"] * 2, *["BOLT 77"] * 6)
    seen: list[tuple[int, list[int]]] = []
    read = scene.read

    def watched() -> Iterator[Frame]:
        for frame in read():
            seen.append((frame.seq, sorted(scene.stored)))
            yield frame

    scene.read = watched  # type: ignore[method-assign]
    scene.run(max_gap_frames=1)
    assert seen[3] == (3, [])
    assert seen[-1] == (7, [0])
