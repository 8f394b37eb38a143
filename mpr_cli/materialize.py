"""A run in the command line's own process, with its progress and failed checks on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dagster as dg
from pydantic import JsonValue

from mpr_assets.runs.local_run import run_here
from mpr_assets.runs.stage_failed import StageFailed
from mpr_cli import terminal
from mpr_cli.progress_display import progress


def materialize(
    instance: dg.DagsterInstance,
    timeline: str,
    *,
    command: str,
    stages: Sequence[str] = (),
    config: Mapping[str, Mapping[str, JsonValue]] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """`run_here` with its output; failed checks are printed even when a stage fails."""
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


def _print(doubts: Sequence[str]) -> None:
    for doubt in doubts:
        terminal.err.print(f"mpr: {doubt}")
