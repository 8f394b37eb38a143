"""Sound of video files on the source's clock: clicks are found where they were put."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from gpu_service.errors import BadInput
from mpr_resources.media.probe import probe
from mpr_resources.media.sound import SoundSpan, count_pieces, decoded, has_sound, pieces
from mpr_resources.media.sources import LocalFile
from tests.clips import numbered, write_numbered

RATE = 48_000
SECONDS = 3


def write_sound(
    path: Path,
    blocks: Sequence[tuple[float, Sequence[float]]],
    *,
    layout: str = "mono",
    tracks: int = 1,
    codec: str = "pcm_s16le",
) -> Path:
    """Three seconds of pictures with blocks of sound: where each begins in s, and the clicks in it, from its start.

    A block lasts until half a second after its last click. `tracks`: of them the last alone has sound that is loud.
    """
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=5)
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
        sounds = [container.add_stream(codec, rate=RATE, layout=layout) for _ in range(tracks)]
        packets = [
            packet
            for number in range(5 * SECONDS)
            for packet in video.encode(av.VideoFrame.from_ndarray(numbered(number), "bgr24"))
        ]
        packets += video.encode()
        for number, sound in enumerate(sounds):
            for starts_s, clicks_s in blocks:
                samples = np.zeros(round((max(clicks_s) + 0.5) * RATE), np.int16)
                for click_s in clicks_s if number == tracks - 1 else ():
                    samples[round(click_s * RATE) :][:240] = 20_000
                frame = av.AudioFrame.from_ndarray(np.repeat(samples, sound.channels)[None], "s16", layout)
                frame.sample_rate, frame.pts, frame.time_base = RATE, round(starts_s * RATE), Fraction(1, RATE)
                packets += sound.encode(frame)
            packets += sound.encode()
        for packet in sorted(packets, key=lambda packet: Fraction(packet.dts or 0) * packet.time_base):
            container.mux(packet)
    return path


def span(path: Path, start_ms: int = 0, end_ms: int = 1000 * SECONDS, track: int = 0) -> SoundSpan:
    found = probe(path)
    assert found.place.origin_pts is not None
    origin_s = found.place.origin_pts * found.time_base
    return SoundSpan(LocalFile(path), found.place, origin_s, start_ms, end_ms, track)


def clicks_ms(one: SoundSpan) -> list[int]:
    """When it clicks, on the source's clock."""
    whole = np.zeros(one.length, np.int16)
    for at, samples in decoded(one):
        whole[at : at + len(samples)] = samples
    loud = np.flatnonzero(np.abs(whole) > 10_000)
    starts = loud[np.diff(loud, prepend=-1000) > 100]
    return [round(int(start) / 16) + one.start_ms for start in starts]


CLOCKS = {
    "from the start": ([(0.0, (0.5, 1.5))], (0, 3000), [500, 1500]),
    "a gap": ([(0.0, (0.5,)), (2.0, (0.25,))], (0, 3000), [500, 2250]),
    "it begins late": ([(1.25, (0.5,))], (0, 3000), [1750]),
    "a span, sought": ([(0.0, (0.5, 1.5, 2.25))], (1000, 2000), [1500]),
    "a span before any sound": ([(2.0, (0.25,))], (0, 1000), []),
}


@pytest.mark.parametrize("case", CLOCKS)
def test_sound_is_where_the_container_has_it(case: str, tmp_path: Path) -> None:
    blocks, (start_ms, end_ms), expected = CLOCKS[case]
    found = clicks_ms(span(write_sound(tmp_path / "clip.mkv", blocks), start_ms, end_ms))
    assert found == pytest.approx(expected, abs=2)


def test_pieces_reach_into_one_another_and_cover_the_span(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "clip.mkv", [(0.0, (0.5, 1.25))])
    for start_ms, end_ms, starts in ((0, 3000, [0, 800, 1600, 2400]), (0, 900, [0]), (200, 1300, [0, 800])):
        one = span(path, start_ms, end_ms)
        found = list(pieces(one, 1000, 200))
        assert [at for at, _ in found] == starts
        assert len(found) == count_pieces(one, 1000, 200)
        assert starts[-1] + len(found[-1][1]) // 16 == end_ms - start_ms
    loud = [at for at, samples in pieces(span(path), 1000, 200) if np.abs(samples).max(initial=0) > 10_000]
    assert loud == [0, 800]


def test_damage_is_told_with_its_time_or_counts_as_silence(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "clip.mkv", [(0.0, (0.5, 2.5))], codec="flac")
    with av.open(str(path)) as container:
        blocks = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    half = blocks[len(blocks) // 2]
    path.write_bytes(path.read_bytes().replace(half, bytes(len(half))))
    with pytest.raises(BadInput, match=r"The sound of .*clip.mkv cannot be decoded at 00:00:01.*; copy the file again"):
        list(decoded(span(path)))
    assert clicks_ms(replace(span(path), allow_damage=True)) == pytest.approx([500, 2500], abs=30)


def test_tracks(tmp_path: Path) -> None:
    two = write_sound(tmp_path / "two.mkv", [(0.0, (0.5,))], tracks=2, layout="stereo")
    assert [clicks_ms(span(two, track=track)) for track in (0, 1)] == [[], [500]]
    with pytest.raises(BadInput, match="has no sound track 2: it has 2, counted from 0"):
        list(decoded(span(two, track=2)))
    with pytest.raises(BadInput, match="has 20 channels, which cannot be mixed into one"):
        list(decoded(span(write_sound(tmp_path / "many.mkv", [(0.0, (0.5,))], layout="20C"))))
    mute = write_numbered(tmp_path / "mute.mp4", 10)
    assert (has_sound(LocalFile(two), span(two).place), has_sound(LocalFile(mute), span(mute).place)) == (True, False)
