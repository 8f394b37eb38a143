from __future__ import annotations

import os
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from gpu_service.errors import BadInput
from gpu_service.pictures import encode_jpeg, encode_png
from mpr_resources.media.clock import clock
from mpr_resources.media.decoding import open_media
from mpr_resources.media.pixels import display_size, orientation, to_pixels
from mpr_resources.media.probe import probe
from tests.clips import (
    HEIGHT_PX,
    WIDTH_PX,
    numbered,
    read_number,
    write_clip,
    write_numbered,
)


def flat(width_px: int, height_px: int, level: int = 90) -> np.ndarray:
    return np.full((height_px, width_px, 3), level, np.uint8)


def noisy(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (96, 160, 3), np.uint8) for _ in range(count)]


def cut(path: Path, share: float = 0.5) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def overwrite(path: Path, start: float, length: int) -> Path:
    content = bytearray(path.read_bytes())
    at = int(len(content) * start)
    content[at : at + length] = b"\x55" * length
    path.write_bytes(content)
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def audio(path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    return path


def no_frames(path: Path) -> Path:
    """A Matroska file whose only cluster holds no block."""
    write_clip(path, noisy(3), codec="mpeg4")
    content = path.read_bytes()
    empty_cluster = b"\x1f\x43\xb6\x75\x83\xe7\x81\x00"
    return written(path, content[: content.index(empty_cluster[:4])] + empty_cluster)


def forbidden(path: Path) -> Path:
    write_numbered(path, 3)
    path.chmod(0)
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def cut_faststart(path: Path) -> Path:
    """An MP4 whose index comes first, with half of its samples."""
    whole = write_clip(path.with_name("whole.mp4"), noisy(60))
    with av.open(str(whole)) as source, av.open(str(path), "w", options={"movflags": "faststart"}) as target:
        copy = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    return cut(path)


def jumping_back(path: Path) -> Path:
    """Two recordings pasted together, so that the clock starts again."""
    first = write_numbered(path.with_name("first.ts"), 50)
    return written(path, first.read_bytes() * 2)


BAD: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": ("a.mp4", lambda p: None, "does not exist"),
    "folder": ("a.mp4", folder, "is a folder"),
    "empty": ("a.mp4", lambda p: written(p, b""), "is empty (0 bytes)"),
    "no permission": ("a.mp4", forbidden, "cannot be read by this user"),
    "name too long": ("a" * 300 + ".mp4", lambda p: None, "cannot be read"),
    "device": ("a.mp4", lambda p: p.symlink_to("/dev/null"), "is not a regular file"),
    "text": ("a.mp4", lambda p: written(p, b"hello\n" * 100), "cannot be opened as video"),
    "text file": ("a.txt", lambda p: written(p, b"hello\n" * 100), "is a picture or a text"),
    "random bytes": ("a.mp4", lambda p: written(p, np.random.default_rng(0).bytes(5000)), "cannot be opened as video"),
    "jpeg": ("a.jpg", lambda p: written(p, encode_jpeg(flat(64, 64))), "is a picture or a text"),
    "png named mp4": ("a.mp4", lambda p: written(p, encode_png(flat(64, 64))), "is a picture or a text"),
    "audio only": ("a.wav", audio, "holds only sound"),
    "zero frames": ("a.mkv", no_frames, "without frames"),
    "1x1": ("a.mkv", lambda p: write_clip(p, [flat(1, 1)] * 3, codec="ffv1", pix_fmt="bgr0"), "is 1x1 pixels"),
    "narrow": ("a.mkv", lambda p: write_clip(p, [flat(640, 8)] * 3, codec="ffv1", pix_fmt="bgr0"), "is 640x8 pixels"),
    "mp4 without index": ("a.mp4", lambda p: cut(write_clip(p, noisy(20))), "it is cut off"),
    "mp4 cut in the middle": ("a.mp4", cut_faststart, "is cut off or damaged after 00:00:01"),
    "mkv cut in the middle": ("a.mkv", lambda p: cut(write_clip(p, noisy(50))), "is cut off or damaged after 00:00:0"),
    "mkv damaged": ("a.mkv", lambda p: overwrite(write_clip(p, noisy(50)), 0.5, 9000), "is cut off or damaged after"),
    "avi cut in the middle": ("a.avi", lambda p: cut(write_clip(p, noisy(50), codec="mpeg4")), "is cut off or damaged"),
    "no times": ("a.h264", lambda p: write_numbered(p, 20), "has no frame with a time"),
    "clock jumps back": ("a.ts", jumping_back, "jumps back from 00:00:0"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_source_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    file, make, says = BAD[name]
    path = tmp_path / file
    make(path)
    user = os.geteuid()
    if name == "no permission" and user == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(BadInput) as refusal:
            probe(path)
    finally:
        os.seteuid(user)
    message = str(refusal.value)
    assert says in message
    assert str(path) in message
    assert message.endswith((".", "OUTPUT.mp4"))
    assert "\n" not in message
    assert len(message) < 300 + 2 * len(str(path))


GOOD: dict[str, tuple[str, dict[str, object], dict[str, object]]] = {
    "one frame": ("a.mp4", {"count": 1}, {"duration_ms": 40, "frames": 1, "fps": Fraction(25)}),
    "mp4": (
        "a.mp4",
        {"count": 50},
        {"duration_ms": 2000, "frames": 50, "fps": Fraction(25), "codec": "h264", "rotation_deg": 0, "start_pts": 0},
    ),
    "ntsc": ("a.mp4", {"count": 60, "fps": Fraction(30000, 1001)}, {"duration_ms": 2002, "fps": Fraction(30000, 1001)}),
    "ntsc with milliseconds": (
        "a.mkv",
        {"count": 60, "fps": Fraction(30000, 1001)},
        {"duration_ms": 2002, "fps": Fraction(30000, 1001), "time_base": Fraction(1, 1000)},
    ),
    "starts late": ("a.ts", {"count": 50}, {"duration_ms": 2000, "start_pts": 7200, "frames": 50}),
    "avi without pts": ("a.avi", {"count": 50, "codec": "mpeg4"}, {"duration_ms": 2000, "codec": "mpeg4"}),
    "vp8": ("a.webm", {"count": 50, "codec": "libvpx"}, {"duration_ms": 2000, "frames": 50, "codec": "vp8"}),
    "hevc": ("a.mp4", {"count": 25, "codec": "libx265", "options": {"x265-params": "log-level=error"}}, {"frames": 25}),
    "variable rate": (
        "a.mkv",
        {"count": 4, "times_ms": [0, 100, 1000, 1100], "codec": "mpeg4"},
        {"frames": 4, "duration_ms": 1140},
    ),
    "turned left": ("a.mp4", {"count": 3, "rotation_deg": 90}, {"rotation_deg": 270, "width_px": 96, "height_px": 160}),
    "turned right": ("a.mp4", {"count": 3, "rotation_deg": -90}, {"rotation_deg": 90, "width_px": 96}),
    "upside down": ("a.mp4", {"count": 3, "rotation_deg": 180}, {"rotation_deg": 180, "width_px": 160}),
    "wide pixels": ("a.mp4", {"count": 3, "aspect": Fraction(4, 3)}, {"width_px": 213, "height_px": 96}),
    "narrow pixels": ("a.mp4", {"count": 3, "aspect": Fraction(1, 2)}, {"width_px": 160, "height_px": 192}),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_source_is_seen_as_it_is(name: str, tmp_path: Path) -> None:
    file, how, expected = GOOD[name]
    found = probe(write_numbered(tmp_path / file, **how))  # type: ignore[arg-type]
    assert {key: getattr(found, key) for key in expected} == expected


def test_8k_is_read(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [flat(7680, 4320)], codec="mjpeg", pix_fmt="yuvj420p")
    found = probe(path)
    assert (found.width_px, found.height_px) == (7680, 4320)


def test_the_header_may_lie_about_the_duration(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "a.mp4", 50)
    content = bytearray(path.read_bytes())
    at = content.index(b"mvhd") + 4 + 16
    assert int.from_bytes(content[at : at + 4], "big") == 2000
    content[at : at + 4] = (3_600_000).to_bytes(4, "big")
    path.write_bytes(content)
    assert probe(path).duration_ms == 2000


def test_the_clock_starts_with_the_sound_when_that_is_first(tmp_path: Path) -> None:
    path = write_numbered(
        tmp_path / "a.mkv", 3, times_ms=[500, 600, 700], codec="mpeg4", sound_s=1.0, options={"bf": "0"}
    )
    found = probe(path)
    assert (found.start_pts, found.duration_ms) == (500, 740)
    silent = write_numbered(tmp_path / "b.mkv", 3, times_ms=[500, 600, 700], codec="mpeg4", options={"bf": "0"})
    assert probe(silent).duration_ms == 240


NOTED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "pictures all along": ({}, ()),
    "pictures held": (
        {"times_ms": [0, 40, 2000, 2040, 3041]},
        (
            "no new picture comes between 00:00:00.040 and 00:00:02.000",
            "no new picture comes between 00:00:02.040 and 00:00:03.041",
        ),
    ),
    "slides": (
        {"times_ms": [*range(0, 24_000, 2000)], "count": 12},
        (
            *(f"no new picture comes between {clock(at)} and {clock(at + 2000)}" for at in range(0, 20_000, 2000)),
            "no new picture comes for more than 1000 ms in 1 more places",
        ),
    ),
    "the picture begins late": (
        {"times_ms": [834, 874, 914, 954, 994], "sound_s": 1.0},
        ("its picture begins at 00:00:00.834",),
    ),
    "the sound goes on": (
        {"times_ms": [0, 40, 80, 120, 160], "sound_s": 3.0},
        ("its picture ends at 00:00:00.200, its sound or other data at 00:00:03.128",),
    ),
}


@pytest.mark.parametrize("name", NOTED)
def test_where_no_picture_is_is_noted(name: str, tmp_path: Path) -> None:
    how, notes = NOTED[name]
    pictures = [numbered(at) for at in range(how.pop("count", 5))]
    assert probe(write_clip(tmp_path / "a.mkv", pictures, **how)).notes == notes


def test_the_version_follows_content_and_not_place(tmp_path: Path) -> None:
    one = write_numbered(tmp_path / "a.mp4", 20)
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(one.read_bytes())
    other = write_clip(tmp_path / "b.mp4", [numbered(number + 1) for number in range(20)])
    assert probe(one).version == probe(copy).version
    assert probe(one).version != probe(other).version


X264 = {"g": "12", "bf": "3"}
DECODED: dict[str, tuple[str, dict[str, object]]] = {
    "h264": ("a.mp4", {"options": X264}),
    "h264 pyramid": ("a.mkv", {"options": {"g": "50", "bf": "7", "x264-params": "b-pyramid=normal:b-adapt=0"}}),
    "h264 open groups": ("a.ts", {"options": {**X264, "x264-params": "open-gop=1:keyint=12:min-keyint=12"}}),
    "h264 without B frames": ("a.mp4", {"options": {"bf": "0", "g": "250"}}),
    "h264 only key frames": ("a.mp4", {"options": {"g": "1"}}),
    "h264 intra refresh": ("a.ts", {"options": {"x264-params": "intra-refresh=1:keyint=20"}}),
    "hevc": ("a.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=error:keyint=15:bframes=3"}}),
    "mpeg4 in avi": ("a.avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
    "mpeg2": ("a.mpg", {"codec": "mpeg2video", "options": {"bf": "2"}}),
    "vp8": ("a.webm", {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "12"}}),
    "mjpeg": ("a.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    "ffv1": ("a.mkv", {"codec": "ffv1"}),
}
WANTED: dict[str, list[int]] = {
    "one": [37],
    "first and last": [0, 119],
    "sparse": list(range(3, 120, 29)),
    "neighbours": [40, 41, 42, 43, 44, 70],
    "every frame": list(range(120)),
}


@pytest.mark.parametrize("name", DECODED)
def test_exactly_the_wanted_frames_are_decoded(name: str, tmp_path: Path) -> None:
    file, how = DECODED[name]
    path = write_numbered(tmp_path / file, 120, **how)
    for threads in (1, 0):
        with open_media(path, threads) as media:
            times = media.times()
            assert len(times.pts) == 120
            for case, wanted in WANTED.items():
                pts = [int(times.pts[number]) for number in wanted]
                frames = media.frames(pts, times)
                assert [read_number(to_pixels(frame)) for frame in frames] == wanted, case


def test_distant_frames_are_reached_by_seeking(tmp_path: Path) -> None:
    pictures = [numbered(number) for number in range(150)]
    path = write_clip(tmp_path / "a.mp4", pictures, fps=2, options={"g": "10", "bf": "2"})
    with open_media(path) as media:
        times = media.times()
        read: list[int | None] = []
        media.packets = lambda pts=None, packets=media.packets: (  # type: ignore[method-assign]
            read.append(packet.pts) or packet for packet in packets(pts)
        )
        wanted = [int(times.pts[number]) for number in (5, 60, 149)]
        assert [read_number(to_pixels(frame)) for frame in media.frames(wanted, times)] == [5, 60, 149]
    assert len(read) < 75


def test_the_times_of_a_chunk_are_those_of_its_frames(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "a.ts", 100, options=X264)
    with open_media(path) as media:
        assert media.ms_of(media.times(1000, 1200).pts).tolist() == [1000, 1040, 1080, 1120, 1160]
        assert media.ms_of(media.times(3960, 9999).pts).tolist() == [3960]
        assert media.ms_of(media.times(1001, 1039).pts).tolist() == [1000]


DAMAGED = {
    "mp4": ("a.mp4", 0.5, 40_000),  # several frames: H.264 has no checksum, a part of one may pass for a picture
    "ts": ("a.ts", 0.5, 4000),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_stops_decoding_unless_allowed(name: str, tmp_path: Path) -> None:
    file, start, length = DAMAGED[name]
    path = overwrite(write_clip(tmp_path / file, noisy(60), options={"g": "12"}), start, length)
    with open_media(path) as media:
        times = media.times()
        wanted = times.pts[::5].tolist()
        with pytest.raises(BadInput, match=rf"{file} is damaged near 00:00:01\.\d\d\d: .*allow_damage"):
            list(media.frames(wanted, times))
        left = [frame.pts for frame in media.frames(wanted, times, allow_damage=True)]
        assert set(left) <= set(wanted)
        assert len(left) >= len(wanted) - 4


SIZES: dict[str, tuple[tuple[int, int, Fraction | None, int | None], tuple[int, int]]] = {
    "as it is": ((1920, 1080, None, None), (1920, 1080)),
    "square": ((1920, 1080, Fraction(1), 1080), (1920, 1080)),
    "wide samples": ((720, 576, Fraction(64, 45), None), (1024, 576)),
    "narrow samples": ((720, 480, Fraction(8, 9), None), (720, 540)),
    "absurd samples": ((720, 480, Fraction(100), None), (720, 480)),
    "8K to 4K": ((7680, 4320, None, 2160), (3840, 2160)),
    "upright 8K to 4K": ((4320, 7680, None, 2160), (2160, 3840)),
    "small stays": ((640, 360, None, 2160), (640, 360)),
}


@pytest.mark.parametrize("name", SIZES)
def test_display_size(name: str) -> None:
    given, expected = SIZES[name]
    assert display_size(*given) == expected


PIXELS: dict[str, dict[str, object]] = {
    "8 bits": {"codec": "libx264", "pix_fmt": "yuv420p"},
    "full range": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "no subsampling": {"codec": "ffv1", "pix_fmt": "yuv444p"},
    "10 bits": {"codec": "ffv1", "pix_fmt": "yuv420p10le"},
    "rgb": {"codec": "ffv1", "pix_fmt": "bgr0"},
    "16 bits grey": {"codec": "ffv1", "pix_fmt": "gray16le"},
    "grey": {"codec": "ffv1", "pix_fmt": "gray"},
}


@pytest.mark.parametrize("name", PIXELS)
def test_every_pixel_format_gives_the_same_picture(name: str, tmp_path: Path) -> None:
    drawn = np.zeros((97, 161, 3), np.uint8) if "420" not in str(PIXELS[name]) else np.zeros((96, 160, 3), np.uint8)
    drawn[:, :80] = (40, 160, 220)
    drawn[:, 80:] = (210, 210, 210)
    path = write_clip(tmp_path / "a.mkv", [drawn] * 2, **PIXELS[name])  # type: ignore[arg-type]
    with open_media(path) as media:
        frame = next(media.frames([media.start_pts], media.times()))
        pixels = to_pixels(frame)
    assert pixels.shape == drawn.shape
    assert pixels.flags.c_contiguous
    left = [164] * 3 if "gray" in str(PIXELS[name]) else [40, 160, 220]
    np.testing.assert_allclose(pixels[40, 40], left, atol=5)
    np.testing.assert_allclose(pixels[40, 120], [210] * 3, atol=5)


TURNS = {"not": (None, 0), "left": (90, 1), "right": (-90, 3), "around": (180, 2)}


@pytest.mark.parametrize("name", TURNS)
def test_turned_video_is_shown_upright(name: str, tmp_path: Path) -> None:
    rotation_deg, turns = TURNS[name]
    coded = [np.ascontiguousarray(np.rot90(numbered(number), -turns)) for number in range(3)]
    path = write_clip(tmp_path / "a.mp4", coded, rotation_deg=rotation_deg)
    with open_media(path) as media:
        times = media.times()
        pictures = [to_pixels(frame, turn=orientation(frame)) for frame in media.frames(times.pts.tolist(), times)]
    assert [picture.shape for picture in pictures] == [(HEIGHT_PX, WIDTH_PX, 3)] * 3
    assert [read_number(picture) for picture in pictures] == [0, 1, 2]


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "00:00:00.000"), (754_040, "00:12:34.040"), (360_000_000, "100:00:00.000")]
)
def test_clock(ms: int, text: str) -> None:
    assert clock(ms) == text
