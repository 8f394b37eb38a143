from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gpu_service.errors import PermanentError
from gpu_service.pictures import Picture, decode, encode_jpeg, encode_png
from mpr_resources.storage import pictures
from mpr_resources.storage.pictures import PREFETCH, PictureCache, PictureFolder
from mpr_resources.storage.store import READ_AHEAD, MissingObject, Storage


def picture(level: int) -> Picture:
    return Picture(pixels=np.full((10, 10, 3), level, np.uint8))


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage.open(str(tmp_path))


def folder(storage: Storage, cache: PictureCache | None = None) -> PictureFolder:
    return PictureFolder(storage, "frames/1", "png", cache or PictureCache())


def encoded(count: int) -> Iterator[tuple[int, bytes]]:
    return ((number, encode_png(picture(number).pixels)) for number in range(count))


@pytest.mark.parametrize("count", [0, 1, PREFETCH, 3 * PREFETCH + 1])
def test_pictures_come_back_in_the_order_asked_for(storage: Storage, count: int) -> None:
    written = folder(storage)
    assert not written.finished()
    written.write(encoded(count))
    assert written.finished()
    wanted = list(reversed(range(count)))
    read = [(number, int(one.pixels[0, 0, 0])) for number, one in folder(storage).stream(wanted)]
    assert read == [(number, number) for number in wanted]


def test_what_breaks_off_is_not_finished(storage: Storage) -> None:
    def breaks() -> Iterator[tuple[int, bytes]]:
        yield from encoded(3)
        raise KeyError("in the middle")

    written = folder(storage)
    with pytest.raises(KeyError):
        written.write(breaks())
    assert not written.finished()


def test_no_more_is_read_ahead_than_said(storage: Storage) -> None:
    folder(storage).write(encoded(2 * READ_AHEAD))
    asked = []

    def numbers() -> Iterator[int]:
        for number in range(2 * READ_AHEAD):
            asked.append(number)
            yield number

    stream = folder(storage).stream(numbers())
    next(stream)
    assert len(asked) == READ_AHEAD + PREFETCH
    stream.close()


def test_a_damaged_picture_is_named_though_a_decoder_makes_something_of_it(storage: Storage, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    jpegs = [encode_jpeg(noise), encode_jpeg(noise[::-1])]
    frames = PictureFolder(storage, "frames/1", "jpg", PictureCache(), "extract_frames")
    frames.put(0, jpegs[0])  # by a run that broke off
    frames = PictureFolder(storage, "frames/1", "jpg", PictureCache(), "extract_frames")
    frames.write([(1, jpegs[1])], there_already=[0])
    for number, jpeg in enumerate(jpegs):
        damaged = jpeg[: len(jpeg) // 2] + b"\xa5" * 40 + jpeg[len(jpeg) // 2 + 40 :]
        assert decode(damaged).shape == noise.shape
        (tmp_path / frames.key(number)).write_bytes(damaged)
    for decoded in (True, False):
        for number in range(2):
            with pytest.raises(PermanentError) as error:
                PictureFolder(storage, "frames/1", "jpg", PictureCache(), "extract_frames").read(number, decode=decoded)
            assert str(error.value) == (
                f"{tmp_path}/frames/1/0000000{number}.jpg is not the picture that was stored: its bytes were damaged; "
                "copy it back, or delete its folder and materialize extract_frames."
            )


def test_a_folder_of_before_there_were_checksums_is_read(storage: Storage) -> None:
    folder(storage).write(encoded(1))
    storage.put("frames/1/finished", b"")
    assert folder(storage).read(0).pixels[0, 0, 0] == 0


def test_a_missing_picture_is_named_and_what_makes_it(storage: Storage, tmp_path: Path) -> None:
    frames = PictureFolder(storage, "frames/1", "png", PictureCache(), "extract_frames")
    frames.write(encoded(2))
    for read in (frames.read, lambda number: list(frames.stream([0, number]))):
        with pytest.raises(MissingObject) as error:
            read(7)
        assert str(error.value) == f"There is nothing at {tmp_path}/frames/1/00000007.png; materialize extract_frames."


def test_a_picture_that_was_damaged_is_named(storage: Storage) -> None:
    folder(storage).put(0, b"no picture")
    with pytest.raises(PermanentError, match=r"frames/1/00000000\.png is not a valid picture"):
        folder(storage).read(0)
    assert folder(storage).read(0, decode=False).encoded == b"no picture"


def test_a_picture_is_decoded_once(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = PictureCache()
    written = folder(storage, cache)
    written.write(encoded(1))
    first = written.read(0)
    storage.delete_below("frames")
    assert written.read(0) is first


def test_the_cache_forgets_what_was_not_used_longest() -> None:
    cache = PictureCache(max_bytes=2 * 300)
    for key in ("a", "b"):
        cache.put(key, picture(1))
    assert cache.get("a") is not None
    cache.put("c", picture(1))
    assert [key for key in "abc" if cache.get(key) is not None] == ["a", "c"]


def test_a_picture_larger_than_the_cache_is_not_kept() -> None:
    cache = PictureCache(max_bytes=299)
    cache.put("a", picture(1))
    assert cache.get("a") is None
    assert cache.get("never") is None


class Slow(Picture):
    """A picture that takes a while to decode, and says how many do at once."""

    now = most = 0

    @property
    def pixels(self) -> pictures.Picture:  # type: ignore[override]
        Slow.now += 1
        Slow.most = max(Slow.most, Slow.now)
        time.sleep(0.05)
        Slow.now -= 1
        return super().pixels  # type: ignore[return-value]


def test_pictures_are_decoded_side_by_side() -> None:
    cache = PictureCache()
    threads = [threading.Thread(target=cache.put, args=(str(at), Slow(pixels=picture(1).pixels))) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Slow.most > 1
