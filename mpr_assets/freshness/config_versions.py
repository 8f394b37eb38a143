"""The versions of many timelines' settings at once, and reporting those that changed.

What a version is made of is in `mpr_assets.engine.materialize`; what is stale is judged in
`mpr_assets.freshness.judge`.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import dagster as dg

from gpu_service.errors import MprError, TransientError
from mpr_assets.engine.materialize import stage_config_version
from mpr_assets.engine.open_run import run_of
from mpr_assets.engine.overrides import NO_OVERRIDES
from mpr_assets.engine.resources import RunResources
from mpr_assets.engine.stage import Stage
from mpr_assets.freshness.event_log import (
    read_observed,
    report,
)
from mpr_assets.freshness.judge import (
    StageNode,
    changed,
)
from mpr_assets.timelines.spec import TimelineSpec
from mpr_assets.timelines.spec_store import load_specs, spec_states
from mpr_resources.brands.brand_file import BrandList
from mpr_resources.media.sources import local_state
from mpr_resources.profiles.profile import Profile
from mpr_resources.storage.keys import Keys

REMOTE_EVERY_S = 600.0
"""How often a watch asks S3 or a web server whether a timeline's video was replaced. What `new_media` made of a bucket
has the video's version in its spec, and is not asked for."""
REMOTE_AT_ONCE = 100
"""Of so many timelines, at most, at each look."""


@dataclass(frozen=True)
class _OwnVersion:
    """The version of the settings of a stage that depends on a timeline's own files, and what it was made of."""

    spec: TimelineSpec
    profile: Profile
    files: tuple[str | None, ...]
    version: str
    looked_s: float

    def is_of(self, spec: TimelineSpec, profile: Profile, files: tuple[str | None, ...]) -> bool:
        # The objects are the same ones where nothing was read anew.
        return self.spec is spec and self.profile is profile and self.files == files

    @property
    def is_remote(self) -> bool:
        return None in self.files


class ConfigWatch:
    """The versions of the settings of many timelines, from one look to the next.

    At each look all is asked for that many timelines share: profiles, brand files, the registry, logos, the models of
    the inference host, each once. Of what is one timeline's own, its spec and its videos, a listing and the files'
    times are looked at, and read is what changed. Held in memory alone: one that has seen nothing yet reads all, with
    the same result.
    """

    def __init__(self, stages: Sequence[Stage], clock: Callable[[], float] = time.monotonic) -> None:
        self.stages = stages
        self._clock = clock
        self._specs: dict[str, tuple[str, TimelineSpec | MprError]] = {}
        self._own: dict[tuple[str, str], _OwnVersion] = {}

    def timelines(
        self, names: Iterable[str], resources: RunResources, log: logging.Logger
    ) -> dict[str, tuple[TimelineSpec, Profile]]:
        """As `usable_timelines`, of all timelines."""
        names, storage = list(names), resources.storage.storage
        states = spec_states(storage)  # before they are read: what is replaced meanwhile is read again next time
        changed = [name for name in names if name not in states or self._specs.get(name, ("",))[0] != states[name]]
        specs = load_specs(storage, changed) if changed else {}
        self._specs = {
            name: (states.get(name, ""), specs[name]) if name in specs else self._specs[name] for name in names
        }
        known = {name: spec for name, (_, spec) in self._specs.items()}
        for name, spec in specs.items():
            if isinstance(spec, TransientError):
                del self._specs[name]
        self._own = {(stage, name): own for (stage, name), own in self._own.items() if name in self._specs}
        return _with_profiles(known, resources, log)

    def versions(
        self, timelines: Mapping[str, tuple[TimelineSpec, Profile]], resources: RunResources, log: logging.Logger
    ) -> dict[str, dict[str, str]]:
        """As `config_versions`."""
        shared: dict[tuple[str, ...], str | None] = {}
        annotations = self._annotations(resources)
        brands: dict[tuple[str, str], list[BrandList]] = {}
        to_ask = self._remote_to_ask(timelines)
        away = False

        def version(stage: Stage, spec: TimelineSpec, profile: Profile) -> str | None:
            nonlocal away
            if away and "inference" in stage.kinds:
                return None  # the next stage would wait for the same host as long again
            try:
                run = run_of(stage, spec, profile, NO_OVERRIDES, resources, log)
                seen = brands.setdefault((spec.profile, spec.brands or ""), [])
                return stage_config_version(stage, replace(run, seen=seen))
            except MprError as error:
                away = away or isinstance(error, TransientError)
                log.error(
                    "Dependencies of %s of the timeline %r cannot be determined: %s", stage.name, spec.name, error
                )
                return None

        def own(stage: Stage, spec: TimelineSpec, profile: Profile) -> str | None:
            # A version in the spec stands for the files.
            addresses = [] if spec.version else sorted({chunk.source for chunk in spec.chunks})
            files = tuple(map(local_state, addresses))
            known = self._own.get((stage.name, spec.name))
            if known is not None and spec.name not in to_ask and known.is_of(spec, profile, files):
                return known.version
            found = version(stage, spec, profile)
            if found is not None:
                self._own[stage.name, spec.name] = _OwnVersion(spec, profile, files, found, self._clock())
            return found

        versions: dict[str, dict[str, str]] = {}
        for timeline, (spec, profile) in timelines.items():
            of_timeline: dict[str, str] = {}
            for stage in self.stages:
                # A timeline's own files are what its first stage depends on; all others on what many share, but for
                # what people say of one timeline.
                if not stage.inputs:
                    found = own(stage, spec, profile)
                else:
                    key: tuple[str, ...] = (stage.name, spec.profile, spec.brands or "")
                    if stage.reads_annotations and timeline in annotations:
                        key = (stage.name, timeline)
                    if key not in shared:
                        shared[key] = version(stage, spec, profile)
                    found = shared[key]
                if found is not None:
                    of_timeline[stage.name] = found
            versions[timeline] = of_timeline
        return versions

    def _annotations(self, resources: RunResources) -> set[str]:
        """The timelines of which people said something: one listing, in which nothing is read."""
        if not any(stage.reads_annotations for stage in self.stages):
            return set()
        return set(resources.storage.storage.folders(Keys.annotation("", "").rstrip("/")))

    def _remote_to_ask(self, timelines: Mapping[str, object]) -> set[str]:
        """Timelines whose remote files are to be asked for now, the longest not asked for first."""
        due_s = self._clock() - REMOTE_EVERY_S
        due = [
            (own.looked_s, timeline)
            for (_, timeline), own in self._own.items()
            if timeline in timelines and own.is_remote and own.looked_s <= due_s
        ]
        return {timeline for _, timeline in sorted(due)[:REMOTE_AT_ONCE]}


def usable_timelines(
    timelines: Iterable[str], resources: RunResources, log: logging.Logger
) -> dict[str, tuple[TimelineSpec, Profile]]:
    """Spec and profile of each timeline that has both; the log says once what is wrong with the others.

    A profile is read once, however many timelines use it.
    """
    return _with_profiles(load_specs(resources.storage.storage, list(timelines)), resources, log)


def _with_profiles(
    specs: Mapping[str, TimelineSpec | MprError], resources: RunResources, log: logging.Logger
) -> dict[str, tuple[TimelineSpec, Profile]]:
    profiles: dict[str, Profile | None] = {}
    usable = {}
    for timeline, spec in specs.items():
        try:
            if isinstance(spec, MprError):
                raise spec
            if spec.profile not in profiles:
                profiles[spec.profile] = None
                profiles[spec.profile] = resources.profiles.load(spec.profile)
        except MprError as error:
            log.error("The settings of the timeline %r cannot be resolved: %s", timeline, error)
            continue
        profile = profiles[spec.profile]
        if profile is not None:
            usable[timeline] = (spec, profile)
    return usable


def config_versions(
    stages: Sequence[Stage],
    timelines: Mapping[str, tuple[TimelineSpec, Profile]],
    resources: RunResources,
    log: logging.Logger,
) -> dict[str, dict[str, str]]:
    """The versions of all settings as they are now, by timeline, then stage.

    A stage whose version cannot be told, for a broken brand file or a host that is away, is left out, and the log says
    why. What the same profile and brand file give is worked out once.
    """
    return ConfigWatch(stages).versions(timelines, resources, log)


OBSERVED_AT_ONCE = 100


def node(stage: Stage) -> StageNode:
    return StageNode(stage.name, stage.inputs, stage.code_version)


def observe(
    instance: dg.DagsterInstance,
    stages: Sequence[Stage],
    timelines: Sequence[str],
    resources: RunResources,
    log: logging.Logger,
    within_s: float = math.inf,
) -> int:
    """Report the settings of these timelines that are not as last observed; gives their number.

    A stage that runs before its settings were ever observed does not go stale in Dagster's eyes later.

    Args:
        within_s: after so long, no more are reported.
    """
    usable = usable_timelines(timelines, resources, log)
    config = config_versions(stages, usable, resources, log)
    observed = read_observed(instance, [*map(node, stages)], timelines)
    return report_changed(instance, config, observed, within_s, profile_settings(stages, usable))


def profile_settings(
    stages: Sequence[Stage], timelines: Mapping[str, tuple[TimelineSpec, Profile]]
) -> Callable[[str, str], Mapping[str, object]]:
    """What gives the settings of a stage, by name, that the profile of a timeline has; each worked out once."""
    by_name = {stage.name: stage for stage in stages}

    @cache
    def of_profile(stage: str, profile: str) -> Mapping[str, object]:
        found = next(one for spec, one in timelines.values() if spec.profile == profile)
        return by_name[stage].section(found).model_dump(mode="json")

    return lambda stage, timeline: of_profile(stage, timelines[timeline][0].profile)


def report_changed(
    instance: dg.DagsterInstance,
    config: Mapping[str, Mapping[str, str]],
    observed: Mapping[str, Mapping[str, str]],
    within_s: float = math.inf,
    settings_of: Callable[[str, str], Mapping[str, object]] = lambda _stage, _timeline: {},
) -> int:
    """Report these versions where they are not as last observed; gives their number.

    `within_s`: as in `observe`. `settings_of`: as in `event_log.report`.
    """
    end_s = time.monotonic() + within_s
    changes = sorted(changed(config, observed))
    number = 0
    while number < len(changes) and time.monotonic() < end_s:
        number += report(instance, changes[number : number + OBSERVED_AT_ONCE], settings_of)
    return number
