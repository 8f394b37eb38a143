"""Which stages of a timeline are out of date, and why. Pure: no storage, no event log.

A stage's settings are an upstream asset, `config/<stage>`, whose data version is the hash of all that the stage depends
on outside the graph. What is read from Dagster for this is in `mpr_assets.freshness.event_log`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from pydantic import JsonValue

CONFIG_CHANGED = "its settings, or a file or a model that it uses, changed"
"""The cause of a stage whose version of settings changed; a brand list and a logo are such files, and so is a video."""


class StageState(StrEnum):
    """What can be said of a stage of a timeline."""

    MISSING = "missing"
    FRESH = "fresh"
    STALE = "stale"
    OVERRIDDEN = "overridden"


@dataclass(frozen=True)
class StageNode:
    """What judging needs to know of a stage."""

    name: str
    inputs: tuple[str, ...]
    code_version: str


@dataclass(frozen=True)
class Materialization:
    """The latest materialization of a stage: what it made, and from what.

    Attributes:
        event_id: the event's place in the log; later is higher.
        time_s: when, in seconds since 1970.
        upstream: data version of each stage that it read.
        config: version of its settings, see `config_version`.
        overrides: what was not as the profile has it.
        run_id: of the run that made it.
        skipped: why the stage was switched off, or empty.
    """

    event_id: int
    time_s: float
    data_version: str
    code_version: str
    upstream: Mapping[str, str]
    config: str
    overrides: Mapping[str, JsonValue] = field(default_factory=dict)
    run_id: str = ""
    skipped: str = ""


@dataclass(frozen=True)
class Verdict:
    """A stage's state and its causes, the first the nearest.

    Attributes:
        overrides: what its run had that the profile has not; a stage that was overridden can be stale besides.
    """

    stage: str
    state: StageState
    causes: tuple[str, ...] = ()
    overrides: Mapping[str, JsonValue] = field(default_factory=dict)


MaterializationsByStage: TypeAlias = Mapping[str, Mapping[str, Materialization]]
"""Latest materializations by stage, then timeline."""


def same_config(observed: str, current: str) -> bool:
    """Whether an observed version is of these settings. What follows a `#` is the run that overrode them."""
    return observed.partition("#")[0] == current


def overridden_version(current: str, run_id: str) -> str:
    """The version of the same settings after a run that did not use them, so that what it made reads as stale."""
    return f"{current}#{run_id}"


def judge(stages: Sequence[StageNode], made: Mapping[str, Materialization], config: Mapping[str, str]) -> list[Verdict]:
    """The state of every stage of one timeline.

    A stage that was overridden goes stale by what it depends on as any other does, not by its settings: those are
    shown, and stay until somebody asks for a run without them. Overrides that the profile has taken over are none.

    Args:
        stages: in the order of a run, so that a stage's inputs come before it.
        made: latest materialization by stage; a stage that is not there was never materialized.
        config: version of the settings as they are now, by stage; a stage whose version cannot be told is left out.
    """
    verdicts: dict[str, Verdict] = {}
    for stage in stages:
        mine = made.get(stage.name)
        if mine is None:
            verdicts[stage.name] = Verdict(stage.name, StageState.MISSING)
            continue
        overrides = mine.overrides if mine.config != config.get(stage.name) else {}
        causes = tuple(_causes(stage, mine, made, config, verdicts))
        state = StageState.STALE if causes else StageState.OVERRIDDEN if overrides else StageState.FRESH
        verdicts[stage.name] = Verdict(stage.name, state, causes, overrides)
    return list(verdicts.values())


def _causes(
    stage: StageNode,
    mine: Materialization,
    made: Mapping[str, Materialization],
    config: Mapping[str, str],
    verdicts: Mapping[str, Verdict],
) -> Iterable[str]:
    if mine.code_version != stage.code_version:
        yield f"code version {mine.code_version} is now {stage.code_version}"
    if mine.config != config.get(stage.name, mine.config) and not mine.overrides:
        yield CONFIG_CHANGED
    for name in stage.inputs:
        if verdicts[name].state in (StageState.STALE, StageState.MISSING):
            yield f"{name} is {verdicts[name].state}"
        elif mine.upstream.get(name) != made[name].data_version:
            yield f"{name} has another result"


def of_timeline(made: MaterializationsByStage, timeline: str) -> dict[str, Materialization]:
    """What was made last of each stage of the timeline."""
    return {stage: by_timeline[timeline] for stage, by_timeline in made.items() if timeline in by_timeline}


def changed(
    current: Mapping[str, Mapping[str, str]], observed: Mapping[str, Mapping[str, str]]
) -> list[tuple[str, str, str]]:
    """(stage, timeline, version) of every config that is not as it was last observed.

    `current` has the version by timeline, then stage; `observed` by stage, then timeline.
    """
    return [
        (stage, timeline, version)
        for timeline, versions in current.items()
        for stage, version in versions.items()
        if not same_config(observed.get(stage, {}).get(timeline, ""), version)
    ]
