"""Which of several video streams is shown, and that the others are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from gpu_service.errors import BadInput
from mpr_resources.media.decoding import open_media
from mpr_resources.media.pixels import to_pixels
from mpr_resources.media.probe import probe
from mpr_resources.media.streams import VideoStreamFacts, choice, shown_stream
from tests.clips import read_number, write_numbered, write_streams


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
        "not 1 (mjpeg 320x180, 1 frame, 00:00:00.000 to 00:00:00.040), 2 (png 640x360, a cover picture); "
        "`stream` picks another",
    ),
}


@pytest.mark.parametrize("name", CHOICES)
def test_the_choice_is_named(name: str) -> None:
    streams, says = CHOICES[name]
    assert choice(0, streams) == says


def first_number(path: Path, stream: int) -> int:
    with open_media(path, stream=stream) as media:
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
    assert (found.stream, found.frames, first_number(path, found.stream)) == (used, frames, number)
    assert found.choice.startswith(f"video stream {used} (")
    picked = probe(path, 0)
    assert (picked.stream, first_number(path, 0)) == (0, streams[0]["numbers"][0])
    assert picked.version != found.version


def test_what_is_no_video_stream_is_refused(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "a.mp4", 3, sound_s=0.1)
    for stream in (1, 9):
        with pytest.raises(BadInput, match=rf"a.mp4 has no video stream {stream}; its video streams are 0\.$"):
            probe(path, stream)
