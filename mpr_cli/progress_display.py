"""The progress of a run: a bar on a terminal, plain lines where the output is a file or a pipe."""

from __future__ import annotations

import sys
import time
from datetime import timedelta

from rich import progress as bars
from rich.console import Console
from rich.text import Text

from mpr_cli.terminal import err
from mpr_resources.names import visible
from mpr_resources.progress import LogProgress, Pace, Progress


class BarProgress:
    """A progress bar for the current stage, with the time left once that is known, and a line for each finished one."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = bars.Progress(
            bars.TextColumn("  {task.description:20}"),
            bars.BarColumn(bar_width=32),
            bars.MofNCompleteColumn(),
            bars.TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
        )
        self._task: bars.TaskID | None = None
        self._pace = Pace(0, 0.0)

    def started(self, stage: str, total: int, unit: str) -> None:
        self.finished()
        self._bars.start()
        self._task = self._bars.add_task(f"{stage} ({unit})", total=total, left="")
        self._pace = Pace(total, time.monotonic())

    def advanced(self, done: int) -> None:
        if self._task is not None:
            self._pace.advanced(done, time.monotonic())
            left_s = self._pace.left_s()
            left = "" if left_s is None else f"{timedelta(seconds=round(left_s))} left"
            self._bars.update(self._task, completed=done, left=left)

    def finished(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
            self._bars.stop()

    def concluded(self, stage: str, summary: str) -> None:
        self.finished()
        self._console.print(Text.assemble("  ", ("✓", "green"), visible(f" {stage:20} {summary}")))


class LineProgress(LogProgress):
    """The same as plain lines."""

    def __init__(self) -> None:
        super().__init__(lambda line: print(f"  {visible(line)}", file=sys.stderr, flush=True))

    def concluded(self, stage: str, summary: str) -> None:
        """One line a stage."""
        print(f"  {stage}: {visible(summary)}", file=sys.stderr, flush=True)


def progress() -> Progress:
    return BarProgress(err) if err.is_terminal else LineProgress()
