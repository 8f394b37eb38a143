"""Runs that are asked for over HTTP and wait in Dagster's queue, for its daemon to launch; and what is wished of one
that is at work. Runs in a command line's own process are in `local_run`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dagster as dg
from pydantic import JsonValue

from gpu_service.errors import BadInput
from mpr_assets.automation.sensors import STATE_SENSOR
from mpr_assets.definitions import BY_NAME, STAGES, definitions
from mpr_assets.engine.open_run import resolve_settings
from mpr_assets.engine.overrides import Overrides
from mpr_assets.orchestration.launchpad import as_config
from mpr_assets.runs.run_lock import COMMAND_TAG, USER_TAG
from mpr_resources.dagster_internals import has_queue, queue_run
from mpr_resources.environment import user_name
from mpr_resources.profiles.profile import Profile

PARENT_TAG = "mpr/parent"
"""The run that a run replays. Dagster's own tag of a re-execution counts against its retries of dead runs."""
COMMAND = "serve"


def run_config(profile: Profile, overrides: Mapping[str, Overrides]) -> dict[str, dict[str, JsonValue]]:
    """The launchpad's config of each stage that has overrides, checked against the profile.

    Raises:
        BadInput: an override cannot be.
    """
    for stage, of_stage in overrides.items():
        resolve_settings(BY_NAME[stage], profile, of_stage)
    return {stage: as_config(of_stage) for stage, of_stage in overrides.items() if of_stage}


def queue(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    timeline: str,
    *,
    stages: Sequence[str] = (),
    config: Mapping[str, Mapping[str, JsonValue]] | None = None,
    parent: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> dg.DagsterRun:
    """Put a run into the queue.

    Args:
        job: of all stages.
        stages: all when none is named.
        config: as `run_config` gives it.
        parent: the run that it replays.

    Raises:
        BadInput: the instance has no queue.
    """
    if not has_queue(instance):
        raise BadInput(
            "This Dagster instance has no queue of runs",
            "copy `run_coordinator` from MPR's dagster.yaml and restart Dagster",
        )
    user = user_name()
    return queue_run(
        instance,
        job,
        sensor=STATE_SENSOR,
        module=definitions.__module__,
        attribute="defs",
        partition=timeline,
        assets=[dg.AssetKey(stage) for stage in stages if len(stages) < len(STAGES)],
        run_config={"ops": {stage: {"config": dict(settings)} for stage, settings in (config or {}).items()}},
        tags={
            COMMAND_TAG: COMMAND,
            **({USER_TAG: user} if user else {}),
            **({PARENT_TAG: parent} if parent else {}),
            **(tags or {}),
        },
    )
