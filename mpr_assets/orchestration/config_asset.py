"""The observable assets `config/<stage>`, upstream of each stage.

The versions they report are worked out in `mpr_assets.freshness.config_versions` and `mpr_assets.engine.materialize`.
"""

from __future__ import annotations

import warnings

import dagster as dg

from mpr_assets.engine.materialize import stage_config_version
from mpr_assets.engine.open_run import stage_run
from mpr_assets.engine.overrides import NO_OVERRIDES
from mpr_assets.engine.stage import Stage
from mpr_assets.freshness.event_log import config_key
from mpr_assets.orchestration.stage_asset import RESOURCES
from mpr_assets.timelines.partitions import timelines


def config_asset(stage: Stage) -> dg.SourceAsset:
    """The observable asset `config/<stage>`: its data version is all that the stage depends on outside the graph."""

    def observe(context):  # type: ignore[no-untyped-def]  # Dagster evaluates annotations, these are strings
        def version(timeline: str) -> dg.DataVersion:
            run = stage_run(stage, timeline, NO_OVERRIDES, context.resources, context.log)
            return dg.DataVersion(stage_config_version(stage, run))

        return dg.DataVersionsByPartition({timeline: version(timeline) for timeline in context.partition_keys})

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
