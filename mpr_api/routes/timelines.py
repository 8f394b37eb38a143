"""Timelines: listed with the state of their stages, shown, made and deleted."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from fastapi import APIRouter
from pydantic import BaseModel, Field, JsonValue

from gpu_service.errors import MprError
from mpr_api.access.roots import within
from mpr_api.world.backend import LOG, Backend, Shared, TimelineId
from mpr_api.world.media_library import known_sources, registered_sources, source_of
from mpr_assets.definitions import STAGES
from mpr_assets.engine.stage_run import FRAME_INDEX, KEPT_FRAMES, seconds_of
from mpr_assets.freshness.config_versions import observe
from mpr_assets.freshness.status import TimelineStatus, status_of
from mpr_assets.report.measures import measures
from mpr_assets.runs.delete_rename import delete_timeline
from mpr_assets.stages.timeline import check_media
from mpr_assets.timelines.chunks import timeline_ms
from mpr_assets.timelines.partitions import register, registered
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec
from mpr_assets.timelines.spec_store import load_specs
from mpr_resources.media.sources import Sources
from mpr_resources.names import name_of_file
from mpr_resources.storage.tables import StageTable

router = APIRouter(tags=["timelines"])

POSTER_WIDTH = 480


class StageAnswer(BaseModel):
    """The state of a stage's stored result, and what stands in it."""

    stage: str
    state: str = Field(description="fresh, stale, missing or overridden")
    causes: list[str] = Field(description="why it is stale, the nearest first")
    overrides: dict[str, JsonValue] = Field(description="settings of one run that it was made with")
    skipped: str | None = Field(description="why it was switched off; null: it was not")
    rows: int | None = Field(None, description="of its table; null where it was not looked up")
    seconds: float | None = Field(None, description="that it took; null where that is not known")
    data_version: str | None = Field(None, description="hash of its result's content")


class BrandOnScreen(BaseModel):
    brand: str
    screen_ms: int


class TimelineCard(BaseModel):
    """A timeline at a glance."""

    id: str = Field(examples=["match"])
    profile: str | None = Field(description="null: the timeline cannot be used, as its spec or its profile is gone")
    duration_ms: int | None = Field(description="null: it was not materialized yet")
    poster: str | None = Field(description="path of a picture")
    brands: list[BrandOnScreen] = Field(description="the longest on screen first")
    stages: list[StageAnswer]


class TimelineDetail(TimelineCard):
    """A timeline with what it is made of; stages with causes in full, rows and seconds."""

    chunks: list[ChunkSpec]
    brand_file: str | None
    frames: int | None
    kept_frames: int | None
    width_px: int | None
    height_px: int | None
    frames_version: str | None = Field(description="to be sent as `?v=` with a frame's path")


class ChunkBody(BaseModel):
    """A span of a source."""

    source: str = Field(max_length=4000, description="id of a source, a path or an address", examples=["/media/a.mp4"])
    start_ms: int | None = Field(None, ge=0, le=2**53, description="on the source's clock; null: its start")
    end_ms: int | None = Field(None, ge=0, le=2**53, description="null: its end")
    stream: int | None = Field(None, ge=0, le=9999, description="number of the video stream; null: the one shown")


class NewTimeline(BaseModel):
    """What a timeline is to be made of."""

    name: str | None = Field(None, max_length=400, description="null: made from the first source's", examples=["match"])
    profile: str = Field("generic", max_length=200)
    chunks: list[ChunkBody] = Field(min_length=1, max_length=1000)
    brands: str | None = Field(None, max_length=4000, description="path of a brand file; null: the profile's")
    replace: bool = Field(False, description="whether a timeline of this name is replaced")


class Created(BaseModel):
    id: str
    notes: list[str] = Field(description="which of several video streams is used")


class Deleted(BaseModel):
    id: str
    objects: int = Field(description="deleted from the storage")


@router.get("/timeline")
def list_timelines(backend: Shared) -> list[TimelineCard]:
    """All timelines by name, with the state of every stage."""
    return [_card(backend, status) for status in backend.statuses(registered(backend.instance))]


@router.get("/timeline/{timeline}")
def show_timeline(timeline: TimelineId, backend: Shared) -> TimelineDetail:
    """One timeline; of its stages what exactly has changed."""
    spec = backend.spec(timeline)
    status = status_of(backend.instance, STAGES, timeline, backend.resources, LOG)
    card = _card(backend, status)
    stored = {stage.stage: _stored(backend, timeline, stage.stage) for stage in card.stages}
    for stage in card.stages:
        table = stored[stage.stage]
        if table is not None:
            stage.rows, stage.data_version = table.rows.height, table.header.data_version
            stage.seconds = seconds_of(backend.storage, timeline, table.header)
    index, scenes = stored.get(FRAME_INDEX), stored.get(KEPT_FRAMES)
    first = index.rows.row(0, named=True) if index is not None and index.rows.height else None
    return TimelineDetail(
        **card.model_dump(),
        chunks=list(spec.chunks),
        brand_file=spec.brands,
        frames=index.rows.height if index is not None else None,
        kept_frames=int(scenes.rows["kept"].sum()) if scenes is not None else None,
        width_px=first["width_px"] if first else None,
        height_px=first["height_px"] if first else None,
        frames_version=index.header.fingerprint[:16] if index is not None else None,
    )


@router.post("/timeline", status_code=201)
def create_timeline(body: NewTimeline, backend: Shared) -> Created:
    """Register a timeline; its media are looked at first. Materialize it with POST /detect/run."""
    profiles, sources = backend.resources.profiles, Sources(backend.resources.storage.s3_endpoint_url)
    brands = within(body.brands, [*backend.config.roots, str(profiles.folder)]) if body.brands else None
    profiles.references(profiles.load(body.profile), Path(brands) if brands else None)
    addresses = _addresses(backend, [chunk.source for chunk in body.chunks])
    name = body.name or name_of_file(Path(addresses[0].partition("?")[0]).stem, "timeline")
    chunks = [
        ChunkSpec(source=address, start_ms=chunk.start_ms, end_ms=chunk.end_ms, stream=chunk.stream)
        for address, chunk in zip(addresses, body.chunks, strict=True)
    ]
    spec = TimelineSpec(name=name, profile=body.profile, chunks=tuple(chunks), brands=brands)
    notes: list[str] = []
    check_media(spec, sources, notes.append)
    register(backend.instance, backend.storage, spec, replace=body.replace)
    observe(backend.instance, STAGES, [name], backend.resources, LOG)
    return Created(id=name, notes=notes)


@router.delete("/timeline/{timeline}")
def remove_timeline(timeline: TimelineId, backend: Shared) -> Deleted:
    """Delete a timeline with its results, frames and reports; scenarios and costs are kept."""
    backend.spec(timeline)
    objects = delete_timeline(backend.instance, backend.storage, backend.registry, timeline, STAGES)
    return Deleted(id=timeline, objects=objects)


def _addresses(backend: Backend, sources: list[str]) -> list[str]:
    """Where the sources lie: those of an id, and those within the roots."""
    known = None
    found = []
    for source in sources:
        if len(source) == 16 and all(sign in "0123456789abcdef" for sign in source):
            if known is None:
                specs = load_specs(backend.storage, registered(backend.instance))
                known = known_sources(specs, backend.media, backend.tables, registered_sources(backend.storage))
            found.append(source_of(known, source).address)
        else:
            found.append(within(source, backend.config.roots))
    return found


def _card(backend: Backend, status: TimelineStatus) -> TimelineCard:
    chunks, exposures = (_stored(backend, status.timeline, stage) for stage in ("timeline", "compile_report"))
    index = _stored(backend, status.timeline, FRAME_INDEX)
    brands = measures(exposures.rows, chunks.rows) if exposures is not None and chunks is not None else None
    return TimelineCard(
        id=status.timeline,
        profile=status.profile,
        duration_ms=timeline_ms(chunks.rows) if chunks is not None and chunks.rows.height else None,
        poster=_poster(status.timeline, index, exposures),
        brands=[BrandOnScreen(brand=row["brand"], screen_ms=row["screen_ms"]) for row in brands.iter_rows(named=True)]
        if brands is not None
        else [],
        stages=[
            StageAnswer(
                stage=stage.stage,
                state=stage.state,
                causes=stage.causes,
                overrides=stage.overrides,
                skipped=stage.skipped,
            )
            for stage in status.stages
        ],
    )


def _poster(timeline: str, index: StageTable | None, exposures: StageTable | None) -> str | None:
    """The frame that proves the longest exposure, else the one in the middle."""
    if index is None or index.rows.is_empty():
        return None
    seq = int(index.rows["seq"][index.rows.height // 2])
    if exposures is not None and exposures.rows.height:
        longest = exposures.rows.sort(pl.col("end_ms") - pl.col("start_ms"), descending=True)
        seq = int(longest["best_seq"][0])
    return f"/detect/frames/{timeline}/{seq}.jpg?width={POSTER_WIDTH}&v={index.header.fingerprint[:16]}"


def _stored(backend: Backend, timeline: str, stage: str) -> StageTable | None:
    """The stage's table; None where there is none that can be read."""
    try:
        return backend.table(stage, timeline)
    except MprError:
        return None
