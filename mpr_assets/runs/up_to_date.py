"""Whether a run would make nothing: then it need not be, and what it would give back is at hand.

That is so where every stage's table is stored under the fingerprint that a run would come to now, and the event log has
it as the stage's last result, made as the profile has it. A run would only write that into the log once more.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import dagster as dg

from gpu_service.errors import MprError
from mpr_assets.compare.scenarios import scenarios_of
from mpr_assets.engine.checks import doubt
from mpr_assets.engine.materialize import stage_config_version, stored_table
from mpr_assets.engine.open_run import run_of
from mpr_assets.engine.overrides import NO_OVERRIDES
from mpr_assets.engine.resources import RunResources
from mpr_assets.engine.stage import Stage, StageOutcome
from mpr_assets.engine.stage_run import StageRun
from mpr_assets.freshness.config_versions import node, profile_settings, report_changed
from mpr_assets.freshness.event_log import read_made, read_observed
from mpr_assets.freshness.judge import Materialization, StageState, judge, of_timeline
from mpr_assets.timelines.spec_store import load_spec
from mpr_resources.brands.brand_file import BrandList
from mpr_resources.storage.scenario_store import scenarios
from mpr_resources.storage.tables import StageTable


@dataclass(frozen=True)
class StoredRun:
    """What a run would give back. `outcomes`: of each stage, in order; `doubts`: a line for each check that fails."""

    outcomes: Mapping[str, StageOutcome]
    doubts: tuple[str, ...]


def up_to_date(
    instance: dg.DagsterInstance,
    stages: Sequence[Stage],
    timeline: str,
    resources: RunResources,
    log: logging.Logger,
) -> StoredRun | None:
    """What a run of all stages would give back as it is stored; None where it would make or find out anything.

    As a run does, it tells others what the tables hold (`Stage.after`) and reports the settings as observed.
    None too where something cannot be told, as of a host that is away: the run says what; and where the timeline has a
    scenario, with which a run compares.
    """
    try:
        if any(scenarios_of(scenarios(resources.storage.storage), timeline, stage.name) for stage in stages):
            return None
        spec = load_spec(resources.storage.storage, timeline)
        profile = resources.profiles.load(spec.profile)
        seen: list[BrandList] = []
        runs = {
            stage.name: replace(run_of(stage, spec, profile, NO_OVERRIDES, resources, log), seen=seen)
            for stage in stages
        }
        made = of_timeline(read_made(instance, [*map(node, stages)], [timeline]), timeline)
        config = {stage.name: stage_config_version(stage, runs[stage.name]) for stage in stages}
        if any(one.overrides for one in made.values()) or any(
            one.state is not StageState.FRESH for one in judge([*map(node, stages)], made, config)
        ):
            return None
        tables = _tables(stages, runs, made)
        if tables is None:
            return None
        for stage in stages:
            stage.after(replace(runs[stage.name], run_id=made[stage.name].run_id), tables[stage.name])
        doubts = tuple(
            doubt(check.name, stage.name, verdict.description)
            for stage in stages
            for check in stage.checks
            if (verdict := check.verdict(tables[stage.name], runs[stage.name])).description is not None
        )
    except MprError:
        return None
    observed = read_observed(instance, [*map(node, stages)], [timeline])
    report_changed(
        instance, {timeline: config}, observed, settings_of=profile_settings(stages, {timeline: (spec, profile)})
    )
    outcomes = {name: StageOutcome(table, {}, reused=True) for name, table in tables.items()}
    return StoredRun(outcomes, doubts)


def _tables(
    stages: Sequence[Stage], runs: Mapping[str, StageRun], made: Mapping[str, Materialization]
) -> dict[str, StageTable] | None:
    """The stored tables, where all are what a run would give back and what the event log has."""
    tables: dict[str, StageTable] = {}
    for stage in stages:
        run = runs[stage.name]
        table = stored_table(stage, run, {name: tables[name] for name in stage.inputs})
        if table is None or table.header.data_version != made[stage.name].data_version:
            return None
        if (table.header.profile, table.header.overrides) != (run.spec.profile, {}):
            return None
        tables[stage.name] = table
    return tables
