"""Bookmarked results, and what stands of each stage: scenarios and checkpoints."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, JsonValue

from gpu_service.errors import BadInput, NotThere
from mpr_api.world.backend import LOG, Backend, Shared, StageOfPath, TimelineId, stage_named
from mpr_assets.compare.scenarios import CheckedScenario, check_as_it_is_now, save_scenario, validate_label
from mpr_assets.definitions import BY_NAME
from mpr_assets.engine.stage_run import FRAME_INDEX
from mpr_assets.timelines.spec_store import load_spec
from mpr_resources.environment import user_name
from mpr_resources.storage import scenario_store as kept
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.scenario_store import Scenario
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import read_table

router = APIRouter(tags=["scenarios"])

MOST_PICTURES = 200
Label = Annotated[str, Path(max_length=400, description="label of a scenario", examples=["match-1"])]


class ScenarioAnswer(BaseModel):
    """A bookmark. `frame_count`: frames that its timeline has."""

    timeline_id: str
    stage: str
    scenario_label: str
    profile_name: str
    video_path: str
    frame_count: int
    created_at: str = Field(description="ISO 8601, UTC")
    saved_by: str
    rows: int
    data_version: str


class SaveScenario(BaseModel):
    timeline_id: str = Field(max_length=400)
    stage: str = Field(max_length=100)
    label: str = Field(max_length=400, examples=["match-1"])
    replace: bool = Field(False, description="whether a scenario of this label is replaced")


class Checkpoint(BaseModel):
    stage: str
    is_scenario: bool
    scenario_label: str | None


class CheckpointFrame(BaseModel):
    seq: int
    timestamp: float = Field(description="seconds on the timeline's clock")
    timeline_ms: int
    url: str = Field(description="path of the picture")
    jpeg_b64: str | None = Field(description="the picture, where it was asked for")


class CheckpointAnswer(BaseModel):
    """A stage's stored result. Its rows: GET /timeline/{timeline}/tables/{stage}."""

    timeline_id: str
    stage: str
    profile_name: str
    video_path: str
    is_scenario: bool
    scenario_label: str | None
    frames: list[CheckpointFrame]
    stats: dict[str, JsonValue]
    config_snapshot: dict[str, JsonValue]
    stage_output_key: str = Field(description="where the table lies in the storage")


@router.get("/scenarios")
def list_scenarios(
    backend: Shared,
    timeline: Annotated[str | None, Query(max_length=400, description="of this timeline only")] = None,
) -> list[ScenarioAnswer]:
    """All bookmarks, by label."""
    found = kept.scenarios(backend.storage)
    return [_answer(backend, one) for one in found if timeline in (None, one.timeline)]


@router.get("/scenarios/{label}")
def show_scenario(label: Label, backend: Shared) -> ScenarioAnswer:
    """One bookmark."""
    return _answer(backend, kept.load(backend.storage, validate_label(label)))


@router.post("/scenarios", status_code=201)
def create_scenario(body: SaveScenario, backend: Shared) -> ScenarioAnswer:
    """Bookmark a stage's stored result with all its inputs."""
    backend.spec(body.timeline_id)
    saved = save_scenario(
        backend.storage,
        stage_named(body.stage),
        body.timeline_id,
        body.label,
        stages=BY_NAME,
        saved=datetime.now(UTC).isoformat(timespec="seconds"),
        saved_by=user_name(),
        replace=body.replace,
    )
    return _answer(backend, saved)


@router.post("/scenarios/{label}/check")
def check_scenario(label: Label, backend: Shared) -> CheckedScenario:
    """Run a bookmark's stage on its stored inputs, with the profile and the code as they are now, and compare."""
    scenario = kept.load(backend.storage, validate_label(label))
    return check_as_it_is_now(backend.storage, scenario, backend.resources, BY_NAME, LOG)


@router.delete("/scenarios/{label}", status_code=204)
def delete_scenario(label: Label, backend: Shared) -> None:
    """Delete a bookmark."""
    kept.load(backend.storage, validate_label(label))
    kept.delete(backend.storage, label)


@router.get("/checkpoints/{timeline}")
def list_checkpoints(timeline: TimelineId, backend: Shared) -> list[Checkpoint]:
    """The stages of which a result is stored, and the bookmarks of the timeline."""
    backend.spec(timeline)
    stored = [name for name in BY_NAME if backend.storage.exists(Keys.table(name, timeline))]
    bookmarks = [one for one in kept.scenarios(backend.storage) if one.timeline == timeline]
    return [Checkpoint(stage=name, is_scenario=False, scenario_label=None) for name in stored] + [
        Checkpoint(stage=one.stage, is_scenario=True, scenario_label=one.label) for one in bookmarks
    ]


@router.get("/checkpoints/{timeline}/{stage}")
def show_checkpoint(
    timeline: TimelineId,
    stage: StageOfPath,
    backend: Shared,
    scenario: Annotated[str | None, Query(max_length=400, description="label; none: what is stored now")] = None,
    pictures: Annotated[bool, Query(description="whether frames are sent in base64 too")] = False,
    first: Annotated[int, Query(ge=0, le=10**9, description="seq of the first frame")] = 0,
    limit: Annotated[int, Query(ge=1, le=20_000, description=f"frames at most; {MOST_PICTURES} with pictures")] = 1000,
) -> CheckpointAnswer:
    """A stage's stored result, or that of a bookmark; never one of another stage."""
    storage: Storage = backend.storage
    if pictures and limit > MOST_PICTURES:
        raise BadInput("So many pictures are too many for one answer", f"ask for {MOST_PICTURES} at most, or by `url`")
    if scenario is None:
        backend.spec(timeline)
    else:
        found = kept.load(storage, validate_label(scenario))
        if (found.timeline, found.stage) != (timeline, stage.name):
            raise NotThere(f"The scenario {scenario!r} is of {found.timeline}:{found.stage}", "name another one")
        storage = kept.opened(storage, scenario)
    spec, table = load_spec(storage, timeline), read_table(storage, stage.name, timeline)
    index = read_table(storage, FRAME_INDEX, timeline)
    version = index.header.fingerprint[:16]
    rows = index.rows.slice(first, limit).select("seq", "timeline_ms").iter_rows()
    frames = [
        CheckpointFrame(
            seq=seq,
            timestamp=timeline_ms / 1000,
            timeline_ms=timeline_ms,
            url=f"/detect/frames/{timeline}/{seq}.jpg?v={version}",
            jpeg_b64=_picture(backend, timeline, version, seq) if pictures else None,
        )
        for seq, timeline_ms in rows
    ]
    header = table.header
    stats: dict[str, Any] = {
        "rows": table.rows.height,
        "skipped": header.skipped,
        "code_version": header.code_version,
        "data_version": header.data_version,
        "model": header.model,
        "overrides": header.overrides,
    }
    return CheckpointAnswer(
        timeline_id=timeline,
        stage=stage.name,
        profile_name=header.profile,
        video_path=spec.chunks[0].source if spec.chunks else "",
        is_scenario=scenario is not None,
        scenario_label=scenario,
        frames=frames,
        stats=stats,
        config_snapshot=header.settings,
        stage_output_key=storage.where(Keys.table(stage.name, timeline)),
    )


def _picture(backend: Backend, timeline: str, version: str, seq: int) -> str | None:
    try:
        return base64.b64encode(backend.frames.jpeg(timeline, version, seq, None)).decode()
    except NotThere:  # the cache was cleared
        return None


def _answer(backend: Backend, scenario: Scenario) -> ScenarioAnswer:
    opened = kept.opened(backend.storage, scenario.label)
    spec = load_spec(opened, scenario.timeline)
    try:
        frames = read_table(opened, FRAME_INDEX, scenario.timeline).rows.height
    except MissingObject:
        frames = 0
    return ScenarioAnswer(
        timeline_id=scenario.timeline,
        stage=scenario.stage,
        scenario_label=scenario.label,
        profile_name=scenario.profile,
        video_path=spec.chunks[0].source if spec.chunks else "",
        frame_count=frames,
        created_at=scenario.saved,
        saved_by=scenario.saved_by,
        rows=scenario.rows,
        data_version=scenario.data_version,
    )
