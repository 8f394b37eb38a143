"""A stage's checks as Dagster's asset checks. What they check is in `mpr_assets.engine.checks`.

They are part of the stage's own step: a step for each would cost every run seconds.
"""

from __future__ import annotations

import warnings

import dagster as dg

from mpr_assets.engine.checks import Check
from mpr_assets.engine.stage_run import StageRun
from mpr_assets.timelines.partitions import timelines
from mpr_resources.storage.tables import StageTable


def check_spec(check: Check, stage: str) -> dg.AssetCheckSpec:
    """The check as Dagster lists it."""
    with warnings.catch_warnings():
        # Without its partition the latest timeline's verdict would stand for all of them.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(check.name, asset=stage, description=check.description, partitions_def=timelines)


def check_result(check: Check, run: StageRun, made: StageTable) -> dg.AssetCheckResult:
    """The verdict on the table that the stage has just made; it never fails the stage."""
    verdict = check.verdict(made, run)
    return dg.AssetCheckResult(
        check_name=check.name,
        passed=not verdict.problems,
        severity=dg.AssetCheckSeverity.WARN if check.warns else dg.AssetCheckSeverity.ERROR,
        description=verdict.description,
        metadata={"problems": len(verdict.problems), "first": dg.MetadataValue.json(list(verdict.problems[:20]))},
    )
