"""The command `airings`: the asset `brand_history` made anew, and what it says."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Annotated

import polars as pl
import typer

from gpu_service.errors import BadInput
from mpr_assets.across.asset import NAME
from mpr_assets.runs.local_instance import dagster_instance
from mpr_assets.runs.local_run import make_history
from mpr_assets.runs.local_storage import storage
from mpr_cli import terminal
from mpr_cli.document import Document
from mpr_resources.brands.folding import fold_key
from mpr_resources.storage.keys import Keys

app = typer.Typer()


@dataclass(frozen=True)
class AiringOfDay:
    """`day`: YYYY-MM-DD, known by `day_from`: recorded_at, file or registration. `profile`: the programme. `screen_ms`:
    how long the brand was seen; `first_ms` and `last_ms`: on the timeline's clock.
    """

    day: str
    day_from: str
    brand: str
    profile: str
    timeline: str
    source: str
    exposures: int
    screen_ms: int
    first_ms: int
    last_ms: int


@dataclass(frozen=True)
class AiringList(Document):
    """`airings`: of the brand asked for, or of all, by day. `table`: where all of them lie, as Parquet; `page`: shows
    them.
    """

    airings: list[AiringOfDay]
    table: str
    page: str
    link: str | None

    def show(self) -> None:
        if not self.airings:
            terminal.out.print("No brand is in any report yet.")
        else:
            headings = ("day", "brand", "programme", "timeline", "source", "exposures", "seconds")
            rows = [
                (
                    *(one.day, one.brand, one.profile, one.timeline, one.source),
                    *(str(one.exposures), f"{one.screen_ms / 1000:.2f}"),
                )
                for one in self.airings
            ]
            terminal.print_table(headings, rows, right=("exposures", "seconds"))
        terminal.out.print(f"\nTable: {self.table}", soft_wrap=True)
        terminal.out.print(f"Page: {self.link or self.page}", soft_wrap=True)


@app.command()
def airings(
    brand: Annotated[
        str | None, typer.Argument(metavar="[BRAND]", help="a brand's name, however it is spelt; all by default")
    ] = None,
) -> AiringList:
    """Make the history of all brands anew (the asset brand_history) and print their airings by day and programme."""
    with dagster_instance() as instance:
        make_history(instance, command="airings")
    store = storage()
    table, page = Keys.across(f"{NAME}.parquet"), Keys.across(f"{NAME}.html")
    rows = pl.read_parquet(io.BytesIO(store.get(table)))
    if brand is not None:
        names = [name for name in rows["brand"].unique() if fold_key(name) == fold_key(brand)]
        if not names:
            raise BadInput(f"No report of any timeline has the brand {brand!r}", "mpr airings lists all")
        rows = rows.filter(pl.col("brand").is_in(names))
    shown = rows.with_columns(pl.col("day").cast(pl.String)).iter_rows(named=True)
    return AiringList([AiringOfDay(**row) for row in shown], store.where(table), store.where(page), store.web(page))
