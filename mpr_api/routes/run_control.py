"""Runs asked for and controlled: put into Dagster's queue, stopped, held, continued."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated

import dagster as dg
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, JsonValue

from gpu_service.errors import BadInput
from mpr_api.routes.jobs import JobOrTimeline, target_of
from mpr_api.world.backend import LOG, Backend, Shared, stage_named
from mpr_assets.definitions import BY_NAME, STAGES
from mpr_assets.engine.overrides import FrameChoice, Overrides
from mpr_assets.orchestration.launchpad import from_config
from mpr_assets.runs.queued_run import queue, run_config
from mpr_assets.runs.run_control import clear, downstream, hold, next_step, selection, stop, what_to_retry
from mpr_assets.runs.run_lock import refuse_at_work
from mpr_assets.runs.run_state import PAUSED, run_record, status_word
from mpr_resources.dagster_internals import daemon_is_alive
from mpr_resources.run_queue import AT_WORK, WAITING, pause_after_stage
from mpr_resources.storage.store import MissingObject

router = APIRouter(tags=["runs"])

NO_DAEMON = "No Dagster daemon is at work: the run waits until one is, as by `dagster dev` or `mpr serve --daemon`."
LOOK_S = 0.5
StageOverrides = Annotated[
    dict[str, dict[str, JsonValue]],
    Field(description="settings for this run only, by stage", examples=[{"detect_edges": {"edge_canny_low": 40}}]),
]


class RunBody(BaseModel):
    """What is to be run."""

    timeline_id: str = Field(max_length=400, examples=["match"])
    stages: list[str] | None = Field(None, min_length=1, max_length=100, description="these alone; null: all")
    start_stage: str | None = Field(None, max_length=100, description="this one and all that depend on it")
    through: str | None = Field(None, max_length=100, description="with `start_stage`: no further than this one")
    config_overrides: StageOverrides = {}
    frames: dict[str, list[int]] = Field({}, description="by stage: the only frames that it goes over")


class Queued(BaseModel):
    """A run that waits in Dagster's queue."""

    status: str
    job_id: str
    parent_id: str | None
    timeline_id: str
    stages: list[str]
    note: str | None = Field(description="what keeps it from being started, where that is known")


class ReplayBody(BaseModel):
    """The older service's request."""

    job_id: str = Field(max_length=400, description="a run, or a timeline's name")
    start_stage: str = Field(max_length=100)
    config_overrides: dict[str, JsonValue] = Field({}, description="settings of `start_stage`; or by stage")


class ReplayAnswer(BaseModel):
    """The older service's answer. `detections` and `brands_found` are told once the replay has ended."""

    status: str
    job_id: str
    replay_job_id: str
    start_stage: str
    detections: int | None
    brands_found: list[str] | None
    note: str | None


class RetryBody(BaseModel):
    job_id: str = Field(max_length=400, description="a run that did not end well, or a timeline's name")
    config_overrides: dict[str, JsonValue] = Field({}, description="of the stage that failed, like another provider")


class Controlled(BaseModel):
    """What became of a wish about a run. `job_id`: null where the timeline has none."""

    status: str
    job_id: str | None
    timeline_id: str
    waiting_runs: int = Field(0, description="runs in the queue that wait from now on, or may start")
    note: str | None = None


class StepAnswer(BaseModel):
    """`stage`: null where every stage was up to date; then there is no run."""

    status: str
    timeline_id: str
    stage: str | None
    causes: list[str]
    job_id: str | None
    note: str | None


class ClearBody(BaseModel):
    stage: str | None = Field(None, max_length=100, description="this one and all that depend on it; null: all")


class ClearAnswer(BaseModel):
    status: str
    timeline_id: str
    stages: list[str]
    objects: int


@router.post("/run", status_code=202)
def run(body: RunBody, backend: Shared) -> Queued:
    """Put a run into Dagster's queue; follow it with GET /stream/{job}."""
    backend.spec(body.timeline_id)
    stages = [stage_named(name).name for name in body.stages or ()]
    if body.start_stage is not None:
        if stages:
            raise BadInput("Both `stages` and `start_stage` are given", "give one of them")
        through = stage_named(body.through).name if body.through else None
        stages = selection(STAGES, stage_named(body.start_stage).name, through=through)
    elif body.through is not None:
        raise BadInput("`through` is given without `start_stage`", "give both")
    overrides = {
        stage_named(name).name: Overrides(body.config_overrides.get(name, {}), _choice(body.frames.get(name)))
        for name in {**body.config_overrides, **body.frames}
    }
    ordered = [name for name in BY_NAME if name in stages]
    return _queue(backend, body.timeline_id, ordered, overrides)


@router.post("/replay", status_code=202)
def replay(
    body: ReplayBody,
    backend: Shared,
    wait_s: Annotated[float, Query(ge=0, le=600, description="how long to wait for the replay's end")] = 0.0,
) -> ReplayAnswer:
    """Make a stage and all that depend on it again, with other settings, as a run of its own."""
    timeline, parent = target_of(backend, body.job_id)
    first = stage_named(body.start_stage).name
    queued = _queue(
        backend,
        timeline,
        selection(STAGES, first),
        {name: Overrides(settings) for name, settings in _by_stage(first, body.config_overrides).items()},
        parent=parent.run_id if parent else None,
    )
    end_s = time.monotonic() + wait_s
    status = queued.status
    while time.monotonic() < end_s and status in ("queued", "running"):
        time.sleep(LOOK_S)
        status = status_word(run_record(backend.instance, queued.job_id).dagster_run)
    detections, brands = _found(backend, timeline) if status == "success" else (None, None)
    return ReplayAnswer(
        status=status,
        job_id=parent.run_id if parent else body.job_id,
        replay_job_id=queued.job_id,
        start_stage=first,
        detections=detections,
        brands_found=brands,
        note=queued.note,
    )


@router.post("/retry", status_code=202)
def retry(body: RetryBody, backend: Shared) -> Queued:
    """Continue a run where it failed or was stopped, with its settings or with others."""
    timeline, before = target_of(backend, body.job_id)
    return _continue(backend, timeline, before, body.config_overrides)


@router.post("/stop/{job}")
def stop_job(
    job: JobOrTimeline,
    backend: Shared,
    force: Annotated[bool, Query(description="take it for ended whose process is gone")] = False,
) -> Controlled:
    """Cancel a run; what it has made is kept. Named by a timeline, all of its runs."""
    timeline, found = target_of(backend, job)
    only = found.run_id if found is not None and job == found.run_id else None
    became = stop(backend.instance, timeline, force=force, only=only)
    status = became[0].became if became else "ended before"
    note = None if status != "canceling" else "It ends once its present frame is done; `force` takes it for ended."
    return Controlled(status=status, job_id=found.run_id if found else None, timeline_id=timeline, note=note)


@router.post("/pause/{job}")
def pause_job(job: JobOrTimeline, backend: Shared) -> Controlled:
    """Hold a timeline: its queued runs wait, and a run at work ends once its present stage is made."""
    timeline, found = target_of(backend, job)
    waiting = hold(backend.instance, backend.storage, on=True, timeline=timeline)
    at_work = found is not None and found.status in AT_WORK
    if found is not None and at_work:
        pause_after_stage(backend.instance, found)
    return Controlled(
        status="pausing" if at_work else "held",
        job_id=found.run_id if found else None,
        timeline_id=timeline,
        waiting_runs=waiting,
    )


@router.post("/resume/{job}")
def resume_job(job: JobOrTimeline, backend: Shared) -> Controlled:
    """Release the hold of a timeline; what is left of a run that was paused is put into the queue."""
    timeline, found = target_of(backend, job)
    waiting = hold(backend.instance, backend.storage, on=False, timeline=timeline)
    if found is not None and status_word(found) == PAUSED:
        queued = _continue(backend, timeline, found, {})
        return Controlled(
            status=queued.status, job_id=queued.job_id, timeline_id=timeline, waiting_runs=waiting, note=queued.note
        )
    job_id = found.run_id if found else None
    return Controlled(status="released", job_id=job_id, timeline_id=timeline, waiting_runs=waiting)


@router.post("/pause-after-stage/{job}")
def pause_job_after_stage(job: JobOrTimeline, backend: Shared) -> Controlled:
    """Have a run end once its present stage is made; POST /resume/{job} continues it."""
    timeline, found = target_of(backend, job)
    if found is None or found.status not in [*AT_WORK, *WAITING]:
        raise BadInput(f"No run of the timeline {timeline!r} is in progress", "start one with POST /detect/run")
    pause_after_stage(backend.instance, found)
    return Controlled(status="pausing", job_id=found.run_id, timeline_id=timeline)


@router.post("/step/{job}", status_code=202)
def step_job(job: JobOrTimeline, backend: Shared) -> StepAnswer:
    """Make one stage: the first that is missing or stale."""
    timeline, found = target_of(backend, job)
    following = next_step(backend.instance, STAGES, timeline, backend.resources, LOG)
    if following is None:
        return StepAnswer(status="up to date", timeline_id=timeline, stage=None, causes=[], job_id=None, note=None)
    queued = _queue(backend, timeline, [following.stage], {}, parent=found.run_id if found else None)
    return StepAnswer(
        status=queued.status,
        timeline_id=timeline,
        stage=following.stage,
        causes=list(following.causes),
        job_id=queued.job_id,
        note=queued.note,
    )


@router.post("/clear/{job}")
def clear_job(job: JobOrTimeline, backend: Shared, body: ClearBody | None = None) -> ClearAnswer:
    """Delete a timeline's stored results, from a stage on; its spec, scenarios and history are kept."""
    timeline, _ = target_of(backend, job)
    first = body.stage if body is not None else None
    stages = downstream(STAGES, stage_named(first).name) if first is not None else [*BY_NAME]
    refuse_at_work(backend.instance, timeline)
    objects = clear(backend.instance, backend.storage, timeline, [BY_NAME[name] for name in stages])
    return ClearAnswer(status="cleared", timeline_id=timeline, stages=stages, objects=objects)


def _queue(
    backend: Backend,
    timeline: str,
    stages: list[str],
    overrides: Mapping[str, Overrides],
    *,
    parent: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Queued:
    """Check the overrides, and put the run into the queue."""
    profile = backend.resources.profiles.load(backend.spec(timeline).profile)
    config = run_config(profile, overrides)
    strangers = [name for name in config if stages and name not in stages]
    if strangers:
        raise BadInput(f"Settings are given for {', '.join(strangers)}, which the run does not make", "leave them out")
    made = queue(backend.instance, backend.job, timeline, stages=stages, config=config, parent=parent, tags=tags)
    note = None if daemon_is_alive(backend.instance) else NO_DAEMON
    status = status_word(made)
    if status == "held":
        note = f"The timeline {timeline!r} is on hold: the run waits until POST /detect/resume/{timeline}."
    return Queued(
        status=status,
        job_id=made.run_id,
        parent_id=parent,
        timeline_id=timeline,
        stages=stages or [*BY_NAME],
        note=note,
    )


def _continue(
    backend: Backend, timeline: str, before: dg.DagsterRun | None, changes: Mapping[str, JsonValue]
) -> Queued:
    """Queue what a run left undone."""
    if before is not None and not before.is_finished:
        raise BadInput(f"The run {before.run_id[:8]} has not ended yet", "wait for it, or stop it first")
    left = what_to_retry(backend.instance, [*BY_NAME], timeline, before)
    overrides = {stage: from_config(config) for stage, config in left.config.items()}
    first = left.stages[0]
    if changes:
        given = Overrides(changes).under_current_names(BY_NAME[first].settings)
        known = overrides.get(first, Overrides()).under_current_names(BY_NAME[first].settings)
        overrides[first] = known | given
    return _queue(backend, timeline, list(left.stages), overrides, parent=left.run_id, tags=left.tags)


def _by_stage(first: str, given: Mapping[str, JsonValue]) -> dict[str, dict[str, JsonValue]]:
    """Overrides by stage, where they may be those of one stage."""
    if given and all(name in BY_NAME and isinstance(value, dict) for name, value in given.items()):
        return {name: dict(value) for name, value in given.items() if isinstance(value, dict)}
    return {first: dict(given)} if given else {}


def _found(backend: Backend, timeline: str) -> tuple[int | None, list[str] | None]:
    """How many detections the report counts, and of which brands."""
    try:
        exposures = backend.table("compile_report", timeline).rows
    except MissingObject:
        return None, None
    return int(exposures["detections"].sum()), exposures["brand"].unique().sort().to_list()


def _choice(frames: list[int] | None) -> FrameChoice | None:
    return None if frames is None else FrameChoice.parse(",".join(map(str, frames)))
