"""A timeline made from arguments of the command line: what they describe, and registering it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from gpu_service.errors import BadInput
from gpu_service.masking import without_secrets
from mpr_assets.definitions import storage_resource
from mpr_assets.runs.local_instance import profiles
from mpr_assets.runs.local_run import observe_first
from mpr_assets.runs.local_storage import storage
from mpr_assets.stages.timeline import check_media
from mpr_assets.timelines.partitions import register
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec, parse_chunk, recorded_time
from mpr_cli import terminal
from mpr_resources.media.sources import Sources, give, is_remote
from mpr_resources.names import name_of_file
from mpr_resources.storage.tables import hash_of


def timeline_spec(
    videos: Sequence[str | Path],
    profile: str,
    chunks: Sequence[str],
    brands: Path | None,
    name: str | None,
    streams: Sequence[str] = (),
    recorded: Sequence[str] = (),
    *,
    for_this_process: bool = False,
) -> TimelineSpec:
    """The spec that the arguments of `run` and `timeline create` describe, with everything that they name checked.

    `for_this_process`: it is run here, so that passwords and signatures in addresses, which are not stored, will do.

    Raises:
        BadInput: something in them cannot be used.
    """
    folder = profiles()
    folder.references(folder.load(profile), brands)
    spans: list[list[tuple[int | None, int | None]]] = [[] for _ in videos]
    for text in chunks:
        number, span = _of_video(text, len(videos), "chunk", "N:START-END")
        spans[number].append(parse_chunk(span))
    picked: list[int | None] = [None] * len(videos)
    for text in streams:
        number, stream = _of_video(text, len(videos), "stream", "N:STREAM")
        if not re.fullmatch("[0-9]{1,4}", stream):
            raise BadInput(f"The stream {stream!r} is not a number", "count the file's streams from 0, as ffprobe does")
        picked[number] = int(stream)
    recorded_at: list[str | None] = [None] * len(videos)
    for text in recorded:
        number, at = _of_video(text, len(videos), "time of recording", "N:TIME")
        recorded_at[number] = recorded_time(at)
    addresses = [str(video) for video in videos]
    for address in addresses:
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", address) and not is_remote(address):
            raise BadInput(
                f"MPR cannot read addresses like {address}", "give a path, s3://bucket/key or https://host/file"
            )
    may_be_stored = give if for_this_process else without_secrets
    stored = [may_be_stored(video) if is_remote(video) else _readable(Path(video)) for video in addresses]
    specs = [
        ChunkSpec(
            source=source,
            start_ms=start_ms,
            end_ms=end_ms,
            stream=stream,
            name=_as_given(video),
            recorded_at=at,
        )
        for video, source, of_video, stream, at in zip(addresses, stored, spans, picked, recorded_at, strict=True)
        for start_ms, end_ms in of_video or [(None, None)]
    ]
    if name is None:
        file = stored[0].partition("?")[0] if is_remote(addresses[0]) else addresses[0]
        name = name_of_file(Path(file).stem, "timeline")
    brand_file = _readable(brands) if brands else None
    sources = Sources(storage_resource(os.environ).s3_endpoint_url)
    version = None
    if any(is_remote(given) and given != kept for given, kept in zip(addresses, stored, strict=True)):
        # Who knows no password cannot look whether the files are others by now.
        version = hash_of({address: sources.at(address).state() for address in stored})
    spec = TimelineSpec(name=name, profile=profile, chunks=tuple(specs), brands=brand_file, version=version)
    check_media(spec, sources, lambda choice: terminal.err.print(f"mpr: {choice}"))
    return spec


def _of_video(text: str, videos: int, what: str, form: str) -> tuple[int, str]:
    """Which video, from 0, an option's value is of, and what it says of it."""
    number, colon, rest = text.partition(":") if videos > 1 else ("1", ":", text)
    if not colon or not re.fullmatch("[0-9]{1,9}", number) or not 1 <= int(number) <= videos:
        raise BadInput(f"The {what} {text!r} does not say which of the {videos} videos it belongs to", f"write {form}")
    return int(number) - 1, rest


def _readable(path: Path) -> str:
    """The absolute path, as text that can be stored."""
    try:
        return str(path.absolute()).encode().decode()
    except UnicodeEncodeError as error:
        raise BadInput(f"The path {str(path)!r} is not UTF-8", "rename the file") from error


def _as_given(video: str) -> str | None:
    """The path as the user gave it, where it is one below the current folder; None: the file's name will do."""
    path = Path(video)
    return None if is_remote(video) or path.is_absolute() or ".." in path.parts else path.as_posix()


def create_timeline(instance: dg.DagsterInstance, spec: TimelineSpec, *, replace: bool) -> None:
    """Register the timeline in Dagster and in the storage."""
    register(instance, storage(), spec, replace=replace)
    observe_first(instance, spec.name)
