"""The commands `mpr scenario ...`: bookmark a stage's result, and compare with it later."""

from __future__ import annotations

import getpass
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer

from mpr_assets.compare.scenarios import CheckedScenario, check_as_it_is_now, save_scenario, validate_label
from mpr_assets.definitions import BY_NAME
from mpr_assets.runs.local_instance import resources
from mpr_assets.runs.local_storage import storage
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import terminal
from mpr_cli.arguments import Timeline, stage_name
from mpr_cli.document import Document
from mpr_cli.exit_status import FAILED
from mpr_cli.progress_display import progress
from mpr_resources.storage import scenario_store as kept
from mpr_resources.storage.scenario_store import Scenario

app = typer.Typer(no_args_is_help=True, help="Bookmark a stage's result, and check later whether it is reproduced.")

StageName = Annotated[str, typer.Argument(metavar="STAGE", help="name of a stage")]
Label = Annotated[str, typer.Argument(help="letters, digits, _ and -")]
Labels = Annotated[list[str] | None, typer.Argument(metavar="[LABEL...|all]", help="labels; all by default")]
MOST_CHANGES = 20


@dataclass(frozen=True)
class ScenarioSaved(Document):
    """`objects`: how many were copied."""

    label: str
    timeline: str
    stage: str
    rows: int
    objects: int

    def show(self) -> None:
        terminal.out.print(f"{self.label}: {self.rows} rows of {self.stage}, {self.objects} objects copied.")


@app.command("save")
def save_command(
    timeline: Timeline,
    stage: StageName,
    label: Label,
    replace: Annotated[bool, typer.Option(help="replace the scenario that has this label")] = False,
) -> ScenarioSaved:
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
    return ScenarioSaved(label, timeline, stage, saved.rows, saved.objects)


@dataclass(frozen=True)
class ShownScenario(Document):
    """`saved_ms`: since 1970, UTC."""

    label: str
    timeline: str
    stage: str
    profile: str
    saved_ms: int
    saved_by: str
    objects: int
    rows: int
    data_version: str
    code_version: str

    @classmethod
    def of(cls, scenario: Scenario) -> ShownScenario:
        saved_ms = round(datetime.fromisoformat(scenario.saved).timestamp() * 1000)
        return cls(saved_ms=saved_ms, **scenario.model_dump(exclude={"saved"}))

    def when(self) -> str:
        return datetime.fromtimestamp(self.saved_ms / 1000, UTC).isoformat(timespec="seconds")

    def show(self) -> None:
        for name, value in asdict(self).items():
            told = ("saved", self.when()) if name == "saved_ms" else (name, value)
            terminal.out.print(f"{told[0]:14} {told[1]}")


@dataclass(frozen=True)
class ScenarioList(Document):
    scenarios: list[ShownScenario]

    def show(self) -> None:
        for one in self.scenarios:
            terminal.out.print(f"{one.label:24} {one.timeline}:{one.stage}  {one.rows} rows  {one.when()}")


@app.command("list")
def list_command() -> ScenarioList:
    """List all scenarios."""
    return ScenarioList([ShownScenario.of(one) for one in kept.scenarios(storage())])


@app.command("show")
def show_command(label: Label) -> ShownScenario:
    """Show a scenario."""
    return ShownScenario.of(kept.load(storage(), validate_label(label)))


@dataclass(frozen=True)
class ScenarioDeleted(Document):
    label: str

    def show(self) -> None:
        terminal.out.print(f"{self.label} is deleted.")


@app.command("delete")
def delete_command(label: Label) -> ScenarioDeleted:
    """Delete a scenario."""
    store = storage()
    kept.load(store, validate_label(label))
    kept.delete(store, label)
    return ScenarioDeleted(label)


@dataclass(frozen=True)
class ScenariosChecked(Document):
    scenarios: list[CheckedScenario]

    def show(self) -> None:
        """Each was printed when it was checked."""
        if not self.scenarios:
            terminal.out.print("There is no scenario to check.")

    @property
    def exit_status(self) -> int:
        return 0 if all(one.same for one in self.scenarios) else FAILED


@app.command("check")
def check_command(labels: Labels = None) -> ScenariosChecked:
    """Run each scenario's stage on its stored inputs with the current profile and code; status 1 if one differs."""
    store = storage()
    checked = []
    for scenario in [kept.load(store, validate_label(label)) for label in _wanted(labels or [])]:
        checked.append(check_as_it_is_now(store, scenario, resources(progress()), BY_NAME, logging.getLogger("mpr")))
        _show(checked[-1])
    return ScenariosChecked(checked)


def _wanted(labels: Sequence[str]) -> Sequence[str]:
    return kept.labels(storage()) if not labels or list(labels) == ["all"] else labels


def _show(checked: CheckedScenario) -> None:
    word, colour = ("same", "green") if checked.same else ("differs", "red")
    terminal.out.print(terminal.styled(word, colour), end="")
    terminal.out.print(f"  {checked.label}  {checked.timeline}:{checked.stage}  {checked.detail}")
    for line in checked.changes[:MOST_CHANGES]:
        terminal.out.print(f"    {line}")
    if len(checked.changes) > MOST_CHANGES:
        terminal.out.print(f"    … {len(checked.changes) - MOST_CHANGES} more")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return ""
