"""Profiles, and the settings of stages: their JSON schemas, and what a profile makes of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, JsonValue

from mpr_api.world.backend import Shared, StageOfPath
from mpr_assets.definitions import BY_NAME, STAGES
from mpr_assets.engine.settings import limits
from mpr_assets.engine.stage import Stage
from mpr_resources.profiles.listing import description
from mpr_resources.profiles.profile import Profile

router = APIRouter(prefix="/config", tags=["settings"])

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


@router.get("/profiles")
def list_profiles(backend: Shared) -> list[ProfileEntry]:
    """The profiles by name."""
    profiles = backend.resources.profiles
    return [ProfileEntry(name=name, description=description(profiles.folder, name)) for name in profiles.names()]


@router.get("/profiles/{profile}")
def show_profile(profile: ProfileName, backend: Shared) -> ProfileAnswer:
    """A profile with every setting of every stage."""
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


@router.get("/stages")
def list_stages() -> list[StageSchema]:
    """All stages in the order of a run, with the schemas of their settings."""
    return [_schema(stage) for stage in STAGES]


@router.get("/stages/{stage}")
def show_stage(stage: StageOfPath) -> StageSchema:
    """One stage with the schema of its settings."""
    return _schema(stage)


@router.get("")
def all_settings(backend: Shared, profile: str = "generic") -> dict[str, dict[str, JsonValue]]:
    """The resolved settings of a profile, by stage."""
    loaded = backend.resources.profiles.load(profile)
    return {name: stage.section(loaded).model_dump(mode="json") for name, stage in BY_NAME.items()}


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
