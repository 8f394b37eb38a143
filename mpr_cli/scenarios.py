"""The commands `mpr scenario ...`: bookmark a stage's result, and compare with it later."""

from __future__ import annotations

import getpass
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from gpu_service.errors import BadInput
from mpr_assets.compare.scenarios import (
    ScenarioResult,
    check_scenario,
    save_scenario,
    validate_label,
)
from mpr_assets.compare.table_diff import change_line
from mpr_assets.engine.open_run import run_of
from mpr_assets.engine.overrides import NO_OVERRIDES
from mpr_assets.runs.local_instance import resources
from mpr_assets.runs.local_storage import storage
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import terminal
from mpr_cli.arguments import Timeline
from mpr_cli.control import BY_NAME, stage_name
from mpr_cli.exit_status import FAILED
from mpr_cli.progress_display import progress
from mpr_resources.storage import scenario_store as kept
from mpr_resources.storage.scenario_store import Scenario

app = typer.Typer(no_args_is_help=True, help="Bookmark a stage's result, and check later whether it is reproduced.")

StageName = Annotated[str, typer.Argument(metavar="STAGE", help="name of a stage")]
Label = Annotated[str, typer.Argument(help="letters, digits, _ and -")]
Labels = Annotated[list[str] | None, typer.Argument(metavar="[LABEL...|all]", help="labels; all by default")]
MOST_CHANGES = 20


@app.command("save")
def save_command(
    timeline: Timeline,
    stage: StageName,
    label: Label,
    replace: Annotated[bool, typer.Option(help="replace the scenario that has this label")] = False,
) -> None:
    """Bookmark a stage's stored result with all its inputs."""
    store = storage()
    load_spec(store, timeline)
    saved = save_scenario(
        store,
        BY_NAME[stage_name(stage)],
        timeline,
        label,
        stages=BY_NAME,
        saved=datetime.now(UTC).isoformat(timespec="seconds"),
        saved_by=_user(),
        replace=replace,
    )
    terminal.out.print(f"{label}: {saved.rows} rows of {stage}, {saved.objects} objects copied.")


@app.command("list")
def list_command() -> None:
    """List all scenarios."""
    for one in kept.scenarios(storage()):
        terminal.out.print(f"{one.label:24} {one.timeline}:{one.stage}  {one.rows} rows  {one.saved}")


@app.command("show")
def show_command(label: Label) -> None:
    """Show a scenario."""
    for name, value in kept.load(storage(), validate_label(label)).model_dump().items():
        terminal.out.print(f"{name:14} {value}")


@app.command("delete")
def delete_command(label: Label) -> None:
    """Delete a scenario."""
    store = storage()
    kept.load(store, validate_label(label))
    kept.delete(store, label)
    terminal.out.print(f"{label} is deleted.")


@app.command("check")
def check_command(labels: Labels = None) -> None:
    """Run each scenario's stage on its stored inputs with the current profile and code; status 1 if one differs."""
    store = storage()
    wanted = [kept.load(store, validate_label(label)) for label in _wanted(labels or [])]
    differ = 0
    for scenario in wanted:
        same, said = _check(scenario)
        differ += not same
        terminal.out.print(terminal.styled("same" if same else "differs", "green" if same else "red"), end="")
        terminal.out.print(f"  {scenario.label}  {scenario.timeline}:{scenario.stage}  {said}")
    if not wanted:
        terminal.out.print("There is no scenario to check.")
    if differ:
        raise typer.Exit(FAILED)


def _wanted(labels: Sequence[str]) -> Sequence[str]:
    return kept.labels(storage()) if not labels or list(labels) == ["all"] else labels


def _check(scenario: Scenario) -> tuple[bool, str]:
    """Whether it is the same, and what is to be said of it."""
    world = resources(progress())
    stage = BY_NAME.get(scenario.stage)
    try:
        if stage is None:
            raise BadInput(f"the stage {scenario.stage} no longer exists", "delete the scenario")
        spec = load_spec(kept.opened(storage(), scenario.label), scenario.timeline)
        run = run_of(stage, spec, world.profiles.load(spec.profile), NO_OVERRIDES, world, logging.getLogger("mpr"))
    except BadInput as error:
        return False, str(error)
    checked = check_scenario(storage(), scenario, run, BY_NAME)
    return checked.same, "\n".join([checked.sentence(), *_changes(checked)])


def _changes(checked: ScenarioResult) -> list[str]:
    changes = checked.difference.changes if checked.difference else ()
    told = [f"    {change_line(change)}" for change in changes[:MOST_CHANGES]]
    return told + ([f"    … {len(changes) - MOST_CHANGES} more"] if len(changes) > MOST_CHANGES else [])


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return ""
