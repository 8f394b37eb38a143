"""The assets `config/<stage>`, and the versions of many timelines' settings at once.

What a version is made of and how it is judged is in `mpr_assets.freshness`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from gpu_service.errors import MprError, TransientError
from mpr_assets.freshness import config_key
from mpr_assets.graph import RESOURCES, Stage, run_of, stage_config_version, stage_run
from mpr_assets.partitions import load_specs, timelines
from mpr_assets.timelines import TimelineSpec
from mpr_resources.profiles import Profile


def config_asset(stage: Stage) -> dg.SourceAsset:
    """The observable asset `config/<stage>`: its data version is all that the stage depends on outside the graph."""

    def observe(context):  # type: ignore[no-untyped-def]  # Dagster evaluates annotations, these are strings
        return dg.DataVersionsByPartition(
            {
                timeline: dg.DataVersion(
                    stage_config_version(stage, stage_run(stage, timeline, {}, context.resources, context.log))
                )
                for timeline in context.partition_keys
            }
        )

    with warnings.catch_warnings():
        # The only kind of asset whose version can be observed without a run, though Dagster calls it beta.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.observable_source_asset(
            key=config_key(stage.name),
            description=f"The settings of {stage.name} as the profile resolves them, and what else it depends on.",
            partitions_def=timelines,
            group_name="config",
            required_resource_keys=set(RESOURCES),
        )(observe)


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
