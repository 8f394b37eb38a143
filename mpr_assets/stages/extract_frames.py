"""Stage `extract_frames`: the timeline sampled at even instants, as JPEG pictures and an index of them.

Which frames are taken, and how they become pictures, is decided in `mpr_assets.sampling`, which runs in a
process of its own (`mpr_resources.media.fence`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise

import polars as pl

from mpr_assets.engine.checks import FRAMES_COVER_TIMELINE
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.overlays import preview_sheet
from mpr_assets.sampling.frames import ChunkRow, ExtractedFrame, IndexRow, sampled
from mpr_assets.sampling.settings import ExtractFramesSettings
from mpr_assets.timelines.chunks import stream_place, timeline_ms
from mpr_resources.media.clock import clock
from mpr_resources.media.fence import fenced
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


def chunk_rows(chunks: pl.DataFrame) -> list[ChunkRow]:
    """What sampling reads of the timeline's table."""
    return [
        ChunkRow(
            chunk=row["chunk"],
            source=row["source"],
            place=stream_place(row),
            start_ms=row["start_ms"],
            end_ms=row["end_ms"],
            timeline_start_ms=row["timeline_start_ms"],
        )
        for row in chunks.iter_rows(named=True)
    ]


def index(rows: Iterable[IndexRow]) -> pl.DataFrame:
    """The table of the rows: SCHEMA."""
    return pl.DataFrame(list(rows), schema=SCHEMA, orient="row")


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
    with run.journal() as journal:
        # With damage allowed, what is decoded depends on where decoding began.
        rows = [] if run.settings.allow_damage else _there_already(journal, folder)

        def pictures() -> Iterator[tuple[int, bytes]]:
            after = rows[-1] if rows else None
            rest = fenced(ExtractedFrame, sampled, chunk_rows(timeline.rows), run.settings.plain(), run.sources, after)
            for frame in run.tracked(rest, expected - len(rows)):
                rows.append(frame.row)
                journal.keep(frame.row)
                yield frame.row["seq"], frame.jpeg

        there_already = [row["seq"] for row in rows]
        folder.write(pictures(), there_already)
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
