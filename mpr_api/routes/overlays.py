"""Pictures that show what a stage found in a frame: drawn and stored by MPR, or stored by somebody who drew them."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from gpu_service.errors import BadInput, NotThere
from gpu_service.pictures import size_px
from mpr_api.access.refusals import ErrorAnswer
from mpr_api.world.backend import LOG, Backend, Shared, StageOfPath, TimelineId, stage_named
from mpr_assets.engine.open_run import stage_run
from mpr_assets.engine.overrides import NO_OVERRIDES
from mpr_assets.engine.stage import Stage
from mpr_assets.freshness.config_versions import node
from mpr_assets.freshness.event_log import read_made
from mpr_assets.freshness.judge import of_timeline
from mpr_assets.overlays.overlay_store import list_overlays, overlays, seen_in
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject

router = APIRouter(tags=["overlays"])

RUN = "^[0-9A-Za-z][0-9A-Za-z_-]{0,99}$"
NAME = "^[0-9A-Za-z][0-9A-Za-z_-]{0,59}$"
MOST_OVERLAYS = 20
Seq = Annotated[int, Path(ge=0, le=10**8 - 1, description="number of a frame")]
Job = Annotated[str, Path(pattern=RUN, description="the run that made what is shown")]
Name = Annotated[str, Path(pattern=NAME, description="name of an overlay", examples=["edges"])]
PNG = {
    200: {"content": {"image/png": {}}, "description": "the picture"},
    404: {"model": ErrorAnswer},
}


class StoreOverlays(BaseModel):
    """Overlays of one frame, drawn elsewhere."""

    timeline_id: str = Field(max_length=400)
    job_id: str = Field(pattern=RUN)
    stage: str = Field(max_length=100)
    seq: int = Field(ge=0, le=10**8 - 1)
    overlays: dict[str, str] = Field(
        min_length=1,
        max_length=MOST_OVERLAYS,
        description="by name: PNG in base64",
        examples=[{"edges": "iVBORw0KGgo="}],
    )


class Stored(BaseModel):
    status: str
    count: int


class OverlaidFrames(BaseModel):
    frames: list[int] = Field(description="by seq")


class OverlaysOfFrame(BaseModel):
    overlays: dict[str, str] = Field(description="by name: PNG in base64")


class DrawnOverlays(BaseModel):
    """What can be seen of a stage's stored result in a frame."""

    job_id: str = Field(description="the run that made the result")
    seq: int = Field(description="of the frame that is shown: the kept one, where another was asked for")
    names: list[str] = Field(description="in the order in which they are shown")
    urls: list[str]


@router.post("/overlays", status_code=201)
def store_overlays(body: StoreOverlays, backend: Shared) -> Stored:
    """Store overlays that a client drew."""
    backend.spec(body.timeline_id)
    stage = stage_named(body.stage)
    pictures = {_name(name): _png(name, text) for name, text in body.overlays.items()}
    place = (body.timeline_id, body.job_id, stage.name, body.seq)
    for name, picture in pictures.items():
        backend.storage.put(Keys.overlay(*place, name), picture)
    return Stored(status="stored", count=len(pictures))


@router.get("/overlays/{timeline}/{job}/{stage}")
def list_overlaid_frames(timeline: TimelineId, job: Job, stage: StageOfPath, backend: Shared) -> OverlaidFrames:
    """The frames of which overlays of a run are stored."""
    backend.spec(timeline)
    return OverlaidFrames(frames=sorted({seq for seq, _ in _kept(backend, timeline, job, stage)}))


@router.get("/overlays/{timeline}/{job}/{stage}/{seq}")
def overlays_of_frame(timeline: TimelineId, job: Job, stage: StageOfPath, seq: Seq, backend: Shared) -> OverlaysOfFrame:
    """A frame's stored overlays."""
    backend.spec(timeline)
    names = [name for of, name in _kept(backend, timeline, job, stage) if of == seq]
    if not names:
        raise NotThere(f"No overlay of {stage.name} is stored of the frame {seq} and the run {job}", "draw it first")
    stored = {name: backend.storage.get(Keys.overlay(timeline, job, stage.name, seq, name)) for name in sorted(names)}
    return OverlaysOfFrame(overlays={name: base64.b64encode(picture).decode() for name, picture in stored.items()})


@router.get("/overlays/{timeline}/{job}/{stage}/{seq}/{name}.png", response_class=Response, responses=PNG)  # type: ignore[arg-type]
def stored_overlay(
    timeline: TimelineId, job: Job, stage: StageOfPath, seq: Seq, name: Name, backend: Shared
) -> Response:
    """One stored overlay as a picture."""
    backend.spec(timeline)
    try:
        picture = backend.storage.get(Keys.overlay(timeline, job, stage.name, seq, name))
    except MissingObject as error:
        raise NotThere(f"No overlay {name!r} is stored of the frame {seq}", "ask which there are") from error
    return Response(picture, media_type="image/png", headers={"Cache-Control": "private, max-age=60"})


@router.get("/timeline/{timeline}/overlays/{stage}/{seq}")
def draw_overlays(timeline: TimelineId, stage: StageOfPath, seq: Seq, backend: Shared) -> DrawnOverlays:
    """Draw what a stage found in a frame, and how, from what is stored of it; once, then it is kept."""
    job_id, shown, names = _drawn(backend, timeline, stage, seq)
    urls = [f"/detect/overlays/{timeline}/{job_id}/{stage.name}/{shown}/{name}.png" for name in names]
    return DrawnOverlays(job_id=job_id, seq=shown, names=names, urls=urls)


def _drawn(backend: Backend, timeline: str, stage: Stage, seq: int) -> tuple[str, int, list[str]]:
    run = stage_run(stage, timeline, NO_OVERRIDES, backend.resources, LOG)
    shown = seen_in(stage, run, seq)
    made = of_timeline(read_made(backend.instance, [node(stage)], [timeline]), timeline)
    run_id = made[stage.name].run_id if stage.name in made else ""
    # What was made under another name has no run.
    run_id = run_id or run.stored(stage.name).header.fingerprint[:16]
    names = list_overlays(backend.storage, timeline, run_id, stage.name, shown)
    return run_id, shown, names or list(overlays(stage, run, run_id, shown))


def _kept(backend: Backend, timeline: str, job: str, stage: Stage) -> list[tuple[int, str]]:
    """Frame and name of each overlay that is stored."""
    folder = Keys.overlay(timeline, job, stage.name, 0, "").rpartition("/")[0]
    forms = (re.fullmatch(r"([0-9]{8})_(.+)\.png", key.rpartition("/")[2]) for key in backend.storage.list(folder))
    return [(int(form[1]), form[2]) for form in forms if form is not None]


def _name(name: str) -> str:
    if not re.fullmatch(NAME, name):
        raise BadInput(f"{name[:60]!r} is no name of an overlay", "use letters, digits, _ and -")
    return name


def _png(name: str, text: str) -> bytes:
    try:
        picture = base64.b64decode(text.partition(",")[2] if text.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput(f"The overlay {name!r} is not base64", "encode it") from error
    if not picture.startswith(b"\x89PNG\r\n"):
        raise BadInput(f"The overlay {name!r} is no PNG", "send PNG")
    size_px(picture)
    return picture
