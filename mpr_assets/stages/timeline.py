"""Stage `timeline`: chunks of sources laid one after another on one clock, with what each source really is.

How a file is probed is in `mpr_resources.media.probe`; where specs are kept is not here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import polars as pl
from pydantic import Field

from gpu_service.errors import BadInput, PermanentError
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.timelines.chunks import timeline_ms
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec
from mpr_resources.media.clock import clock
from mpr_resources.media.fenced_reading import probed
from mpr_resources.media.probe import Probe
from mpr_resources.media.sources import Sources
from mpr_resources.storage.tables import hash_of

CODE_VERSION = "3"

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "chunk": pl.Int32,
    "source": pl.Utf8,
    "source_version": pl.Utf8,
    "start_ms": pl.Int64,
    "end_ms": pl.Int64,
    "timeline_start_ms": pl.Int64,
    "duration_ms": pl.Int64,
    "fps_num": pl.Int64,
    "fps_den": pl.Int64,
    "time_base_num": pl.Int64,
    "time_base_den": pl.Int64,
    "codec": pl.Utf8,
    "width_px": pl.Int32,
    "height_px": pl.Int32,
    "rotation_deg": pl.Int32,
    "stream": pl.Int32,
    "origin_pts": pl.Int64,
    "from_byte": pl.Int64,
    "pid": pl.Int32,
    "stream_choice": pl.Utf8,
}


class TimelineSettings(StageSettings):
    """Nothing to set: a timeline is its spec, and there is no report without it."""

    enabled: Literal[True] = Field(True, description="a timeline cannot be switched off")


def _probed(address: str, stream: int | None) -> Probe:
    return probed(Sources().at(address), stream)


def resolve(spec: TimelineSpec, probe: Callable[[str, int | None], Probe] = _probed) -> pl.DataFrame:
    """Lay the chunks on one clock.

    Args:
        spec: the timeline.
        probe: how a source is looked at, given its address and the number of a video stream, or None for the one to
            be shown; called once for each.

    Returns:
        SCHEMA, in the spec's order: one row a chunk, or several where its picture goes on from one stream to another.

    Raises:
        BadInput: the spec says that it cannot be used, there is no chunk, a source cannot be used, or a chunk lies
            outside its source.
    """
    if spec.refused:
        raise BadInput(spec.refused)
    if not spec.chunks:
        raise BadInput(f"The timeline {spec.name!r} has no chunk", "give it at least one video")
    probes: dict[tuple[str, int | None], Probe] = {}
    rows: list[dict[str, object]] = []
    timeline_ms = 0
    for number, chunk in enumerate(spec.chunks):
        asked = chunk.source, chunk.stream
        if asked not in probes:
            probes[asked] = probe(*asked)
        found = probes[asked]
        start_ms, end_ms = _span(number, chunk, found)
        # Where the picture goes on in another stream, so does the timeline in another chunk.
        pieces = [found, *found.goes_on]
        ends_ms = [piece.starts_ms for piece in found.goes_on] + [end_ms]
        for piece, piece_ends_ms in zip(pieces, ends_ms, strict=True):
            until_ms = min(piece_ends_ms, end_ms)
            if start_ms < until_ms:
                rows.append(_row(len(rows), chunk.source, found, piece, start_ms, until_ms, timeline_ms))
                timeline_ms += until_ms - start_ms
                start_ms = until_ms
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def check_media(spec: TimelineSpec, sources: Sources, say: Callable[[str], None]) -> None:
    """Look at the media that a spec names, before it is registered.

    `say`: is told which of several video streams of a file is used.

    Raises:
        BadInput: a source cannot be used, or a chunk lies outside its source.
    """

    def looked_at(address: str, stream: int | None) -> Probe:
        found = probed(sources.at(address), stream)
        if found.choice:
            say(f"{found.source}: {found.choice}")
        return found

    resolve(spec, looked_at)


def _span(number: int, chunk: ChunkSpec, found: Probe) -> tuple[int, int]:
    start_ms = 0 if chunk.start_ms is None else chunk.start_ms
    end_ms = found.duration_ms if chunk.end_ms is None else chunk.end_ms
    said = f"Chunk {number} ({clock(max(0, start_ms))} to {clock(max(0, end_ms))} of {chunk.source})"
    lasts = f"the source lasts {clock(found.duration_ms)}"
    if start_ms < 0:
        raise BadInput(f"{said} starts before the source does", f"start it at 0 ms or later ({lasts})")
    if start_ms >= found.duration_ms:
        raise BadInput(f"{said} starts after the source ends", f"{lasts}, so start it earlier")
    if end_ms > found.duration_ms:
        raise BadInput(f"{said} reaches past the end of the source", f"{lasts}, so end it there or leave its end out")
    if end_ms <= start_ms:
        raise BadInput(f"{said} ends at or before its start", f"put the earlier time first ({lasts})")
    return start_ms, end_ms


def _row(
    number: int, source: str, whole: Probe, found: Probe, start_ms: int, end_ms: int, timeline_ms: int
) -> dict[str, object]:
    """`whole`: the source; `found`: the stream of it that the chunk is read from."""
    return {
        "chunk": number,
        "source": source,
        "source_version": found.version,
        "start_ms": start_ms,
        "end_ms": end_ms,
        "timeline_start_ms": timeline_ms,
        "duration_ms": whole.duration_ms,
        "fps_num": found.fps.numerator,
        "fps_den": found.fps.denominator,
        "time_base_num": found.time_base.numerator,
        "time_base_den": found.time_base.denominator,
        "codec": found.codec,
        "width_px": found.width_px,
        "height_px": found.height_px,
        "rotation_deg": found.rotation_deg,
        "stream": found.place.number,
        "origin_pts": found.place.origin_pts,
        "from_byte": found.place.from_byte,
        "pid": found.place.pid,
        "stream_choice": whole.choice,
    }


def _files(run: StageRun[TimelineSettings]) -> dict[str, str]:
    """The spec, and size and time of each file: another file under the same name is another timeline."""
    # What a source is called changes nothing of what is found in it.
    state = {"spec": hash_of(run.spec.model_dump(include={"chunks": {"__all__": {"source", "start_ms", "end_ms"}}}))}
    # Left out where none is picked, as specs had none once.
    picked = [[number, chunk.stream] for number, chunk in enumerate(run.spec.chunks) if chunk.stream is not None]
    if picked:
        state["streams"] = hash_of(picked)
    if run.spec.version:
        return state | {"version": run.spec.version}
    for address in {chunk.source for chunk in run.spec.chunks}:
        try:
            state[address] = run.sources.at(address).state()
        except PermanentError as error:  # the probe says it too, in the run that this leads to
            state[address] = f"not there: {error}"
    return state


@declare_stage(
    name="timeline",
    description="Puts the chunks on one clock and probes each source: what its container declares, and what is in it.",
    group="media",
    kinds={"video", "parquet"},
    settings=TimelineSettings,
    schema=SCHEMA,
    columns={
        "codec": "FFmpeg's name of the video's codec",
        "duration_ms": "length of the whole source",
        "fps_den": "denominator of the source's frame rate",
        "fps_num": "numerator of the source's frame rate",
        "rotation_deg": "clockwise turn from the coded picture to the displayed one",
        "source_version": "hash of the source's video: equal for equal content, wherever the file lies",
        "time_base_den": "denominator of the seconds that a unit of pts lasts",
        "time_base_num": "numerator of the seconds that a unit of pts lasts",
        "timeline_start_ms": "where the chunk begins on the timeline's clock",
        "source": "path or address of the video",
        "start_ms": "start of the chunk on its source's clock",
        "stream": "number of the video stream in its file, counted from 0 with sound and data",
        "origin_pts": "where the source's clock shows 0, in units of the stream's time base",
        "from_byte": "where reading of a stream begins that begins later in its file; else 0",
        "pid": "PID of such a stream; else 0",
        "stream_choice": "of several video streams the one used, and those left aside; empty where there is one",
        "end_ms": "end of the chunk, which does not belong to it, on its source's clock",
        "height_px": "height of the source's picture as displayed",
        "width_px": "width of the source's picture as displayed",
    },
    code_version=CODE_VERSION,
    depends_on=_files,
)
def stage(run: StageRun[TimelineSettings]) -> Result:
    """The timeline's chunks."""
    notes: list[str] = []

    def looked_at(address: str, stream: int | None) -> Probe:
        found = probed(run.sources.at(address), stream)
        notes.extend(f"{found.source}: {note}" for note in (found.choice, *found.notes) if note)
        return found

    chunks = resolve(run.spec, looked_at)
    counts = {"duration_ms": timeline_ms(chunks), "sources": chunks["source"].n_unique()}
    return Result(chunks, {**counts}, notes=tuple(notes))
