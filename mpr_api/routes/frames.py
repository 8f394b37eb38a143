"""A timeline's frames: their index, and the pictures themselves."""

from __future__ import annotations

import re
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from gpu_service.errors import NotThere
from mpr_api.access.refusals import ErrorAnswer
from mpr_api.routes.pages import Cursor, EndMs, Limit, Page, StartMs, between, page, row_of_stage
from mpr_api.world.backend import Backend, Shared, TimelineId
from mpr_api.world.frame_pictures import MAX_WIDTH, MIN_WIDTH
from mpr_assets.definitions import BY_NAME
from mpr_assets.engine.stage_run import FRAME_INDEX, KEPT_FRAMES
from mpr_assets.timelines.chunks import timeline_ms
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.tables import hash_of

router = APIRouter(tags=["frames"])

FOR_GOOD = "private, max-age=31536000, immutable"
ASK_AGAIN = "private, no-cache"

_scenes = BY_NAME[KEPT_FRAMES]
FrameRow: Any = row_of_stage(
    "FrameRow",
    BY_NAME[FRAME_INDEX],
    {
        "shot": (int | None, Field(description=_scenes.columns["shot"] + "; null: scenes were not filtered yet")),
        "kept": (bool | None, Field(description=_scenes.columns["kept"])),
        "kept_seq": (int | None, Field(description=_scenes.columns["kept_seq"])),
        "reason": (str | None, Field(description="why it was kept or dropped")),
    },
)


class FramePage(Page[FrameRow]):
    """The frames of a window of time."""

    duration_ms: int = Field(description="of the whole timeline")
    version: str = Field(description="to be sent as `?v=` with a frame's path: its picture may then be kept for good")


@router.get("/timeline/{timeline}/frames", response_model=FramePage)
def list_frames(
    timeline: TimelineId,
    backend: Shared,
    start_ms: StartMs = None,
    end_ms: EndMs = None,
    cursor: Cursor = None,
    limit: Limit = 20_000,
) -> Response:
    """The frames of a timeline in order: when each is, its shot, and which kept frame stands for it."""
    backend.spec(timeline)
    index = backend.table(FRAME_INDEX, timeline)
    rows, versions = index.rows, [index.header.data_version]
    if backend.storage.exists(Keys.table(KEPT_FRAMES, timeline)):
        scenes = backend.table(KEPT_FRAMES, timeline)
        rows = rows.join(scenes.rows, on="seq", how="left", maintain_order="left")
        versions.append(scenes.header.data_version)
    else:
        none = {"shot": pl.Int32, "kept": pl.Boolean, "kept_seq": pl.Int64, "reason": pl.Utf8}
        rows = rows.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in none.items())
    shown = between(rows, start_ms, end_ms)
    duration_ms = timeline_ms(backend.table("timeline", timeline).rows)
    version = index.header.fingerprint[:16]
    return page(shown, hash_of(versions), cursor, limit, duration_ms=duration_ms, version=version)


@router.get(
    "/frames/{timeline}/{seq}.jpg",
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {}}, "description": "the picture"},
        304: {"description": "it is still the one that the ETag is of"},
        404: {"model": ErrorAnswer},
    },
)
def frame_picture(
    timeline: TimelineId,
    seq: Annotated[int, Path(ge=0, le=10**9, description="number of the frame")],
    request: Request,
    backend: Shared,
    width: Annotated[
        int | None, Query(ge=MIN_WIDTH, le=MAX_WIDTH, description="px; never more than the frame has")
    ] = None,
    v: Annotated[str | None, Query(pattern="^[0-9a-f]{16}$", description="`version` of the list of frames")] = None,
) -> Response:
    """A frame as JPEG. With `v` it may be kept for good; without, it is asked for again by its ETag."""
    version = v or _current_version(backend, timeline)
    etag = f'"{version}-{seq}-{width or 0}"'
    headers = {"ETag": etag, "Cache-Control": FOR_GOOD if v else ASK_AGAIN}
    if etag in re.split(r"\s*,\s*", request.headers.get("if-none-match", "").replace("W/", "")):
        return Response(status_code=304, headers=headers)
    return Response(_picture(backend, timeline, version, seq, width), media_type="image/jpeg", headers=headers)


def _current_version(backend: Backend, timeline: str) -> str:
    backend.spec(timeline)
    return backend.table(FRAME_INDEX, timeline).header.fingerprint[:16]


def _picture(backend: Backend, timeline: str, version: str, seq: int, width: int | None) -> bytes:
    try:
        return backend.frames.jpeg(timeline, version, seq, width)
    except NotThere:
        rows = backend.table(FRAME_INDEX, timeline).rows
        if version == _current_version(backend, timeline) and seq < rows.height:
            raise  # the cache was cleared
        there = f"its frames are 0 to {rows.height - 1}" if seq >= rows.height else "ask for the list of frames again"
        raise NotThere(f"The timeline {timeline!r} has no frame {seq} of version {version}", there) from None
