"""Which stored results would come out differently now, and what has changed: told by the headers of their tables.

They are judged by the rules of `mpr_assets.freshness.judge`, as what the event log has is: but a table says with which
settings it was made, and may have been made where there is another event log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath

from pydantic import ValidationError

from gpu_service.errors import MprError
from gpu_service.settings import current_names
from mpr_assets.engine.open_run import run_of
from mpr_assets.engine.overrides import NO_OVERRIDES, Overrides
from mpr_assets.engine.resources import RunResources
from mpr_assets.engine.settings import differing_settings
from mpr_assets.engine.stage import Stage
from mpr_assets.engine.stage_run import StageRun
from mpr_assets.engine.versions import config_version, hashed_settings
from mpr_assets.freshness.config_versions import config_versions, node, usable_timelines
from mpr_assets.freshness.judge import CONFIG_CHANGED, Materialization, Verdict, judge
from mpr_resources.storage.store import Storage
from mpr_resources.storage.tables import TableHeader, read_header

UNKNOWN = "unknown"
"""The version of settings that are not as the stage has them any more, or that were limited to some frames: no version
of today's is like it."""

BRANDS_CHANGED = "the brand list changed"
CHANGED = {
    "brands": BRANDS_CHANGED,
    "corrections": "the corrections changed",
    "looked_for": BRANDS_CHANGED,
    "prompt": "the prompt changed",
    "rate_card": "the rate card changed",
    "references": "the reference pictures changed",
    "spec": "the chunks changed",
    "truth": "the truth, or a correction, changed",
    "version": "the media file changed",
}
"""What is said of what a stage depends on outside the graph. All else but a model is a media file by its address."""


def stored_headers(storage: Storage, stages: Sequence[Stage], timeline: str) -> dict[str, TableHeader]:
    """The headers of all tables of a timeline that are stored and can be read, by stage."""
    headers = {}
    for stage in stages:
        with suppress(MprError):
            headers[stage.name] = read_header(storage, stage.name, timeline)
    return headers


def judge_stored(stages: Sequence[Stage], timeline: str, resources: RunResources, log: logging.Logger) -> list[Verdict]:
    """The state of every stage's stored table, its causes told in full.

    Returns:
        The verdicts in the order of the stages; none where the timeline's profile cannot be read, as the log says.
    """
    usable = usable_timelines([timeline], resources, log)
    if timeline not in usable:
        return []
    headers = stored_headers(resources.storage.storage, stages, timeline)
    config = config_versions(stages, usable, resources, log)[timeline]
    made = {stage.name: made_of(stage, headers[stage.name]) for stage in stages if stage.name in headers}
    spec, profile = usable[timeline]
    return in_full(
        judge([*map(node, stages)], made, config),
        stages,
        headers,
        lambda stage: run_of(stage, spec, profile, NO_OVERRIDES, resources, log),
    )


def made_of(stage: Stage, header: TableHeader) -> Materialization:
    """What the materialization that stored a table says of it, as far as the table's header says it too."""
    return Materialization(
        event_id=0,
        time_s=0.0,
        data_version=header.data_version,
        code_version=header.code_version,
        upstream={name: header.upstream[name] for name in stage.inputs if name in header.upstream},
        config=_config_version(stage, header),
        overrides=header.overrides,
        skipped=header.skipped or "",
    )


def _config_version(stage: Stage, header: TableHeader) -> str:
    try:
        settings = stage.settings.model_validate(header.settings)
    except ValidationError:
        return UNKNOWN
    if Overrides.from_record(header.overrides).frames is not None:
        return UNKNOWN
    switch = {"enabled": False} if header.switched_off else {}
    return config_version(hashed_settings(stage.name, settings) | switch, outside(stage, header))


def outside(stage: Stage, header: TableHeader) -> dict[str, str]:
    """What the table depends on outside the graph: versions by what they are of."""
    return {name: version for name, version in header.upstream.items() if name not in stage.inputs}


def in_full(
    verdicts: Sequence[Verdict],
    stages: Sequence[Stage],
    headers: Mapping[str, TableHeader],
    runs: Callable[[Stage], StageRun],
) -> list[Verdict]:
    """The verdicts on a timeline, with what has changed in the place of `CONFIG_CHANGED`, where the headers tell it.

    `runs`: opens a stage on the timeline as its profile has it now.
    """
    by_name = {stage.name: stage for stage in stages}

    def told(verdict: Verdict) -> Verdict:
        if CONFIG_CHANGED not in verdict.causes or verdict.stage not in headers:
            return verdict
        stage = by_name[verdict.stage]
        with suppress(MprError):  # an inference host that has just gone away; that something changed stays true
            changes = what_changed(stage, headers[stage.name], runs(stage)) or [CONFIG_CHANGED]
            at = verdict.causes.index(CONFIG_CHANGED)
            return replace(verdict, causes=(*verdict.causes[:at], *changes, *verdict.causes[at + 1 :]))
        return verdict

    return [told(verdict) for verdict in verdicts]


def what_changed(stage: Stage, header: TableHeader, now: StageRun) -> list[str]:
    """What the table's settings, and what it depends on outside the graph, have become, a sentence each."""
    # A setting that came since stands for what was done before where it has its default.
    defaults = stage.settings.model_construct().model_dump(mode="json")
    before = defaults | current_names(stage.settings, header.settings)
    settings = differing_settings(stage.settings, before, now.settings.model_dump(mode="json"))
    told = [f"{name} {was} → {is_now}" for name, (was, is_now) in settings.items() if name in defaults]
    before_off = header.switched_off
    if before_off is None and now.skipped is None:
        return told + changed_outside(outside(stage, header), stage.depends_on(now))
    if "enabled" not in settings and now.skipped != before_off:
        told.append(f"skipped now: {now.skipped}" if now.skipped else f"no longer skipped: {before_off}")
    return told


def changed_outside(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What has become of what a stage depends on outside the graph, a sentence each."""
    told = []
    for name in sorted({*before, *now}):
        was, is_now = before.get(name, ""), now.get(name, "")
        if was == is_now:
            continue
        if name == "model":
            told.append(f"model {was or 'none'} → {is_now or 'none'}")
        elif name in CHANGED:
            told.append(CHANGED[name])
        elif was and is_now:  # else the chunks changed, or a version stands for the files
            told.append(f"the file {PurePosixPath(name).name} changed")
    return told
