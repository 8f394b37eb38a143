"""What is told of a live session: `segment`, `detection`, `stream`, `end`, made of what is stored of it alone; and of
one that keeps a folder `frame` and `sound`, see `recorder_feed`.

So every process tells the same, and a listener that was away is told what it missed: an event's id says how many
segments, detections, frames and pieces of sound were told up to it. The messages of the older analyser are in
`old_live_messages`.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import polars as pl
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic import BaseModel

from gpu_service.errors import BadInput, MprError
from mpr_api.world.backend import LOG, Backend
from mpr_api.world.live_messages import (
    LiveDetection,
    LiveEpoch,
    LiveFrame,
    LiveLook,
    LiveMotion,
    LiveResult,
    LiveThing,
    LiveWindow,
)
from mpr_api.world.recorder_feed import RecorderFeed
from mpr_assets.corrections.applied import without_rejected
from mpr_assets.engine.stage_run import FRAME_INDEX, KEPT_FRAMES
from mpr_assets.report.objects import objects_of
from mpr_assets.sessions.session import Analysed, Window, timeline_of
from mpr_assets.sessions.session_store import SessionStore
from mpr_assets.stages import corrections
from mpr_assets.stages.compile_report import DETECTING
from mpr_live.control import AT_WORK, SessionStatus, status_of
from mpr_live.playlists import LISTED
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject

LOOK_S = 0.25
AFTER_ERROR_S = 5.0
PING_S = 15.0
LONGEST_S = 3600.0
"""A stream is ended after so long; a page then listens anew by itself."""
AT_ONCE = 20
"""So many windows are told of before others have their turn."""
ID = re.compile("([0-9]{1,7})[.]([0-9]{1,7})(?:[.]([0-9]{1,7})[.]([0-9]{1,7}))?")


class ToldSoFar(NamedTuple):
    """How much of a session was told: segments, detections, frames and pieces of sound."""

    segments: int
    detections: int
    frames: int = 0
    sounds: int = 0

    @property
    def id(self) -> str:
        """Of the event that was told last."""
        return ".".join(map(str, self if any(self[2:]) else self[:2]))


@dataclass(frozen=True)
class Standing:
    """How a session stood at a look: its status, how many windows are closed and had their turn, and what its recorder
    has kept.
    """

    status: SessionStatus
    closed: int
    analysed: int
    frames: int = 0
    sounds: int = 0

    def is_told(self, place: ToldSoFar) -> bool:
        """Whether all of it was."""
        there = (self.closed, self.analysed, self.frames, self.sounds)
        return all(told >= count for told, count in zip(place, there, strict=True))

    @property
    def is_over(self) -> bool:
        """Whether nothing comes any more; one that broke off may be started again, and goes on."""
        return self.status.state.status not in AT_WORK and self.status.ingest.ended


class LiveFeed:
    """The sessions as this process tells of them; one look serves all who listen. Thread-safe."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._recorders = RecorderFeed()
        self._looked: dict[str, tuple[float, asyncio.Task[Standing]]] = {}
        self._closing = False

    def close(self) -> None:
        """End all streams; from any thread."""
        self._closing = True

    @property
    def closing(self) -> bool:
        return self._closing

    async def standing(self, session: str) -> Standing:
        """How the session is, looked at no more often than every `LOOK_S`.

        Raises:
            NotThere: there is none of this name.
        """
        now_s = time.monotonic()
        looked = self._looked.get(session)
        if looked is None or (looked[1].done() and now_s - looked[0] >= LOOK_S):
            looked = (now_s, asyncio.create_task(asyncio.to_thread(self._look, session)))
            self._looked = {name: one for name, one in self._looked.items() if now_s - one[0] < PING_S}
            self._looked[session] = looked
        return await asyncio.shield(looked[1])

    def _look(self, session: str) -> Standing:
        status = status_of(self._backend.storage, session)
        kept = self._recorders.counts(status.session)
        return Standing(status, status.ingest.windows, status.analysed, *kept)

    async def listen(self, session: str, told: ToldSoFar | None) -> AsyncIterator[bytes]:
        """What is told of the session, as it goes over the wire, with comments that keep the connection open.

        Args:
            told: what the listener has; None: it begins with what a player may show, and with the next frame.
        """
        end_s = time.monotonic() + LONGEST_S
        spoke_s = time.monotonic()
        said: dict[str, Any] = {}
        place: ToldSoFar | None = told
        while not self._closing and time.monotonic() < end_s:
            try:
                standing = await self.standing(session)
                first = max(0, standing.closed - LISTED)
                place = place or ToldSoFar(first, min(first, standing.analysed), standing.frames, standing.sounds)
                batch = await asyncio.to_thread(self._batch, session, place, standing)
            except MprError as error:
                LOG.warning("The live session %s cannot be read: %s", session, error)
                await asyncio.sleep(AFTER_ERROR_S)
                continue
            for name, data, place in batch:
                yield _encoded(name, data, place)
            how = stream_event(standing)
            if how != said:
                yield _encoded("stream", how, None)
            elif batch:
                pass
            elif time.monotonic() - spoke_s > PING_S:
                yield KEEPALIVE_COMMENT
            else:
                if standing.is_over and standing.is_told(place):
                    yield _encoded("end", {"session": session, "status": how["status"]}, place)
                    return
                await asyncio.sleep(LOOK_S)
                continue
            said, spoke_s = how, time.monotonic()

    def _batch(self, session: str, place: ToldSoFar, standing: Standing) -> list[tuple[str, BaseModel, ToldSoFar]]:
        """What comes next, at most `AT_ONCE`: a window before what was found in it."""
        store = SessionStore(self._backend.storage, session)
        events: list[tuple[str, BaseModel, ToldSoFar]] = []
        while len(events) < AT_ONCE:
            event: tuple[str, BaseModel] | None = None
            if place.frames < standing.frames:
                event = "frame", self._recorders.frame(standing.status.session, place.frames)
                place = place._replace(frames=place.frames + 1)
            elif place.sounds < standing.sounds:
                event = "sound", self._recorders.sound(standing.status.session, place.sounds)
                place = place._replace(sounds=place.sounds + 1)
            elif place.detections < min(standing.analysed, place.segments):
                window, found = store.window(place.detections), store.analysed(place.detections)
                if window is not None and found is not None:
                    event = "detection", self.result(session, window, found)
                place = place._replace(detections=place.detections + 1)
            elif place.segments < standing.closed:
                window = store.window(place.segments)
                if window is not None:
                    event = "segment", told_window(session, window)
                place = place._replace(segments=place.segments + 1)
            else:
                break
            if event is not None:
                events.append((*event, place))
        return events

    def window(self, session: str, number: int) -> tuple[LiveWindow, LiveResult] | None:
        """A window and what was found in it; None: it had no turn yet."""
        store = SessionStore(self._backend.storage, session)
        window, found = store.window(number), store.analysed(number)
        if window is None or found is None:
            return None
        return told_window(session, window), self.result(session, window, found)

    def result(self, session: str, window: Window, found: Analysed) -> LiveResult:
        """What was found in a window."""
        timeline = timeline_of(session, window.number)
        try:
            frames = list(self._frames(timeline, window)) if found.status == "analysed" else []
        except MissingObject:  # it was deleted since
            frames = []
        return LiveResult(
            session=session,
            number=window.number,
            timeline_id=timeline,
            epoch=window.epoch.number,
            status=found.status,
            reason=found.reason,
            thinned=found.thinned,
            run_id=found.run_id,
            lag_ms=found.lag_ms,
            done_at_ms=round(found.done_s * 1000),
            frames=frames,
        )

    def _frames(self, timeline: str, window: Window) -> Iterator[LiveFrame]:
        chunk = self._backend.table("timeline", timeline).rows.row(0, named=True)
        unit = Fraction(chunk["time_base_num"], chunk["time_base_den"]) / window.epoch.time_base
        index = self._backend.table(FRAME_INDEX, timeline).rows.select("seq", "source_pts")
        kept = self._backend.table(KEPT_FRAMES, timeline).rows.select("seq", "kept_seq")
        tables = {one.name: self._backend.table(one.name, timeline).rows for one in DETECTING}
        rows = without_rejected(pl.concat([*tables.values()]), tables[corrections.stage.name])
        of_frame: dict[int, list[LiveDetection]] = {}
        for row in rows.drop_nulls("brand").iter_rows(named=True):
            shown = {name: row[name] for name in LiveDetection.model_fields}
            of_frame.setdefault(row["seq"], []).append(LiveDetection(**shown))
        looks = {seq: LiveLook(**row) for seq, row in self._measured("visual_properties", timeline, LiveLook)}
        moves = {seq: LiveMotion(**row) for seq, row in self._measured("motion", timeline, LiveMotion)}
        objects: dict[int, list[LiveThing]] = {}
        found = self._backend.table("detect_objects", timeline).rows
        for row in objects_of(found, tables["match_brands"]).iter_rows(named=True):
            shown = {name: row[name] for name in LiveThing.model_fields}
            objects.setdefault(row["seq"], []).append(LiveThing(**shown))
        before: int | None = None
        for _, source_pts, kept_seq in index.join(kept, on="seq", maintain_order="left").iter_rows():
            if kept_seq == before:
                continue
            before = kept_seq
            pts = round(source_pts * unit)
            yield LiveFrame(
                pts=pts,
                session_ms=window.epoch.session_ms(pts),
                detections=of_frame.get(kept_seq, []),
                objects=objects.get(kept_seq, []),
                look=looks.get(kept_seq),
                motion=moves.get(kept_seq),
            )

    def _measured(self, stage: str, timeline: str, told: type[BaseModel]) -> Iterator[tuple[int, dict[str, Any]]]:
        """What a stage measured of kept frames, by seq: the columns that are told. Nothing where none is stored, as of
        windows that an older MPR analysed."""
        if not self._backend.storage.exists(Keys.table(stage, timeline)):
            return
        first, *others = told.model_fields
        for row in self._backend.table(stage, timeline).rows.drop_nulls(first).iter_rows(named=True):
            yield row["seq"], {name: row[name] for name in (first, *others)}


def told_window(session: str, window: Window) -> LiveWindow:
    """A window as it is told."""
    epoch = window.epoch
    return LiveWindow(
        session=session,
        number=window.number,
        timeline_id=timeline_of(session, window.number),
        epoch=LiveEpoch(
            number=epoch.number,
            start_pts=epoch.start_pts,
            start_ms=epoch.start_ms,
            time_base=(epoch.time_base_num, epoch.time_base_den),
        ),
        start_pts=window.start_pts,
        end_pts=window.end_pts,
        start_ms=window.start_ms,
        end_ms=window.end_ms,
        closed_at_ms=round(window.closed_s * 1000),
        codec=window.codec,
        width_px=window.width_px,
        height_px=window.height_px,
    )


def stream_event(standing: Standing) -> dict[str, Any]:
    """How the session is."""
    one = standing.status
    return {
        "session": one.name,
        "status": one.state.status,
        "reason": one.state.reason,
        "windows": standing.closed,
        "analysed": standing.analysed,
        "recorded_ms": one.ingest.recorded_ms,
        "lag_ms": one.lag_ms,
        "happened": list(one.ingest.happened),
    }


def told_so_far(text: str | None) -> ToldSoFar | None:
    """What an event's id says; None: there is none.

    Raises:
        BadInput: it is none of this API's.
    """
    if text is None or text == "":
        return None
    form = ID.fullmatch(text)
    if form is None:
        raise BadInput("Last-Event-ID is not an id that this API gave out", "leave it out to begin anew")
    return ToldSoFar(*(int(one or 0) for one in form.groups()))


def _encoded(name: str, data: BaseModel | dict[str, Any], place: ToldSoFar | None) -> bytes:
    text = data.model_dump_json() if isinstance(data, BaseModel) else json.dumps(data, ensure_ascii=False)
    return format_sse_event(data_str=text, event=name, id=None if place is None else place.id)
