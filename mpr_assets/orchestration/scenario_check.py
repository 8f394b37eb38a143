"""The asset check `matches_scenario`: does a stage, just materialized, still make what its bookmarks hold?

It is part of the stage's own step: a step more for each stage would cost every run seconds.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace

import dagster as dg

from gpu_service.errors import MprError
from mpr_assets.compare.scenarios import check_scenario, scenarios_of
from mpr_assets.engine.stage import Stage
from mpr_assets.engine.stage_run import StageRun
from mpr_assets.timelines.partitions import timelines
from mpr_resources.storage.scenario_store import scenarios
from mpr_resources.storage.tables import StageTable

NAME = "matches_scenario"


def scenario_check_spec(stage: str) -> dg.AssetCheckSpec:
    """The check as Dagster lists it."""
    with warnings.catch_warnings():
        # Without its partition the latest timeline's verdict would stand for all of them.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            NAME,
            asset=stage,
            description="The stage reproduces its scenarios from their inputs. Not evaluated without scenarios.",
            partitions_def=timelines,
        )


def scenario_checks(
    stage: Stage, run: StageRun, made: StageTable, stages: Mapping[str, Stage]
) -> list[dg.AssetCheckResult]:
    """The stage against the bookmarks of its timeline; never fails the stage.

    Args:
        run: with the settings that the table was made with. made: the table.

    Returns:
        One result; none where there is no bookmark.
    """
    run = replace(run, only=None)
    try:
        checked = {
            scenario.label: check_scenario(run.storage, scenario, run, stages, made)
            for scenario in scenarios_of(scenarios(run.storage), run.timeline, stage.name)
        }
    except MprError as error:
        return [_result({}, f"The scenarios cannot be read: {error}")]
    if not checked:
        return []
    said = {label: one.sentence() for label, one in checked.items()}
    differ = [f"{label}: {said[label]}" for label, one in checked.items() if not one.same]
    return [_result(said, "; ".join(differ))]


def _result(said: Mapping[str, str], problem: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=NAME,
        passed=not problem,
        severity=dg.AssetCheckSeverity.WARN,
        description=problem or None,
        metadata={"scenarios": len(said), "result": dg.MetadataValue.json(dict(said))},
    )
