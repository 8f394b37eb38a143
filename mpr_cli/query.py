"""The command `query`: SQL over the tables of all timelines."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated

import typer

from gpu_service.errors import BadInput
from mpr_assets.across.all_tables import AllTables
from mpr_assets.across.query import QueryAnswer, ask
from mpr_assets.definitions import BY_NAME
from mpr_assets.runs.local_storage import storage
from mpr_cli import terminal
from mpr_cli.document import Document

app = typer.Typer()


@dataclass(frozen=True)
class ShownColumn:
    """`type`: as SQL calls it."""

    name: str
    type: str


@dataclass(frozen=True)
class QueryRows(Document):
    """`rows`: each a list of values in the order of the columns."""

    columns: list[ShownColumn]
    rows: list[list[object]]

    def show(self) -> None:
        names = [one.name for one in self.columns]
        terminal.print_table(names, [[_text(cell) for cell in row] for row in self.rows])


class QueryCsv(QueryRows):
    def show(self) -> None:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([one.name for one in self.columns])
        writer.writerows([_text(cell) for cell in row] for row in self.rows)


class QueryJson(QueryRows):
    def show(self) -> None:
        """A list of one object a row, by column; of columns with one name the last has its number added."""
        names: list[str] = []
        for one in self.columns:
            names.append(one.name if one.name not in names else f"{one.name}_{len(names) + 1}")
        terminal.print_json([dict(zip(names, row, strict=True)) for row in self.rows], sys.stdout)


FORMATS: Mapping[str, Callable[[list[ShownColumn], list[list[object]]], QueryRows]] = {
    "table": QueryRows,
    "csv": QueryCsv,
    "json": QueryJson,
}


@app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="one statement that reads; -: from standard input")],
    form: Annotated[str, typer.Option("--format", help=f"{', '.join(FORMATS)}")] = "table",
) -> QueryRows:
    """Ask the tables of all timelines by SQL: exposures, detections, text_lines and more; see docs/evidence.md."""
    if form not in FORMATS:
        raise BadInput(f"There is no format {form!r}", f"choose one of {', '.join(FORMATS)}")
    answer = ask(sys.stdin.read() if sql == "-" else sql, AllTables(storage(), BY_NAME))
    return FORMATS[form](_columns(answer), [[plain(cell) for cell in row] for row in answer.rows])


def _columns(answer: QueryAnswer) -> list[ShownColumn]:
    return [ShownColumn(name, kind) for name, kind in zip(answer.columns, answer.types, strict=True)]


def plain(value: object) -> object:
    """A value of SQL as JSON has it: what it has no kind for is text; not a number and infinity are null.

    >>> plain(date(2026, 5, 4)), plain({1: [Decimal("1.5"), float("nan")]})
    ('2026-05-04', {'1': [1.5, None]})
    """
    match value:
        case None | bool() | int() | str():
            return value
        case Decimal():
            return plain(float(value))
        case float():
            return value if math.isfinite(value) else None
        case date() | datetime() | time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case Mapping():
            return {str(key): plain(one) for key, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
        case _:
            return str(value)


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
