"""The command `evaluation`: how right a timeline's report is, as the stage of that name found."""

from __future__ import annotations

from dataclasses import dataclass

import typer
from pydantic import ValidationError
from rich.table import Table

from gpu_service.errors import BadInput, PermanentError
from mpr_assets.annotations.stored import known_version
from mpr_assets.evaluation.model import Evaluation
from mpr_assets.runs.local_storage import storage
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import terminal
from mpr_cli.arguments import Timeline
from mpr_cli.document import Document
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import read_header

app = typer.Typer()


@dataclass(frozen=True)
class ShownEvaluation(Document):
    """`stale`: why the figures are not of the report and the truth as they are now, empty where they are.
    `evaluation`: what `evaluation.json` holds; docs/evaluation.md has its fields.
    """

    timeline: str
    stale: str
    stored: str
    evaluation: dict[str, object]

    def show(self) -> None:
        if self.stale:
            terminal.out.print(f"{self.stale} To evaluate anew: mpr replay {self.timeline} evaluation\n")
        show_figures(Evaluation.model_validate(self.evaluation))
        terminal.out.print(f"\nAll figures: {self.stored}", soft_wrap=True)


@app.command()
def evaluation(timeline: Timeline) -> ShownEvaluation:
    """Print how right a timeline's report is: recall, precision, F1 and edges against its truth."""
    store = storage()
    load_spec(store, timeline)
    made = _read(store, timeline)
    where = store.where(Keys.evaluation(timeline, "evaluation.json"))
    return ShownEvaluation(timeline, _stale(store, timeline), where, made.model_dump(mode="json"))


def _read(store: Storage, timeline: str) -> Evaluation:
    try:
        return Evaluation.model_validate_json(store.get(Keys.evaluation(timeline, "evaluation.json")))
    except MissingObject as error:
        if not known_version(store, timeline):
            remedy = f"give its truth first: mpr truth {timeline} FILE"
        else:
            remedy = f"make it with mpr replay {timeline} evaluation"
        raise BadInput(f"The timeline {timeline!r} has no evaluation", remedy) from error
    except ValidationError as error:
        raise PermanentError(
            f"The evaluation of the timeline {timeline!r} is not one that this version of MPR can read",
            f"make it again with mpr replay {timeline} evaluation",
        ) from error


def _stale(store: Storage, timeline: str) -> str:
    upstream = read_header(store, "evaluation", timeline).upstream
    if upstream.get("truth", "") != known_version(store, timeline):
        return "The truth, or a correction, has changed since."
    if upstream.get("compile_report") != read_header(store, "compile_report", timeline).data_version:
        return "The report has changed since."
    return ""


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
