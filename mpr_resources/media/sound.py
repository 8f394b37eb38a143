"""The sound of a video file on the source's clock, as `gpu_service.sound` has it: one channel, 16 kHz, 16 bits.

Which file, which span and which track is the stage's to say; what is heard is not known here. Opening is in `opening`,
the clock in `decoding`. Times of sound are believed as far as they agree with its length: where the two part by more
than `GAP_MS`, there is silence between, or the later sound takes the place of the earlier.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from gpu_service.errors import BadInput
from gpu_service.sound import RATE_HZ, Samples
from mpr_resources.media.clock import clock
from mpr_resources.media.opening import OpenVideo, open_video, reason
from mpr_resources.media.sources import Source
from mpr_resources.media.streams import StreamPlace
from mpr_resources.media.watched import got_on

GAP_MS = 40
"""Encoders round times and cut the first block of sound: less is no gap."""
LEAD_MS = 500
"""So much before its start a span is decoded from: a decoder needs some blocks to be right."""

Run: TypeAlias = tuple[int, Samples]
"""Sound without a gap: the number of its first sample, counted from the start of the span, and its samples."""


@dataclass(frozen=True)
class SoundSpan:
    """A span of a source's sound.

    Attributes:
        source: the file. place: the video stream that tells its clock.
        origin_s: where the source's clock shows 0, in seconds of the container's own clock.
        start_ms, end_ms: the span, half-open, on the source's clock.
        track: number among the file's sound tracks, from 0.
        allow_damage: what cannot be decoded counts as silence.
    """

    source: Source
    place: StreamPlace
    origin_s: Fraction
    start_ms: int
    end_ms: int
    track: int = 0
    allow_damage: bool = False

    @property
    def length(self) -> int:
        """Samples in it."""
        return (self.end_ms - self.start_ms) * RATE_HZ // 1000


def has_sound(source: Source, place: StreamPlace) -> bool:
    """Whether the file has a sound track.

    Raises:
        BadInput: it cannot be opened.
    """
    with closing(open_video(source, place)) as file:
        return bool(file.container.streams.audio)


def pieces(span: SoundSpan, piece_ms: int, overlap_ms: int) -> Iterator[tuple[int, Samples]]:
    """The span's sound in pieces that reach into one another, each with its start in ms from the start of the span.

    One piece is held at a time. The last may be shorter; where there is no sound, it is silent.

    Raises:
        BadInput: there is no such track, or it cannot be decoded.
    """
    long, step = piece_ms * RATE_HZ // 1000, (piece_ms - overlap_ms) * RATE_HZ // 1000
    first, held = 0, np.zeros(0, np.int16)
    for start, samples in decoded(span):
        while start + len(samples) > first:
            held = _placed(held, start - first, samples, long)
            if start + len(samples) < first + long:
                break
            yield first * 1000 // RATE_HZ, held
            first, held = first + step, held[step:]
    for _ in range(count_pieces(span, piece_ms, overlap_ms) - first // step):
        yield first * 1000 // RATE_HZ, _placed(held, min(long, span.length - first), np.zeros(0, np.int16), long)
        first, held = first + step, held[step:]


def count_pieces(span: SoundSpan, piece_ms: int, overlap_ms: int) -> int:
    """How many pieces `pieces` gives."""
    beyond_ms = span.end_ms - span.start_ms - piece_ms
    return 1 + max(0, -(-beyond_ms // (piece_ms - overlap_ms)))


def _placed(held: Samples, at: int, samples: Samples, most: int) -> Samples:
    """What is held, with these samples from a place on, silence before them where there is nothing; cut at `most`."""
    if at < 0:
        samples, at = samples[-at:], 0
    whole = np.zeros(min(max(len(held), at + len(samples)), most), np.int16)
    whole[: len(held)] = held[:most]
    if at < most:
        whole[at : at + len(samples)] = samples[: most - at]
    return whole


def decoded(span: SoundSpan) -> Iterator[Run]:
    """The span's sound, in blocks in the order of time.

    Raises:
        BadInput: there is no such track, or it cannot be decoded.
    """
    with closing(open_video(span.source, span.place)) as file:
        tracks = file.container.streams.audio
        if span.track >= len(tracks):
            there = f"it has {len(tracks)}, counted from 0" if tracks else "it has no sound"
            raise BadInput(
                f"{span.source.name} has no sound track {span.track}: {there}", "choose another with `track`"
            )
        yield from _runs(_frames(span, file, tracks[span.track]), span)


def _frames(span: SoundSpan, file: OpenVideo, track: AudioStream) -> Iterator[tuple[Fraction, AudioFrame]]:
    """Decoded blocks, each with its start in seconds from the start of the span."""
    starts_s = span.origin_s + Fraction(span.start_ms, 1000)
    lasts_s = Fraction(span.end_ms - span.start_ms, 1000)
    if span.start_ms > LEAD_MS and not span.place.from_byte:
        _seek(file.container, track, starts_s - Fraction(LEAD_MS, 1000))
    expected_s: Fraction | None = None
    try:
        for packet in file.container.demux(track):
            got_on()
            try:
                blocks = packet.decode()
            except av.FFmpegError as error:
                if not span.allow_damage:
                    raise _damaged(span, expected_s, error) from error
                continue
            for block in blocks:
                if block.pts is not None and block.time_base is not None:
                    expected_s = block.pts * block.time_base - starts_s
                if expected_s is None:
                    expected_s = -Fraction(span.start_ms, 1000)
                if expected_s >= lasts_s:
                    return
                yield expected_s, block
                expected_s += Fraction(block.samples, block.sample_rate)
    except av.FFmpegError as error:
        raise _damaged(span, expected_s, error) from error


def _seek(container: InputContainer, track: AudioStream, at_s: Fraction) -> None:
    """To some packet before the time, or to the first one where the container cannot."""
    assert track.time_base is not None
    try:
        container.seek(int(at_s / track.time_base), stream=track)
    except av.FFmpegError:
        container.seek(0)


def _runs(frames: Iterator[tuple[Fraction, AudioFrame]], span: SoundSpan) -> Iterator[Run]:
    """The blocks at the rate and with the channels wanted, placed by their times; what lies outside the span is cut."""
    resampler: av.AudioResampler | None = None
    form: tuple[str, str, int] | None = None
    at, came_in = 0, Fraction(0)
    starts_s = Fraction(0)
    for time_s, block in frames:
        new = block.format.name, block.layout.name, block.sample_rate
        if resampler is None or form != new or abs(time_s - starts_s - came_in) * 1000 > GAP_MS:
            if resampler is not None:
                yield from _cut(at, resampler.resample(None), span)
            resampler, form = av.AudioResampler("s16", "mono", RATE_HZ), new
            at, starts_s, came_in = round(time_s * RATE_HZ), time_s, Fraction(0)
        came_in += Fraction(block.samples, block.sample_rate)
        block.pts = None  # its time is known; the resampler would fill gaps of its own
        try:
            mixed = resampler.resample(block)
        except (av.FFmpegError, ValueError) as error:
            raise BadInput(
                f"The sound of {span.source.name} has {block.layout.nb_channels} channels, which cannot be mixed into "
                "one",
                "choose another with `track`, or convert it to stereo",
            ) from error
        yield from _cut(at, mixed, span)
        at += sum(one.samples for one in mixed)
    if resampler is not None:
        yield from _cut(at, resampler.resample(None), span)


def _cut(at: int, blocks: list[AudioFrame], span: SoundSpan) -> Iterator[Run]:
    for block in blocks:
        samples = block.to_ndarray().reshape(-1).astype(np.int16)
        start, end = max(0, -at), min(len(samples), span.length - at)
        if start < end:
            yield at + start, samples[start:end]
        at += len(samples)


def _damaged(span: SoundSpan, at_s: Fraction | None, error: av.FFmpegError) -> BadInput:
    at_ms = span.start_ms + round((at_s or Fraction(0)) * 1000)
    return BadInput(
        f"The sound of {span.source.name} cannot be decoded at {clock(max(0, at_ms))} ({reason(error)})",
        "copy the file again, or set allow_damage to take it for silence",
    )
