"""Live sessions: started, listed, shown and stopped; their playlists, windows, report and events."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel, Field

from gpu_service.errors import NotThere
from mpr_api.access.refusals import Refused
from mpr_api.access.roots import within
from mpr_api.routes.events import HEADERS, STREAM, LastEventId
from mpr_api.world.backend import Backend, Shared
from mpr_api.world.live_feed import LiveFeed, ToldSoFar, told_so_far, told_window
from mpr_api.world.live_messages import LiveResult, LiveWindow
from mpr_assets.sessions.session import LiveSession, RecorderSettings, Window
from mpr_assets.sessions.session_report import REPORT, SessionReport
from mpr_assets.sessions.session_store import SessionStore
from mpr_live import control
from mpr_live.playlists import LISTED, MIME_TYPE, SEGMENT_TYPE, playlist
from mpr_live.sources.addresses import read_address
from mpr_resources.storage.store import MissingObject

router = APIRouter(tags=["live"])

PIECE_BYTES = 2**20
PLAYLIST: dict[int | str, dict[str, Any]] = {
    200: {"content": {MIME_TYPE: {}}, "description": "a media playlist of HLS (RFC 8216)"}
}
SEGMENT: dict[int | str, dict[str, Any]] = {
    200: {"content": {SEGMENT_TYPE: {}}, "description": "the file"},
    206: {"content": {SEGMENT_TYPE: {}}, "description": "the asked bytes of it"},
    410: {"description": "it was taken away, as the session keeps no more"},
    416: {"description": "it has no such bytes"},
}

SessionName = Annotated[
    str, Path(alias="session", max_length=90, description="name of a live session", examples=["derby"])
]
Number = Annotated[int, Path(ge=0, le=999_999, description="of a window, from 0")]


class NewSession(BaseModel):
    """What a live session is to be made of."""

    source: str = Field(
        min_length=1,
        max_length=4000,
        description="a path in MPR_SOURCE_ROOTS, or the address of a stream",
        examples=["/media/match.mp4", "https://host/live.m3u8"],
    )
    name: str = Field(max_length=90, description="its windows are timelines NAME-000000, …", examples=["derby"])
    profile: str = Field("generic", max_length=200)
    brands: str | None = Field(None, max_length=4000, description="path of a brand file; null: the profile's")
    window_ms: int = Field(10_000, ge=500, le=600_000, description="a window ends at the next keyframe after")
    speed: float = Field(1.0, gt=0, le=1000, description="of a file: how many times as fast as real time")
    pull: bool = Field(False, description="of rtmp at this machine: pull from the server there, not listen")
    recorder: str | None = Field(
        None, max_length=4000, description="folder in MPR_SOURCE_ROOTS for scene frames, sound and a growing MP4"
    )
    scene_threshold: float = Field(27.0, gt=0, le=255, description="of the recorder: change of colour of a scene")
    loop: bool = Field(False, description="of a file: whether it begins again at its end")
    keep_hours: float | None = Field(None, gt=0, description="older recordings are taken away; null: never")
    keep_gb: float | None = Field(None, gt=0, description="the oldest recordings beyond this are; null: never")


class LiveAnswer(BaseModel):
    """A session. Times in ms of the session; `lag_ms`: received and not analysed yet."""

    name: str
    source: str
    profile: str
    window_ms: int
    status: str = Field(description="starting, active, stopping, inactive or error")
    reason: str = Field(description="why it is so")
    epoch: int = Field(description="of its clock, from 0; -1 before the first picture")
    windows: int = Field(description="closed so far")
    analysed: int = Field(description="of them, those that had their turn")
    recorded_ms: int
    lag_ms: int
    restarts: int
    happened: list[str] = Field(description="the last things worth telling")
    zero_at_ms: int | None = Field(description="when the session's time was 0, since 1970, UTC; null: not yet")
    live_playlist: str = Field(description="path of the playlist that slides")
    whole_playlist: str = Field(description="path of the playlist of all windows; video on demand once it has ended")


class Captured(BaseModel):
    path: str = Field(description="of the picture, in the session's folder")
    session_ms: int = Field(description="time of the frame")


class LiveSettings(BaseModel):
    scene_threshold: float = Field(gt=0, le=255, description="change of colour that begins a scene")


@router.post("/live", status_code=201)
def start_live(body: NewSession, backend: Shared) -> LiveAnswer:
    """Begin a session, or go on with one that broke off; 409 where as many run as may, and says which."""
    profiles = backend.resources.profiles
    brands = None if body.brands is None else FilePath(within(body.brands, backend.config.roots))
    is_file = "://" not in body.source and not body.source.startswith("camera:")
    address = read_address(within(body.source, backend.config.roots) if is_file else body.source, pull=body.pull)
    # The commands that a recorder can run are for the command line alone.
    recorder = (
        RecorderSettings(
            folder=within(body.recorder, backend.config.roots),
            scene_threshold=body.scene_threshold,
            on_frame=None,
            on_sound=None,
        )
        if body.recorder is not None
        else None
    )
    profiles.references(profiles.load(body.profile), brands)
    asked = LiveSession(
        name=body.name,
        source=address.shown,
        kind=address.kind,
        profile=body.profile,
        brands=None if brands is None else str(brands),
        window_ms=body.window_ms,
        speed=body.speed,
        loop=body.loop,
        recorder=recorder,
        keep_hours=body.keep_hours,
        keep_gb=body.keep_gb,
        started_s=time.time(),
    )
    return _answer(backend, control.start(backend.storage, asked, address.whole))


@router.get("/live")
def list_live(backend: Shared) -> list[LiveAnswer]:
    """All sessions, by name."""
    return [_answer(backend, one) for one in control.statuses(backend.storage)]


@router.get("/live/{session}")
def show_live(session: SessionName, backend: Shared) -> LiveAnswer:
    """How a session is, and how far it has come."""
    return _answer(backend, control.status_of(backend.storage, session))


@router.post("/live/{session}/stop")
def stop_live(session: SessionName, backend: Shared) -> LiveAnswer:
    """Have a session end: its last window is closed and analysed before it does."""
    return _answer(backend, control.stop(backend.storage, session))


@router.post("/live/{session}/capture")
def capture_live(session: SessionName, backend: Shared) -> Captured:
    """Keep the newest frame of a session that keeps frames, at once."""
    path, session_ms = control.capture(backend.storage, session)
    return Captured(path=path, session_ms=session_ms)


@router.put("/live/{session}/settings", status_code=204)
def set_live(session: SessionName, body: LiveSettings, backend: Shared) -> None:
    """Change what may be changed while a session runs."""
    control.set_scene_threshold(backend.storage, session, body.scene_threshold)


@router.get("/live/{session}/report")
def live_report(session: SessionName, backend: Shared) -> SessionReport:
    """The brands so far, over all windows."""
    store = _store(backend, session)
    try:
        return SessionReport.model_validate_json(backend.storage.get(store.key(REPORT)))
    except MissingObject:
        raise NotThere(f"No window of the live session {session!r} is analysed yet", "wait for the first") from None


@router.get("/live/{session}/live.m3u8", response_class=Response, responses=PLAYLIST)
def live_playlist(session: SessionName, backend: Shared) -> Response:
    """The last windows, for players that follow the session."""
    return _playlist(backend, session, sliding=True)


@router.get("/live/{session}/session.m3u8", response_class=Response, responses=PLAYLIST)
def whole_playlist(session: SessionName, backend: Shared) -> Response:
    """All windows: it grows while the session runs, and is video on demand afterwards."""
    return _playlist(backend, session, sliding=False)


@router.get("/live/{session}/windows")
def list_windows(
    session: SessionName,
    backend: Shared,
    start: Annotated[int, Query(ge=0, le=999_999, description="number of the first")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="windows in an answer at most")] = 100,
) -> list[LiveWindow]:
    """The windows that are closed, in order."""
    return [told_window(session, one) for one in islice(_store(backend, session).windows(start), limit)]


@router.get("/live/{session}/windows/{number}.mp4", response_class=Response, responses=SEGMENT)
def window_file(session: SessionName, number: Number, request: Request, backend: Shared) -> Response:
    """A window, or some bytes of it."""
    store = _store(backend, session)
    window = _window(store, number)
    if number in store.removed():
        raise Refused(410, f"The recording of window {number} of the live session {session!r} was taken away")
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=3600, immutable",
        "ETag": f'"{window.sha256[:16]}"',
        "X-Content-Type-Options": "nosniff",
    }
    start, end, status = 0, window.size_bytes, 200
    asked = re.fullmatch(r"bytes=(\d{1,15})-(\d{0,15})", request.headers.get("range", ""))
    if asked is not None:
        start, end = int(asked[1]), min(end, int(asked[2] or window.size_bytes) + 1)
        if start >= end:
            raise Refused(416, f"The window has {window.size_bytes} bytes")
        status, headers["Content-Range"] = 206, f"bytes {start}-{end - 1}/{window.size_bytes}"
    headers["Content-Length"] = str(end - start)
    pieces = _pieces(backend, store.key(store.window_file(number)), start, end)
    return StreamingResponse(pieces, status, headers, media_type=SEGMENT_TYPE)


@router.get("/live/{session}/windows/{number}")
def window_result(session: SessionName, number: Number, backend: Shared, request: Request) -> LiveResult:
    """What was found in a window, picture by picture; the same as the event `detection` has."""
    store = _store(backend, session)
    window, found = _window(store, number), store.analysed(number)
    if found is None:
        raise NotThere(f"Window {number} of the live session {session!r} is not analysed yet", "wait for it")
    return live_feed(request).result(session, window, found)


@router.get(
    "/live/{session}/events",
    response_class=Response,
    responses={**STREAM, 204: {"description": "the session has ended, and all of it was seen: do not come back"}},
)
async def live_events(
    session: SessionName,
    request: Request,
    last_event_id: LastEventId = None,
    after: Annotated[
        str | None, Query(alias="last_event_id", max_length=30, description="the same, where no header can be sent")
    ] = None,
    start: Annotated[
        int | None, Query(ge=0, le=999_999, description="window to begin with; none: the first that is in live.m3u8")
    ] = None,
) -> Response:
    """`segment` (a window is closed), `detection` (what was found in it), `stream` (how the session is), `end`.

    Of a session with a `recorder`, on its machine, also `frame` and `sound`: what was kept in its folder.
    """
    feed = live_feed(request)
    told = told_so_far(last_event_id or after) or (ToldSoFar(start, start) if start is not None else None)
    standing = await feed.standing(session)
    if standing.is_over and told is not None and standing.is_told(told):
        return Response(status_code=204)
    return EventSourceResponse(feed.listen(session, told), headers=HEADERS)


def live_feed(request: Request) -> LiveFeed:
    """The feed of this process."""
    feed: LiveFeed = request.app.state.live_feed
    return feed


def _store(backend: Backend, session: str) -> SessionStore:
    """Of a session that is there."""
    store = SessionStore(backend.storage, session)
    store.session()
    return store


def _window(store: SessionStore, number: int) -> Window:
    window = store.window(number)
    if window is None:
        raise NotThere(f"The live session {store.name!r} has no window {number}")
    return window


def _pieces(backend: Backend, key: str, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        piece, _ = backend.storage.read_range(key, start, min(end, start + PIECE_BYTES))
        if not piece:  # it is shorter than when it was recorded: the answer ends before its length
            return
        yield piece
        start += len(piece)


def _playlist(backend: Backend, session: str, *, sliding: bool) -> Response:
    store = _store(backend, session)
    asked = store.session()
    ingest = store.ingest()
    first = max(0, ingest.windows - LISTED) if sliding else 0
    zero_s = _zero_s(store)
    windows = list(store.windows(first))
    text = playlist(
        windows,
        sliding=sliding,
        ended=ingest.ended,
        zero_s=zero_s or asked.started_s,
        window_ms=asked.window_ms,
        removed=store.removed(),
    )
    return Response(text, media_type=MIME_TYPE, headers={"Cache-Control": "no-cache"})


def _zero_s(store: SessionStore) -> float | None:
    first = store.window(0)
    return None if first is None else first.wall_s - first.start_ms / 1000


def _answer(backend: Backend, one: control.SessionStatus) -> LiveAnswer:
    zero_s = _zero_s(SessionStore(backend.storage, one.name))
    return LiveAnswer(
        name=one.name,
        source=one.session.source,
        profile=one.session.profile,
        window_ms=one.session.window_ms,
        status=one.state.status,
        reason=one.state.reason,
        epoch=one.ingest.epoch,
        windows=one.ingest.windows,
        analysed=one.analysed,
        recorded_ms=one.ingest.recorded_ms,
        lag_ms=one.lag_ms,
        restarts=one.state.restarts,
        happened=list(one.ingest.happened),
        zero_at_ms=None if zero_s is None else round(zero_s * 1000),
        live_playlist=f"/detect/live/{one.name}/live.m3u8",
        whole_playlist=f"/detect/live/{one.name}/session.m3u8",
    )
