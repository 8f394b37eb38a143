"""Which of several video streams is shown, and that the others are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu_service.errors import BadInput
from mpr_resources.media.decoding import open_media
from mpr_resources.media.pixels import to_pixels
from mpr_resources.media.probe import probe
from mpr_resources.media.streams import StreamPlace, VideoStreamFacts, choice, going_on, shown_stream
from mpr_resources.media.transport_stream import VideoPids
from tests.clips import read_number, transport_stream, write_numbered, write_streams


def facts(number: int = 0, frames: int = 50, **how: Any) -> VideoStreamFacts:
    said = {"codec": "h264", "width_px": 640, "height_px": 360, "start_ms": 0, "end_ms": 40 * frames, **how}
    return VideoStreamFacts(number=number, frames=frames, **said)


SMALL = {"width_px": 320, "height_px": 180}
SHOWN: dict[str, tuple[list[VideoStreamFacts], int | None]] = {
    "none": ([], None),
    "covers alone": ([facts(0, 1, is_cover=True)], None),
    "without packets": ([facts(0, 0)], None),
    "one": ([facts(3)], 3),
    "a single picture": ([facts(0, 1)], 0),
    "alike": ([facts(0), facts(1)], 0),
    "a cover that is flagged and larger": ([facts(0, 1, is_cover=True, is_default=True, width_px=4000), facts(1)], 1),
    "a thumbnail that is flagged": ([facts(0, 1, is_default=True), facts(1)], 1),
    "a thumbnail held for the whole time": ([facts(0, 1, is_default=True, end_ms=6000), facts(1)], 1),
    "the flag": ([facts(0), facts(1, is_default=True)], 1),
    "the flag on the smaller one": ([facts(0), facts(1, is_default=True, **SMALL)], 1),
    "the flag on all": ([facts(0, is_default=True, **SMALL), facts(1, is_default=True)], 1),
    "the larger picture": ([facts(0, **SMALL), facts(1)], 1),
    "the flag on a short one": ([facts(0, 10, is_default=True), facts(1, 50)], 1),
    "a little shorter": ([facts(0, 50, **SMALL), facts(1, 49)], 1),
    "more frames in the same time": ([facts(0, 25, end_ms=2000), facts(1, 50)], 1),
    "a codec that is not known": ([facts(0, is_default=True, codec=None), facts(1)], 1),
}


@pytest.mark.parametrize("name", SHOWN)
def test_the_stream_that_a_player_would_show(name: str) -> None:
    streams, expected = SHOWN[name]
    found = shown_stream(streams)
    assert (found and found.number) == expected


CHOICES: dict[str, tuple[list[VideoStreamFacts], str]] = {
    "one": ([facts(0)], ""),
    "a cover": ([facts(0), facts(2, 1, is_cover=True)], ""),
    "several": (
        [facts(0), facts(1, 1, codec="mjpeg", **SMALL), facts(2, 1, is_cover=True, codec="png")],
        "video stream 0 (h264 640x360, 50 frames, 00:00:00.000 to 00:00:02.000) is used, "
        "1 (mjpeg 320x180, 1 frame, 00:00:00.000 to 00:00:00.040), 2 (png 640x360, a cover picture) not used; "
        "`stream` picks one",
    ),
}


@pytest.mark.parametrize("name", CHOICES)
def test_the_choice_is_named(name: str) -> None:
    streams, says = CHOICES[name]
    assert choice(streams[:1], streams) == says


def first_number(path: Path, stream: int | None) -> int:
    with open_media(path, place=StreamPlace(stream)) as media:
        return read_number(to_pixels(next(media.frames([media.start_pts], media.times()))))


FILES: dict[str, tuple[str, Sequence[Mapping[str, Any]], tuple[int, int, int]]] = {
    # File, streams, then the stream used, its frames, and the number in its first picture.
    "a thumbnail first": (
        "a.mp4",
        [{"numbers": [7], "codec": "mjpeg", "is_default": True}, {"numbers": range(50), "is_default": True}],
        (1, 50, 0),
    ),
    "a thumbnail first, in Matroska": (
        "a.mkv",
        [{"numbers": [7], "codec": "mjpeg", "is_default": True}, {"numbers": range(50), "is_default": True}],
        (1, 50, 0),
    ),
    "two views, the second one flagged": (
        "a.mkv",
        [{"numbers": range(50)}, {"numbers": range(100, 150), "is_default": True}],
        (1, 50, 100),
    ),
    "a small view and a large one": (
        "a.ts",
        [{"numbers": range(50)}, {"numbers": range(100, 150), "size": (320, 192)}],
        (1, 50, 100),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_the_stream_of_a_file(name: str, tmp_path: Path) -> None:
    file, streams, (used, frames, number) = FILES[name]
    path = write_streams(tmp_path / file, streams)
    found = probe(path)
    assert (found.place.number, found.frames, first_number(path, found.place.number)) == (used, frames, number)
    assert found.choice.startswith(f"video stream {used} (")
    picked = probe(path, 0)
    assert (picked.place.number, first_number(path, 0)) == (0, streams[0]["numbers"][0])
    assert picked.version != found.version


def test_what_is_no_video_stream_is_refused(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "a.mp4", 3, sound_s=0.1)
    for stream in (1, 9):
        with pytest.raises(BadInput, match=rf"a.mp4 has no video stream {stream}; its video streams are 0\.$"):
            probe(path, stream)


def at(number: int, start_ms: int, end_ms: int, **how: Any) -> VideoStreamFacts:
    return facts(number, start_ms=start_ms, end_ms=end_ms, **how)


GOING_ON: dict[str, tuple[list[VideoStreamFacts], list[int]]] = {
    # The first is the one shown.
    "alone": ([at(0, 0, 4000)], [0]),
    "another afterwards": ([at(0, 0, 4000), at(1, 4000, 6000)], [0, 1]),
    "another before": ([at(1, 4000, 9000), at(0, 0, 4000)], [0, 1]),
    "before and after, out of order": (
        [at(1, 4000, 9000), at(3, 12_000, 13_000), at(0, 0, 4000), at(2, 9000, 12_000)],
        [0, 1, 2, 3],
    ),
    "a gap between": ([at(0, 0, 4000), at(1, 9000, 12_000)], [0, 1]),
    "a little overlap": ([at(0, 0, 4000), at(1, 3500, 9000)], [0, 1]),
    "beside it": ([at(0, 0, 4000), at(1, 0, 4000)], [0]),
    "beside it, both short": ([at(0, 0, 400), at(1, 0, 400)], [0]),
    "begins in its middle": ([at(0, 0, 8000), at(1, 4000, 12_000)], [0]),
    "of two that begin together the larger": (
        [at(0, 0, 4000), at(1, 4000, 8000, **SMALL), at(2, 4040, 8000)],
        [0, 2],
    ),
    "a single picture afterwards": ([at(0, 0, 4000), at(1, 4000, 4040, frames=1)], [0]),
    "an unknown codec afterwards": ([at(0, 0, 4000), at(1, 4000, 8000, codec=None)], [0]),
}


@pytest.mark.parametrize("name", GOING_ON)
def test_streams_that_go_on_one_after_another(name: str) -> None:
    streams, expected = GOING_ON[name]
    assert [one.number for one in going_on(streams[0], streams)] == expected


def padding(megabytes: int) -> bytes:
    """Null packets, which carry nothing."""
    packet = b"\x47\x1f\xff\x10" + b"\xff" * 184
    return packet * (megabytes * 2**20 // len(packet))


@pytest.fixture(scope="module")
def programmes(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Three recordings of two seconds each, with PIDs and sizes of their own, on one clock."""
    folder = tmp_path_factory.mktemp("programmes")
    return [
        transport_stream(folder / "a.ts", range(50), 0x100),
        transport_stream(folder / "b.ts", range(50, 100), 0x200, (320, 192)),
        transport_stream(folder / "c.ts", range(100, 150), 0x300),
    ]


PIDS: dict[str, tuple[list[int], int, list[int]]] = {
    # Programmes, megabytes of padding between them, and the numbers of the streams read.
    "one": ([0], 0, [0]),
    "two": ([0, 1], 0, [0, 1]),
    "two, far apart": ([0, 1], 7, [0, 1]),
    "three": ([0, 1, 2], 0, [0, 1, 2]),
    "one that the demuxer does not meet": ([0, 1, 2], 18, [0, 2, 1]),
}


@pytest.mark.parametrize("name", PIDS)
def test_a_transport_stream_goes_on_under_another_pid(name: str, programmes: list[bytes], tmp_path: Path) -> None:
    chosen, megabytes, numbers = PIDS[name]
    path = tmp_path / "a.ts"
    path.write_bytes(padding(megabytes).join(programmes[one] for one in chosen))
    found = probe(path)
    pieces = [found, *found.goes_on]
    assert [piece.place.number for piece in pieces] == numbers
    assert [piece.starts_ms for piece in pieces] == [2000 * one for one in chosen]
    assert found.duration_ms == 2000 * len(chosen)
    assert [(piece.width_px, piece.frames) for piece in pieces] == [((160, 320, 160)[one], 50) for one in chosen]
    assert found.notes == ()
    assert found.choice.startswith("the picture goes on from video stream 0 (h264") is (len(chosen) > 1)
    for piece in pieces:
        with open_media(path, place=piece.place) as media:
            times = media.times(piece.starts_ms, piece.starts_ms + 2000)
            shown = [read_number(to_pixels(frame)) for frame in media.frames(times.pts[::49].tolist(), times)]
        first = piece.starts_ms // 40
        assert shown == [first, first + 49]
    picked = probe(path, numbers[-1])
    assert (picked.goes_on, picked.frames, picked.place.number) == ((), 50, numbers[-1])
    with pytest.raises(BadInput, match=r"has no video stream 9; its video streams are 0"):
        probe(path, 9)


def test_a_late_stream_that_nothing_describes_is_named(programmes: list[bytes], tmp_path: Path) -> None:
    stray = b"\x47\x44\x00\x10\x00\x00\x01\xe0" + b"\xff" * 180
    path = tmp_path / "a.ts"
    path.write_bytes(programmes[0] + padding(7) + stray * 20)
    found = probe(path)
    assert (found.goes_on, found.duration_ms) == ((), 2000)
    assert found.choice.endswith("is used, 1 (unknown codec, without pictures) not used; `stream` picks one")
    with pytest.raises(BadInput, match=r"Stream 1 of .*a\.ts is of no video that is known; pick another\."):
        probe(path, 1)


@pytest.mark.parametrize("size", [188, 192, 204])
@pytest.mark.parametrize("block", [1000, 65_536, 10**9])
def test_where_video_begins_in_packets_of_any_size(size: int, block: int, programmes: list[bytes]) -> None:
    content = b"".join(programmes[:2])
    before, after = (b"\1\2\3\4", b"") if size == 192 else (b"", bytes(size - 188))
    packets = [content[start : start + 188] for start in range(0, len(content), 188)]
    wrapped = b"junk" + b"".join(before + packet + after for packet in packets)
    pids = VideoPids()
    pids.watching = True
    for start in range(0, len(wrapped), block):
        pids.add(start, wrapped[start : start + block])
    begins = {
        pid: next(at for at, packet in enumerate(packets) if packet[1:3] == bytes([0x40 | pid >> 8, pid & 255]))
        for pid in (0x100, 0x200)
    }
    assert pids.first_byte == {pid: 4 + number * size + len(before) for pid, number in begins.items()}


def test_bytes_of_another_format_hold_no_pid() -> None:
    pids = VideoPids()
    pids.watching = True
    for start in range(0, 50_000, 1000):
        pids.add(start, np.random.default_rng(start).bytes(1000))
    assert pids.first_byte == {}
