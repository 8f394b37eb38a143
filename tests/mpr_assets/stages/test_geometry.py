"""Video whose geometry changes on the way: every frame has its own size, and each stretch is a shot of its own."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import polars as pl
import pytest

from gpu_service.errors import BadInput
from gpu_service.likeness import frame_phash
from gpu_service.pictures import Image, Picture, decode
from mpr_assets.report.exposures import ExposureSettings, exposures
from mpr_assets.sampling.settings import ExtractFramesSettings
from mpr_assets.stages.extract_frames import index
from mpr_assets.stages.filter_scenes import FilterScenesSettings, filter_scenes
from mpr_assets.stages.timeline import resolve
from mpr_assets.text.detections import DETECTION_SCHEMA
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec
from mpr_resources.storage.pictures import Frame
from tests.clips import numbered, read_number
from tests.mpr_assets.stages.extracting import extract

FPS = 25
LENGTH = 25
"""Frames of a stretch: one second."""


@dataclass(frozen=True)
class Stretch:
    """Frames of one geometry. `turned`: a message in the stream says that they are to be turned, anticlockwise."""

    size: tuple[int, int] = (160, 96)
    aspect: Fraction | None = None
    pix_fmt: str = "yuv420p"
    turned_deg: int = 0


def packets(stretches: Sequence[Stretch], codec: str) -> Iterator[av.Packet]:
    """Encoded one after another on one clock; the picture in frame n shows n."""
    for at, stretch in enumerate(stretches):
        encoder = av.CodecContext.create(codec, "w")
        encoder.width, encoder.height = stretch.size
        encoder.pix_fmt, encoder.time_base, encoder.framerate = stretch.pix_fmt, Fraction(1, FPS), Fraction(FPS)
        encoder.options = {"g": "10", "bf": "0"}
        if stretch.aspect is not None:
            encoder.sample_aspect_ratio = stretch.aspect
        frames: list[av.VideoFrame | None] = []
        for number in range(at * LENGTH, (at + 1) * LENGTH):
            picture = numbered(number, *(stretch.size if stretch.turned_deg % 180 == 0 else stretch.size[::-1]))
            turned = np.ascontiguousarray(np.rot90(picture, -stretch.turned_deg // 90))
            frames.append(av.VideoFrame.from_ndarray(turned, "bgr24"))
            frames[-1].pts, frames[-1].time_base = number, Fraction(1, FPS)  # type: ignore[union-attr]
        for frame in [*frames, None]:
            for packet in encoder.encode(frame):
                yield with_turn(packet, stretch.turned_deg) if stretch.turned_deg else packet


def with_turn(packet: av.Packet, degrees: int) -> av.Packet:
    """The H.264 packet with a display orientation message before it (ITU-T H.264, D.1.26)."""
    bits = f"000{round(degrees * 65536 / 360):016b}01001"
    payload = bytes(int(bits[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(bits), 8))
    message = b"\0\0\0\1\x06\x2f" + bytes([len(payload)]) + payload + b"\x80"
    made = av.Packet(message + bytes(packet))
    made.pts, made.dts, made.time_base, made.duration = packet.pts, packet.dts, packet.time_base, packet.duration
    made.is_keyframe = packet.is_keyframe
    return made


def write(path: Path, codec: str, stretches: Sequence[Stretch]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height = stretches[0].size  # type: ignore[attr-defined]
        stream.pix_fmt = stretches[0].pix_fmt  # type: ignore[attr-defined]
        if stretches[0].aspect is not None:
            stream.codec_context.sample_aspect_ratio = stretches[0].aspect
        container.start_encoding()
        for packet in packets(stretches, codec):
            packet.stream = stream
            container.mux(packet)
    return path


TALL, LARGE = Stretch((96, 160)), Stretch((320, 192))
CASES: dict[str, tuple[str, str, list[Stretch], list[tuple[int, int]], list[int]]] = {
    # File, codec, seconds of the video, the size of the frames of each, and when the picture changes abruptly.
    "nothing changes": ("a.ts", "libx264", [Stretch(), Stretch()], [(160, 96)] * 2, []),
    "another shape": ("a.ts", "libx264", [Stretch(), TALL], [(160, 96), (96, 160)], [1000]),
    "another size of one shape": (
        "a.ts",
        "libx264",
        [Stretch(), LARGE, Stretch()],
        [(160, 96), (320, 192), (160, 96)],
        [1000, 2000],
    ),
    "another shape, VP9": ("a.webm", "libvpx-vp9", [Stretch(), TALL], [(160, 96), (96, 160)], [1000]),
    "another shape, VP8": ("a.webm", "libvpx", [TALL, Stretch()], [(96, 160), (160, 96)], [1000]),
    "another aspect": (
        "a.ts",
        "libx264",
        [Stretch(), Stretch(aspect=Fraction(5, 4)), Stretch(aspect=Fraction(2))],
        [(160, 96), (200, 96), (320, 96)],
        [1000, 2000],
    ),
    "turned": (
        "a.ts",
        "libx264",
        [Stretch(), Stretch((96, 160), turned_deg=90), Stretch((96, 160), turned_deg=270)],
        [(160, 96)] * 3,
        [1000, 2000],
    ),
    "turned into another shape": (
        "a.ts",
        "libx264",
        [Stretch((96, 160), turned_deg=90), TALL, Stretch(turned_deg=180)],
        [(160, 96), (96, 160), (160, 96)],
        [1000, 2000],
    ),
    "another pixel format": (
        "a.ts",
        "libx264",
        [Stretch(), Stretch(pix_fmt="yuv444p"), Stretch(pix_fmt="yuv420p10le")],
        [(160, 96)] * 3,
        [],
    ),
}


@pytest.mark.parametrize("threads", [0, 1])
@pytest.mark.parametrize("name", CASES)
def test_every_frame_has_its_own_geometry(name: str, threads: int, tmp_path: Path) -> None:
    file, codec, stretches, sizes, cuts_ms = CASES[name]
    path = write(tmp_path / file, codec, stretches)
    chunks = timeline(path)
    assert chunks.select("width_px", "height_px").rows() == sizes[:1]
    taken = list(extract(chunks, ExtractFramesSettings(decoder_threads=threads)))
    pictures = [decode(frame.jpeg) for frame in taken]
    # Of each second the first frame, and the last that came by its half.
    seconds = [second for second in range(len(stretches)) for _ in range(2)]
    assert list(map(read_number, pictures)) == [second * LENGTH + at for second in range(len(sizes)) for at in (0, 12)]
    assert [picture.shape[1::-1] for picture in pictures] == [sizes[second] for second in seconds]
    frames = index(frame.row for frame in taken)
    assert frames.select("width_px", "height_px").rows() == [sizes[second] for second in seconds]
    assert frames["cut_ms"].drop_nulls().to_list() == cuts_ms
    # Decoding that begins late meets the last geometry first.
    (late,) = extract(timeline(path, 1000 * len(sizes) - 100), ExtractFramesSettings(decoder_threads=threads))
    assert (late.row["width_px"], late.row["height_px"]) == sizes[-1]
    assert read_number(decode(late.jpeg)) == len(sizes) * LENGTH - 3
    scenes = scenes_of(pictures, frames)
    of_frames = list(zip(scenes["shot"], (picture.shape for picture in pictures), strict=True))
    assert all(shot != other for (shot, shape), (other, to) in pairwise(of_frames) if shape != to)
    # A brand over the left half of each second's pictures.
    found = [
        (seq, 0, 0, picture.shape[1] // 2, picture.shape[0], f"brand {second}", 0.9, "ocr")
        for seq, (second, picture) in enumerate(zip(seconds, pictures, strict=True))
    ]
    marks = pl.DataFrame(found, schema=["seq", "x", "y", "w", "h", "brand", "confidence", "source"], orient="row")
    detections = pl.concat([pl.DataFrame(schema=DETECTION_SCHEMA), marks], how="diagonal_relaxed")
    rows = exposures(detections, frames, scenes, chunks, ExposureSettings())
    # Where no cut is seen, frames meet in the middle: between 480 and 1000 ms.
    edges_ms = [0, *(1000 * at if 1000 * at in cuts_ms else 1000 * at - 260 for at in range(1, len(sizes)))]
    assert rows.select("brand", "start_ms", "end_ms", "mean_area_share").rows() == [
        (f"brand {second}", start_ms, end_ms, 0.5)
        for second, (start_ms, end_ms) in enumerate(pairwise([*edges_ms, 1000 * len(sizes)]))
    ]


def test_one_picture_in_another_size_is_a_shot_of_its_own() -> None:
    """Else a frame would stand for one of another size, and text be followed from one to the other."""
    pictures = [numbered(5, *size) for size in [(160, 96), (160, 96), (320, 192), (320, 192), (160, 96)]]
    frames = pl.DataFrame(
        {
            "seq": range(5),
            "chunk": [0] * 5,
            "timeline_ms": [500 * seq for seq in range(5)],
            "width_px": [picture.shape[1] for picture in pictures],
            "height_px": [picture.shape[0] for picture in pictures],
            "phash": [frame_phash(picture) for picture in pictures],
            "cut_ms": [None] * 5,
            "panned": [False] * 5,
        }
    )
    scenes = scenes_of(pictures, frames)
    assert (scenes["shot"].to_list(), scenes["kept_seq"].to_list()) == ([0, 0, 1, 1, 2], [0, 0, 2, 2, 4])


@pytest.mark.parametrize("detector", ["content", "adaptive", "hash", "histogram"])
def test_no_detector_compares_pictures_of_different_shapes(detector: Any) -> None:
    pictures = [numbered(seq, *size) for seq, size in enumerate([(160, 96), (96, 160), (90, 90), (160, 96)])]
    columns = ["seq", "chunk", "timeline_ms", "width_px", "height_px", "phash", "cut_ms", "panned"]
    rows = [(seq, 0, 500 * seq, *picture.shape[1::-1], 0, None, False) for seq, picture in enumerate(pictures)]
    scenes = scenes_of(pictures, pl.DataFrame(rows, schema=columns, orient="row"), detector)
    assert scenes["shot"].to_list() == [0, 1, 2, 3]


def test_an_aspect_of_the_container_goes_before_that_of_the_codec(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", "libx264", [Stretch(aspect=Fraction(5, 4))])
    content = path.read_bytes()
    at = content.index(b"pasp") + 4
    path.write_bytes(content[:at] + struct.pack(">2I", 2, 1) + content[at + 8 :])
    frames = list(extract(timeline(path), ExtractFramesSettings()))
    assert {(frame.row["width_px"], frame.row["height_px"]) for frame in frames} == {(320, 96)}


def test_a_frame_that_becomes_too_small_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ts", "libx264", [Stretch(), Stretch((32, 8))])
    with pytest.raises(BadInput, match=r"a.ts is 32x8 pixels at 00:00:01.000; use video between 16 and 16384 pixels"):
        list(extract(timeline(path), ExtractFramesSettings()))


def timeline(path: Path, start_ms: int | None = None) -> pl.DataFrame:
    return resolve(TimelineSpec(name="t", chunks=(ChunkSpec(source=str(path), start_ms=start_ms),)))


def scenes_of(pictures: Sequence[Image], frames: pl.DataFrame, detector: Any = "content") -> pl.DataFrame:
    settings = FilterScenesSettings(detector=detector)
    given = (Frame(seq, 0, Picture(pixels=picture)) for seq, picture in enumerate(pictures))
    return filter_scenes(given, frames, settings)
