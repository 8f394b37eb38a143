"""The command `diff`: what two results differ in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated

import typer
from rich.table import Table

from mpr_assets.compare.snapshots import Snapshot, compare_snapshots, find_snapshot
from mpr_assets.compare.told_diff import ChangedFigure, ChangedValue, ToldDiff, told_diff
from mpr_assets.definitions import BY_NAME
from mpr_assets.report.page.diff import diff_page
from mpr_assets.runs.history_snapshots import find_any, is_entry
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
class ShownDiff(ToldDiff, Document):
    """What differs of two results, and nothing that does not. `facts`: what else made them, a sentence each.
    `screen_times`: of brands, the largest difference first; null: not known of both. `not_compared`: what could not be
    and why, a sentence each. `page`: shows it with pictures.
    """

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
    told = told_diff(compared)
    same = {one.name: getattr(told, one.name) for one in fields(told)}
    return ShownDiff(**same, page=store.where(key), link=store.web(key))


def _snapshots(store: Storage, *references: str) -> list[Snapshot]:
    if not any(map(is_entry, references)):
        return [find_snapshot(store, reference, BY_NAME) for reference in references]
    with dagster_instance() as instance:
        return [find_any(instance, store, one, BY_NAME) for one in references]


def _file_name(reference: str) -> str:
    return reference.replace(":", "-").replace("@", "-")
