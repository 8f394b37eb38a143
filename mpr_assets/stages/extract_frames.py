"""Stage `extract_frames`: the timeline sampled at even instants, as JPEG pictures and an index of them.

A picture stays on screen until the next one comes: what an instant shows is the last that came by then.

Which frames are taken is decided here. How files are decoded is in `mpr_resources.media.decoding`; where frames are
kept is not here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from typing import TypedDict

import numpy as np
import polars as pl
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from pydantic import Field, field_validator

from gpu_service.errors import BadInput
from gpu_service.likeness import frame_phash
from gpu_service.pictures import encode_jpeg
from mpr_assets.engine.checks import FRAMES_COVER_TIMELINE
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.overlays import preview_sheet
from mpr_assets.timelines.chunks import stream_place, timeline_ms
from mpr_resources.media.abrupt_changes import Changes
from mpr_resources.media.clock import clock
from mpr_resources.media.decoding import Deinterlace, Media, open_media
from mpr_resources.media.geometry import Geometry
from mpr_resources.media.pixels import color, to_pixels
from mpr_resources.media.streams import StreamPlace
from mpr_resources.storage.journal import Journal
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.pictures import PictureFolder
from mpr_resources.storage.tables import StageTable, TableHeader

CODE_VERSION = "4.3"

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "seq": pl.Int64,
    "chunk": pl.Int32,
    "source_pts": pl.Int64,
    "source_ms": pl.Int64,
    "timeline_ms": pl.Int64,
    "until_ms": pl.Int64,
    "width_px": pl.Int32,
    "height_px": pl.Int32,
    "phash": pl.UInt64,
    "size_bytes": pl.Int64,
    "cut_ms": pl.Int64,
    "panned": pl.Boolean,
}
"""`cut_ms`: when, on the timeline's clock, the picture changed abruptly between the frame before and this one, exact to
the frames that the decoder passed; null where it did not. `timeline_ms`: when the frame comes on, or the chunk's start
where it was on before. `panned`: whether all that changed since the frame before is that the camera moved, fast.
`until_ms`: when the source's next picture comes, sampled or not, or the chunk's end."""

MOST_NOTES = 10
"""So many changes of size are told."""

ENCODERS = 2
"""Threads that turn frames into JPEG while the next ones are decoded; each holds one frame."""


class ExtractFramesSettings(StageSettings):
    """How densely and in which quality the timeline is sampled."""

    fps: float = Field(2.0, gt=0, le=60, description="sampled frames per second of the timeline")
    jpeg_quality: int = Field(90, ge=1, le=100, description="JPEG quality of the stored frames")
    max_height_px: int | None = Field(
        2160, ge=64, le=16384, description="frames with a shorter side above this are shrunk; none: never"
    )
    decoder_threads: int = Field(
        0, ge=0, le=64, description="threads of the video decoder; 0: chosen by the number of cores"
    )
    background: str = Field(
        "black", description="what is seen through transparent pixels: a colour's name, or #rrggbb in quotes"
    )
    deinterlace: Deinterlace = Field(
        "auto",
        description="which frames show the lines of one moment alone; auto: those that the video calls interlaced",
    )
    allow_damage: bool = Field(False, description="true: skip frames that cannot be decoded instead of failing")

    @field_validator("background")
    @classmethod
    def _is_color(cls, given: str) -> str:
        color(given)
        return given


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


def extract(
    chunks: pl.DataFrame,
    settings: ExtractFramesSettings,
    open_media: Callable[[str, int, StreamPlace], Media] = open_media,
    progress: Callable[[int, int], None] | None = None,
    after: IndexRow | None = None,
) -> Iterator[ExtractedFrame]:
    """Sample the timeline: what each chunk shows at its start, and at each instant `k / fps` on the timeline's clock.

    The clock runs on across chunks. What an instant shows is the last picture that came by then, or the chunk's first
    where none did. Each picture is taken once: one that is held is one frame, and an `fps` above the source's gives
    every picture once.
    Decoding runs ahead of the consumer by a few frames only, whatever the length of the video.

    Args:
        chunks: the timeline's table.
        settings: see there.
        open_media: opens a source, given its path, the decoder's threads and the video stream.
        progress: told the number of frames done and the timeline's time reached, after each frame.
        after: the last frame that already exists; those that follow it are given, just as they would be without it.

    Yields:
        frames by `seq`, which is also by chunk and time.

    Raises:
        BadInput: a source cannot be opened or decoded; a chunk ends before its source's first picture.
    """
    seq = 0 if after is None else after["seq"] + 1
    for done, frame in enumerate(_encoded(_taken(chunks, settings, open_media, after), settings, seq), start=1):
        if progress is not None:
            progress(done, frame.row["timeline_ms"])
        yield frame


def index(rows: Iterable[IndexRow]) -> pl.DataFrame:
    """The table of the rows: SCHEMA."""
    return pl.DataFrame(list(rows), schema=SCHEMA, orient="row")


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
    chunks: pl.DataFrame,
    settings: ExtractFramesSettings,
    open_media: Callable[[str, int, StreamPlace], Media],
    after: IndexRow | None,
) -> Iterator[SampledFrame]:
    for row in chunks.iter_rows(named=True):
        if after is not None and row["chunk"] < after["chunk"]:
            continue
        chunk = ChunkRow(
            chunk=row["chunk"],
            source=row["source"],
            place=stream_place(row),
            start_ms=row["start_ms"],
            end_ms=row["end_ms"],
            timeline_start_ms=row["timeline_start_ms"],
        )
        with open_media(chunk["source"], settings.decoder_threads, chunk["place"]) as media:
            after_pts = after["source_pts"] if after is not None and after["chunk"] == chunk["chunk"] else None
            yield from _sample(media, chunk, settings, after_pts)


def _sample(
    media: Media, chunk: ChunkRow, settings: ExtractFramesSettings, after_pts: int | None
) -> Iterator[SampledFrame]:
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


def _encoded(
    taken: Iterable[SampledFrame], settings: ExtractFramesSettings, first_seq: int
) -> Iterator[ExtractedFrame]:
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


def _encode(seq: int, one: SampledFrame, settings: ExtractFramesSettings) -> ExtractedFrame:
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


def _frames_are_there(run: StageRun[ExtractFramesSettings], header: TableHeader) -> bool:
    return run.frame_folder(header.fingerprint).finished()


@declare_stage(
    name="extract_frames",
    description="Samples the timeline at regular intervals: JPEG frames, and an index with their exact times.",
    group="media",
    kinds={"video", "parquet"},
    settings=ExtractFramesSettings,
    schema=SCHEMA,
    columns={
        "cut_ms": "when the picture changed abruptly since the frame before, ms of the timeline; null: it did not",
        "panned": "whether the camera moved fast since the frame before, and nothing else changed",
        "phash": "perceptual hash of the picture: near for pictures that look alike",
        "size_bytes": "size of the stored JPEG picture",
        "source_ms": "time of the frame on its source's clock",
        "source_pts": "time of the frame as the container has it, in units of its time base",
        "timeline_ms": "time of the frame on the timeline's clock; the chunk's start where it was on screen before",
        "until_ms": "when the source shows its next picture, or the chunk's end, on the timeline's clock",
    },
    code_version=CODE_VERSION,
    inputs=("timeline",),
    complete=_frames_are_there,
    pictures=Keys.frames,
    draw=preview_sheet.as_it_is,
    checks=(FRAMES_COVER_TIMELINE,),
)
def stage(run: StageRun[ExtractFramesSettings], timeline: StageTable) -> Result:
    """The frames into storage, their index as the table."""
    folder = run.frame_folder(run.fingerprint)
    expected = round(timeline_ms(timeline.rows) * run.settings.fps / 1000)

    def open_source(source: str, threads: int, place: StreamPlace) -> Media:
        return open_media(run.sources.at(source), threads, place)

    with run.journal() as journal:
        # With damage allowed, what is decoded depends on where decoding began.
        rows = [] if run.settings.allow_damage else _there_already(journal, folder)

        def pictures() -> Iterator[tuple[int, bytes]]:
            after = rows[-1] if rows else None
            rest = extract(timeline.rows, run.settings, open_source, after=after)
            for frame in run.tracked(rest, expected - len(rows)):
                rows.append(frame.row)
                journal.keep(frame.row)
                yield frame.row["seq"], frame.jpeg

        folder.write(pictures())
    run.forget_others(Keys.frames)
    counts: dict[str, int | float] = {"frames": len(rows), "bytes": sum(row["size_bytes"] for row in rows)}
    return Result(index(rows), counts, notes=tuple(islice(_size_changes(rows), MOST_NOTES)))


def _size_changes(rows: Sequence[IndexRow]) -> Iterator[str]:
    """Where frames have another size than the one before in their chunk: a sentence each."""
    for before, row in pairwise(rows):
        sizes = [(one["width_px"], one["height_px"]) for one in (before, row)]
        if before["chunk"] == row["chunk"] and sizes[0] != sizes[1]:
            ((width, height), (then_width, then_height)) = sizes
            yield (
                f"at {clock(row['timeline_ms'])} the picture changes from {width}x{height} to "
                f"{then_width}x{then_height} pixels"
            )


def _there_already(journal: Journal, folder: PictureFolder) -> list[IndexRow]:
    """Rows of the frames that a run that was broken off has stored, up to the first that it has not."""
    stored = folder.numbers()
    rows: list[IndexRow] = []
    for row in journal.records():
        if row["seq"] > len(rows) or row["seq"] not in stored:
            break
        if row["seq"] == len(rows):  # less: it was stored again after it had been missing
            rows.append(row)
    return rows
