"""A stage opened on a timeline: the profile's section, the overrides laid over it, and the resources it may use.

What the run then does is in `mpr_assets.engine.materialize`.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from gpu_service.errors import BadInput
from mpr_assets.engine.overrides import Overrides
from mpr_assets.engine.resources import RunResources
from mpr_assets.engine.settings import SettingsT
from mpr_assets.engine.stage import Stage
from mpr_assets.engine.stage_run import KEPT_FRAMES, StageRun
from mpr_assets.timelines.spec import TimelineSpec
from mpr_assets.timelines.spec_store import load_spec
from mpr_resources.media.sources import Sources
from mpr_resources.profiles.profile import Profile
from mpr_resources.progress import LogProgress
from mpr_resources.yaml_files.load import validate


def resolve_settings(stage: Stage[SettingsT], profile: Profile, overrides: Overrides) -> SettingsT:
    """The profile's section with the overrides laid over it.

    Raises:
        BadInput: an override is unknown, out of its range, or there under its old name too; or frames are given to a
            stage that does not go by frames.
    """
    section = stage.section(profile)
    if overrides.frames is not None and not stage.per_frame:
        raise BadInput(f"{stage.name} does not process single frames", "leave its frames out")
    settings = overrides.under_current_names(stage.settings).settings
    if not settings:
        return section
    return validate(f"the overrides of {stage.name}", {**section.model_dump(), **settings}, stage.settings)


def stage_run(
    stage: Stage[SettingsT], timeline: str, overrides: Overrides, resources: RunResources, log: logging.Logger
) -> StageRun[SettingsT]:
    """The stage on the timeline, with the resources of a run, an observation or a sensor.

    Raises:
        BadInput: the timeline is not registered; its profile or an override cannot be used.
    """
    spec = load_spec(resources.storage.storage, timeline)
    return run_of(stage, spec, resources.profiles.load(spec.profile), overrides, resources, log)


def run_of(
    stage: Stage[SettingsT],
    spec: TimelineSpec,
    profile: Profile,
    overrides: Overrides,
    resources: RunResources,
    log: logging.Logger,
) -> StageRun[SettingsT]:
    """The same where the timeline's spec and profile are at hand."""
    settings = resolve_settings(stage, profile, overrides)
    run = StageRun(
        stage=stage.name,
        spec=spec,
        profile=profile,
        settings=settings,
        overrides=overrides.differing(stage.section(profile), settings),
        storage=resources.storage.storage,
        sources=Sources(resources.storage.s3_endpoint_url),
        inference=resources.inference,
        decodes_here=not resources.inference.url,
        profiles=resources.profiles,
        cache=resources.storage.cache,
        progress=resources.progress or LogProgress(log.info),
        log=log.warning,
        database=resources.database,
        switched_off=resources.switches.get(stage.name),
    )
    if run.skipped is None and (reason := stage.idle(run)):
        run = replace(run, switched_off=reason)
    return limited_to_frames(run)


def limited_to_frames(run: StageRun[SettingsT]) -> StageRun[SettingsT]:
    """The run with the frames that its overrides limit it to."""
    if run.overrides.frames is None:
        return run
    kept_seqs = dict(run.stored(KEPT_FRAMES).rows.select("seq", "kept_seq").iter_rows())
    return replace(run, only=run.overrides.frames.of(kept_seqs))
