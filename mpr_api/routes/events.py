"""Events of runs as they come: server-sent events, resumed by `Last-Event-ID`."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from fastapi.sse import EventSourceResponse

from gpu_service.errors import BadInput
from mpr_api.routes.jobs import JobId
from mpr_api.world.backend import Shared
from mpr_api.world.event_feed import EventFeed
from mpr_assets.runs.run_state import run_record
from mpr_resources.dagster_internals import last_event_of_run

router = APIRouter(tags=["events"])

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "events, until the stream is closed"}
}
LastEventId = Annotated[str | None, Header(description="the last id that was seen; a browser sends it by itself")]
AfterId = Annotated[
    str | None, Query(alias="last_event_id", max_length=30, description="the same, where no header can be sent")
]


@router.get(
    "/stream/{job}",
    response_class=Response,
    responses={**STREAM, 204: {"description": "the run has ended, and all of it was seen: do not come back"}},
)
def stream_job(
    job: JobId, request: Request, backend: Shared, last_event_id: LastEventId = None, after: AfterId = None
) -> Response:
    """The events of one run from its beginning, or since an id: `run`, `stage`, `progress`, `log`, `detection`, `end`.

    The stream is closed after `end`.
    """
    record = run_record(backend.instance, job)
    after_id = _id(last_event_id or after)
    ended = record.dagster_run.is_finished
    if ended and after_id is not None and after_id >= last_event_of_run(backend.instance, job):
        return Response(status_code=204)
    return EventSourceResponse(_feed(request).listen(job, after_id), headers=HEADERS)


@router.get("/events", response_class=Response, responses=STREAM)
def stream_all(request: Request, last_event_id: LastEventId = None, after: AfterId = None) -> Response:
    """The events of all runs from now on, or since an id.

    Those without an id, as `progress` and `log`, are told to those who listen, and not again.
    """
    return EventSourceResponse(_feed(request).listen(None, _id(last_event_id or after)), headers=HEADERS)


def _feed(request: Request) -> EventFeed:
    feed: EventFeed = request.app.state.feed
    return feed


def _id(text: str | None) -> int | None:
    if text is None or text == "":
        return None
    if not re.fullmatch("[0-9]{1,18}", text):
        raise BadInput("Last-Event-ID is not an id that this API gave out", "leave it out to begin anew")
    return int(text)
