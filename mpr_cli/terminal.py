"""What the command line shows: bars and tables on a terminal, plain lines where the output is a file or a pipe."""

from __future__ import annotations

import sys

import polars as pl
from rich import progress as bars
from rich.console import Console
from rich.table import Table

from mpr_resources.media.decoding import clock
from mpr_resources.progress import LogProgress, Progress

PIPE_WIDTH = 160

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class BarProgress:
    """A bar for the stage at work with rate and time left, and a line for each that is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = bars.Progress(
            bars.TextColumn("  {task.description:20}"),
            bars.BarColumn(bar_width=32),
            bars.MofNCompleteColumn(),
            bars.TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
        )
        self._task: bars.TaskID | None = None

    def started(self, stage: str, total: int, unit: str) -> None:
        self.finished()
        self._bars.start()
        self._task = self._bars.add_task(f"{stage} ({unit})", total=total)

    def advanced(self, done: int) -> None:
        if self._task is not None:
            self._bars.update(self._task, completed=done)

    def finished(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
            self._bars.stop()

    def concluded(self, stage: str, summary: str) -> None:
        self.finished()
        self._console.print(f"  [green]✓[/] {stage:20} {summary}")


class LineProgress(LogProgress):
    """The same as plain lines."""

    def __init__(self) -> None:
        super().__init__(lambda line: print(f"  {line}", file=sys.stderr, flush=True))

    def concluded(self, stage: str, summary: str) -> None:
        """One line a stage."""
        print(f"  {stage}: {summary}", file=sys.stderr, flush=True)


def progress() -> Progress:
    return BarProgress(err) if err.is_terminal else LineProgress()


def print_brands(brands: pl.DataFrame) -> None:
    """The brand table: one row a brand, as `mpr_assets.report.measures` makes it."""
    if brands.is_empty():
        out.print("No brand was found.")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("brand", overflow="fold", min_width=12)
    for heading in ("exposures", "seconds", "share", "mean size", "confidence", "first", "last"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in brands.iter_rows(named=True):
        table.add_row(
            row["brand"],
            str(row["exposures"]),
            f"{row['seconds']:.2f}",
            f"{row['share']:.1%}",
            f"{row['mean_area_share']:.2%}",
            f"{row['mean_confidence']:.2f}",
            clock(row["first_ms"]),
            clock(row["last_ms"]),
        )
    out.print(table)
