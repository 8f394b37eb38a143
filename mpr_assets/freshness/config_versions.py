"""The versions of many timelines' settings at once, and reporting those that changed.

What a version is made of is in `mpr_assets.engine.materialize`; what is stale is judged in
`mpr_assets.freshness.judge`.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from gpu_service.errors import MprError, TransientError
from mpr_assets.engine.materialize import stage_config_version
from mpr_assets.engine.open_run import run_of
from mpr_assets.engine.stage import Stage
from mpr_assets.freshness.event_log import (
    read_observed,
    report,
)
from mpr_assets.freshness.judge import (
    StageNode,
    changed,
)
from mpr_assets.timelines.partitions import load_specs
from mpr_assets.timelines.spec import TimelineSpec
from mpr_resources.profiles.profile import Profile


def usable_timelines(
    timelines: Iterable[str], resources: Any, log: logging.Logger
) -> dict[str, tuple[TimelineSpec, Profile]]:
    """Spec and profile of each timeline that has both; the log says once what is wrong with the others.

    A profile is read once, however many timelines use it.
    """
    profiles: dict[str, Profile | None] = {}
    usable = {}
    for timeline, spec in load_specs(resources.storage.storage, list(timelines)).items():
        try:
            if isinstance(spec, MprError):
                raise spec
            if spec.profile not in profiles:
                profiles[spec.profile] = None
                profiles[spec.profile] = resources.profiles.load(spec.profile)
        except MprError as error:
            log.error("The settings of the timeline %r cannot be worked out: %s", timeline, error)
            continue
        profile = profiles[spec.profile]
        if profile is not None:
            usable[timeline] = (spec, profile)
    return usable


def config_versions(
    stages: Sequence[Stage],
    timelines: Mapping[str, tuple[TimelineSpec, Profile]],
    resources: Any,
    log: logging.Logger,
) -> dict[str, dict[str, str]]:
    """The versions of all settings as they are now, by timeline, then stage.

    A stage whose version cannot be told, for a broken brand file or a host that is away, is left out, and the log says
    why. What the same profile and brand file give is worked out once.
    """
    known: dict[tuple[str, ...], str | None] = {}
    away = False

    def version(stage: Stage, spec: TimelineSpec, profile: Profile) -> str | None:
        nonlocal away
        if away and "inference" in stage.kinds:
            return None  # the next stage would wait for the same host as long again
        try:
            return stage_config_version(stage, run_of(stage, spec, profile, {}, resources, log))
        except MprError as error:
            away = away or isinstance(error, TransientError)
            log.error("What %s of the timeline %r depends on cannot be told: %s", stage.name, spec.name, error)
            return None

    versions: dict[str, dict[str, str]] = {}
    for timeline, (spec, profile) in timelines.items():
        versions[timeline] = {}
        for stage in stages:
            # A timeline's own files are what its first stage depends on; all others depend on what many share.
            key = (stage.name, *((timeline,) if not stage.inputs else (spec.profile, spec.brands or "")))
            if key not in known:
                known[key] = version(stage, spec, profile)
            found = known[key]
            if found is not None:
                versions[timeline][stage.name] = found
    return versions


OBSERVED_AT_ONCE = 100


def node(stage: Stage) -> StageNode:
    return StageNode(stage.name, stage.inputs, stage.code_version)


def observe(
    instance: dg.DagsterInstance,
    stages: Sequence[Stage],
    timelines: Sequence[str],
    resources: Any,
    log: logging.Logger,
    within_s: float = math.inf,
) -> int:
    """Report the settings of these timelines that are not as last observed; gives their number.

    A stage that runs before its settings were ever observed does not go stale in Dagster's eyes later.

    Args:
        within_s: after so long, no more are reported.
    """
    end_s = time.monotonic() + within_s
    config = config_versions(stages, usable_timelines(timelines, resources, log), resources, log)
    changes = sorted(changed(config, read_observed(instance, [*map(node, stages)], timelines)))
    number = 0
    while number < len(changes) and time.monotonic() < end_s:
        number += report(instance, changes[number : number + OBSERVED_AT_ONCE])
    return number
