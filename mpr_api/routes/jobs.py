"""Runs as they stand: listed, and one with what became of each stage. A job is a Dagster run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Literal

import dagster as dg
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, JsonValue

from gpu_service.errors import NotThere
from mpr_api.world.backend import Backend, Shared
from mpr_assets.runs.run_lock import runs_of
from mpr_assets.runs.run_state import RunInfo, info_of, progress_of, run_record, runs, stages_in
from mpr_assets.timelines.partitions import registered
from mpr_resources.dagster_internals import PARTITION_NAME_TAG
from mpr_resources.run_queue import AT_WORK, WAITING

router = APIRouter(tags=["runs"])

JobId = Annotated[str, Path(alias="job", max_length=400, description="id of a run")]
JobOrTimeline = Annotated[
    str, Path(alias="job", max_length=400, description="id of a run; or the name of a timeline, of its last run")
]
MOST_JOBS = 500
FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
Status = Literal["queued", "running", "success", "failure", "canceled"]
STATUSES: Mapping[str, list[dg.DagsterRunStatus]] = {
    "queued": WAITING,
    "running": AT_WORK,
    "success": FINISHED[:1],
    "failure": FINISHED[1:2],
    "canceled": FINISHED[2:],
}


class Job(BaseModel):
    """A run of some stages of a timeline."""

    id: str
    parent_id: str | None = Field(description="the run that it replays or continues")
    timeline_id: str
    status: str = Field(description="queued, held, running, canceling, success, failure, canceled or paused")
    stages: list[str] = Field(description="those that it is to make")
    overrides: dict[str, dict[str, JsonValue]] = Field(description="settings that are not the profile's, by stage")
    asked_by: str
    created_ms: int = Field(description="since 1970, UTC")
    started_ms: int | None
    ended_ms: int | None


class JobProgress(BaseModel):
    """How far a run is: of its stage in progress, or, where `stage` is null, of its stages."""

    stage: str | None
    done: int
    total: int
    unit: str
    elapsed_ms: int | None
    left_ms: int | None = Field(description="null: not known yet")


class JobStage(BaseModel):
    stage: str
    status: str = Field(description="waiting, running, done, skipped, failed or stopped")
    error: str | None


class JobStatus(Job):
    """A run with what became of each of its stages."""

    progress: JobProgress | None = Field(description="while it is at work")
    stage_states: list[JobStage]
    error: str | None = Field(description="why it failed")


class JobPage(BaseModel):
    jobs: list[Job]
    next_cursor: str | None


@router.get("/status/{job}")
def job_status(job: JobOrTimeline, backend: Shared) -> JobStatus:
    """How a run stands: its progress, what became of each stage, why it failed."""
    _, found = target_of(backend, job)
    if found is None:
        raise NotThere(f"The timeline {job[:60]!r} has no run yet", "start one with POST /detect/run")
    return _status(backend, found.run_id)


@router.get("/jobs")
def list_jobs(
    backend: Shared,
    timeline: Annotated[str | None, Query(max_length=400, description="of this timeline only")] = None,
    status: Annotated[Status | None, Query()] = None,
    cursor: Annotated[str | None, Query(max_length=100, description="`next_cursor` of the answer before")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_JOBS)] = 100,
) -> JobPage:
    """Runs, the latest first."""
    if cursor is not None:
        run_record(backend.instance, cursor)
    statuses = STATUSES[status] if status is not None else []
    found = runs(backend.instance, timeline=timeline, statuses=statuses, cursor=cursor, limit=limit)
    return JobPage(jobs=[_job(one) for one in found], next_cursor=found[-1].run_id if len(found) == limit else None)


@router.get("/jobs/{job}")
def show_job(job: JobId, backend: Shared) -> JobStatus:
    """One run with what became of each of its stages."""
    return _status(backend, job)


def target_of(backend: Backend, job: str) -> tuple[str, dg.DagsterRun | None]:
    """The timeline and the run that are meant: a run by its id, or the last one of a timeline by its name.

    Raises:
        NotThere: neither is there.
    """
    found = backend.instance.get_run_by_id(job)
    if found is not None and PARTITION_NAME_TAG in found.tags:
        backend.spec(found.tags[PARTITION_NAME_TAG])
        return found.tags[PARTITION_NAME_TAG], found
    if job not in registered(backend.instance):
        raise NotThere(
            f"There is no job and no timeline {job[:60]!r}", "GET /detect/jobs and /detect/timeline list them"
        )
    at_work = runs_of(backend.instance, job, AT_WORK, limit=1)
    return job, next(iter([*at_work, *runs_of(backend.instance, job, [*WAITING, *FINISHED], limit=1)]), None)


def _job(info: RunInfo) -> Job:
    return Job.model_validate(_fields(info))


def _fields(info: RunInfo) -> dict[str, object]:
    return {
        "id": info.run_id,
        "parent_id": info.parent_id,
        "timeline_id": info.timeline,
        "status": info.status,
        "stages": list(info.stages),
        "overrides": info.overrides,
        "asked_by": info.who,
        "created_ms": round(info.created_s * 1000),
        "started_ms": None if info.started_s is None else round(info.started_s * 1000),
        "ended_ms": None if info.ended_s is None else round(info.ended_s * 1000),
    }


def _status(backend: Backend, run_id: str) -> JobStatus:
    record = run_record(backend.instance, run_id)
    found = record.dagster_run
    stages, error = stages_in(backend.instance, found)
    at_work = found.status in AT_WORK
    timeline = found.tags.get(PARTITION_NAME_TAG, "")
    progress = asdict(progress_of(backend.instance, backend.storage, timeline, found)) if at_work else None
    return JobStatus.model_validate(
        {
            **_fields(info_of(record)),
            "progress": progress,
            "stage_states": [asdict(stage) for stage in stages],
            "error": error,
        }
    )
