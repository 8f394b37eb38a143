"""The commands `history` and `diff`: a timeline's earlier results, and the differences of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from mpr_assets.compare.snapshots import Comparison, Snapshot, compare_snapshots, find_snapshot
from mpr_assets.compare.table_diff import change_line
from mpr_assets.definitions import SECTIONS
from mpr_assets.report.page.diff import diff_page
from mpr_assets.runs.history import (
    Branch,
    HistoryEntry,
    read_entries,
    tree,
)
from mpr_assets.runs.history_snapshots import find_entry, is_entry
from mpr_assets.runs.local_instance import dagster_instance
from mpr_assets.runs.local_storage import storage
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import terminal
from mpr_cli.arguments import Timeline, composed
from mpr_cli.control import BY_NAME, NAMES, stage_name
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage

app = typer.Typer()

StageName = Annotated[str | None, typer.Argument(metavar="[STAGE]", help="only this stage's results")]
Reference = Annotated[
    str,
    typer.Argument(
        callback=composed,
        help="TIMELINE for its report, TIMELINE:STAGE, scenario:LABEL, or TIMELINE@NUMBER and TIMELINE:STAGE@NUMBER, "
        "numbered as in mpr history",
    ),
]
MOST_CHANGES = 40


@app.command()
def history(timeline: Timeline, stage: StageName = None) -> None:
    """Show a timeline's results as a tree, each below its input, with settings, counts, user and time."""
    load_spec(storage(), timeline)
    with dagster_instance() as instance:
        made = read_entries(instance, SECTIONS, timeline, stage_name(stage) if stage else None)
    if not made:
        terminal.out.print(f"No stage of {timeline} has been materialized yet.")
    elif stage:
        for entry in made:
            terminal.out.print(Text("\n  ").join(describe(entry, parents=True)))
    else:
        for branch in tree(made, NAMES):
            terminal.out.print(_branch(branch))


def _branch(branch: Branch) -> Tree:
    shown = Tree(Text("\n").join(describe(branch.entry, parents=False)), guide_style="dim")
    for child in branch.children:
        shown.add(_branch(child))
    return shown


def describe(entry: HistoryEntry, *, parents: bool) -> list[Text]:
    """The lines of an entry: its identity, then what distinguishes it."""
    name = f"{entry.stage} #{entry.number}"
    figures = ", ".join(f"{value:g} {what.replace('_', ' ')}" for what, value in entry.counts.items())
    how = "reused" if entry.reused else "" if entry.seconds is None else f"{entry.seconds:.1f} s"
    run = f"run {entry.run_id[:8]}" if entry.run_id else ""
    told = "  ".join(part for part in (when(entry.time_s), how, entry.who, run) if part)
    lines = [Text.assemble(terminal.styled(name, "bold" if entry.current else "dim"), "  ", terminal.styled(told))]
    if entry.note or figures:
        lines.append(terminal.styled(entry.note or figures))
    if parents and entry.parents:
        read = ", ".join(f"{stage} #{number or '?'}" for stage, number in entry.parents.items())
        lines.append(terminal.styled(f"read {read}"))
    if entry.overrides:
        lines.append(terminal.styled(f"overrides of {entry.profile}: {assignments(entry.overrides)}", "yellow"))
    if entry.changed:
        lines.append(
            terminal.styled("changed: " + ", ".join(f"{k} {was} → {now}" for k, (was, now) in entry.changed.items()))
        )
    if entry.again:
        last = entry.again[-1]
        times = "once" if len(entry.again) == 1 else f"{len(entry.again)} times"
        lines.append(terminal.styled(f"reused {times}, last {when(last.time_s)} {last.who}"))
    return lines


def assignments(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items())


def when(time_s: float) -> str:
    """Local time, to the second."""
    return datetime.fromtimestamp(time_s).astimezone().strftime("%Y-%m-%d %H:%M:%S")


@app.command()
def diff(before: Reference, after: Reference) -> None:
    """Compare two results: settings, seconds by brand, counts and changed rows; writes a page with pictures."""
    store = storage()
    compared = compare_snapshots(*_snapshots(store, before, after))
    _print_pairs("settings", compared.settings, compared)
    for fact in compared.facts:
        terminal.out.print(fact)
    if compared.seconds is not None:
        _print_seconds(compared.seconds, compared)
    _print_pairs("counts", compared.counts, compared)
    for sentence in [*compared.not_compared, *filter(None, [compared.left_out])]:
        terminal.out.print(f"\n{sentence}")
    for section in compared.sections:
        _print_pairs(f"counts of {section.title}", section.counts, compared)
        terminal.out.print(f"\n{section.title}: {section.difference.summary()}")
        changes = section.difference.changes
        for change in changes[:MOST_CHANGES]:
            terminal.out.print(f"  {change_line(change)}")
        if len(changes) > MOST_CHANGES:
            terminal.out.print(f"  … {len(changes) - MOST_CHANGES} more, on the page")
    key = Keys.report(compared.after.timeline, f"diff_{'__'.join(_file_name(one) for one in (before, after))}.html")
    store.put(key, diff_page(compared).encode())
    terminal.out.print(f"\nPictures: {store.where(key)}")


def _snapshots(store: Storage, *references: str) -> list[Snapshot]:
    if not any(map(is_entry, references)):
        return [find_snapshot(store, reference, BY_NAME) for reference in references]
    with dagster_instance() as instance:
        return [
            find_entry(instance, store, one, BY_NAME) if is_entry(one) else find_snapshot(store, one, BY_NAME)
            for one in references
        ]


def _print_seconds(seconds: Mapping[str, tuple[float, float]], compared: Comparison) -> None:
    if not seconds:
        terminal.out.print("Every brand is on screen as long as before.")
        return
    rows = {brand: (f"{was:.2f}", f"{is_now:.2f}", f"{is_now - was:+.2f}") for brand, (was, is_now) in seconds.items()}
    _print_pairs("seconds by brand", rows, compared, "gained or lost")


def _print_pairs(title: str, rows: Mapping[str, Sequence[object]], compared: Comparison, *more: str) -> None:
    if not rows:
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in (title, compared.before.reference, compared.after.reference, *more):
        table.add_column(heading, overflow="fold")
    for name, values in rows.items():
        table.add_row(*(str(value) for value in (name, *values)))
    terminal.out.print(table)


def _file_name(reference: str) -> str:
    return reference.replace(":", "-").replace("@", "-")
