"""The sensor `new_media`: scans the media folder or bucket, makes timelines and requests their runs, each once.

What is taken, when and under which name is decided in `mpr_assets.automation.new_media`.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import dagster as dg

from gpu_service.errors import BadInput, PermanentError
from mpr_assets.automation.new_media import (
    MAX_SIDECAR_BYTES,
    MOST_A_TICK,
    SIDECAR,
    MediaFile,
    Memory,
    decide,
    media_files,
    timeline_spec,
)
from mpr_assets.engine.resources import RunResources
from mpr_assets.engine.stage import Stage
from mpr_assets.freshness.config_versions import observe
from mpr_assets.orchestration.stage_asset import RESOURCES
from mpr_assets.timelines.partitions import register
from mpr_assets.timelines.spec import TimelineSpec
from mpr_resources.dagster_internals import read_values, write_value
from mpr_resources.run_queue import AT_WORK, unfinished_timelines
from mpr_resources.storage.io_manager import StorageResource
from mpr_resources.storage.notices import forget, noticed
from mpr_resources.storage.store import Storage

INTERVAL_S = 5
"""How soon a notice is taken."""
LOOK_EVERY_S = 15.0
"""How often everything is looked at when there is no notice."""
TICK_S = 20.0
"""After so long a tick takes no more files; Dagster gives up one of 60 s."""
AT_ONCE = 10
"""Timelines made between two looks at the clock."""
TOLD = 5
"""Entries that a tick's log tells of those that cannot be used."""
MEDIA_TAG = "mpr/media"


def new_media_sensor(stages: Sequence[Stage], job: str, *, on: bool) -> dg.SensorDefinition:
    """Makes a timeline of each file that has come to the media folder, and asks for a run when it has changed.

    `on`: whether it runs unless it is switched off in the UI; else it does not unless it is switched on there.
    """

    @dg.sensor(
        name="new_media",
        description="Makes timelines of the files in MPR_MEDIA_URL and requests their runs. Off while that is not set.",
        job_name=job,
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED,
        required_resource_keys={*RESOURCES, "media"},
    )
    def sense(context):  # type: ignore[no-untyped-def]  # Dagster evaluates annotations, these are strings
        if context.resources.media is None:
            return dg.SkipReason(
                "MPR_MEDIA_URL is not set: no folder or bucket is watched. Switch the sensor off, or set it."
            )
        memory, taken = look(
            context.instance, stages, context.resources, Memory.parse(context.cursor), time.time(), context.log
        )
        watched = len(memory.looks)
        waiting = dg.SkipReason(f"{watched} files are watched until they are complete." if watched else None)
        return dg.SensorResult(
            run_requests=[request(file) for file in taken],
            skip_reason=None if taken else waiting,
            cursor=memory.model_dump_json(),
        )

    return sense


class MediaResources(RunResources, Protocol):
    """What the sensor has besides. `media`: where new media come."""

    @property
    def media(self) -> StorageResource: ...


def request(file: MediaFile) -> dg.RunRequest:
    """The run of a file's timeline: one for each version."""
    return dg.RunRequest(
        run_key=f"{file.timeline}-{file.version}", partition_key=file.timeline, tags={MEDIA_TAG: file.key}
    )


def look(
    instance: dg.DagsterInstance,
    stages: Sequence[Stage],
    resources: MediaResources,
    memory: Memory,
    now_s: float,
    log: logging.Logger,
) -> tuple[Memory, list[MediaFile]]:
    """Look at the media, register the timelines of what is taken; gives what to remember and what was taken.

    Nothing is lost or doubled wherever this is broken off: all that is written may be written again, and a version
    counts as taken only once the tick after sees, by its cursor, that Dagster has the request for the run.

    Args:
        resources: those of a run, and `media`.
    """
    began_s = time.monotonic()
    media, storage = resources.media.storage, resources.storage.storage
    _note_taken(instance, memory.asked)
    notices = set(itertools.islice(noticed(storage), 2 * MOST_A_TICK))
    if not notices and not memory.backlog and now_s - memory.looked_s < LOOK_EVERY_S:
        return memory.model_copy(update={"asked": {}}), []
    entries, passed_over = media.readable_entries()
    if passed_over:
        log.warning(
            "Ignored: %s%s. Rename them, change their permissions or remove the link.",
            ", ".join(passed_over[:TOLD]),
            f" and {len(passed_over) - TOLD} more" if len(passed_over) > TOLD else "",
        )
    files = media_files(entries)
    taken = _taken(instance, (file.timeline for file in files))
    decision = decide(files, notices, memory, taken, now_s)
    # What a run at work was asked for is not changed under it.
    busy = unfinished_timelines(instance, AT_WORK)
    free = [file for file in decision.take if file.timeline not in busy]
    done: list[MediaFile] = []
    for at in range(0, len(free), AT_ONCE):
        if time.monotonic() - began_s >= TICK_S:
            break
        some = free[at : at + AT_ONCE]
        for file in some:
            register(instance, storage, _spec(media, file, resources.profiles.folder), replace=True)
        # The run observes the others: this stage's settings alone are needed before it begins.
        observe(instance, stages[:1], [file.timeline for file in some], resources, log)
        done += some
    new = {file.key for file in files if file.version in decision.since_s}
    forget(storage, notices - new)
    return decision.memory(done), done


def _spec(media: Storage, file: MediaFile, profiles_folder: Path) -> TimelineSpec:
    source = media.where(file.key)
    try:
        if file.sidecar and file.sidecar.size_bytes > MAX_SIDECAR_BYTES:
            raise BadInput(f"{source}{SIDECAR} has more than {MAX_SIDECAR_BYTES // 1000} kB", "make it shorter")
        sidecar = media.get(file.sidecar.key) if file.sidecar else None
    except PermanentError as error:
        return timeline_spec(file, source, None, profiles_folder).model_copy(update={"refused": str(error)})
    return timeline_spec(file, source, sidecar, profiles_folder)


def _taken(instance: dg.DagsterInstance, timelines: Iterable[str]) -> dict[str, str]:
    """The versions that runs were asked for, by timeline."""
    values = read_values(instance, map(_taken_key, timelines))
    return {key.removeprefix(_taken_key("")): version for key, version in values.items()}


def _note_taken(instance: dg.DagsterInstance, versions: Mapping[str, str]) -> None:
    for timeline, version in versions.items():
        write_value(instance, _taken_key(timeline), version)


def _taken_key(timeline: str) -> str:
    return f"mpr/media/{timeline}"
