"""The sources that the API knows: those of the registered timelines, and the files of the media store.

A source's id is a hash of its address, so that every process gives the same one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from gpu_service.errors import MprError, NotThere
from gpu_service.masking import without_secrets
from mpr_assets.automation.new_media import is_media
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage
from mpr_resources.storage.table_cache import TableCache


@dataclass(frozen=True)
class SourceChunk:
    """A span of the source that a timeline shows."""

    timeline: str
    chunk: int
    start_ms: int | None
    end_ms: int | None
    stream: int | None


@dataclass(frozen=True)
class ProbeData:
    """What a source really is; see `mpr_resources.media.probe`."""

    version: str
    duration_ms: int
    fps: str
    codec: str
    width_px: int
    height_px: int
    rotation_deg: int


@dataclass(frozen=True)
class KnownSource:
    """A video file. `probe`: null where no timeline that has it was materialized yet."""

    id: str
    address: str
    name: str
    in_media_store: bool
    size_bytes: int | None
    chunks: tuple[SourceChunk, ...] = field(default=())
    probe: ProbeData | None = None


def source_id(address: str) -> str:
    """The id of the source at an address."""
    return hashlib.sha256(address.encode(errors="surrogateescape")).hexdigest()[:16]


def known_sources(
    specs: Mapping[str, TimelineSpec | MprError], media: Storage, tables: TableCache, registered: Iterable[str] = ()
) -> list[KnownSource]:
    """All sources by their addresses.

    Args:
        specs: of the registered timelines; those that cannot be read have no sources.
        media: the media store.
        tables: where it stands what the materialized timelines' sources are.
        registered: addresses of those that somebody registered; see `registered_sources`.
    """
    found = {address: _of_chunk(ChunkSpec(source=address, start_ms=None, end_ms=None)) for address in registered}
    found |= {source.address: source for source in _of_store(media)}
    probes: dict[str, ProbeData] = {}
    for timeline, spec in sorted(specs.items()):
        if isinstance(spec, MprError):
            continue
        for number, chunk in enumerate(spec.chunks):
            known = found.get(chunk.source) or _of_chunk(chunk)
            part = SourceChunk(timeline, number, chunk.start_ms, chunk.end_ms, chunk.stream)
            found[chunk.source] = replace(known, chunks=(*known.chunks, part))
        if not all(chunk.source in probes for chunk in spec.chunks):
            probes |= _probed(tables, timeline)
    return [replace(found[address], probe=probes.get(address)) for address in sorted(found)]


def registered_sources(storage: Storage) -> list[str]:
    """The addresses that were registered."""
    keys = storage.list(Keys.source("").rstrip("/"))
    return sorted(json.loads(text)["address"] for text in storage.get_many(keys))


def register_source(storage: Storage, address: str) -> None:
    """Have a source known that no timeline need have."""
    storage.put(Keys.source(f"{source_id(address)}.json"), json.dumps({"address": address}).encode())


def forget_source(storage: Storage, name: str) -> None:
    """Take back that a source was registered; its id is the name. Timelines and the media store keep it."""
    storage.delete([Keys.source(f"{name}.json")])


def source_of(sources: Iterable[KnownSource], wanted: str) -> KnownSource:
    """The source of an id.

    Raises:
        NotThere: there is none.
    """
    found = next((source for source in sources if source.id == wanted), None)
    if found is None:
        raise NotThere(f"There is no source {wanted[:40]!r}", "GET /detect/sources lists them")
    return found


def _of_store(media: Storage) -> list[KnownSource]:
    entries, _ = media.readable_entries()
    return [
        KnownSource(source_id(address), address, entry.key, True, entry.size_bytes)
        for entry in entries
        if is_media(entry.key)
        for address in [media.where(entry.key)]
    ]


def _of_chunk(chunk: ChunkSpec) -> KnownSource:
    name = chunk.name or PurePosixPath(without_secrets(chunk.source).partition("?")[0]).name
    return KnownSource(source_id(chunk.source), chunk.source, name, False, None)


def _probed(tables: TableCache, timeline: str) -> dict[str, ProbeData]:
    """What the stored table of chunks says of each source."""
    try:
        rows = tables.read("timeline", timeline).rows
    except MprError:  # nothing is stored, or by an earlier version: whoever opens the timeline is told
        return {}
    return {
        row["source"]: ProbeData(
            version=row["source_version"],
            duration_ms=row["duration_ms"],
            fps=f"{row['fps_num']}/{row['fps_den']}",
            codec=row["codec"],
            width_px=row["width_px"],
            height_px=row["height_px"],
            rotation_deg=row["rotation_deg"],
        )
        for row in rows.iter_rows(named=True)
    }
