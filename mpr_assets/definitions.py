"""The one place that wires everything. Tests and the command line pass other resources in as keywords."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import dagster as dg

from gpu_service.errors import MprError
from mpr_assets.engine.stage import Stage
from mpr_resources.brands.registry import Registry
from mpr_resources.database.connection import Database
from mpr_resources.environment import ROOT as ROOT
from mpr_resources.environment import database_url, profiles_path, s3_endpoint_url, storage_url, storage_web_url
from mpr_resources.inference.resource import InferenceResource
from mpr_resources.profiles.folder import Profiles
from mpr_resources.progress import Progress
from mpr_resources.storage.io_manager import StorageResource, TableIOManager

JOB = "mpr"

STAGES: tuple[Stage, ...] = tuple(
    import_module(f"mpr_assets.stages.{name}").stage
    for name in (
        "timeline",
        "extract_frames",
        "filter_scenes",
        "field_segmentation",
        "detect_edges",
        "detect_objects",
        "preprocess",
        "run_ocr",
        "visual_properties",
        "motion",
        "transcribe",
        "match_brands",
        "match_speech",
        "escalate_vlm",
        "escalate_cloud",
        "corrections",
        "compile_report",
        "evaluation",
    )
)
"""In the order in which a run goes through them. To add one is to write its module and to name it here."""

BY_NAME = {stage.name: stage for stage in STAGES}

SECTIONS = {stage.name: stage.settings for stage in STAGES}
"""The sections of a profile."""


def storage_resource(environ: Mapping[str, str]) -> StorageResource:
    """Storage as `MPR_STORAGE_URL` says; a folder by default."""
    return StorageResource(
        url=storage_url(environ),
        s3_endpoint_url=s3_endpoint_url(environ),
        web_url=storage_web_url(environ),
    )


def media_resource(environ: Mapping[str, str]) -> StorageResource | None:
    """Where new media come, as `MPR_MEDIA_URL` says; None when it is not set."""
    url = environ.get("MPR_MEDIA_URL")
    return StorageResource(url=url, s3_endpoint_url=environ.get("S3_ENDPOINT_URL") or None) if url else None


def inference_resource(environ: Mapping[str, str]) -> InferenceResource:
    """Routines on the hosts of `INFERENCE_URL`; in this process by default."""
    return InferenceResource.from_environ(environ)


def profiles_folder(environ: Mapping[str, str]) -> Profiles:
    """Profiles as `MPR_PROFILES_DIR` says; else the project's, else those that come with MPR."""
    return Profiles(profiles_path(environ), SECTIONS, brand_registry(environ))


def brand_registry(environ: Mapping[str, str]) -> Registry:
    """The registry of brands in the database."""
    return Registry(database_url(environ))


def database(environ: Mapping[str, str]) -> Database:
    """The database of money and claims: the same that the registry is in."""
    return Database(database_url(environ))


def switched_off(environ: Mapping[str, str]) -> dict[str, str]:
    """Stages that the environment switches off, with the reason that their metadata shows."""
    return {
        stage.name: f"{stage.off_switch}=1 is set"
        for stage in STAGES
        if stage.off_switch and environ.get(stage.off_switch) == "1"
    }


def without_fields(resource: Any) -> Any:
    """The resource as it is, which no run can change: its addresses, tokens and time-outs are not in the launchpad."""
    if not isinstance(resource, dg.ConfigurableResource | dg.ConfigurableIOManager):
        return resource

    def opened(_context: dg.InitResourceContext) -> Iterator[object]:
        with resource.process_config_and_initialize_cm() as ready:
            yield ready

    if isinstance(resource, dg.IOManager):
        # Dagster takes a generator for any resource, and says so of resources alone.
        return dg.IOManagerDefinition(opened, {}, type(resource).__doc__)  # type: ignore[arg-type]
    return dg.ResourceDefinition(opened, {}, type(resource).__doc__)


def definitions(
    environ: Mapping[str, str],
    *,
    storage: StorageResource | None = None,
    inference: InferenceResource | None = None,
    profiles: Profiles | None = None,
    progress: Progress | None = None,
) -> dg.Definitions:
    """The whole graph. What is not given is made from the environment."""
    # Here, since commands that only look need the stages and not the graph.
    from mpr_assets.across.asset import brand_history_asset, brand_history_job, brand_history_schedule
    from mpr_assets.automation.cache_schedule import cache_schedule, clear_caches_job
    from mpr_assets.automation.new_media_sensor import new_media_sensor
    from mpr_assets.automation.sensors import config_sensor, replay_sensor, state_sensor
    from mpr_assets.orchestration.config_asset import config_asset
    from mpr_assets.orchestration.launchpad import scaffold
    from mpr_assets.orchestration.stage_asset import stage_asset
    from mpr_assets.sessions.asset import session_report_asset, session_report_job
    from mpr_assets.timelines.partitions import timelines
    from mpr_assets.timelines.spec_store import load_spec
    from mpr_resources.heartbeat import heartbeat

    storage = storage or storage_resource(environ)
    profiles = profiles or profiles_folder(environ)
    resources: dict[str, object] = {
        "storage": storage,
        "media": media_resource(environ),
        "tables": TableIOManager(store=storage),
        "inference": inference or inference_resource(environ),
        "profiles": profiles,
        "database": database(environ),
        "progress": progress,
        "switches": switched_off(environ),
        "heartbeat": heartbeat,
    }
    assets = [stage_asset(stage, BY_NAME) for stage in STAGES]

    def launchpad(timeline: str) -> dict[str, Any]:
        """What the launchpad shows of a timeline before anybody writes in it."""
        try:
            return scaffold(profiles.load(load_spec(storage.storage, timeline).profile))
        except MprError:  # the run says why
            return {}

    job = dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.assets(*assets),
        description="Every stage of a timeline, in order.",
        config=dg.PartitionedConfig(timelines, run_config_for_partition_key_fn=launchpad),
    )
    clear_job = clear_caches_job()
    history = brand_history_asset(BY_NAME)
    history_job = brand_history_job(history)
    of_session = session_report_asset(BY_NAME)
    return dg.Definitions(
        assets=[*assets, *(config_asset(stage) for stage in STAGES), history, of_session],
        jobs=[job, clear_job, history_job, session_report_job(of_session)],
        schedules=[cache_schedule(clear_job, environ), brand_history_schedule(history_job)],
        sensors=[
            config_sensor(STAGES),
            state_sensor(STAGES),
            replay_sensor(STAGES, JOB),
            new_media_sensor(STAGES, JOB, on=resources["media"] is not None),
        ],
        resources={name: without_fields(one) for name, one in resources.items()},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What `workspace.yaml` loads."""
    return definitions(os.environ)
