"""The command `evaluation`: how right a timeline's report is, as the stage of that name found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from rich.table import Table

from mpr_assets.evaluation.model import Evaluation
from mpr_assets.evaluation.pooled import Pooled, pooled
from mpr_assets.evaluation.stored import read_evaluation, why_stale
from mpr_assets.runs.local_storage import storage
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import terminal
from mpr_cli.arguments import composed
from mpr_cli.document import Document
from mpr_resources.storage.keys import Keys

app = typer.Typer()


@dataclass(frozen=True)
class ShownEvaluation:
    """`stale`: why the figures are not of the report and the truth as they are now, empty where they are.
    `evaluation`: what `evaluation.json` holds; docs/evaluation.md has its fields.
    """

    timeline: str
    stale: str
    stored: str
    evaluation: dict[str, object]


@dataclass(frozen=True)
class ShownEvaluations(Document):
    """`pooled`: what they add up to, with intervals of 95 %; null for one timeline."""

    evaluations: list[ShownEvaluation]
    pooled: Pooled | None

    def show(self) -> None:
        for number, one in enumerate(self.evaluations):
            if len(self.evaluations) > 1:
                terminal.out.print(("\n" if number else "") + one.timeline)
            if one.stale:
                terminal.out.print(f"{one.stale} To evaluate anew: mpr replay {one.timeline} evaluation\n")
            show_figures(Evaluation.model_validate(one.evaluation))
            terminal.out.print(f"\nAll figures, and a page beside them: {one.stored}", soft_wrap=True)
        if self.pooled is not None:
            show_pooled(self.pooled)


@app.command()
def evaluation(
    timelines: Annotated[list[str], typer.Argument(metavar="TIMELINE...", help="name of a timeline, or several")],
) -> ShownEvaluations:
    """Print how right a report, or several, is: recall, precision, F1 and edges against the timeline's truth."""
    store = storage()
    names = [composed(name) or name for name in timelines]
    for name in names:
        load_spec(store, name)
    made = [read_evaluation(store, name) for name in names]
    shown = [
        ShownEvaluation(
            name,
            why_stale(store, name),
            store.where(Keys.evaluation(name, "evaluation.json")),
            one.model_dump(mode="json"),
        )
        for name, one in zip(names, made, strict=True)
    ]
    return ShownEvaluations(shown, pooled(made) if len(made) > 1 else None)


def show_figures(made: Evaluation) -> None:
    """The brands, then all of them together, as a table; then what is of the total alone."""
    table = Table(box=None, pad_edge=False)
    table.add_column("brand")
    for name in ("present s", "found", "missed", "false", "recall", "precision", "F1", "event F1", "mAP"):
        table.add_column(name, justify="right")
    for name, one in [*((one.brand, one) for one in made.brands), ("all", made.total)]:
        times = (one.present_ms, one.found_ms, one.missed_ms, one.false_ms)
        rates = (one.recall, one.precision, one.f1, one.event_f1)
        precision = "–" if one.average_precision is None else f"{one.average_precision:.3f}"
        table.add_row(name, *(f"{ms / 1000:.1f}" for ms in times), *(f"{rate:.3f}" for rate in rates), precision)
    terminal.out.print(table)
    for what, edges in (("Starts", made.total.starts), ("Ends", made.total.ends)):
        if edges.median_ms is not None and edges.p90_ms is not None:
            terminal.out.print(
                f"{what} are off by {edges.median_ms / 1000:.2f} s in the median and by {edges.p90_ms / 1000:.2f} s at "
                f"the 90th percentile ({edges.count} compared)."
            )
    unlisted = [one.brand for one in made.brands if one.present_ms and not one.listed]
    if unlisted:
        terminal.out.print(f"In the truth and not looked for: {', '.join(unlisted)}.")


def show_pooled(made: Pooled) -> None:
    """What several timelines add up to."""
    terminal.out.print(f"\nAll {made.timelines} timelines, and where it lies in 95 of 100 draws of them:")
    figures = {
        "recall": made.recall,
        "precision": made.precision,
        "F1": made.f1,
        "event F1": made.event_f1,
        "calibration error": made.calibration_error,
    }
    for name, one in figures.items():
        if one is not None:
            terminal.out.print(f"  {name:18}{one.value:.3f}  ({one.low:.3f} to {one.high:.3f})")
