"""Two profiles with three timelines each, materialized once: what goes stale is then asked as settings change."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import dagster as dg
import yaml
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleCause
from dagster._core.loader import LoadingContextForTest
from pydantic import BaseModel, ValidationError

from gpu_service.client.local import LocalInference
from mpr_assets.annotations.corrections import Correction, keep_corrections
from mpr_assets.annotations.stored import store_truth
from mpr_assets.annotations.truth import Truth
from mpr_assets.definitions import (
    JOB,
    SECTIONS,
    STAGES,
    definitions,
)
from mpr_assets.freshness.config_versions import config_versions, node, usable_timelines
from mpr_assets.freshness.event_log import read_made, read_observed, report
from mpr_assets.freshness.judge import (
    MaterializationsByStage,
    StageState,
    Verdict,
    changed,
    judge,
    of_timeline,
)
from mpr_assets.timelines.partitions import register
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec
from mpr_resources.database.connection import Database
from mpr_resources.profiles.folder import Profiles
from mpr_resources.storage.io_manager import StorageResource
from tests.clips import write_numbered

PROFILES = ("one", "two")
TIMELINES = {profile: [f"{profile}-{number}" for number in range(3)] for profile in PROFILES}
ALL = [name for names in TIMELINES.values() for name in names]
NODES = [node(stage) for stage in STAGES]
INPUTS = {stage.name: stage.inputs for stage in STAGES}
LOG = logging.getLogger("test")
REJECTED = Correction(action="reject", brand="Acme", start_ms=0, end_ms=500)


class Host(LocalInference):
    """Routines in this process, with models that can be exchanged: identities by routine, "1" by default."""

    url = ""

    def __init__(self) -> None:
        self.models: dict[str, str] = {}

    def identity(self, routine: Any, settings: Any) -> str:
        return self.models.get(routine.name, "1")


def sections() -> dict[str, dict[str, Any]]:
    """What both profiles say; every stage that can be tried is on."""
    return {"extract_frames": {"fps": 2.0}, "run_ocr": {"read_crops": False, "find_side_min_px": 160}}


def below(*stages: str) -> set[str]:
    """The stages, and all that depend on them."""
    found = set(stages)
    for name, inputs in INPUTS.items():
        if found & set(inputs):
            found.add(name)
    return found


def another(stage: str, name: str) -> Any:
    """A value of the setting that is valid and not the one that `sections` has; None where there is none."""
    model = SECTIONS[stage]
    section = model.model_validate(sections().get(stage, {}))
    now = getattr(section, name)
    options = get_args(model.model_fields[name].annotation)
    tries: list[Any] = [option for option in options if isinstance(option, str)]
    if isinstance(now, bool):
        tries = [not now]
    elif isinstance(now, int | float):
        tries = [now + 1, now - 1, now * 0.9, now * 1.1, now + 0.01]
    elif isinstance(now, str):
        tries += ["another", "another {}", "navy"]
    elif isinstance(now, tuple):
        tries = [[*now, "another"], ["srt", *now], list(now[:-1]), ["yolo", *now]]
    elif isinstance(now, dict):
        tries = [{"another": "one"}]
    elif now is None:
        tries = [1, 0.5, "another"]
    for value in tries:
        if value != now and _valid(model, {**section.model_dump(mode="json"), name: value}):
            return value
    return None


def _valid(model: type[BaseModel], data: Mapping[str, Any]) -> bool:
    try:
        model.model_validate(data)
    except ValidationError:
        return False
    return True


@dataclass
class Matrix:
    """The six timelines. What tests change they change back by `reset`."""

    folder: Path
    instance: dg.DagsterInstance
    host: Host = field(default_factory=Host)
    switches: dict[str, str] = field(default_factory=dict)
    made: MaterializationsByStage | None = None
    observed: dict[str, dict[str, str]] | None = None
    """Both as last read; a run makes them None."""

    def __post_init__(self) -> None:
        self.storage = StorageResource(url=str(self.folder / "storage"))
        self.profiles = Profiles(self.folder / "profiles", SECTIONS)
        self.graph = self.definitions()
        self.asset_graph = self.graph.resolve_asset_graph()
        self.job = self.graph.resolve_job_def(JOB)

    @classmethod
    def make(cls, folder: Path, instance: dg.DagsterInstance) -> Matrix:
        (folder / "profiles").mkdir()
        (folder / "profiles" / "another").write_text("{currency: EUR, per_30s: 1000}")  # a rate card
        matrix = cls(folder, instance)
        matrix.reset()
        for profile, names in TIMELINES.items():
            for name in names:
                clip = folder / f"{name}.mp4"
                if name == ALL[0]:
                    write_numbered(clip, 10, fps=10)
                else:
                    shutil.copy(folder / f"{ALL[0]}.mp4", clip)
                chunk = ChunkSpec(source=str(clip), start_ms=None, end_ms=None)
                spec = TimelineSpec(name=name, profile=profile, chunks=(chunk,))
                register(instance, matrix.storage.storage, spec)
                store_truth(matrix.storage.storage, name, Truth(file="truth.csv", rows=()))
                keep_corrections(matrix.storage.storage, name, [(REJECTED, b"")])
        matrix.observe()
        for name in ALL:
            assert matrix.run(name)
        return matrix

    def definitions(self) -> dg.Definitions:
        return definitions({}, storage=self.storage, inference=self.host, profiles=self.profiles)  # type: ignore[arg-type]

    @property
    def resources(self) -> SimpleNamespace:
        return SimpleNamespace(
            storage=self.storage,
            inference=self.host,
            profiles=self.profiles,
            progress=None,
            switches=self.switches,
            database=Database(f"sqlite:///{self.folder}/registry.sqlite"),
        )

    def reset(self) -> None:
        """Profiles, brand files, logos and models as they were at first."""
        self.host.models.clear()
        self.switches.clear()
        for profile in PROFILES:
            self.write(profile)
            (self.folder / "profiles" / f"{profile}.brands.yaml").write_text("brands:\n  - name: Acme\n  - Beta\n")
            shutil.rmtree(self.folder / f"{profile}-logos", ignore_errors=True)
            (self.folder / f"{profile}-logos").mkdir()

    def write(self, profile: str, changes: Mapping[str, Mapping[str, Any]] | None = None, **head: str) -> None:
        """The profile with these settings changed."""
        text = {"brands": f"{profile}.brands.yaml", "logos": f"../{profile}-logos", **head}
        merged = {stage: {**sections().get(stage, {}), **settings} for stage, settings in (changes or {}).items()}
        self.path(profile).write_text(yaml.safe_dump({**text, **sections(), **merged}, sort_keys=False))

    def path(self, profile: str) -> Path:
        return self.folder / "profiles" / f"{profile}.yaml"

    def run(
        self, timeline: str, *stages: str, overrides: Mapping[str, Mapping[str, Any]] | None = None
    ) -> dg.ExecuteInProcessResult:
        self.made = self.observed = None
        result = self.job.execute_in_process(
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "ops": {stage: {"config": dict(config)} for stage, config in (overrides or {}).items()},
            },
            instance=self.instance,
            partition_key=timeline,
            asset_selection=[dg.AssetKey(stage) for stage in stages] or None,
        )
        assert result.success
        return result

    def config(self, timelines: Sequence[str] = ALL) -> dict[str, dict[str, str]]:
        return config_versions(STAGES, usable_timelines(timelines, self.resources, LOG), self.resources, LOG)

    def observe(self) -> list[tuple[str, str, str]]:
        """Report what changed; gives it."""
        if self.observed is None:
            self.observed = read_observed(self.instance, NODES)
        changes = changed(self.config(), self.observed)
        report(self.instance, changes)
        for stage, timeline, version in changes:
            self.observed[stage][timeline] = version
        return changes

    def verdicts(self, timeline: str) -> dict[str, Verdict]:
        made = of_timeline(read_made(self.instance, NODES, [timeline]), timeline)
        return {one.stage: one for one in judge(NODES, made, self.config([timeline])[timeline])}

    def stale(self, timelines: Sequence[str] = ALL) -> dict[str, set[str]]:
        """The stages that are not fresh, by timeline, as we judge; timelines that are fresh are left out."""
        if self.made is None:
            self.made = read_made(self.instance, NODES)
        made, config = self.made, self.config(timelines)
        judged = {name: judge(NODES, of_timeline(made, name), config[name]) for name in timelines}
        found = {
            name: {one.stage for one in all_of if one.state != StageState.FRESH} for name, all_of in judged.items()
        }
        return {name: stages for name, stages in found.items() if stages}

    def stale_in_dagster(
        self, stages: Sequence[str], timelines: Sequence[str], graph: dg.Definitions | None = None
    ) -> dict[tuple[str, str], list[str]]:
        """The causes of what is stale as Dagster judges, by timeline and stage."""
        resolver = CachingStaleStatusResolver(
            self.instance,
            graph.resolve_asset_graph() if graph else self.asset_graph,
            LoadingContextForTest(self.instance),
        )
        causes = {
            (timeline, stage): resolver.get_stale_causes(dg.AssetKey(stage), timeline)
            for timeline in timelines
            for stage in stages
        }
        return {where: [_cause(one) for one in all_of] for where, all_of in causes.items() if all_of}


def _cause(cause: StaleCause) -> str:
    on = f" {cause.dependency.asset_key.to_user_string()}" if cause.dependency else ""
    return f"{cause.reason}{on}"
