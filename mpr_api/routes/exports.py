"""A timeline's report in other tools' formats; what cloud providers cost; the cache."""

from __future__ import annotations

import time
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from gpu_service.errors import NotThere
from mpr_api.access.refusals import ErrorAnswer
from mpr_api.world.backend import Shared, TimelineId
from mpr_assets.evidence.moment import BRAND_STAGES
from mpr_assets.exports.formats import FORMATS
from mpr_assets.exports.stored import read_report
from mpr_assets.runs.run_lock import refuse_at_work
from mpr_resources.cloud import ledger
from mpr_resources.cloud.old_objects import take_over
from mpr_resources.run_queue import unfinished_timelines
from mpr_resources.storage.cache_folders import CacheFolder, cache_folders, clear_folders, to_clear
from mpr_resources.storage.keys import Keys

router = APIRouter(tags=["exports"])
upkeep = APIRouter(tags=["upkeep"])

FILE = {200: {"content": {"application/octet-stream": {}}, "description": "the file"}, 404: {"model": ErrorAnswer}}


class ExportFormat(BaseModel):
    """A format that the report can be had in. `stored`: whether the profile has it made with every report."""

    format: str = Field(examples=["csv"])
    file_name: str
    stored: bool
    url: str


class CostsAnswer(BaseModel):
    """What requests to cloud providers cost. 1 000 000 `micro_usd` are one dollar."""

    by: str
    sums: list[ledger.CostSum]
    total: ledger.CostSum


class CachedFolder(BaseModel):
    """What can be computed again: frames, crops, overlays, trials, parts of results."""

    timeline_id: str
    kind: str
    objects: int
    size_bytes: int
    modified_ms: int = Field(description="when the last object was written, since 1970, UTC")


class CacheAnswer(BaseModel):
    """Folders of the cache, the oldest first."""

    folders: list[CachedFolder]
    size_bytes: int


@router.get("/timeline/{timeline}/exports")
def list_exports(timeline: TimelineId, backend: Shared) -> list[ExportFormat]:
    """The formats that a timeline's report can be had in."""
    backend.spec(timeline)
    return [
        ExportFormat(
            format=name,
            file_name=f"{timeline}.{one.suffix}",
            stored=backend.storage.exists(Keys.report(timeline, one.stored_name)),
            url=f"/detect/timeline/{timeline}/exports/{name}",
        )
        for name, one in FORMATS.items()
    ]


@router.get("/timeline/{timeline}/exports/{format}", response_class=Response, responses=FILE)  # type: ignore[arg-type]
def download_export(
    timeline: TimelineId,
    named: Annotated[str, Path(alias="format", max_length=40, examples=["csv"])],
    backend: Shared,
) -> Response:
    """The report of now in a format, as a file."""
    backend.spec(timeline)
    found = next((one for name, one in FORMATS.items() if name == named), None)
    if found is None:
        raise NotThere(f"{named!r} is no format of export", f"choose one of {', '.join(FORMATS)}")
    made = found.make(read_report(backend.storage, timeline, BRAND_STAGES))
    name = quote(f"{timeline}.{found.suffix}")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}", "X-Content-Type-Options": "nosniff"}
    return Response(made, media_type="application/octet-stream", headers=headers)


@upkeep.get("/costs")
def show_costs(
    backend: Shared, by: Annotated[ledger.By, Query(description="a row for each; days are of UTC")] = "provider"
) -> CostsAnswer:
    """Requests to cloud providers, with tokens and costs."""
    accounts = backend.resources.database
    take_over(accounts, backend.storage)
    *sums, total = ledger.sums(accounts, by)
    return CostsAnswer(by=by, sums=sums, total=total)


@upkeep.get("/cache")
def show_cache(
    backend: Shared,
    timeline: Annotated[str | None, Query(max_length=400, description="of this timeline only")] = None,
) -> CacheAnswer:
    """What the cache holds."""
    if timeline is not None:
        backend.spec(timeline)
    return _cached(cache_folders(backend.storage, timeline))


@upkeep.delete("/timeline/{timeline}/cache")
def clear_cache(timeline: TimelineId, backend: Shared) -> CacheAnswer:
    """Delete what can be computed again of a timeline; gives what it was. Tables, reports and scenarios are kept."""
    backend.spec(timeline)
    refuse_at_work(backend.instance, timeline)
    folders = to_clear(cache_folders(backend.storage, timeline), time.time(), larger_than_bytes=-1)
    cleared = clear_folders(backend.storage, folders, lambda: unfinished_timelines(backend.instance))
    backend.frames.forget(timeline)
    return _cached(cleared)


def _cached(folders: list[CacheFolder]) -> CacheAnswer:
    shown = [
        CachedFolder(
            timeline_id=one.timeline,
            kind=one.kind,
            objects=one.objects,
            size_bytes=one.size_bytes,
            modified_ms=round(one.modified_s * 1000),
        )
        for one in folders
    ]
    return CacheAnswer(folders=shown, size_bytes=sum(one.size_bytes for one in shown))
