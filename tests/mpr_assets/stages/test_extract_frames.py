from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from gpu_service.errors import BadInput
from gpu_service.likeness import frame_phash, phash_distance
from gpu_service.pictures import decode
from mpr_assets.sampling.frames import ExtractedFrame, instants, shown_at
from mpr_assets.sampling.settings import ExtractFramesSettings
from mpr_assets.stages.extract_frames import SCHEMA, index
from mpr_assets.stages.timeline import resolve
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec
from mpr_resources.media.decoding import open_media
from mpr_resources.media.streams import StreamPlace
from tests.clips import (
    numbered,
    read_number,
    transport_stream,
    write_clip,
    write_numbered,
)
from tests.mpr_assets.stages.extracting import extract

Span = tuple[int | None, int | None]


def timeline(path: Path, *spans: Span) -> pl.DataFrame:
    chunks = tuple(ChunkSpec(source=str(path), start_ms=a, end_ms=b) for a, b in spans or [(None, None)])
    return resolve(TimelineSpec(name="t", chunks=chunks))


def numbers(frames: list[ExtractedFrame]) -> list[int]:
    return [read_number(decode(frame.jpeg)) for frame in frames]


def test_the_empty_index_has_the_schema() -> None:
    assert dict(index([]).schema) == SCHEMA


INSTANTS: dict[str, tuple[tuple[int, int, Fraction], list[float]]] = {
    "nothing": ((0, 0, Fraction(2)), []),
    "half seconds": ((0, 1500, Fraction(2)), [0, 500, 1000]),
    "one more": ((0, 1501, Fraction(2)), [0, 500, 1000, 1500]),
    "between instants": ((501, 400, Fraction(2)), []),
    "later": ((700, 900, Fraction(2)), [1000, 1500]),
    "slow": ((0, 25_000, Fraction(1, 10)), [0, 10_000, 20_000]),
}


@pytest.mark.parametrize("name", INSTANTS)
def test_instants(name: str) -> None:
    given, expected = INSTANTS[name]
    assert instants(*given) == expected


SHOWN: dict[str, tuple[list[int], list[Fraction | int], list[int]]] = {
    "none wanted": ([5], [], []),
    "before the first": ([5, 9], [0, 4], [5]),
    "the very time": ([0, 10], [10], [10]),
    "just before the next": ([0, 10], [Fraction(999, 100)], [0]),
    "each once": ([0, 10, 20], [0, 4, 6, 10, 14, 16, 20, 99], [0, 10, 20]),
    "a held picture": ([0, 1, 1000], [0, 250, 500, 750, 1000], [0, 1, 1000]),
}


@pytest.mark.parametrize("name", SHOWN)
def test_shown_at(name: str) -> None:
    pts, wanted, expected = SHOWN[name]
    assert shown_at(np.array(pts, np.int64), [Fraction(time) for time in wanted]) == expected


TAKEN: dict[str, tuple[dict[str, object], list[Span], float, list[int], list[int]]] = {
    # clip, chunks, fps, numbers of the frames taken, their timeline_ms
    "every half second": ({"count": 50}, [], 2, [0, 12, 25, 37], [0, 480, 1000, 1480]),
    "every frame": ({"count": 5}, [], 25, [0, 1, 2, 3, 4], [0, 40, 80, 120, 160]),
    "faster than the source": ({"count": 5}, [], 60, [0, 1, 2, 3, 4], [0, 40, 80, 120, 160]),
    "slower than the clip": ({"count": 50}, [], 0.1, [0], [0]),
    "ntsc": ({"count": 60, "fps": Fraction(30000, 1001)}, [], 2, [0, 14, 29, 44, 59], [0, 467, 968, 1468, 1969]),
    "a chunk": ({"count": 100}, [(1000, 2200)], 2, [25, 37, 50], [0, 480, 1000]),
    "the picture that is on at the start": ({"count": 100}, [(1010, 1100)], 2, [25], [0]),
    "inside one picture": ({"count": 50}, [(0, 1000), (1001, 1039)], 2, [0, 12, 25], [0, 480, 1000]),
    "the clock runs on": (
        {"count": 100},
        [(0, 800), (2000, 2700), (400, 1000)],
        2,
        # Instants 0, 500 | 800 = 2000 of the source, 1000 = 2200 | 1500 = 400, 2000 = 900 of the source.
        [0, 12, 50, 55, 10, 22],
        [0, 480, 800, 1000, 1500, 1980],
    ),
    "the same chunk twice": ({"count": 50}, [(0, 1000), (0, 1000)], 2, [0, 12, 0, 12], [0, 480, 1000, 1480]),
    "a chunk between instants": (
        {"count": 50},
        [(0, 600), (0, 100), (0, 700)],
        2,
        [0, 12, 0, 0, 7],
        [0, 480, 600, 700, 980],
    ),
    "variable rate": (
        {"count": 7, "times_ms": [0, 40, 480, 530, 1400, 1410, 2600], "codec": "mpeg4"},
        [(0, 2610)],
        2,
        # 0, 500 -> 480, 1000 -> 530, 1500 -> 1410, 2000 and 2500 -> 1410 again.
        [0, 2, 3, 5],
        [0, 480, 530, 1410],
    ),
    "slides": (
        {"count": 3, "times_ms": [0, 10_000, 20_000], "codec": "mpeg4", "options": {"g": "12", "bf": "0"}},
        [(0, 19_000), (12_000, 18_000), (9_900, 10_600)],
        2,
        [0, 1, 1, 0, 1],
        [0, 10_000, 19_000, 25_000, 25_100],
    ),
}


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("name", TAKEN)
def test_what_each_instant_shows_is_taken(name: str, container: str, tmp_path: Path) -> None:
    how, spans, fps, expected, timeline_ms = TAKEN[name]
    path = write_numbered(tmp_path / f"a.{container}", **{"options": {"g": "12", "bf": "2"}, **how})  # type: ignore[arg-type]
    frames = list(extract(timeline(path, *spans), ExtractFramesSettings(fps=fps)))
    assert numbers(frames) == expected
    assert [frame.row["timeline_ms"] for frame in frames] == timeline_ms
    assert [frame.row["seq"] for frame in frames] == list(range(len(frames)))


def test_the_row_of_a_frame(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "a.ts", 50)
    frames = list(extract(timeline(path, (400, 800), (1000, 2000)), ExtractFramesSettings()))
    table = index(frame.row for frame in frames)
    assert dict(table.schema) == SCHEMA
    assert table.drop("phash", "size_bytes", "cut_ms", "panned").rows() == [
        (0, 0, 7200 + 10 * 3600, 400, 0, 40, 160, 96),
        (1, 1, 7200 + 25 * 3600, 1000, 400, 440, 160, 96),
        (2, 1, 7200 + 27 * 3600, 1080, 480, 520, 160, 96),
        (3, 1, 7200 + 40 * 3600, 1600, 1000, 1040, 160, 96),
    ]
    assert table["size_bytes"].to_list() == [len(frame.jpeg) for frame in frames]
    stored = [frame_phash(decode(frame.jpeg)) for frame in frames]
    assert max(phash_distance(a, b) for a, b in zip(table["phash"], stored, strict=True)) <= 4


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "a.mp4", 50)
    once, again = (list(extract(timeline(path), ExtractFramesSettings(fps=5))) for _ in range(2))
    assert once == again


def test_turned_video_gives_upright_frames(tmp_path: Path) -> None:
    coded = [np.ascontiguousarray(np.rot90(numbered(number), -1)) for number in range(30)]
    path = write_clip(tmp_path / "a.mp4", coded, rotation_deg=90)
    frames = list(extract(timeline(path), ExtractFramesSettings()))
    assert numbers(frames) == [0, 12, 25]
    assert (frames[0].row["width_px"], frames[0].row["height_px"]) == (160, 96)


SHAPES: dict[str, tuple[dict[str, object], int | None, tuple[int, int]]] = {
    "odd": ({"width_px": 161, "height_px": 97, "codec": "ffv1", "pix_fmt": "yuv444p"}, None, (161, 97)),
    "wide pixels": ({"aspect": Fraction(4, 3)}, None, (213, 96)),
    "shrunk": ({"width_px": 640, "height_px": 360}, 64, (114, 64)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_sizes(name: str, tmp_path: Path) -> None:
    how, max_height_px, expected = SHAPES[name]
    how = dict(how)
    size = [int(str(how.pop(key, default))) for key, default in (("width_px", 160), ("height_px", 96))]
    path = write_clip(tmp_path / "a.mkv", [numbered(3, *size)] * 3, **how)  # type: ignore[arg-type]
    [frame] = extract(timeline(path), ExtractFramesSettings(max_height_px=max_height_px))
    assert (frame.row["width_px"], frame.row["height_px"]) == expected
    assert decode(frame.jpeg).shape[:2] == expected[::-1]
    assert numbers([frame]) == [3]


def test_transparent_pixels_show_the_background(tmp_path: Path) -> None:
    hidden, shown = (np.dstack([numbered(5), np.full((96, 160), alpha, np.uint8)]) for alpha in (0, 255))
    pictures, how = [hidden] * 18 + [shown] * 32, {"codec": "qtrle", "pix_fmt": "argb", "options": {"g": "250"}}
    path = write_clip(tmp_path / "a.mov", pictures, **how)  # type: ignore[arg-type]
    for background, grey in (("black", 0), ("#ffffff", 255)):
        frames = list(extract(timeline(path), ExtractFramesSettings(background=background)))
        assert decode(frames[0].jpeg).mean() == pytest.approx(grey, abs=1)
        assert [read_number(decode(frame.jpeg)) for frame in frames[2:]] == [5, 5]
        assert [frame.row["cut_ms"] for frame in frames] == [None, None, 720, None]


def test_a_held_picture_lasts_until_the_next_or_to_the_end(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "a.mkv", 3, times_ms=[0, 10_000, 20_000], codec="mpeg4", options={"bf": "0"})
    frames = extract(timeline(path, (2000, 12_000), (3000, 4000)), ExtractFramesSettings())
    assert [(f.row["source_ms"], f.row["timeline_ms"], f.row["until_ms"]) for f in frames] == [
        (0, 0, 8000),
        (10_000, 8000, 10_000),
        (0, 10_000, 11_000),
    ]


def test_a_chunk_before_the_first_picture_is_refused(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "a.mkv", 3, times_ms=[800, 840, 880], codec="mpeg4", sound_s=1.0)
    frames = list(extract(timeline(path, (200, 920)), ExtractFramesSettings()))
    assert [(f.row["timeline_ms"], f.row["until_ms"]) for f in frames] == [(600, 640)]
    with pytest.raises(BadInput, match=r"Chunk 0 \(00:00:00.100 to 00:00:00.700 of .*a.mkv\) ends before the first"):
        list(extract(timeline(path, (100, 700)), ExtractFramesSettings()))


def test_damage_is_named_and_no_frame_silently_lost(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 96, 160, 3), np.uint8)
    path = write_clip(tmp_path / "a.mp4", list(noise), options={"g": "12"})
    chunks = timeline(path)
    content = bytearray(path.read_bytes())
    # From a key frame's first byte on: in the middle of one any bytes may be a picture, and no decoder can tell.
    with av.open(path) as container:
        starts = [packet.pos for packet in container.demux(video=0) if packet.is_keyframe and packet.pos is not None]
    damage = slice(starts[3] + 4, starts[3] + 4004)
    content[damage] = b"\x55" * 4000
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"a.mp4 is damaged near 00:00:01\.\d+"):
        list(extract(chunks, ExtractFramesSettings(fps=10)))
    left = list(extract(chunks, ExtractFramesSettings(fps=10, allow_damage=True)))
    assert 20 <= len(left) <= 24
    assert left[-1].row["timeline_ms"] == 2280


def test_a_transport_stream_that_goes_on_under_another_pid(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    first, second = range(50), range(50, 100)
    parts = [transport_stream(path, first, 0x100), transport_stream(path, second, 0x200, (320, 192))]
    path.write_bytes(b"".join(parts))
    chunks = timeline(path, (None, None), (1500, 2700))
    spans = chunks.select("chunk", "stream", "start_ms", "end_ms", "timeline_start_ms", "duration_ms", "width_px")
    assert spans.rows() == [
        (0, 0, 0, 2000, 0, 4000, 160),
        (1, 1, 2000, 4000, 2000, 4000, 320),
        (2, 0, 1500, 2000, 4000, 4000, 160),
        (3, 1, 2000, 2700, 4500, 4000, 320),
    ]
    frames = list(extract(chunks, ExtractFramesSettings(fps=1)))
    assert numbers(frames) == [0, 25, 50, 75, 37, 50, 62]
    assert [frame.row["timeline_ms"] for frame in frames] == [0, 1000, 2000, 3000, 4000, 4500, 4980]
    assert [frame.row["width_px"] for frame in frames] == [160, 160, 320, 320, 160, 320, 320]


def test_decoding_and_memory_follow_the_consumer(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "a.mp4", 250)
    decoded: list[int] = []

    def counting(source: str, threads: int, place: StreamPlace) -> object:
        media = open_media(source, threads, place)
        frames = media.frames

        def counted(*arguments: object, **keywords: object) -> Iterator[object]:
            for frame in frames(*arguments, **keywords):  # type: ignore[arg-type]
                decoded.append(1)
                yield frame

        media.frames = counted  # type: ignore[method-assign, assignment]
        return media

    settings = ExtractFramesSettings(fps=25)
    stream = extract(timeline(path), settings, counting)  # type: ignore[arg-type]
    for _ in range(5):
        next(stream)
    assert len(decoded) <= 5 + 3
    stream.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "setting",
    [
        *({"fps": 0}, {"fps": 61}, {"fps": -1}, {"jpeg_quality": 0}, {"jpeg_quality": 101}, {"max_height_px": 10}),
        *({"decoder_threads": -1}, {"fsp": 2}, {"background": "blak"}, {"background": None}),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(setting: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ExtractFramesSettings.model_validate(setting)


def test_a_cut_between_two_instants_has_its_own_time(tmp_path: Path) -> None:
    dark, bright = np.full((96, 160, 3), 20, np.uint8), np.full((96, 160, 3), 220, np.uint8)
    path = write_clip(tmp_path / "a.mp4", (dark if number < 18 else bright for number in range(50)))
    frames = list(extract(timeline(path, (0, 2000)), ExtractFramesSettings()))
    assert [(frame.row["timeline_ms"], frame.row["cut_ms"]) for frame in frames] == [
        (0, None),
        (480, None),
        (1000, 720),
        (1480, None),
    ]


COPIES: dict[str, tuple[str, dict[str, object]]] = {
    "10 bits": ("a.mp4", {"pix_fmt": "yuv420p10le"}),
    "10 bits, hevc": (
        "a.mkv",
        {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": {"x265-params": "log-level=error"}},
    ),
    "interlaced": ("a.mp4", {"options": {"x264-params": "interlaced=1"}}),
    "interlaced, mpeg2": ("a.ts", {"codec": "mpeg2video", "options": {"flags": "+ildct+ilme", "g": "250", "b": "2M"}}),
    "b frames in avi": ("a.avi", {"options": {"bf": "3"}}),
}


@pytest.mark.parametrize("name", COPIES)
def test_copies_have_the_same_frames_and_cuts(name: str, tmp_path: Path) -> None:
    file, how = COPIES[name]
    pictures = [numbered(5)] * 18 + [255 - numbered(5)] * 32
    original = write_clip(tmp_path / "original.mp4", pictures)
    copy = write_clip(tmp_path / file, pictures, **how)  # type: ignore[arg-type]
    frames, like = (list(extract(timeline(path), ExtractFramesSettings(fps=5))) for path in (original, copy))
    rows, same = [frame.row for frame in frames], [frame.row for frame in like]
    assert [row["cut_ms"] for row in rows] == [None, None, None, None, 720, None, None, None, None, None]
    for key in ("timeline_ms", "until_ms", "cut_ms", "width_px", "height_px"):
        assert [row[key] for row in same] == [row[key] for row in rows], key
    for one, other in zip(frames, like, strict=True):
        assert np.abs(decode(one.jpeg).astype(int) - decode(other.jpeg)).mean() < 5


@pytest.mark.parametrize("name", COPIES)
def test_what_follows_a_frame_is_what_it_is_without_a_break(name: str, tmp_path: Path) -> None:
    file, how = COPIES[name]
    path = write_clip(tmp_path / file, [numbered(number) for number in range(50)], **how)  # type: ignore[arg-type]
    chunks, settings = timeline(path, (200, 1600), (1000, 2000)), ExtractFramesSettings(fps=5)
    frames = list(extract(chunks, settings))
    for at in (0, 3, len(frames) - 3):
        assert list(extract(chunks, settings, after=frames[at].row)) == frames[at + 1 :]
