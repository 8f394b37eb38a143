"""Trying a stage on some frames: other settings, and at once what would be found, and how. Nothing is stored."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic import BaseModel, Field, JsonValue

from gpu_service.errors import BadInput, MprError
from gpu_service.pictures import encode_png
from gpu_service.routines import DebugPictures
from mpr_api.access.refusals import ErrorAnswer, status_of_error
from mpr_api.routes.events import HEADERS
from mpr_api.routes.jobs import target_of
from mpr_api.world.backend import LOG, Asking, Backend, Client, Shared, StageOfPath, TimelineId, stage_named
from mpr_api.world.turns import Superseded, Tell, TrialProgress
from mpr_assets.definitions import BY_NAME
from mpr_assets.engine.overrides import FrameChoice, Overrides
from mpr_assets.engine.stage import Stage
from mpr_assets.runs.try_stage import Trial, try_stage

router = APIRouter(tags=["replay loop"])

MOST_FRAMES = 1000
Seq = Annotated[int, Field(ge=0, le=999_999_999)]


class TryBody(BaseModel):
    """What is to be tried."""

    overrides: dict[str, JsonValue] = Field(
        {}, description="settings laid over the profile's", examples=[{"min_confidence": 0.4}]
    )
    frames: list[Seq] | None = Field(
        None, min_length=1, max_length=MOST_FRAMES, description="by seq; null: a few over the whole timeline"
    )
    debug: bool = Field(False, description="whether overlays are drawn too")
    stream: bool = Field(False, description="whether the answer is a stream of events, which tells the progress")


class TrialAnswer(BaseModel):
    """What a stage gives on some frames."""

    timeline: str
    stage: str
    frames: list[int] = Field(description="that it was tried on: kept ones that stand for those asked for")
    settings: dict[str, JsonValue] = Field(description="of the stage, as the profile and the overrides make them")
    overrides: dict[str, JsonValue] = Field(description="what is not as in the profile")
    without_effect: dict[str, str] = Field(description="settings that nothing looks at as the others are, and why")
    rows: list[dict[str, Any]] = Field(description="of the stage's table")
    counts: dict[str, int | float]
    overlays: dict[int, dict[str, str]] = Field(description="by frame, then name: PNG in base64")
    took_ms: float = Field(description="that the stage took, overlays included")


class ReplayStageBody(BaseModel):
    """The older service's request."""

    job_id: str | None = Field(None, max_length=400, description="a run of the timeline, or the timeline's name")
    timeline_id: str | None = Field(None, max_length=400)
    stage: str = Field(max_length=100, examples=["detect_edges"])
    frame_refs: list[Seq] | None = Field(None, min_length=1, max_length=MOST_FRAMES)
    config_overrides: dict[str, JsonValue] = Field({})
    debug: bool = False


class FoundRegion(BaseModel):
    x: int
    y: int
    w: int
    h: int
    confidence: float
    label: str


class DebugOverlays(BaseModel):
    """Pictures in base64, PNG; null where the stage draws none of the kind."""

    edge_overlay_b64: str | None
    lines_overlay_b64: str | None
    horizontal_count: int | None
    pair_count: int | None
    overlays: dict[str, str] = Field(description="all of them by name")


class ReplayStageAnswer(BaseModel):
    """The older service's answer."""

    status: str
    stage: str
    frame_count: int
    region_count: int
    regions_by_frame: dict[int, list[FoundRegion]]
    debug: dict[int, DebugOverlays]


@router.post(
    "/timeline/{timeline}/try/{stage}",
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "with `stream`: `progress`, then `end` or `error`"},
        409: {"model": ErrorAnswer, "description": "a newer request with the same MPR-Client took its place"},
        429: {"model": ErrorAnswer, "description": "more often than the server answers"},
    },
)
def try_on_frames(
    timeline: TimelineId, stage: StageOfPath, body: TryBody, backend: Shared, client: Asking
) -> TrialAnswer:
    """Run a stage on some frames with other settings; gives its rows, and overlays where they are asked for.

    With the header MPR-Client a newer request cancels those before it (409, `superseded`). With `stream` the answer is
    a stream of events: what takes over 2 s tells `progress`, then comes `end` with the answer, or `error`.
    """
    backend.spec(timeline)
    backend.replays.take(client.host)
    if body.stream:
        return EventSourceResponse(  # type: ignore[return-value]  # the answer goes over the stream
            _streamed(lambda tell, gone: _answer(backend, timeline, stage, body, client, tell, gone)), headers=HEADERS
        )
    return _answer(backend, timeline, stage, body, client)


def _answer(
    backend: Backend,
    timeline: str,
    stage: Stage,
    body: TryBody,
    client: Client,
    tell: Tell | None = None,
    gone: threading.Event | None = None,
) -> TrialAnswer:
    began_s = time.perf_counter()
    trial = _try(backend, timeline, stage, body.overrides, body.frames, client, body.debug, tell, gone)
    took_ms = (time.perf_counter() - began_s) * 1000
    return TrialAnswer(
        timeline=timeline,
        stage=stage.name,
        frames=list(trial.seqs),
        settings=trial.settings.model_dump(mode="json"),
        overrides=trial.overrides.record(),
        without_effect=trial.settings.without_effect(),
        rows=trial.rows.fill_nan(None).to_dicts(),
        counts=dict(trial.counts),
        overlays={seq: _encoded(pictures) for seq, pictures in trial.overlays.items()},
        took_ms=round(took_ms, 2),
    )


async def _streamed(work: Callable[[Tell, threading.Event], TrialAnswer]) -> AsyncIterator[bytes]:
    """What a trial tells, as it goes over the wire. It is broken off when the client goes away."""
    loop, gone = asyncio.get_running_loop(), threading.Event()
    waiting: asyncio.Queue[tuple[str, str] | None] = asyncio.Queue()

    def put(told: tuple[str, str] | None) -> None:
        loop.call_soon_threadsafe(waiting.put_nowait, told)

    def tell(what: str, done: int, total: int) -> None:
        put(("progress", json.dumps({"what": what, "done": done, "total": total})))

    def run() -> None:
        try:
            answer = work(tell, gone)
            put(("end", answer.model_dump_json()))
        except MprError as error:
            put(("error", json.dumps(error.body() | {"status": status_of_error(error)})))
        finally:
            put(None)

    working = loop.run_in_executor(None, run)
    try:
        while (told := await waiting.get()) is not None:
            yield format_sse_event(event=told[0], data_str=told[1])
        await working
    finally:
        gone.set()


@router.post("/replay-stage")
def replay_stage(body: ReplayStageBody, backend: Shared, client: Asking) -> ReplayStageAnswer:
    """The same in the older service's shape; a stage without boxes has no regions."""
    stage, timeline = stage_named(body.stage), _timeline_of(backend, body)
    backend.spec(timeline)
    backend.replays.take(client.host)
    trial = _try(backend, timeline, stage, body.config_overrides, body.frame_refs, client, body.debug)
    regions: dict[int, list[FoundRegion]] = {seq: [] for seq in trial.seqs}
    if stage.has_boxes:
        for row in trial.rows.iter_rows(named=True):
            regions[row["seq"]].append(_region(row))
    return ReplayStageAnswer(
        status="completed",
        stage=stage.name,
        frame_count=len(trial.seqs),
        region_count=sum(map(len, regions.values())),
        regions_by_frame=regions,
        debug={seq: _debug(pictures, len(regions[seq])) for seq, pictures in trial.overlays.items()},
    )


def _try(
    backend: Backend,
    timeline: str,
    stage: Stage,
    settings: Mapping[str, JsonValue],
    frames: list[int] | None,
    client: Client,
    debug: bool,
    tell: Tell | None = None,
    gone: threading.Event | None = None,
) -> Trial:
    choice = None if frames is None else FrameChoice.parse(",".join(map(str, frames)))
    with backend.turns.of(client.name) as turn:

        def check() -> None:
            turn.check()
            if gone is not None and gone.is_set():
                raise Superseded

        return try_stage(
            stage,
            timeline,
            BY_NAME,
            backend.resources,
            overrides=Overrides(settings, choice),
            debug=debug,
            log=LOG,
            progress=TrialProgress(check, tell),
            tables=backend.table,
        )


def _timeline_of(backend: Backend, body: ReplayStageBody) -> str:
    """The timeline that is meant, named by itself or by one of its runs."""
    if body.timeline_id is not None:
        return body.timeline_id
    if body.job_id is None:
        raise BadInput("Neither `job_id` nor `timeline_id` is given", "send one of them")
    return target_of(backend, body.job_id)[0]


def _region(row: Mapping[str, Any]) -> FoundRegion:
    label = row.get("label") or row.get("brand") or row.get("text") or ""
    return FoundRegion(
        x=row["x"], y=row["y"], w=row["w"], h=row["h"], confidence=row.get("confidence", 1.0), label=label
    )


def _debug(pictures: DebugPictures, regions: int) -> DebugOverlays:
    encoded = _encoded(pictures)
    return DebugOverlays(
        edge_overlay_b64=encoded.get("edges"),
        lines_overlay_b64=encoded.get("lines"),
        horizontal_count=None,
        pair_count=regions if "lines" in encoded else None,
        overlays=encoded,
    )


def _encoded(pictures: DebugPictures) -> dict[str, str]:
    return {name: base64.b64encode(encode_png(picture)).decode() for name, picture in pictures.items()}
