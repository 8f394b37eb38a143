"""A run in the command line's own process, with its progress and failed checks on the terminal."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import dagster as dg
from pydantic import JsonValue

from mpr_assets.definitions import switched_off
from mpr_assets.engine.open_run import resolve_settings
from mpr_assets.engine.overrides import Overrides
from mpr_assets.engine.settings import without_effect
from mpr_assets.engine.stage import Stage
from mpr_assets.runs.local_run import LocalRun, names_not_read, run_here
from mpr_assets.runs.stage_failed import StageFailed
from mpr_assets.runs.up_to_date import StoredRun
from mpr_cli import terminal
from mpr_cli.progress_display import progress
from mpr_resources.dagster_internals import keep_engines, remember_partitions
from mpr_resources.profiles.profile import Profile


def materialize(
    instance: dg.DagsterInstance,
    timeline: str,
    *,
    command: str,
    stages: Sequence[str] = (),
    config: Mapping[str, Mapping[str, JsonValue]] | None = None,
    tags: Mapping[str, str] | None = None,
) -> LocalRun:
    """`run_here` with its output: before it the names that cannot be read; failed checks even when a stage fails."""
    _print(names_not_read(timeline, stages, config))
    keep_engines()
    remember_partitions(instance)
    try:
        run = run_here(
            instance, timeline, command=command, stages=stages, config=config, tags=tags, progress=progress()
        )
    except StageFailed as error:
        _print(error.doubts)
        raise
    except dg.DagsterExecutionInterruptedError as error:
        raise KeyboardInterrupt from error
    _print(run.doubts)
    return run


def show_stored(timeline: str, stored: StoredRun) -> None:
    """Print what `materialize` prints of a run that gives everything back as it is stored."""
    _print(names_not_read(timeline))
    shown = progress()
    for stage, outcome in stored.outcomes.items():
        shown.concluded(stage, outcome.summary(0.0))
    _print(stored.doubts)


def say_what_has_no_effect(stage: Stage, profile: Profile, overrides: Overrides | None = None) -> None:
    """Print which settings of a stage have no effect, of those that the overrides give, or else the profile."""
    if overrides is None:
        section = stage.section(profile)
        names = set(section.model_fields_set)
    else:
        section = resolve_settings(stage, profile, overrides)
        names = set(overrides.under_current_names(stage.settings).settings)
    off = switched_off(os.environ).get(stage.name) if section.enabled else "the stage is off (enabled is false)"
    _print(without_effect(stage.name, section, names, off))


def _print(doubts: Sequence[str]) -> None:
    for doubt in doubts:
        terminal.err.print(f"mpr: {doubt}")
