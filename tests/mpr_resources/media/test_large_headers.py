"""Headers that declare more than any video has: refused before their streams, index or metadata are gone through."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from gpu_service.errors import BadInput
from mpr_resources.media.decoding import open_media
from mpr_resources.media.fenced_reading import probed
from mpr_resources.media.opening import MOST_INDEX_ENTRIES, MOST_METADATA_CHARACTERS, MOST_STREAMS
from mpr_resources.media.sources import LocalFile
from tests.clips import write_numbered


def with_streams(folder: Path, count: int) -> Path:
    path = folder / "streams.mkv"
    picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), "bgr24")
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mjpeg", rate=25) for _ in range(count)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 16, 16, "yuvj420p"
        for stream in streams:
            container.mux(stream.encode(picture))
    return path


def with_index(folder: Path, count: int) -> Path:
    """3.4 KB that declare so many samples of a byte, in one chunk."""
    path = write_numbered(folder / "index.mp4", 50, fps=25)
    data = bytearray(path.read_bytes())
    for kind, at, fields in (
        (b"stsz", 8, (1, count)),
        (b"stts", 8, (1, count, 512)),
        (b"stsc", 8, (1, 1, count, 1)),
        (b"stco", 8, (1,)),
    ):
        struct.pack_into(f">{len(fields)}I", data, data.index(kind) + at, *fields)
    for kind in (b"ctts", b"stss"):
        if kind in data:
            data[data.index(kind) : data.index(kind) + 4] = b"free"
    path.write_bytes(data)
    return path


def with_metadata(folder: Path, characters: int) -> Path:
    path = folder / "metadata.mkv"
    picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), "bgr24")
    with av.open(str(path), "w") as container:
        for number in range(20):
            container.metadata[f"comment {number}"] = "A" * (characters // 20)
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuvj420p"
        container.mux(stream.encode(picture))
    return path


TOO_MUCH: dict[str, tuple[Callable[[Path], Path], str]] = {
    "streams": (
        lambda folder: with_streams(folder, MOST_STREAMS + 1),
        f"has {MOST_STREAMS} streams or more; it is damaged, or made to harm",
    ),
    "an index": (
        lambda folder: with_index(folder, MOST_INDEX_ENTRIES + 1),
        f"declares {MOST_INDEX_ENTRIES + 1} packets, more than {MOST_INDEX_ENTRIES}; it is damaged, or made to harm",
    ),
    "metadata": (
        lambda folder: with_metadata(folder, MOST_METADATA_CHARACTERS + 20),
        f"has more than {MOST_METADATA_CHARACTERS} characters; it is damaged, or made to harm",
    ),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_more_than_any_video_has_is_refused(name: str, tmp_path: Path) -> None:
    write, said = TOO_MUCH[name]
    with pytest.raises(BadInput) as error:
        open_media(write(tmp_path))
    assert said in str(error.value)


@pytest.mark.parametrize("write", [lambda at: with_streams(at, 40), lambda at: with_metadata(at, 10**6)])
def test_much_is_taken(write: Callable[[Path], Path], tmp_path: Path) -> None:
    with open_media(write(tmp_path)) as media:
        assert media.stream.width == 16


def test_an_index_of_gigabytes_is_not_made(tmp_path: Path) -> None:
    """It was: 2.9 GB and a minute for a file of 3.4 KB."""
    with pytest.raises(BadInput, match="declares 80000000 packets, more than"):
        probed(LocalFile(with_index(tmp_path, 80_000_000)))
