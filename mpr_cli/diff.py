"""The command `diff`: what two results differ in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Annotated, Any

import typer
from rich.table import Table

from mpr_assets.compare.snapshots import Section, Snapshot, compare_snapshots, find_snapshot
from mpr_assets.compare.table_diff import change_line
from mpr_assets.definitions import BY_NAME
from mpr_assets.report.page.diff import diff_page
from mpr_assets.runs.history_snapshots import find_entry, is_entry
from mpr_assets.runs.local_instance import dagster_instance
from mpr_assets.runs.local_storage import storage
from mpr_cli import terminal
from mpr_cli.arguments import composed
from mpr_cli.document import Document
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage

app = typer.Typer()

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
