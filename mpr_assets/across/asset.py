"""The asset `brand_history`, of all timelines at once: its table and its page, its job, and the nightly schedule.

What is in them is made in `brand_history` and `brand_history_page`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg
import polars as pl

from gpu_service.errors import MprError
from gpu_service.masking import masked_errors
from mpr_assets.across.all_tables import AllTables
from mpr_assets.across.brand_history import brand_history
from mpr_assets.across.brand_history_page import history_page
from mpr_assets.engine.stage import Stage
from mpr_assets.stages import compile_report
from mpr_assets.timelines.spec_store import SPECS
from mpr_resources.media.sources import Sources
from mpr_resources.step_failure import final_failure
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage

NAME = "brand_history"
JOB = "update_brand_history"
"""Not as the asset: Dagster has one name for an op and a job."""
CRON = "0 5 * * *"
RESOURCES = frozenset({"storage", "heartbeat"})


@dataclass(frozen=True)
class StoredHistory:
    """`airings`: a table of `AIRINGS`. `table`, `page`: keys of what was stored."""

    airings: pl.DataFrame
    table: str
    page: str


def store_history(storage: Storage, stages: Mapping[str, Stage], sources: Sources) -> StoredHistory:
    """Make the history of all brands anew, from what is stored now; the page is written last.

    Args:
        stages: all, by name.
        sources: where the times of files are looked up.

    Raises:
        PermanentError: a table cannot be read.
    """
    registered_s = {
        entry.key.removeprefix(f"{SPECS}/").removesuffix(".json"): entry.modified_s for entry in storage.entries(SPECS)
    }
    tables = AllTables(storage, stages)
    airings = brand_history(tables, lambda address: sources.at(address).changed_s(), registered_s)
    encoded = io.BytesIO()
    airings.write_parquet(encoded)
    stored = StoredHistory(airings, Keys.across(f"{NAME}.parquet"), Keys.across(f"{NAME}.html"))
    storage.put(stored.table, encoded.getvalue())
    storage.put(stored.page, history_page(airings).encode())
    return stored


def brand_history_asset(stages: Mapping[str, Stage]) -> dg.AssetsDefinition:
    """The Dagster asset; it has no partitions. `stages`: all, by name."""

    @dg.asset(
        name=NAME,
        description="When each brand was on air over all timelines: by day, programme and source, with a page.",
        deps=[dg.AssetKey(compile_report.stage.name)],
        group_name="report",
        kinds={"duckdb", "parquet"},
        owners=["team:mpr"],
        required_resource_keys=set(RESOURCES),
    )
    def asset(context):  # type: ignore[no-untyped-def]  # Dagster evaluates annotations, these are strings
        resource = context.resources.storage
        storage: Storage = resource.storage
        try:
            with masked_errors():
                stored = store_history(storage, stages, Sources(resource.s3_endpoint_url))
        except MprError as error:
            raise final_failure(context.instance, context.run.run_id, error) from error
        rows = stored.airings
        page = storage.web(stored.page)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": rows.height,
                "brands": rows["brand"].n_unique(),
                "timelines": rows["timeline"].n_unique(),
                "days": rows["day"].n_unique(),
                "page": dg.MetadataValue.url(page) if page else dg.MetadataValue.path(storage.where(stored.page)),
            }
        )

    return asset


def brand_history_job(asset: dg.AssetsDefinition) -> dg.UnresolvedAssetJobDefinition:
    """Makes it anew."""
    return dg.define_asset_job(
        JOB, selection=dg.AssetSelection.assets(asset), description="The history of all brands, made anew."
    )


def brand_history_schedule(job: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Every night."""
    return dg.ScheduleDefinition(
        name=NAME, job=job, cron_schedule=CRON, default_status=dg.DefaultScheduleStatus.RUNNING
    )
