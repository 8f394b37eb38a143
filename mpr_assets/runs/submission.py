"""What is checked of a run before it is queued: the overrides in its config.

Dagster's config knows types and no ranges, and a stage's settings are read when its turn comes, after the stages
before it have done their work. So the queue looks at them first. The webserver, sensors and backfills all submit here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from mpr_resources.run_queue import HoldingRunCoordinator


class CheckedRunCoordinator(HoldingRunCoordinator):
    """Dagster's queue with holds, which takes no run whose overrides cannot be; `dagster.yaml` names it."""

    def submit_run(self, context: dg.SubmitRunContext) -> dg.DagsterRun:
        """Queue the run.

        Raises:
            BadInput: an override cannot be; Dagster marks the run as failed and shows the sentence.
        """
        check_overrides(context.dagster_run.run_config)
        return super().submit_run(context)


def check_overrides(run_config: Mapping[str, Any]) -> None:
    """Check the overrides of every stage in a run's config against the stage's settings.

    Raises:
        BadInput: one is unknown, of another type or out of its range.
    """
    ops = run_config.get("ops") or {}
    if not ops:
        return
    from mpr_assets.definitions import STAGES  # here, since the webserver and the daemon need the stages for this alone
    from mpr_assets.engine.overrides import check_alone
    from mpr_assets.orchestration.launchpad import from_config

    for stage in STAGES:
        config = (ops.get(stage.name) or {}).get("config") or {}
        check_alone(stage.name, stage.settings, from_config(config))
