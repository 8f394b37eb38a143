"""Small video files whose frames carry their own number, for tests of everything that reads video."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

from gpu_service.pictures import Image

BITS = 10
WIDTH_PX, HEIGHT_PX = 160, 96


def numbered(number: int, width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX) -> Image:
    """A picture with its number as black and white bars in the upper half, lowest bit left; the lower half is blue."""
    picture = np.full((height_px, width_px, 3), (200, 60, 20), np.uint8)
    for bit in range(BITS):
        left, right = (width_px * at // BITS for at in (bit, bit + 1))
        picture[: height_px // 2, left:right] = 255 if number >> bit & 1 else 0
    return picture


def read_number(picture: Image) -> int:
    """The number in a picture made by `numbered`, at any size; fails on a picture that is turned or mirrored."""
    height_px, width_px = picture.shape[:2]
    blue, green, red = picture[height_px * 5 // 8 : height_px * 7 // 8].reshape(-1, 3).mean(0)
    assert blue > green + 60, "the lower half is not blue: the picture is not upright"
    assert green > red, "the lower half's colours are wrong"
    number = 0
    for bit in range(BITS):
        middle = width_px * (2 * bit + 1) // (2 * BITS)
        bar = picture[height_px // 8 : height_px * 3 // 8, middle - 1 : middle + 2]
        number |= int(bar.mean() > 128) << bit
    return number


def write_clip(
    path: Path,
    pictures: Iterable[Image],
    *,
    fps: Fraction | int = 25,
    times_ms: Sequence[int] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rotation_deg: int | None = None,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    sound_s: float = 0,
) -> Path:
    """Encode the pictures, BGR or BGRA; `times_ms` makes the frame rate variable, `rotation_deg` turns the display
    anticlockwise."""
    pictures = list(pictures)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.options = {**(options or {})}
        if times_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation_deg is not None:
            stream.set_display_rotation(rotation_deg)
        if sound_s:
            sound = container.add_stream("aac", rate=8000)
        for at, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "bgra" if picture.shape[2] == 4 else "bgr24")
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[at], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound_s:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, int(8000 * sound_s)), np.float32), "fltp", "mono")
            silence.sample_rate, silence.pts = 8000, 0
            container.mux(sound.encode(silence))
            container.mux(sound.encode())
    return path


def write_streams(path: Path, streams: Sequence[Mapping[str, Any]]) -> Path:
    """A file with several video streams, of 25 frames a second.

    Each: `numbers` of its pictures, and where they differ `size` in pixels, `codec`, `starts_s`, `is_default`.
    """
    with av.open(str(path), "w", options={"default_mode": "passthrough"} if path.suffix == ".mkv" else {}) as container:
        opened = []
        for how in streams:
            stream = container.add_stream(how.get("codec", "libx264"), rate=25)
            stream.width, stream.height = how.get("size", (WIDTH_PX, HEIGHT_PX))
            stream.pix_fmt = "yuvj420p" if how.get("codec") == "mjpeg" else "yuv420p"
            stream.options = {"g": "12"}
            stream.disposition = Disposition.default if how.get("is_default") else Disposition(0)
            opened.append(stream)
        packets = []
        for stream, how in zip(opened, streams, strict=True):
            for at, number in enumerate(how["numbers"]):
                frame = av.VideoFrame.from_ndarray(numbered(number, stream.width, stream.height), "bgr24")
                frame.pts, frame.time_base = round(25 * how.get("starts_s", 0)) + at, Fraction(1, 25)
                packets += stream.encode(frame)
            packets += stream.encode()
        for packet in sorted(packets, key=lambda packet: Fraction(packet.dts or 0) * packet.time_base):
            container.mux(packet)
    return path


def transport_stream(path: Path, numbers: range, pid: int, size: tuple[int, int] = (WIDTH_PX, HEIGHT_PX)) -> bytes:
    """A transport stream with these pictures at 25 a second, the first at its number."""
    options = {"mpegts_start_pid": str(pid), "mpegts_copyts": "1"}
    with av.open(str(path), "w", format="mpegts", options=options) as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "10", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in numbers:
            frame = av.VideoFrame.from_ndarray(numbered(number, *size), "bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


def write_numbered(path: Path, count: int, **how: object) -> Path:
    """`write_clip` of `count` numbered pictures."""
    return write_clip(path, (numbered(number) for number in range(count)), **how)  # type: ignore[arg-type]
