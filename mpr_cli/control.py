"""Commands that control runs: stop, pause, resume, step, clear, retry. `docs/run-control.md` has them in one table."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated

import typer

from gpu_service.errors import BadInput
from mpr_assets.definitions import BY_NAME, STAGES
from mpr_assets.engine.overrides import parse_overrides
from mpr_assets.orchestration.launchpad import as_config, from_config
from mpr_assets.runs.local_instance import dagster_instance, profiles, resources
from mpr_assets.runs.local_storage import storage
from mpr_assets.runs.run_control import (
    STOP_S,
    StopResult,
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
from mpr_cli.arguments import MaybeTimeline, Timeline, stage_name
from mpr_cli.document import Document
from mpr_cli.exit_status import FAILED
from mpr_cli.materialize import materialize, say_what_has_no_effect
from mpr_resources.run_queue import held_by

app = typer.Typer()

OfProfile = Annotated[str | None, typer.Option("--profile", help="every timeline of this profile")]
StageName = Annotated[str | None, typer.Argument(metavar="[STAGE]", help="this stage and those that depend on it")]


@dataclass(frozen=True)
class StoppedBackfill:
    """`canceling`: whether it was asked to end; one of several timelines continues unless it is named by its id."""

    backfill_id: str
    timelines: int | None
    canceling: bool


@dataclass(frozen=True)
class Stopped(Document):
    timeline: str | None
    runs: list[StopResult]
    backfills: list[StoppedBackfill]

    def show(self) -> None:
        for one in self.backfills:
            if one.canceling:
                more = "" if self.timeline else "; Dagster's daemon ends its runs"
                terminal.out.print(f"backfill {one.backfill_id}: canceling{more}")
        for run in self.runs:
            terminal.out.print(f"run {run.run_id[:8]}: {run.became}")
        for one in self.backfills:
            if not one.canceling:
                terminal.out.print(
                    f"The backfill {one.backfill_id} of {one.timelines} timelines continues and may still request "
                    f"runs of {self.timeline}; hold them with: mpr pause {self.timeline}. To end the whole backfill: "
                    f"mpr stop --backfill {one.backfill_id}",
                )
        if not self.runs and not self.backfills:
            terminal.out.print(f"{self.timeline} has no run, queued or in progress.")
        if self.exit_status:
            terminal.out.print(
                f"A run that does not end within {STOP_S:.0f} s hangs or has lost its process, which "
                f"Dagster's daemon detects. To mark it ended now: mpr stop {self.timeline} --force",
            )

    @property
    def exit_status(self) -> int:
        return FAILED if any(one.became == "canceling" for one in self.runs) else 0


@app.command("stop")
def stop_command(
    timeline: MaybeTimeline = None,
    force: Annotated[bool, typer.Option(help="mark a run ended whose process is gone")] = False,
    backfill: Annotated[
        str | None, typer.Option(metavar="ID", help="a whole backfill with all its timelines; mpr status lists them")
    ] = None,
) -> Stopped:
    """Cancel a timeline's runs, also queued ones, or a backfill; finished stages are kept."""
    if timeline is not None and backfill is None:
        return _stop_timeline(timeline, force=force)
    if timeline is None and backfill is not None:
        with dagster_instance() as instance:
            stop_backfill(instance, backfill)
        return Stopped(None, [], [StoppedBackfill(backfill, None, canceling=True)])
    raise BadInput("Give either a timeline or --backfill ID.")


def _stop_timeline(timeline: str, *, force: bool) -> Stopped:
    load_spec(storage(), timeline)
    with dagster_instance() as instance:
        backfills = [one for one in backfills_at_work(instance) if timeline in one.timelines]
        for one in backfills:
            if len(one.timelines) == 1:
                stop_backfill(instance, one.backfill_id)
        stopped = stop(instance, timeline, force=force)
    named = [StoppedBackfill(one.backfill_id, len(one.timelines), len(one.timelines) == 1) for one in backfills]
    return Stopped(timeline, stopped, named)


@dataclass(frozen=True)
class Held(Document):
    """`waiting_runs`: how many runs in the queue wait from now on."""

    timeline: str | None
    profile: str | None
    waiting_runs: int

    def show(self) -> None:
        terminal.out.print(f"{_held(self)} is on hold; {_runs(self.waiting_runs)} in the queue will wait.")


@app.command()
def pause(timeline: MaybeTimeline = None, profile: OfProfile = None) -> Held:
    """Hold a timeline or a profile: queued runs wait until `mpr resume`; a run in progress continues."""
    return Held(timeline, profile, _hold(timeline, profile, on=True))


@dataclass(frozen=True)
class StillHeld:
    """`because_of`: timeline, or profile NAME."""

    timeline: str
    because_of: str


@dataclass(frozen=True)
class Released(Document):
    """`released_runs`: how many runs in the queue may start from now on."""

    timeline: str | None
    profile: str | None
    released_runs: int
    still_on_hold: list[StillHeld]

    def show(self) -> None:
        terminal.out.print(f"{_held(self)} is released; {_runs(self.released_runs)} in the queue may start.")
        for one in self.still_on_hold:
            of_profile = f"--profile {one.because_of.removeprefix('profile ')}"
            other = f"mpr resume {one.timeline if one.because_of == 'timeline' else of_profile}"
            terminal.out.print(
                f"{one.timeline} is still on hold because of its {one.because_of}; release it with: {other}"
            )


@app.command()
def resume(timeline: MaybeTimeline = None, profile: OfProfile = None) -> Released:
    """Release the hold of a timeline or a profile: its queued runs start."""
    changed = _hold(timeline, profile, on=False)
    with dagster_instance() as instance:
        names = [timeline] if timeline else _timelines_of(registered(instance), str(profile))
        still = held_by(instance, names)
    return Released(timeline, profile, changed, [StillHeld(name, why) for name, why in still.items()])


def _held(one: Held | Released) -> str:
    return one.timeline or f"profile {one.profile}"


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


@dataclass(frozen=True)
class StepMade(Document):
    """`stage`, `state`, `causes`: of the stage before it was made; None: every stage was up to date."""

    timeline: str
    stage: str | None
    state: str | None
    causes: list[str]
    run_id: str | None

    def show(self) -> None:
        if self.stage is None:
            terminal.out.print(f"Every stage of {self.timeline} is up to date.")


@app.command()
def step(timeline: Timeline) -> StepMade:
    """Materialize one stage: the first that is missing or stale."""
    load_spec(storage(), timeline)
    with dagster_instance() as instance:
        refuse_at_work(instance, timeline)
        following = next_step(instance, STAGES, timeline, resources(), logging.getLogger("mpr"))
        if following is None:
            return StepMade(timeline, None, None, [], None)
        cause = f": {'; '.join(following.causes)}" if following.causes else ""
        terminal.out.print(f"{following.stage} is {following.state}{cause}")
        run = materialize(instance, timeline, command="step", stages=[following.stage])
    return StepMade(timeline, following.stage, following.state, list(following.causes), run.run_id)


@dataclass(frozen=True)
class ResultsCleared(Document):
    """`objects`: how many were deleted."""

    timeline: str
    stages: list[str]
    objects: int

    def show(self) -> None:
        terminal.out.print(f"{self.objects} objects deleted.")


@app.command("clear")
def clear_command(
    timeline: Timeline,
    stage: StageName = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")] = False,
) -> ResultsCleared:
    """Delete a timeline's stored results, from a stage on; its spec, scenarios and history are kept."""
    store = storage()
    load_spec(store, timeline)
    stages = downstream(STAGES, stage_name(stage)) if stage else [*BY_NAME]
    if not yes:
        typer.confirm(f"Delete the results of {', '.join(stages)} for {timeline}?", abort=True)
    with dagster_instance() as instance:
        refuse_at_work(instance, timeline)
        deleted = clear(instance, store, timeline, [BY_NAME[name] for name in stages])
    return ResultsCleared(timeline, stages, deleted)


@dataclass(frozen=True)
class Retried(Document):
    """`retried_run_id`: the run that is continued. `stages`: those that it had left, made by the run `run_id`."""

    timeline: str
    retried_run_id: str
    stages: list[str]
    run_id: str

    def show(self) -> None:
        """What there is to say was printed while it ran."""


@app.command()
def retry(
    timeline: Timeline,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="a setting for the stage that failed"),
    ] = None,
) -> Retried:
    """Continue the last run where it failed or was stopped, with its settings or with others."""
    profile = profiles().load(load_spec(storage(), timeline).profile)
    with dagster_instance() as instance:
        refuse_at_work(instance, timeline)
        left = what_to_retry(instance, [*BY_NAME], timeline)
        first = left.stages[0]
        stage = BY_NAME[first]
        before = from_config(left.config.get(first, {})).under_current_names(stage.settings)
        overrides = before | parse_overrides(first, changes or []).under_current_names(stage.settings)
        say_what_has_no_effect(stage, profile, overrides)
        terminal.out.print(f"Run {left.run_id[:8]} continues with {first}.")
        config = left.config | {first: as_config(overrides)}
        run = materialize(instance, timeline, command="retry", stages=left.stages, config=config, tags=left.tags)
    return Retried(timeline, left.run_id, list(left.stages), run.run_id)
