"""Interlaced files, made here, look as their progressive copies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from gpu_service.pictures import Image
from mpr_resources.media.decoding import Deinterlace, open_media
from mpr_resources.media.pixels import to_pixels
from tests.clips import write_clip

COUNT = 24


def scene(at: float) -> Image:
    """At a time, in frames: writing that stands still, and poles that move by 8 pixels a frame."""
    picture = np.full((96, 160, 3), (120, 60, 20), np.uint8)
    cv2.putText(picture, "ACME", (8, 40), cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 255, 255), 2)
    picture[56:88, (np.arange(160) - round(8 * at)) % 40 < 12] = 230
    return picture


def interlaced(number: int) -> Image:
    """Lines 1, 3, 5 of a frame, and half a frame later the others: the lower field first, as the encoders flag it."""
    picture = scene(number)
    picture[::2] = scene(number + 0.5)[::2]
    return picture


def shown(path: Path, deinterlace: Deinterlace, wanted: Sequence[int]) -> list[tuple[int, Image]]:
    """The pictures of these numbers with their pts."""
    with open_media(path) as media:
        times = media.times()
        assert len(times.pts) == COUNT
        pts = times.pts[list(wanted)].tolist()
        frames = list(media.pictures(pts, times, deinterlace=deinterlace))
        assert [frame.pts for frame in frames] == pts
        assert [media.geometry(frame).displayed_px for frame in frames] == [(160, 96)] * len(pts)
        return [(int(frame.pts or 0), to_pixels(frame)) for frame in frames]


FILES: dict[str, tuple[str, dict[str, object]]] = {
    "h264 in mp4": (
        "a.mp4",
        {"codec": "libx264", "options": {"x264-params": "interlaced=1", "crf": "8", "g": "8", "bf": "2"}},
    ),
    "mpeg2 in ts": (
        "a.ts",
        {"codec": "mpeg2video", "options": {"flags": "+ildct+ilme", "b": "8M", "bf": "2", "g": "8"}},
    ),
    "prores": ("a.mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le", "options": {"flags": "+ildct"}}),
}
WANTED = {"each": range(COUNT), "some": [0, 7, 8, 16, 23], "one": [11]}


@pytest.mark.parametrize("name", FILES)
def test_an_interlaced_file_looks_as_its_progressive_copy(name: str, tmp_path: Path) -> None:
    file, how = FILES[name]
    path = write_clip(tmp_path / file, (interlaced(n) for n in range(COUNT)), **how)  # type: ignore[arg-type]
    plain = {**how, "options": {key: value for key, value in dict(how["options"]).items() if key in "crf b"}}  # type: ignore[call-overload]
    copy = write_clip(tmp_path / f"copy-{file}", (scene(n) for n in range(COUNT)), **plain)
    for wanted in WANTED.values():
        expected = shown(copy, "auto", wanted)
        made = shown(path, "auto", wanted)
        torn = shown(path, "never", wanted)
        for (_, picture), (_, seen), (_, raw) in zip(expected, made, torn, strict=True):
            assert difference(seen[:50], picture[:50]) < 2  # still: no line is lost
            assert difference(seen[50:], picture[50:]) < 6
            assert difference(raw[50:], picture[50:]) > 10


def difference(one: Image, other: Image) -> float:
    """Mean over pixels, of 255."""
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def test_a_progressive_file_is_left_as_it_is_and_always_means_always(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", (scene(n) for n in range(COUNT)), options={"crf": "8", "bf": "2", "g": "8"})
    auto, never, always = (shown(path, how, range(COUNT)) for how in ("auto", "never", "always"))  # type: ignore[arg-type]
    for (pts, picture), (other_pts, other) in zip(auto, never, strict=True):
        assert pts == other_pts
        np.testing.assert_array_equal(picture, other)
    assert any((a != b).any() for (_, a), (_, b) in zip(auto, always, strict=True))


def test_a_file_that_turns_interlaced(tmp_path: Path) -> None:
    first = write_clip(tmp_path / "first.ts", (scene(n) for n in range(12)), options={"crf": "8", "g": "6"})
    how = {"x264-params": "interlaced=1", "crf": "8", "g": "6"}
    second = write_clip(tmp_path / "second.ts", (interlaced(n) for n in range(12, COUNT)), options=how)
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as target, av.open(str(first)) as one, av.open(str(second)) as other:
        stream = target.add_stream_from_template(one.streams.video[0])
        for source, later in ((one, 0), (other, 12 * 3600)):
            for packet in source.demux(source.streams.video[0]):
                if packet.pts is not None and packet.dts is not None:
                    packet.pts, packet.dts, packet.stream = packet.pts + later, packet.dts + later, stream
                    target.mux(packet)
    for (_, seen), number in zip(shown(path, "auto", range(COUNT)), range(COUNT), strict=True):
        assert difference(seen[50:], scene(number)[50:]) < 6


def test_a_single_interlaced_frame(tmp_path: Path) -> None:
    options = {"x264-params": "interlaced=1", "crf": "8"}
    path = write_clip(tmp_path / "a.mp4", [interlaced(3)], options=options)
    with open_media(path) as media:
        times = media.times()
        [frame] = media.pictures(times.pts.tolist(), times, deinterlace="auto")
        assert difference(to_pixels(frame)[50:], scene(3)[50:]) < 6
