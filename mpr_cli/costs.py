"""`mpr costs`: costs of cloud providers, summed from the ledger."""

from __future__ import annotations

import os
from dataclasses import astuple, dataclass
from typing import Annotated

import typer
from rich.table import Table

from gpu_service.errors import BadInput
from mpr_assets.definitions import database
from mpr_assets.runs.local_storage import storage
from mpr_cli import terminal
from mpr_cli.document import Document
from mpr_resources.cloud import ledger
from mpr_resources.cloud.old_objects import take_over

app = typer.Typer()

WAYS: dict[str, ledger.By] = {"provider": "provider", "timeline": "timeline", "day": "day"}


@dataclass(frozen=True)
class ShownCosts(Document):
    """`tokens_cached`: of `tokens_in`. 1 000 000 `micro_usd` are one dollar."""

    by: str
    sums: list[ledger.CostSum]
    total: ledger.CostSum

    def show(self) -> None:
        table = Table(box=None, pad_edge=False)
        table.add_column("provider/model" if self.by == "provider" else self.by)
        for name in ("requests", "failed", "crops", "tokens in", "tokens out", "cached", "USD"):
            table.add_column(name, justify="right")
        for one in [*self.sums, self.total]:
            of, *figures, micro_usd = astuple(one)
            table.add_row(of, *(f"{figure:,}" for figure in figures), f"{micro_usd / 1_000_000:.4f}")
        terminal.out.print(table)


@app.command()
def costs(by: Annotated[str, typer.Option(help="provider, timeline or day (UTC)")] = "provider") -> ShownCosts:
    """Show requests to cloud providers with tokens and costs."""
    if by not in WAYS:
        raise BadInput(f"Costs cannot be summed up by {by!r}", f"choose one of {', '.join(WAYS)}")
    accounts = database(os.environ)
    take_over(accounts, storage())
    *sums, total = ledger.sums(accounts, WAYS[by])
    return ShownCosts(by, sums, total)
