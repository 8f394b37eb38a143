"""Sources: video files that timelines show, and those of the media store that none shows yet."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from mpr_api.access.roots import within
from mpr_api.world.backend import Backend, Shared
from mpr_api.world.media_library import (
    KnownSource,
    ProbeData,
    SourceChunk,
    forget_source,
    known_sources,
    register_source,
    registered_sources,
    source_id,
    source_of,
)
from mpr_assets.timelines.partitions import registered
from mpr_assets.timelines.spec_store import load_specs
from mpr_resources.media.fenced_reading import probed
from mpr_resources.media.probe import Probe
from mpr_resources.media.sources import Sources

router = APIRouter(tags=["sources"])

SourceId = Annotated[str, Path(alias="source", pattern="^[0-9a-f]{16}$", description="id of a source")]


class SourceAnswer(BaseModel):
    """A video file."""

    id: str = Field(examples=["0123456789abcdef"])
    address: str = Field(description="path or address", examples=["/media/match.mp4"])
    name: str
    in_media_store: bool
    size_bytes: int | None = Field(description="of a file of the media store")
    timelines: list[str] = Field(description="the timelines that show some of it")
    chunks: list[SourceChunk]
    probe: ProbeData | None = Field(description="what it really is; null: no timeline of it was materialized yet")


class NewSource(BaseModel):
    address: str = Field(
        min_length=1, max_length=4000, description="path, or address in MPR_SOURCE_ROOTS", examples=["/media/a.mp4"]
    )


@router.post("/sources", status_code=201)
def create_source(body: NewSource, backend: Shared) -> SourceAnswer:
    """Register a video by its path or address, within the allowed roots; it is looked at first."""
    backend.uploads.take("sources")
    address = within(body.address, backend.config.roots)
    looked = probed(Sources(backend.resources.storage.s3_endpoint_url).at(address))
    register_source(backend.storage, address)
    answer = _answer(source_of(_known(backend), source_id(address)))
    answer.probe = answer.probe or _probe_data(looked)
    return answer


@router.delete("/sources/{source}", status_code=204)
def remove_source(source: SourceId, backend: Shared) -> None:
    """Take back that a source was registered. The file stays, and so do timelines that show it."""
    source_of(_known(backend), source)
    forget_source(backend.storage, source)


@router.get("/sources")
def list_sources(backend: Shared) -> list[SourceAnswer]:
    """Every source that is registered or lies in the media store, by address."""
    return [_answer(source) for source in _known(backend)]


@router.get("/sources/{source}")
def show_source(source: SourceId, backend: Shared) -> SourceAnswer:
    """One source; where no timeline's table says what it is, the file is looked at now."""
    found = source_of(_known(backend), source)
    answer = _answer(found)
    if answer.probe is None:
        looked = probed(Sources(backend.resources.storage.s3_endpoint_url).at(found.address))
        answer.probe = _probe_data(looked)
    return answer


@router.get("/sources/{source}/chunks")
def source_chunks(source: SourceId, backend: Shared) -> list[SourceChunk]:
    """The spans of a source that timelines show."""
    return list(source_of(_known(backend), source).chunks)


def _probe_data(looked: Probe) -> ProbeData:
    return ProbeData(
        version=looked.version,
        duration_ms=looked.duration_ms,
        fps=f"{looked.fps.numerator}/{looked.fps.denominator}",
        codec=looked.codec,
        width_px=looked.width_px,
        height_px=looked.height_px,
        rotation_deg=looked.rotation_deg,
    )


def _known(backend: Backend) -> list[KnownSource]:
    specs = load_specs(backend.storage, registered(backend.instance))
    return known_sources(specs, backend.media, backend.tables, registered_sources(backend.storage))


def _answer(source: KnownSource) -> SourceAnswer:
    timelines = sorted({chunk.timeline for chunk in source.chunks})
    return SourceAnswer.model_validate({**asdict(source), "timelines": timelines})
