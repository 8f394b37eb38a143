"""The command `history`: a timeline's earlier results. What two of them differ in, the command `diff` tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import typer
from rich.text import Text
from rich.tree import Tree

from mpr_assets.definitions import BY_NAME, SECTIONS
from mpr_assets.runs.history import read_entries
from mpr_assets.runs.local_instance import dagster_instance
from mpr_assets.runs.local_storage import storage
from mpr_assets.runs.told_history import ShownEntry, told_entries
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import terminal
from mpr_cli.arguments import Timeline, stage_name
from mpr_cli.document import Document

app = typer.Typer()

StageName = Annotated[str | None, typer.Argument(metavar="[STAGE]", help="only this stage's results")]


@dataclass(frozen=True)
class ShownHistory(Document):
    """`stage`: the one asked for; null: all are shown, as a tree."""

    timeline: str
    stage: str | None
    entries: list[ShownEntry]

    def show(self) -> None:
        if not self.entries:
            terminal.out.print(f"No stage of {self.timeline} has been materialized yet.")
        if self.stage is not None:
            for entry in self.entries:
                terminal.out.print(Text("\n  ").join(describe(entry, reads=True)))
            return
        drawn: dict[str, Tree] = {}
        for entry in self.entries:
            label = Text("\n").join(describe(entry, reads=False))
            above = drawn.get(entry.below or "")
            drawn[entry.reference] = Tree(label, guide_style="dim") if above is None else above.add(label)
        for entry in self.entries:
            if entry.below is None:
                terminal.out.print(drawn[entry.reference])


@app.command()
def history(timeline: Timeline, stage: StageName = None) -> ShownHistory:
    """Show a timeline's results as a tree, each below its input, with settings, counts, user and time."""
    load_spec(storage(), timeline)
    with dagster_instance() as instance:
        made = read_entries(instance, SECTIONS, timeline, stage_name(stage) if stage else None)
    return ShownHistory(timeline, stage, told_entries(timeline, made, None if stage else [*BY_NAME]))


def describe(entry: ShownEntry, *, reads: bool) -> list[Text]:
    """The lines of an entry: its identity, then what distinguishes it."""
    name = f"{entry.stage} #{entry.number}"
    figures = ", ".join(f"{value:g} {what.replace('_', ' ')}" for what, value in entry.counts.items())
    how = "reused" if entry.reused else "" if entry.took_ms is None else f"{entry.took_ms / 1000:.1f} s"
    run = f"run {entry.run_id[:8]}" if entry.run_id else ""
    told = "  ".join(part for part in (when(entry.time_ms), how, entry.who, run) if part)
    lines = [Text.assemble(terminal.styled(name, "bold" if entry.current else "dim"), "  ", terminal.styled(told))]
    if entry.note or figures:
        lines.append(terminal.styled(entry.note or figures))
    if reads and entry.reads:
        read = ", ".join(f"{stage} #{number or '?'}" for stage, number in entry.reads.items())
        lines.append(terminal.styled(f"read {read}"))
    if entry.overrides:
        lines.append(terminal.styled(f"overrides of {entry.profile}: {assignments(entry.overrides)}", "yellow"))
    if entry.changed:
        lines.append(
            terminal.styled("changed: " + ", ".join(f"{one.setting} {one.was} → {one.now}" for one in entry.changed))
        )
    if entry.repeats:
        last = entry.repeats[-1]
        times = "once" if len(entry.repeats) == 1 else f"{len(entry.repeats)} times"
        lines.append(terminal.styled(f"reused {times}, last {when(last.time_ms)} {last.who}"))
    return lines


def assignments(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items())


def when(time_ms: int) -> str:
    """Local time, to the second."""
    return datetime.fromtimestamp(time_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
