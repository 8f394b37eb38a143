"""The asset `session_report`, partitioned by session, and its job. The report is made in `session_report`."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from gpu_service.errors import MprError
from gpu_service.masking import masked_errors
from mpr_assets.engine.stage import Stage
from mpr_assets.report.exposures import ExposureSettings
from mpr_assets.sessions.session_report import REPORT, make_session_report
from mpr_assets.sessions.session_store import SessionStore
from mpr_assets.stages import compile_report
from mpr_resources.profiles.folder import Profiles
from mpr_resources.step_failure import final_failure
from mpr_resources.storage.store import Storage

NAME = "session_report"
JOB = "report_session"
"""Not as the asset: Dagster has one name for an op and a job."""
RESOURCES = frozenset({"storage", "profiles"})

sessions = dg.DynamicPartitionsDefinition(name="sessions")


def session_report_asset(stages: Mapping[str, Stage]) -> dg.AssetsDefinition:
    """The Dagster asset. `stages`: all, by name."""

    @dg.asset(
        name=NAME,
        description="The exposures over all windows of a live session; it grows while the session runs.",
        partitions_def=sessions,
        group_name="report",
        kinds={"polars", "parquet"},
        owners=["team:mpr"],
        required_resource_keys=set(RESOURCES),
    )
    def asset(context):  # type: ignore[no-untyped-def]  # Dagster evaluates annotations, these are strings
        storage: Storage = context.resources.storage.storage
        profiles: Profiles = context.resources.profiles
        store = SessionStore(storage, context.partition_key)
        try:
            with masked_errors():
                section = stages[compile_report.stage.name].section(profiles.load(store.session().profile))
                settings = {name: getattr(section, name) for name in ExposureSettings.model_fields}
                report = make_session_report(store, ExposureSettings(**settings))
        except MprError as error:
            raise final_failure(context.instance, context.run.run_id, error) from error
        return dg.MaterializeResult(
            metadata={
                "final": report.final,
                "windows": report.windows,
                "analysed": report.analysed,
                "failed": len(report.failed),
                "recorded_ms": report.recorded_ms,
                "brands": len(report.brands),
                "exposures": sum(len(one.exposures) for one in report.brands),
                "report": dg.MetadataValue.path(storage.where(store.key(REPORT))),
            }
        )

    return asset


def session_report_job(asset: dg.AssetsDefinition) -> dg.UnresolvedAssetJobDefinition:
    """Makes it anew."""
    return dg.define_asset_job(
        JOB, selection=dg.AssetSelection.assets(asset), description="The report of a live session, made anew."
    )
