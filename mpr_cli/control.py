"""Commands that control runs: stop, pause, resume, step, clear, retry. `docs/run-control.md` has them in one table."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from gpu_service.errors import BadInput
from mpr_assets.definitions import STAGES
from mpr_assets.engine.overrides import parse_overrides
from mpr_assets.orchestration.launchpad import as_config, from_config
from mpr_assets.runs.local_instance import dagster_instance, profiles, resources
from mpr_assets.runs.local_storage import storage
from mpr_assets.runs.run_control import (
    STOP_S,
    backfills_at_work,
    clear,
    downstream,
    hold,
    next_step,
    stop,
    stop_backfill,
    what_to_retry,
)
from mpr_assets.runs.run_lock import refuse_at_work
from mpr_assets.timelines.partitions import registered
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import terminal
from mpr_cli.arguments import MaybeTimeline, Timeline
from mpr_cli.exit_status import FAILED
from mpr_cli.materialize import materialize, say_what_has_no_effect
from mpr_resources.run_queue import held_by

app = typer.Typer()

OfProfile = Annotated[str | None, typer.Option("--profile", help="every timeline of this profile")]
StageName = Annotated[str | None, typer.Argument(metavar="[STAGE]", help="this stage and those that depend on it")]
BY_NAME = {stage.name: stage for stage in STAGES}
NAMES = list(BY_NAME)


def stage_name(name: str) -> str:
    """The name, when a stage has it.

    Raises:
        BadInput: none has.
    """
    if name not in NAMES:
        raise BadInput(f"There is no stage {name!r}", f"choose one of {', '.join(NAMES)}")
    return name


@app.command("stop")
def stop_command(
    timeline: MaybeTimeline = None,
    force: Annotated[bool, typer.Option(help="mark a run ended whose process is gone")] = False,
    backfill: Annotated[
        str | None, typer.Option(metavar="ID", help="a whole backfill with all its timelines; mpr status lists them")
    ] = None,
) -> None:
    """Cancel a timeline's runs, also queued ones, or a backfill; finished stages are kept."""
    if (timeline is None) == (backfill is None):
        raise BadInput("Give either a timeline or --backfill ID.")
    if timeline is not None:
        _stop_timeline(timeline, force=force)
    elif backfill is not None:
        with dagster_instance() as instance:
            stop_backfill(instance, backfill)
        terminal.out.print(f"backfill {backfill}: canceling; Dagster's daemon ends its runs")


def _stop_timeline(timeline: str, *, force: bool) -> None:
    load_spec(storage(), timeline)
    with dagster_instance() as instance:
        backfills = [one for one in backfills_at_work(instance) if timeline in one.timelines]
        for one in backfills:
            if len(one.timelines) == 1:
                stop_backfill(instance, one.backfill_id)
                terminal.out.print(f"backfill {one.backfill_id}: canceling")
        stopped = stop(instance, timeline, force=force)
    for run in stopped:
        terminal.out.print(f"run {run.run_id[:8]}: {run.became}")
    for one in backfills:
        if len(one.timelines) > 1:
            terminal.out.print(
                f"The backfill {one.backfill_id} of {len(one.timelines)} timelines continues and may still request "
                f"runs of {timeline}; hold them with: mpr pause {timeline}. To end the whole backfill: "
                f"mpr stop --backfill {one.backfill_id}",
            )
    if not stopped and not backfills:
        terminal.out.print(f"{timeline} has no run, queued or in progress.")
    if any(one.became == "canceling" for one in stopped):
        terminal.out.print(
            f"A run that does not end within {STOP_S:.0f} s hangs or has lost its process, which "
            f"Dagster's daemon detects. To mark it ended now: mpr stop {timeline} --force",
        )
        raise typer.Exit(FAILED)


@app.command()
def pause(timeline: MaybeTimeline = None, profile: OfProfile = None) -> None:
    """Hold a timeline or a profile: queued runs wait until `mpr resume`; a run in progress continues."""
    changed = _hold(timeline, profile, on=True)
    what = timeline if timeline else f"profile {profile}"
    terminal.out.print(f"{what} is on hold; {_runs(changed)} in the queue will wait.")


@app.command()
def resume(timeline: MaybeTimeline = None, profile: OfProfile = None) -> None:
    """Release the hold of a timeline or a profile: its queued runs start."""
    changed = _hold(timeline, profile, on=False)
    with dagster_instance() as instance:
        names = [timeline] if timeline else _timelines_of(registered(instance), str(profile))
        still = held_by(instance, names)
    what = timeline if timeline else f"profile {profile}"
    terminal.out.print(f"{what} is released; {_runs(changed)} in the queue may start.")
    for name, why in still.items():
        other = f"mpr resume {name}" if why == "timeline" else f"mpr resume --profile {why.removeprefix('profile ')}"
        terminal.out.print(f"{name} is still on hold because of its {why}; release it with: {other}")


def _hold(timeline: str | None, profile: str | None, *, on: bool) -> int:
    if (timeline is None) == (profile is None):
        raise BadInput("Give either a timeline or --profile NAME.")
    if profile is not None:
        profiles().path(profile)
    with dagster_instance() as instance:
        return hold(instance, storage(), on=on, timeline=timeline, profile=profile)


def _timelines_of(names: list[str], profile: str) -> list[str]:
    return [name for name in names if load_spec(storage(), name).profile == profile]


def _runs(number: int) -> str:
    return f"{number} run{'' if number == 1 else 's'}"


@app.command()
def step(timeline: Timeline) -> None:
    """Materialize one stage: the first that is missing or stale."""
    load_spec(storage(), timeline)
    with dagster_instance() as instance:
        refuse_at_work(instance, timeline)
        following = next_step(instance, STAGES, timeline, resources(), logging.getLogger("mpr"))
        if following is None:
            terminal.out.print(f"Every stage of {timeline} is up to date.")
            return
        cause = f": {'; '.join(following.causes)}" if following.causes else ""
        terminal.out.print(f"{following.stage} is {following.state}{cause}")
        materialize(instance, timeline, command="step", stages=[following.stage])


@app.command("clear")
def clear_command(
    timeline: Timeline,
    stage: StageName = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")] = False,
) -> None:
    """Delete a timeline's stored results, from a stage on; its spec, scenarios and history are kept."""
    store = storage()
    load_spec(store, timeline)
    stages = downstream(STAGES, stage_name(stage)) if stage else NAMES
    if not yes:
        typer.confirm(f"Delete the results of {', '.join(stages)} for {timeline}?", abort=True)
    with dagster_instance() as instance:
        refuse_at_work(instance, timeline)
        deleted = clear(instance, store, timeline, [BY_NAME[name] for name in stages])
    terminal.out.print(f"{deleted} objects deleted.")


@app.command()
def retry(
    timeline: Timeline,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="a setting for the stage that failed"),
    ] = None,
) -> None:
    """Continue the last run where it failed or was stopped, with its settings or with others."""
    profile = profiles().load(load_spec(storage(), timeline).profile)
    with dagster_instance() as instance:
        refuse_at_work(instance, timeline)
        left = what_to_retry(instance, NAMES, timeline)
        first = left.stages[0]
        stage = BY_NAME[first]
        before = from_config(left.config.get(first, {})).under_current_names(stage.settings)
        overrides = before | parse_overrides(first, changes or []).under_current_names(stage.settings)
        say_what_has_no_effect(stage, profile, overrides)
        terminal.out.print(f"Run {left.run_id[:8]} continues with {first}.")
        config = left.config | {first: as_config(overrides)}
        materialize(instance, timeline, command="retry", stages=left.stages, config=config, tags=left.tags)
