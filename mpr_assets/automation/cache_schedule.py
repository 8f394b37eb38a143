"""The job `clear_caches` and its nightly schedule. Which folders are cleared is decided in
`mpr_resources.storage.cache_folders`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import dagster as dg

from mpr_resources.run_queue import unfinished_timelines
from mpr_resources.storage.cache_folders import (
    as_size,
    cache_folders,
    clear_folders,
    parse_age,
    parse_size,
    to_clear,
)

CRON = "0 4 * * *"


def clear_caches_job() -> dg.JobDefinition:
    """Clears by the age and size in its config; nothing by default."""

    @dg.op(
        name="clear",  # the job's own name would be one name for two things, which Dagster refuses
        required_resource_keys={"storage", "heartbeat"},
        config_schema={
            "older_than": dg.Field(dg.Noneable(str), default_value=None, description="maximum age, like 30d"),
            "larger_than": dg.Field(dg.Noneable(str), default_value=None, description="maximum total size, like 10GB"),
        },
    )
    def clear(context):  # type: ignore[no-untyped-def]  # Dagster evaluates annotations, these are strings
        older_than, larger_than = context.op_config["older_than"], context.op_config["larger_than"]
        storage = context.resources.storage.storage
        doomed = to_clear(
            cache_folders(storage),
            time.time(),
            older_than_s=parse_age(older_than) if older_than else None,
            larger_than_bytes=parse_size(larger_than) if larger_than else None,
            busy=unfinished_timelines(context.instance),
        )
        doomed = clear_folders(storage, doomed, lambda: unfinished_timelines(context.instance))
        size = as_size(sum(folder.size_bytes for folder in doomed))
        context.log.info(f"{len(doomed)} folders of {len({folder.timeline for folder in doomed})} timelines, {size}")

    @dg.job(name="clear_caches", description="Deletes frames, crops and overlays, which can be recomputed.")
    def clear_caches() -> None:
        clear()

    return clear_caches


def cache_schedule(job: dg.JobDefinition, environ: Mapping[str, str]) -> dg.ScheduleDefinition:
    """Every night, by the environment's limits of age and size; by default what is older than 30 days."""
    config = {
        "older_than": environ.get("MPR_CACHE_OLDER_THAN") or "30d",
        "larger_than": environ.get("MPR_CACHE_LARGER_THAN") or None,
    }
    return dg.ScheduleDefinition(
        name="clear_caches",
        job=job,
        cron_schedule=CRON,
        run_config={"ops": {"clear": {"config": config}}},
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
