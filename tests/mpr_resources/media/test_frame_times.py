"""Times of frames whose packets, or whose decoder, tell them badly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest
from av.packet import Packet

from gpu_service.errors import BadInput
from mpr_resources.media.decoding import open_media
from mpr_resources.media.frame_times import Stamp, best_times
from mpr_resources.media.pixels import to_pixels
from mpr_resources.media.probe import probe
from tests.clips import read_number, write_numbered

Pairs = list[tuple[int | None, int | None]]

BEST: dict[str, tuple[Pairs, list[int | None]]] = {
    # (pts, dts) of the frames, their best times
    "no frames": ([], []),
    "no times": ([(None, None), (None, None)], [None, None]),
    "pts alone": ([(1, None), (2, None)], [1, 2]),
    "dts alone": ([(None, 1), (None, 3)], [1, 3]),
    "both ascend": ([(5, 1), (6, 2)], [5, 6]),
    "some pts are missing": ([(5, 5), (None, 6), (7, None)], [5, 6, 7]),
    "pts of other frames": ([(1, 1), (3, 2), (4, 3), (2, 4), (6, None), (5, None)], [1, 2, 3, 4, 5, 6]),
    "a doubled pts": ([(0, 0), (10, 10), (10, 20), (30, None)], [0, 10, 20, 30]),
    "a doubled pts, the later frame stays": ([(0, None), (10, None), (10, None), (20, None)], [0, None, 10, 20]),
    "one is far ahead": ([(0, None), (10, None), (900, None), (30, None), (40, None)], [0, 10, 20, 30, 40]),
    "one is far behind": ([(50, None), (60, None), (70, None), (0, None), (90, None)], [50, 60, 70, 80, 90]),
    "the first has none": ([(None, None), (10, None), (20, None)], [None, 10, 20]),
}


@pytest.mark.parametrize("name", BEST)
def test_best_times(name: str) -> None:
    pairs, expected = BEST[name]
    assert best_times([Stamp(*pair) for pair in pairs]) == expected


def remuxed(source: Path, target: Path, change: Callable[[int, Packet], None]) -> Path:  # type: ignore[type-arg]
    """The packets of the source with other times. `change` is given their numbers and them."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for number, packet in enumerate(old.demux(old.streams.video[0])):
            if packet.size:
                change(number, packet)
                packet.stream = stream
                new.mux(packet)
    return target


def doubled(*numbers: int) -> Callable[[int, Packet], None]:  # type: ignore[type-arg]
    def change(number: int, packet: Packet) -> None:  # type: ignore[type-arg]
        if number in numbers:
            assert packet.pts is not None
            packet.pts -= packet.duration

    return change


def without_pts(number: int, packet: Packet) -> None:  # type: ignore[type-arg]
    if number % 5 == 3:
        packet.pts = None


def in_decoding_order(number: int, packet: Packet) -> None:  # type: ignore[type-arg]
    packet.pts = packet.dts


def packed(source: Path, target: Path) -> Path:
    """As DivX writes it into AVI: a frame and the B frame that is shown before it in one packet, then an empty one."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        units = [bytes(packet) for packet in old.demux(old.streams.video[0]) if packet.size]
        packets: list[bytes] = []
        for unit, following in zip(units, [*units[1:], b""], strict=True):
            if vop_type(unit) == "B":
                packets.append(EMPTY_VOP)
            else:
                packets.append(unit + following if following and vop_type(following) == "B" else unit)
        begins = packets[0].index(VOP)
        packets[0] = packets[0][:begins] + b"\0\0\1\xb2DivX503b1393p\0" + packets[0][begins:]
        for number, data in enumerate(packets):
            packet: Packet = Packet(data)  # type: ignore[type-arg]
            packet.pts = packet.dts = number
            packet.time_base, packet.stream = stream.time_base or old.streams.video[0].time_base, stream
            packet.is_keyframe = vop_type(data) == "I"
            new.mux(packet)
    return target


VOP = b"\0\0\1\xb6"
EMPTY_VOP = VOP + b"\x50\x3f"
"""A picture that is not coded (ISO 14496-2, 6.2.5): type P, no second more, any time of five bits, vop_coded 0."""


def vop_type(unit: bytes) -> str:
    return "IPBS"[unit[unit.index(VOP) + 4] >> 6]


def base(path: Path) -> Path:
    return write_numbered(path, 20, options={"bf": "2", "g": "12"})


def avi_h264(folder: Path) -> Path:
    return write_numbered(folder / "a.avi", 20, options={"bf": "3", "g": "12"})


def avi_mpeg4(folder: Path) -> Path:
    return write_numbered(folder / "a.avi", 20, codec="mpeg4", options={"bf": "2", "g": "12"})


def avi_packed(folder: Path) -> Path:
    source = write_numbered(folder / "source.avi", 20, codec="mpeg4", options={"bf": "1", "g": "12"})
    return packed(source, folder / "a.avi")


def program_stream(folder: Path) -> Path:
    return write_numbered(folder / "a.mpg", 20, codec="mpeg2video", options={"bf": "2", "g": "12"})


def odd(suffix: str, change: Callable[[int, Packet], None]) -> Callable[[Path], Path]:  # type: ignore[type-arg]
    return lambda folder: remuxed(base(folder / "source.mp4"), folder / f"a.{suffix}", change)


def late_double(folder: Path) -> Path:
    source = write_numbered(folder / "source.mp4", 120, options={"bf": "2", "g": "12", "b-adapt": "0"})
    return remuxed(source, folder / "a.mkv", doubled(90))


ALL = list(range(20))

ODD: dict[str, tuple[Callable[[Path], Path], list[int], list[int]]] = {
    # how it is made, the pts of its pictures, their numbers. The pts are ffprobe's best_effort_timestamp (ffprobe
    # 5.1.9), save these: it has none for a last frame that comes out without a packet; of two frames at one time the
    # earlier is never seen.
    "avi, h264": (avi_h264, list(range(2, 22)), ALL),
    "avi, mpeg4": (avi_mpeg4, list(range(1, 21)), ALL),
    "avi, mpeg4, packed B frames": (avi_packed, list(range(1, 21)), ALL),
    "program stream": (program_stream, list(range(48600, 48600 + 20 * 3600, 3600)), ALL),
    "mp4, doubled": (odd("mp4", doubled(5, 8)), list(range(0, 20 * 512, 512)), ALL),
    "flv, doubled": (odd("flv", doubled(5, 8)), list(range(80, 880, 40)), ALL),
    "ts, doubled": (odd("ts", doubled(5, 8)), list(range(7200, 7200 + 20 * 3600, 3600)), ALL),
    "mkv, doubled, no dts": (
        odd("mkv", doubled(5, 8)),
        [n * 40 for n in ALL if n not in (4, 7)],
        [n for n in ALL if n not in (3, 6)],
    ),
    "ts, missing": (odd("ts", without_pts), list(range(7200, 7200 + 20 * 3600, 3600)), ALL),
    "mp4, missing": (odd("mp4", without_pts), list(range(0, 20 * 512, 512)), ALL),
    "mkv, doubled after a while": (
        late_double,
        [n * 40 for n in range(120) if n != 92],
        [n for n in range(120) if n != 91],
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_files_are_shown_in_order_at_their_best_times(name: str, tmp_path: Path) -> None:
    make, expected, numbers = ODD[name]
    path = make(tmp_path)
    for threads in (1, 0):
        with open_media(path, threads) as media:
            times = media.times()
            assert times.pts.tolist() == expected
            shown = {frame.pts: read_number(to_pixels(frame)) for frame in media.frames(expected, times)}
            assert shown == dict(zip(expected, numbers, strict=True))
            assert list(shown) == expected
            some = media.frames(expected[3::7], times)
            assert [read_number(to_pixels(frame)) for frame in some] == numbers[3::7]
    assert probe(path).frames == len(expected)


def test_times_in_the_order_of_decoding(tmp_path: Path) -> None:
    """As in MP4 that was copied from AVI, whose pts are other frames'."""
    path = odd("mp4", in_decoding_order)(tmp_path)
    with open_media(path) as media:
        times = media.times()
        numbers = [read_number(to_pixels(frame)) for frame in media.frames(times.pts.tolist(), times)]
    assert numbers == sorted(numbers)
    assert len(numbers) >= 18


def test_damage_met_while_times_are_looked_for_is_named(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "a.avi", 120, options={"bf": "3", "g": "12"})
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 2000] = b"\x55" * 2000
    path.write_bytes(content)
    with open_media(path) as media, pytest.raises(BadInput, match=r"a.avi is damaged near 00:00:0\d"):
        media.times()
