"""Samples a timeline at even instants: which frames are taken, and each as a JPEG picture with its row of the index.

A picture stays on screen until the next one comes: what an instant shows is the last that came by then. How files are
decoded is in `mpr_resources.media.decoding`; where frames are kept is the stage's (`mpr_assets.stages.extract_frames`),
and the process that this runs in is `mpr_resources.media.fence`'s: it imports little, so that the process starts soon.
The settings as a profile has them are in `settings`: their package takes a quarter of what the others take to start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from typing_extensions import TypedDict

from gpu_service.errors import BadInput
from gpu_service.likeness import frame_phash
from gpu_service.pictures import encode_jpeg
from mpr_resources.media.abrupt_changes import Changes
from mpr_resources.media.clock import clock
from mpr_resources.media.decoding import Deinterlace, Media, open_media
from mpr_resources.media.geometry import Geometry
from mpr_resources.media.pixels import color, to_pixels
from mpr_resources.media.sources import Sources
from mpr_resources.media.streams import StreamPlace

ENCODERS = 2
"""Threads that turn frames into JPEG while the next ones are decoded; each holds one frame."""


@dataclass(frozen=True)
class Sampling:
    """How densely and in which quality is sampled: plain values of `ExtractFramesSettings`, which says what each is."""

    fps: float
    jpeg_quality: int
    max_height_px: int | None
    decoder_threads: int
    background: str
    deinterlace: Deinterlace
    allow_damage: bool


class IndexRow(TypedDict):
    """One row of SCHEMA."""

    seq: int
    chunk: int
    source_pts: int
    source_ms: int
    timeline_ms: int
    until_ms: int
    width_px: int
    height_px: int
    phash: int
    size_bytes: int
    cut_ms: int | None
    panned: bool


@dataclass(frozen=True)
class ExtractedFrame:
    """A frame taken: its row of the index, and the picture."""

    row: IndexRow
    jpeg: bytes


@dataclass(frozen=True)
class SampledFrame:
    """A frame chosen and decoded, not yet turned into a picture."""

    frame: VideoFrame
    geometry: Geometry
    alpha_is_filler: bool
    chunk: int
    source_pts: int
    source_ms: int
    timeline_ms: int
    until_ms: int
    cut_ms: int | None
    panned: bool


class ChunkRow(TypedDict):
    """The columns of the timeline's table that sampling reads."""

    chunk: int
    source: str
    place: StreamPlace
    start_ms: int
    end_ms: int
    timeline_start_ms: int


def sampled(
    chunks: Sequence[ChunkRow], settings: Sampling, sources: Sources, after: IndexRow | None
) -> Iterator[ExtractedFrame]:
    """As `extracted`, of the sources that the chunks name."""

    def open_source(source: str, threads: int, place: StreamPlace) -> Media:
        return open_media(sources.at(source), threads, place)

    return extracted(chunks, settings, open_source, after)


def extracted(
    chunks: Sequence[ChunkRow],
    settings: Sampling,
    open_media: Callable[[str, int, StreamPlace], Media],
    after: IndexRow | None,
) -> Iterator[ExtractedFrame]:
    """Sample the timeline: what each chunk shows at its start, and at each instant `k / fps` on the timeline's clock.

    The clock runs on across chunks. What an instant shows is the last picture that came by then, or the chunk's first
    where none did. Each picture is taken once: one that is held is one frame, and an `fps` above the source's gives
    every picture once. Decoding runs ahead of the consumer by a few frames only, whatever the length of the video.

    Args:
        open_media: opens a source, given its path, the decoder's threads and the video stream.
        after: the last frame that already exists; those that follow it are given, just as they would be without it.

    Yields:
        frames by `seq`, which is also by chunk and time.

    Raises:
        BadInput: a source cannot be opened or decoded; a chunk ends before its source's first picture.
    """
    seq = 0 if after is None else after["seq"] + 1
    return _encoded(_taken(chunks, settings, open_media, after), settings, seq)


def instants(timeline_start_ms: int, length_ms: int, fps: Fraction) -> list[Fraction]:
    """The instants `k * 1000 / fps` in `[timeline_start_ms, timeline_start_ms + length_ms)`, in ms of the timeline."""
    first = -(-timeline_start_ms * fps // 1000)
    last = -(-(timeline_start_ms + length_ms) * fps // 1000)
    return [k * 1000 / fps for k in range(int(first), int(last))]


def shown_at(pts: NDArray[np.int64], wanted: Iterable[Fraction]) -> list[int]:
    """For each wanted time the last pts that is not later, or the first where all are; each once.

    Args:
        pts: int64, shape (n,), ascending, not empty.
        wanted: ascending times, in units of pts.

    Example:
        >>> shown_at(np.array([5, 10, 20]), [Fraction(4), Fraction(15), Fraction(99)])
        [5, 10, 20]
    """
    at = np.searchsorted(pts, np.array([time // 1 for time in wanted], np.int64), "right") - 1
    shown: list[int] = pts[np.unique(np.maximum(at, 0))].tolist()
    return shown


def _taken(
    chunks: Sequence[ChunkRow],
    settings: Sampling,
    open_media: Callable[[str, int, StreamPlace], Media],
    after: IndexRow | None,
) -> Iterator[SampledFrame]:
    for chunk in chunks:
        if after is not None and chunk["chunk"] < after["chunk"]:
            continue
        with open_media(chunk["source"], settings.decoder_threads, chunk["place"]) as media:
            after_pts = after["source_pts"] if after is not None and after["chunk"] == chunk["chunk"] else None
            yield from _sample(media, chunk, settings, after_pts)


def _sample(media: Media, chunk: ChunkRow, settings: Sampling, after_pts: int | None) -> Iterator[SampledFrame]:
    times = media.times(chunk["start_ms"], chunk["end_ms"])
    if not len(times.pts):
        raise BadInput(
            f"Chunk {chunk['chunk']} ({clock(chunk['start_ms'])} to {clock(chunk['end_ms'])} of "
            f"{chunk['source']}) ends before the first picture of its source",
            "end it later, or leave it out",
        )
    shift = chunk["start_ms"] - chunk["timeline_start_ms"]
    fps = Fraction(str(settings.fps))
    unit_ms = 1000 * media.time_base
    length_ms = chunk["end_ms"] - chunk["start_ms"]
    at_ms = [Fraction(chunk["timeline_start_ms"]), *instants(chunk["timeline_start_ms"], length_ms, fps)]
    chosen = shown_at(times.pts, [media.origin_pts + (time + shift) / unit_ms for time in at_ms])
    until_ms = dict(zip(times.pts.tolist(), [*media.ms_of(times.pts[1:]).tolist(), chunk["end_ms"]], strict=True))
    if after_pts is not None:
        # From the frame that is there, since changes are told from one frame to the next.
        chosen = [pts for pts in chosen if pts >= after_pts]
    changes = Changes()

    def passing(frame: VideoFrame) -> None:
        changes.add(frame, media.geometry(frame))

    first = True
    for frame in media.pictures(
        chosen, times, deinterlace=settings.deinterlace, allow_damage=settings.allow_damage, passing=passing
    ):
        assert frame.pts is not None
        change = changes.until(frame.pts)
        cut_ms = None if first or change.cut_pts is None else media.ms(change.cut_pts) - shift
        panned = change.panned and not first
        first = False
        if frame.pts == after_pts:
            continue
        source_ms = media.ms(frame.pts)
        yield SampledFrame(
            frame=frame,
            geometry=media.geometry(frame),
            alpha_is_filler=media.alpha_is_filler,
            chunk=chunk["chunk"],
            source_pts=frame.pts,
            source_ms=source_ms,
            timeline_ms=max(source_ms, chunk["start_ms"]) - shift,
            until_ms=until_ms[frame.pts] - shift,
            cut_ms=cut_ms,
            panned=panned,
        )


def _encoded(taken: Iterable[SampledFrame], settings: Sampling, first_seq: int) -> Iterator[ExtractedFrame]:
    """Pictures in order, made by a few threads while the decoder works on."""
    waiting: deque[Future[ExtractedFrame]] = deque()
    with ThreadPoolExecutor(ENCODERS, "encode-jpeg") as pool:
        try:
            for seq, one in enumerate(taken, start=first_seq):
                waiting.append(pool.submit(_encode, seq, one, settings))
                if len(waiting) > ENCODERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _encode(seq: int, one: SampledFrame, settings: Sampling) -> ExtractedFrame:
    background = None if one.alpha_is_filler else color(settings.background)
    pixels = to_pixels(one.frame, one.geometry.aspect, one.geometry.turn, settings.max_height_px, background)
    jpeg = encode_jpeg(pixels, settings.jpeg_quality)
    height_px, width_px = pixels.shape[:2]
    row = IndexRow(
        seq=seq,
        chunk=one.chunk,
        source_pts=one.source_pts,
        source_ms=one.source_ms,
        timeline_ms=one.timeline_ms,
        until_ms=one.until_ms,
        width_px=width_px,
        height_px=height_px,
        phash=frame_phash(pixels),
        size_bytes=len(jpeg),
        cut_ms=one.cut_ms,
        panned=one.panned,
    )
    return ExtractedFrame(row, jpeg)
