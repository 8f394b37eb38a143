from __future__ import annotations

from collections.abc import Collection, Iterable

import cv2
import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from gpu_service.likeness import frame_phash
from gpu_service.pictures import (
    Image,
    Picture,
    decode,
    encode_jpeg,
)
from mpr_assets.stages.extract_frames import SCHEMA as INDEX_SCHEMA
from mpr_assets.stages.filter_scenes import (
    SCHEMA,
    FilterScenesSettings,
    filter_scenes,
    largest_change,
)
from mpr_resources.storage.pictures import Frame
from tests.stills import seen, still

SIZE = (1280, 720)


def scene(seed: int, size: tuple[int, int] = SIZE) -> Image:
    """A smooth picture with its own colours, edges and texture."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 226, (int(rng.integers(6, 12)), int(rng.integers(11, 21)), 3), np.uint8)
    picture = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC).astype(np.int16)
    texture = cv2.resize(rng.normal(0, 6, (size[1] // 4, size[0] // 4)), size)
    for _ in range(5):
        x, y = int(rng.integers(size[0])), int(rng.integers(size[1]))
        cv2.rectangle(picture, (x, y), (x + 120, y + 70), rng.integers(0, 256, 3).tolist(), -1)
    return np.clip(picture + texture[..., None], 0, 255).astype(np.uint8)


def text(image: Image, words: str, x: int, y: int, height_px: int, change: int) -> Image:
    """Write words whose capitals are `height_px` high and differ from their ground by `change` grey levels."""
    mask = np.zeros(image.shape[:2], np.uint8)
    scale, thick = height_px / 21, max(1, round(height_px / 10))
    cv2.putText(mask, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick, cv2.LINE_AA)
    return np.clip(image + (mask.astype(np.int16) * change // 255)[..., None], 0, 255).astype(np.uint8)


def noise(image: Image, sigma: float, seed: int = 0) -> Image:
    grain = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(np.round(image + grain), 0, 255).astype(np.uint8)


def run(
    pictures: Iterable[Image],
    *,
    chunks: list[int] | None = None,
    cuts_ms: list[int | None] | None = None,
    panned: Collection[int] = (),
    step_ms: int = 500,
    quality: int = 90,
    settings: FilterScenesSettings | None = None,
) -> pl.DataFrame:
    """The stage on pictures as they come from storage."""
    stored = [decode(encode_jpeg(picture, quality)) for picture in pictures]
    chunks = chunks or [0] * len(stored)
    cuts_ms = cuts_ms or [None] * len(stored)
    rows = [
        (seq, chunk, 0, 0, seq * step_ms, (seq + 1) * step_ms, *SIZE, frame_phash(picture), 0, cut_ms, seq in panned)
        for seq, (picture, chunk, cut_ms) in enumerate(zip(stored, chunks, cuts_ms, strict=True))
    ]
    index = pl.DataFrame(rows, schema=INDEX_SCHEMA, orient="row")
    frames = (Frame(seq, seq * step_ms, Picture(pixels=picture)) for seq, picture in enumerate(stored))
    table = filter_scenes(frames, index, settings or FilterScenesSettings())
    assert dict(table.schema) == SCHEMA
    return table


def test_no_frame() -> None:
    assert run([]).height == 0


def pan(seed: int, count: int, step_px: int) -> list[Image]:
    wide = scene(seed, (SIZE[0] * 2, SIZE[1]))
    return [np.ascontiguousarray(wide[:, at * step_px : at * step_px + SIZE[0]]) for at in range(count)]


def fade(start: Image, end: Image, count: int) -> list[Image]:
    shares = np.linspace(0, 1, count)
    return [cv2.addWeighted(start, 1 - share, end, share, 0).astype(np.uint8) for share in shares]


def crowd(count: int, step_px: int) -> list[Image]:
    """Small faces in all colours: a slight move of the camera changes nearly every pixel."""
    faces = np.random.default_rng(1).integers(0, 256, (SIZE[1] // 16, SIZE[0] // 8, 3), np.uint8)
    wide = cv2.resize(faces, (SIZE[0] * 2, SIZE[1]), interpolation=cv2.INTER_NEAREST)
    return [np.ascontiguousarray(wide[:, at * step_px : at * step_px + SIZE[0]]) for at in range(count)]


def graphics(image: Image) -> Image:
    """The score in a corner and a band below."""
    picture = image.copy()
    cv2.rectangle(picture, (40, 40), (340, 100), (90, 30, 20), -1)
    cv2.rectangle(picture, (0, 640), (SIZE[0], 720), (20, 20, 60), -1)
    return text(text(picture, "NOR 2 RIV 1", 60, 84, 24, 160), "Half time in Northgate", 80, 692, 28, 160)


def zooms(*zooms: float) -> list[Image]:
    """A camera that zooms in on the middle of a still, in all colours."""
    wide = still(3, SIZE)
    return [seen(wide, SIZE[0] * (1 - 1 / zoom) / 2, SIZE[1] * (1 - 1 / zoom) / 2, SIZE, zoom) for zoom in zooms]


BLACK = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
SHOTS: dict[str, tuple[list[Image], list[int]]] = {
    "one frame": ([scene(1)], [0]),
    "one scene": ([scene(1)] * 4, [0, 0, 0, 0]),
    "a cut": ([scene(1)] * 2 + [scene(2)] * 3, [0, 0, 1, 1, 1]),
    "there and back": ([scene(1), scene(2), scene(1)], [0, 1, 2]),
    "a cut in every frame": ([scene(seed) for seed in (0, 1, 2, 4, 5)], [0, 1, 2, 3, 4]),
    "a camera that pans": (pan(1, 5, 30), [0] * 5),
    "a pan, a cut, a pan": (pan(1, 3, 30) + pan(2, 3, 30), [0, 0, 0, 1, 1, 1]),
    "a slow fade to black": (fade(scene(1), BLACK, 12), [0] * 11 + [1]),
    "a slow fade to another scene": (fade(scene(1), scene(2), 12), [0] * 12),
    "a camera over a crowd": (crowd(4, 16), [0] * 4),
    "a camera that zooms": (zooms(1, 1.1, 1.3, 1.6), [0] * 4),
    "a zoom, and a cut to something else": ([*zooms(1, 1.3), scene(2)], [0, 0, 1]),
    "a flash": ([scene(1), np.clip(scene(1).astype(np.int16) + 90, 0, 255).astype(np.uint8), scene(1)], [0] * 3),
    "a cut under graphics that stay": ([graphics(scene(1)), graphics(scene(2))], [0, 1]),
    "a subtitle that comes": ([scene(1), text(scene(1), "Good evening", 400, 650, 28, -120)], [0, 0]),
}


@pytest.mark.parametrize("detector", ["content", "hash"])
@pytest.mark.parametrize("name", SHOTS)
def test_shots(name: str, detector: str) -> None:
    pictures, expected = SHOTS[name]
    settings = FilterScenesSettings.model_validate({"detector": detector})
    assert run(pictures, settings=settings)["shot"].to_list() == expected


def test_every_detector_finds_a_cut_in_calm_video() -> None:
    pictures = [scene(1)] * 4 + [scene(2) // 2] * 4
    for detector in ("content", "adaptive", "hash", "histogram"):
        settings = FilterScenesSettings.model_validate({"detector": detector})
        assert run(pictures, settings=settings)["shot"].to_list() == [0] * 4 + [1] * 4, detector


def test_a_shot_ends_with_its_chunk() -> None:
    table = run([scene(1)] * 5, chunks=[0, 0, 1, 2, 2])
    assert table["shot"].to_list() == [0, 0, 1, 2, 2]
    assert table["kept_seq"].to_list() == [0, 0, 2, 3, 3]


def test_the_threshold_of_shots_can_be_set() -> None:
    pictures = [scene(1), scene(2)]
    assert run(pictures, settings=FilterScenesSettings(shot_threshold=200))["shot"].to_list() == [0, 0]
    calm = [scene(1) // 8 + 110, scene(2) // 8 + 110]
    assert run(calm)["shot"].to_list() == [0, 0]
    assert run(calm, settings=FilterScenesSettings(shot_threshold=5))["shot"].to_list() == [0, 1]


def test_a_cut_that_the_extractor_saw_begins_a_shot() -> None:
    calm = [scene(1) // 8 + 110, scene(2) // 8 + 110]
    assert run(calm, cuts_ms=[None, 420])["shot"].to_list() == [0, 1]
    assert run([scene(1)] * 2, cuts_ms=[None, 420])["shot"].to_list() == [0, 0]


def test_a_pan_that_the_extractor_saw_begins_none() -> None:
    pictures = [scene(1), scene(2), scene(4)]
    assert run(pictures)["shot"].to_list() == [0, 1, 2]
    assert run(pictures, panned=[1])["shot"].to_list() == [0, 0, 1]


BASE = scene(7)
FLAT = np.full((SIZE[1], SIZE[0], 3), 110, np.uint8)
SUBTITLE = text(BASE, "We will see you now", 400, 650, 28, 130)

TEXTURE = noise(BASE, 20)

KEPT: dict[str, tuple[Image, Image]] = {
    "another picture": (BASE, scene(8)),
    "text 12 px high appears": (BASE, text(BASE, "Acme", 300, 400, 12, 120)),
    "text 12 px high goes": (text(BASE, "Acme", 300, 400, 12, 120), BASE),
    "text 9 px high appears": (BASE, text(BASE, "Acme", 300, 400, 9, 90)),
    "one short word": (BASE, text(BASE, "is", 300, 400, 12, 90)),
    "faint grey text": (BASE, text(BASE, "Fly Better", 500, 300, 14, 25)),
    "faint text on flat grey": (FLAT, text(FLAT, "Fly Better", 500, 300, 12, 20)),
    "dark text on flat grey": (FLAT, text(FLAT, "Fly Better", 500, 300, 12, -20)),
    "one word of a subtitle": (SUBTITLE, text(BASE, "We will see you then", 400, 650, 28, 130)),
    "one letter of a subtitle": (SUBTITLE, text(BASE, "We will see you not", 400, 650, 28, 130)),
    "a clock": (text(BASE, "12:34", 60, 60, 16, 120), text(BASE, "12:35", 60, 60, 16, 120)),
    "text over texture": (TEXTURE, text(TEXTURE, "Acme", 300, 400, 12, 60)),
    "text in a corner": (BASE, text(BASE, "Acme", 1240, 716, 12, -90)),
    "text moves by its own height": (text(BASE, "Acme", 300, 400, 12, 90), text(BASE, "Acme", 312, 400, 12, 90)),
    "text among noise": (noise(BASE, 2, 1), noise(text(BASE, "Acme", 300, 400, 12, 60), 2, 2)),
    "everything a little brighter": (BASE, np.clip(BASE.astype(np.int16) + 6, 0, 255).astype(np.uint8)),
    "another size": (BASE, np.ascontiguousarray(BASE[::2, ::2])),
}
DROPPED: dict[str, tuple[Image, Image]] = {
    "identical": (BASE, BASE),
    "flat": (FLAT, FLAT),
    "black": (BLACK, BLACK),
    "black with noise": (noise(BLACK, 2, 1), noise(BLACK, 2, 2)),
    "JPEG at 50": (BASE, decode(encode_jpeg(BASE, 50))),
    "JPEG at 50 with a subtitle": (SUBTITLE, decode(encode_jpeg(SUBTITLE, 50))),
    "noise of sigma 2": (noise(BASE, 2, 1), noise(BASE, 2, 2)),
    "noise of sigma 2 on a subtitle": (noise(SUBTITLE, 2, 1), noise(SUBTITLE, 2, 2)),
    "noise of sigma 4": (noise(BASE, 4, 1), noise(BASE, 4, 2)),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_can_be_read_is_never_dropped(name: str) -> None:
    assert run(KEPT[name])["kept"].to_list() == [True, True]


@pytest.mark.parametrize("name", DROPPED)
def test_what_is_the_same_is_dropped(name: str) -> None:
    table = run(DROPPED[name])
    assert table["kept"].to_list() == [True, False]
    assert table["kept_seq"].to_list() == [0, 0]
    assert table["reason"].to_list() == ["kept", "near_duplicate"]
    assert table["shot"].to_list() == [0, 0]


@pytest.mark.parametrize(("size", "height_px"), [((640, 360), 8), ((1920, 1080), 12), ((3840, 2160), 16)])
def test_small_text_counts_at_any_size(size: tuple[int, int], height_px: int) -> None:
    base = cv2.resize(BASE, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    assert run([base, base, text(base, "Acme", 200, 200, height_px, 50)])["kept"].to_list() == [True, False, True]


def test_slow_change_does_not_creep_through() -> None:
    pictures = [np.clip(BASE.astype(np.int16) + step, 0, 255).astype(np.uint8) for step in range(9)]
    assert run(pictures)["kept_seq"].to_list() == [0, 0, 0, 0, 4, 4, 4, 4, 8]


def test_a_kept_frame_stands_for_a_limited_time() -> None:
    settings = FilterScenesSettings(max_stand_in_ms=1000)
    assert run([BASE] * 7, settings=settings)["kept_seq"].to_list() == [0, 0, 0, 3, 3, 3, 6]
    assert all(run([BASE] * 3, settings=FilterScenesSettings(max_stand_in_ms=0))["kept"])


def test_what_comes_back_is_compared_with_the_last_kept() -> None:
    assert run([BASE, SUBTITLE, BASE, BASE])["kept_seq"].to_list() == [0, 1, 2, 2]


def test_largest_change() -> None:
    a, b = np.zeros((32, 32), np.float32), np.zeros((32, 32), np.float32)
    assert largest_change(a, b, 8) == 0
    b[8:16, 8:16] = 10
    assert largest_change(a, b, 8) == pytest.approx(10)
    b[:] = 0
    b[4, 4] = 8
    assert largest_change(a, b, 8) == pytest.approx(1)


@pytest.mark.parametrize(
    "setting",
    [
        *({"detector": "best"}, {"shot_threshold": 0}, {"phash_max_distance": 65}, {"block_px": 1}, {"block_px": 65}),
        *({"block_change_max": -1}, {"block_change_max": 256}, {"max_stand_in_ms": -1}, {"treshold": 1}),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(setting: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FilterScenesSettings.model_validate(setting)
