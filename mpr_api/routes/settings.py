"""Profiles, and the settings of stages: their JSON schemas, and what a profile makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query
from pydantic import BaseModel, Field, JsonValue

from mpr_api.world.backend import Backend, Shared, StageOfPath, stage_named
from mpr_assets.definitions import BY_NAME, STAGES
from mpr_assets.engine.settings import limits
from mpr_assets.engine.stage import Stage
from mpr_resources.profiles.listing import description
from mpr_resources.profiles.profile import Profile

router = APIRouter(prefix="/config", tags=["settings"])

SettingsByStage = Annotated[
    dict[str, dict[str, JsonValue]],
    Field(description="by stage; those left out stay", examples=[{"detect_edges": {"edge_canny_low": 40}}]),
]
ProfileQuery = Annotated[str, Query(max_length=200, description="name of a profile")]
GivenSettings = Annotated[
    dict[str, JsonValue],
    Body(description="by name; those left out stay", examples=[{"edge_canny_low": 40}]),
]
ProfileName = Annotated[str, Path(max_length=200, description="name of a profile", examples=["generic"])]


class ProfileEntry(BaseModel):
    name: str
    description: str


class Setting(BaseModel):
    """One setting of a stage, as a profile has it."""

    name: str
    value: JsonValue
    default: JsonValue
    changed: bool = Field(description="whether the profile has another value than the default")
    description: str
    limits: list[str] = Field(description="what it may be, in words")


class StageSettingsAnswer(BaseModel):
    """The settings of one stage in a profile."""

    stage: str
    settings: list[Setting]


class ProfileAnswer(BaseModel):
    """A whole profile, every setting resolved."""

    name: str
    description: str
    brands: str | None = Field(description="brand file, relative to the folder of profiles")
    logos: str | None
    registry: bool
    replay: str
    stages: list[StageSettingsAnswer]


class StageSchema(BaseModel):
    """What a stage is, and what may be set of it."""

    stage: str
    description: str
    group: str
    inputs: list[str] = Field(description="the stages whose tables it reads")
    kinds: list[str]
    code_version: str
    per_frame: bool = Field(description="whether it can be tried on some frames")
    draws: bool = Field(description="whether there is something to see of it in a frame")
    settings_schema: dict[str, Any] = Field(description="JSON schema of its section of a profile")
    defaults: dict[str, JsonValue]


class NewProfile(BaseModel):
    """A copy of a profile, with other settings where some are given; its comments are kept."""

    name: str = Field(max_length=200, examples=["match-night"])
    copy_of: str = Field(max_length=200, examples=["generic"])
    settings: SettingsByStage = {}


class SavedStage(StageSettingsAnswer):
    """The settings of one stage as they are saved."""

    profile: str
    before: dict[str, JsonValue] = Field(description="what those that were given were; PUT it to undo")


@router.get("/profiles")
def list_profiles(backend: Shared) -> list[ProfileEntry]:
    """The profiles by name."""
    profiles = backend.resources.profiles
    return [ProfileEntry(name=name, description=description(profiles.folder, name)) for name in profiles.names()]


@router.get("/profiles/{profile}")
def show_profile(profile: ProfileName, backend: Shared) -> ProfileAnswer:
    """A profile with every setting of every stage."""
    return _profile(backend, profile)


@router.post("/profiles", status_code=201)
def create_profile(body: NewProfile, backend: Shared) -> ProfileAnswer:
    """Duplicate a profile, or save settings as a new one."""
    sections = {stage_named(stage).name: values for stage, values in body.settings.items()}
    backend.resources.profiles.duplicate_with(body.copy_of, body.name, sections)
    return _profile(backend, body.name)


def _profile(backend: Backend, profile: str) -> ProfileAnswer:
    loaded = backend.resources.profiles.load(profile)
    return ProfileAnswer(
        name=profile,
        description=loaded.description,
        brands=loaded.brands,
        logos=loaded.logos,
        registry=loaded.registry,
        replay=loaded.replay,
        stages=[_settings(stage, loaded) for stage in STAGES],
    )


class PipelineStage(BaseModel):
    """A stage of the graph as a profile runs it."""

    stage: str
    inputs: list[str]
    enabled: bool
    settings: dict[str, JsonValue]


@router.get("/profiles/{profile}/pipeline")
def profile_pipeline(profile: ProfileName, backend: Shared) -> list[PipelineStage]:
    """The stages in the order of a run, with the profile's settings."""
    loaded = backend.resources.profiles.load(profile)
    return [
        PipelineStage(
            stage=stage.name,
            inputs=list(stage.inputs),
            enabled=stage.section(loaded).enabled,
            settings=stage.section(loaded).model_dump(mode="json"),
        )
        for stage in STAGES
    ]


@router.get("/profiles/{profile}/stages/{stage}")
def stage_settings(profile: ProfileName, stage: StageOfPath, backend: Shared) -> StageSettingsAnswer:
    """The settings of one stage in a profile."""
    return _settings(stage, backend.resources.profiles.load(profile))


@router.put("/profiles/{profile}/stages/{stage}")
def save_stage_settings(
    profile: ProfileName, stage: StageOfPath, settings: GivenSettings, backend: Shared
) -> SavedStage:
    """Save settings of a stage into a profile; its comments are kept. Timelines of the profile may be stale then."""
    return _save(backend, profile, stage, settings)


@router.put("/edge-transform")
def save_edge_settings(settings: GivenSettings, backend: Shared, profile: ProfileQuery = "generic") -> SavedStage:
    """The older service's: save settings of `detect_edges` into a profile."""
    return _save(backend, profile, BY_NAME["detect_edges"], settings)


@router.get("/stages")
def list_stages() -> list[StageSchema]:
    """All stages in the order of a run, with the schemas of their settings."""
    return [_schema(stage) for stage in STAGES]


@router.get("/stages/{stage}")
def show_stage(stage: StageOfPath) -> StageSchema:
    """One stage with the schema of its settings."""
    return _schema(stage)


@router.get("")
def all_settings(backend: Shared, profile: ProfileQuery = "generic") -> dict[str, dict[str, JsonValue]]:
    """The resolved settings of a profile, by stage."""
    return _resolved(backend, profile)


@router.put("")
def save_settings(
    settings: SettingsByStage, backend: Shared, profile: ProfileQuery = "generic"
) -> dict[str, dict[str, JsonValue]]:
    """Save settings of some stages into a profile; all of them, or none. Gives the resolved ones."""
    sections = {stage_named(stage).name: values for stage, values in settings.items()}
    backend.resources.profiles.edit(profile, sections)
    return _resolved(backend, profile)


def _resolved(backend: Backend, profile: str) -> dict[str, dict[str, JsonValue]]:
    loaded = backend.resources.profiles.load(profile)
    return {name: stage.section(loaded).model_dump(mode="json") for name, stage in BY_NAME.items()}


def _save(backend: Backend, profile: str, stage: Stage, settings: Mapping[str, JsonValue]) -> SavedStage:
    profiles = backend.resources.profiles
    was = stage.section(profiles.load(profile)).model_dump(mode="json")
    profiles.edit(profile, {stage.name: settings})
    now = _settings(stage, profiles.load(profile))
    before = {name: was[name] for name in settings if name in was}
    return SavedStage(profile=profile, before=before, **now.model_dump())


def _schema(stage: Stage) -> StageSchema:
    return StageSchema(
        stage=stage.name,
        description=stage.description,
        group=stage.group,
        inputs=list(stage.inputs),
        kinds=sorted(stage.kinds),
        code_version=stage.code_version,
        per_frame=stage.per_frame,
        draws=stage.draw is not None,
        settings_schema=stage.settings.model_json_schema(by_alias=False),
        defaults=stage.settings().model_dump(mode="json"),
    )


def _settings(stage: Stage, profile: Profile) -> StageSettingsAnswer:
    section = stage.section(profile)
    defaults = stage.settings().model_dump(mode="json")
    fields = type(section).model_fields
    return StageSettingsAnswer(
        stage=stage.name,
        settings=[
            Setting(
                name=name,
                value=value,
                default=defaults[name],
                changed=value != defaults[name],
                description=fields[name].description or "",
                limits=limits(fields[name]),
            )
            for name, value in section.model_dump(mode="json").items()
        ],
    )
