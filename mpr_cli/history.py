"""The commands `history` and `diff`: a timeline's earlier results, and the differences of two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isnan
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from mpr_assets.compare.snapshots import Section, Snapshot, compare_snapshots, find_snapshot
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
from mpr_cli.document import Document
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


@dataclass(frozen=True)
class ShownRepeat:
    time_ms: int
    run_id: str
    who: str


@dataclass(frozen=True)
class ChangedSetting:
    setting: str
    was: object
    now: object


@dataclass(frozen=True)
class ShownEntry:
    """`reference`: what `mpr diff` takes. `below`: the entry that it was made from, in a tree of all stages. `current`:
    the stage's last one. `time_ms`: since 1970, UTC. `reads`: the number of the result read of each stage, null where
    the log has it not. `changed`: settings that are not as in the stage's result before.
    `counts`: rows and other figures. `note`: cleared, or why the stage was skipped. `repeats`: later runs that gave it
    back as it was stored.
    """

    reference: str
    below: str | None
    stage: str
    number: int
    current: bool
    time_ms: int
    took_ms: int | None
    reused: bool
    who: str
    run_id: str
    profile: str
    reads: dict[str, int | None]
    overrides: dict[str, object]
    changed: list[ChangedSetting]
    settings: dict[str, object]
    counts: dict[str, float]
    note: str
    data_version: str
    code_version: str
    repeats: list[ShownRepeat]


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
    if stage is not None:
        return ShownHistory(timeline, stage, [shown_entry(timeline, entry, None) for entry in made])
    return ShownHistory(
        timeline, None, [one for branch in tree(made, NAMES) for one in _branch(timeline, branch, None)]
    )


def _branch(timeline: str, branch: Branch, below: str | None) -> Iterator[ShownEntry]:
    """The entry, then those below it."""
    entry = shown_entry(timeline, branch.entry, below)
    yield entry
    for child in branch.children:
        yield from _branch(timeline, child, entry.reference)


def shown_entry(timeline: str, entry: HistoryEntry, below: str | None) -> ShownEntry:
    """An entry as it is told."""
    return ShownEntry(
        reference=f"{timeline}:{entry.stage}@{entry.number}",
        below=below,
        stage=entry.stage,
        number=entry.number,
        current=entry.current,
        time_ms=round(entry.time_s * 1000),
        took_ms=None if entry.seconds is None else round(entry.seconds * 1000),
        reused=entry.reused,
        who=entry.who,
        run_id=entry.run_id,
        profile=entry.profile,
        reads=dict(entry.parents),
        overrides=dict(entry.overrides),
        changed=[ChangedSetting(name, was, now) for name, (was, now) in entry.changed.items()],
        settings=dict(entry.settings),
        counts=dict(entry.counts),
        note=entry.note,
        data_version=entry.data_version,
        code_version=entry.code_version,
        repeats=[ShownRepeat(round(one.time_s * 1000), one.run_id, one.who) for one in entry.again],
    )


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


@dataclass(frozen=True)
class ChangedFigure:
    name: str
    before: float
    after: float


@dataclass(frozen=True)
class ChangedValue:
    name: str
    before: object
    after: object


@dataclass(frozen=True)
class ScreenTime:
    brand: str
    before_ms: int
    after_ms: int


@dataclass(frozen=True)
class ChangedRow:
    """`kind`: gained, lost, moved or changed. `sentence`: the change in a line. `before`, `after`: the row, null where
    there is none; `columns`: in which they differ.
    """

    kind: str
    sentence: str
    columns: list[str]
    before: dict[str, object] | None
    after: dict[str, object] | None


@dataclass(frozen=True)
class ShownRows:
    """`same`: how many rows do not differ."""

    title: str
    summary: str
    same: int
    counts: list[ChangedFigure]
    changes: list[ChangedRow]


@dataclass(frozen=True)
class ShownDiff(Document):
    """What differs of two results, and nothing that does not. `facts`: what else made them, a sentence each.
    `screen_times`: of brands, the largest difference first; null: not known of both. `not_compared`: what could not be
    and why, a sentence each. `page`: shows it with pictures.
    """

    before: str
    after: str
    settings: list[ChangedValue]
    facts: list[str]
    screen_times: list[ScreenTime] | None
    counts: list[ChangedFigure]
    not_compared: list[str]
    sections: list[ShownRows]
    page: str
    link: str | None

    def show(self) -> None:
        self._print_pairs("settings", self.settings)
        for fact in self.facts:
            terminal.out.print(fact)
        if self.screen_times:
            rows = [
                (
                    one.brand,
                    f"{one.before_ms / 1000:.2f}",
                    f"{one.after_ms / 1000:.2f}",
                    f"{(one.after_ms - one.before_ms) / 1000:+.2f}",
                )
                for one in self.screen_times
            ]
            self._print_table("seconds by brand", rows, "gained or lost")
        elif self.screen_times is not None:
            terminal.out.print("Every brand is on screen as long as before.")
        self._print_pairs("counts", self.counts)
        for sentence in self.not_compared:
            terminal.out.print(f"\n{sentence}")
        for section in self.sections:
            self._print_pairs(f"counts of {section.title}", section.counts)
            terminal.out.print(f"\n{section.title}: {section.summary}")
            for change in section.changes[:MOST_CHANGES]:
                terminal.out.print(f"  {change.sentence}")
            if len(section.changes) > MOST_CHANGES:
                terminal.out.print(f"  … {len(section.changes) - MOST_CHANGES} more, on the page")
        terminal.out.print(f"\nPictures: {self.link or self.page}")

    def _print_pairs(self, title: str, rows: Sequence[ChangedValue | ChangedFigure]) -> None:
        self._print_table(title, [(row.name, str(row.before), str(row.after)) for row in rows])

    def _print_table(self, title: str, rows: Sequence[Sequence[str]], *more: str) -> None:
        if not rows:
            return
        table = Table(box=None, header_style="bold", pad_edge=False)
        for heading in (title, self.before, self.after, *more):
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*row)
        terminal.out.print(table)


@app.command()
def diff(before: Reference, after: Reference) -> ShownDiff:
    """Compare two results: settings, seconds by brand, counts and changed rows; writes a page with pictures."""
    store = storage()
    compared = compare_snapshots(*_snapshots(store, before, after))
    key = Keys.report(compared.after.timeline, f"diff_{'__'.join(_file_name(one) for one in (before, after))}.html")
    store.put(key, diff_page(compared).encode())
    seconds = compared.seconds
    return ShownDiff(
        before=compared.before.reference,
        after=compared.after.reference,
        settings=[ChangedValue(name, was, now) for name, (was, now) in compared.settings.items()],
        facts=list(compared.facts),
        screen_times=None
        if seconds is None
        else [ScreenTime(brand, round(was * 1000), round(now * 1000)) for brand, (was, now) in seconds.items()],
        counts=_figures(compared.counts),
        not_compared=[*compared.not_compared, *filter(None, [compared.left_out])],
        sections=[_shown_rows(section) for section in compared.sections],
        page=store.where(key),
        link=store.web(key),
    )


def _figures(counts: Mapping[str, tuple[float, float]]) -> list[ChangedFigure]:
    return [ChangedFigure(name, was, now) for name, (was, now) in counts.items()]


def _shown_rows(section: Section) -> ShownRows:
    changes = [
        ChangedRow(one.kind, change_line(one), list(one.columns), _plain(one.before), _plain(one.after))
        for one in section.difference.changes
    ]
    difference = section.difference
    return ShownRows(section.title, difference.summary(), difference.same, _figures(section.counts), changes)


def _plain(row: Mapping[str, Any] | None) -> dict[str, object] | None:
    """The row as JSON may hold it, which has no NaN."""
    if row is None:
        return None
    return {name: None if isinstance(value, float) and isnan(value) else value for name, value in row.items()}


def _snapshots(store: Storage, *references: str) -> list[Snapshot]:
    if not any(map(is_entry, references)):
        return [find_snapshot(store, reference, BY_NAME) for reference in references]
    with dagster_instance() as instance:
        return [
            find_entry(instance, store, one, BY_NAME) if is_entry(one) else find_snapshot(store, one, BY_NAME)
            for one in references
        ]


def _file_name(reference: str) -> str:
    return reference.replace(":", "-").replace("@", "-")
