"""Rows of tables as answers: models made from the tables' schemas, windows of time, and pages with a cursor.

A cursor names the content that it goes on in: where a table was made anew with another result meanwhile, it is refused
rather than continued among other rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Generic, TypeVar

import polars as pl
from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from gpu_service.errors import BadInput
from mpr_api.access.refusals import Refused
from mpr_assets.engine.stage import Stage
from mpr_assets.orchestration.columns import MEANINGS
from mpr_resources.storage.tables import ColumnTypes

MOST_ROWS = 20_000
ROWS = 1_000

NULLABLE = frozenset({"track"})
"""Columns that hold null in some tables, beside those whose meaning says what null is."""
LEFT_OUT = frozenset({"phash"})
"""More than 53 bits, which JavaScript's numbers do not hold."""


class TableRow(BaseModel):
    model_config = ConfigDict(extra="forbid")


RowT = TypeVar("RowT")


class Page(BaseModel, Generic[RowT]):
    """Some rows of a table."""

    rows: list[RowT]
    total: int = Field(description="rows that the query has in all")
    next_cursor: str | None = Field(description="to be sent as `cursor` for the rows that follow; null: there are none")
    data_version: str = Field(description="hash of the tables' content: equal for equal content")


def row_model(name: str, schema: ColumnTypes, columns: Mapping[str, str], more: Mapping[str, Any]) -> type[TableRow]:
    """The model of a table's row. `more`: fields that the answer has besides, as `create_model` takes them."""
    fields: dict[str, Any] = {}
    for column, dtype in schema.items():
        meaning = columns.get(column) or MEANINGS.get(column, "")
        kind = _python_type(dtype)
        may_be_null = column in NULLABLE or "null:" in meaning
        fields[column] = (kind | None if may_be_null else kind, Field(description=meaning or None))
    fields = {name: field for name, field in fields.items() if name not in LEFT_OUT} | dict(more)
    made: type[TableRow] = create_model(name, __base__=TableRow, **fields)
    return made


def row_of_stage(name: str, stage: Stage, more: Mapping[str, Any] | None = None) -> type[TableRow]:
    """The model of a row of the stage's table."""
    return row_model(name, stage.schema, stage.columns, more or {})


def _python_type(dtype: Any) -> Any:
    if isinstance(dtype, pl.List):
        return list[_python_type(dtype.inner)]  # type: ignore[misc]
    if dtype.is_integer():
        return int
    if dtype.is_float():
        return float
    return bool if dtype == pl.Boolean else str


StartMs = Annotated[int | None, Query(ge=0, le=2**53, description="first millisecond of the timeline; none: its start")]
EndMs = Annotated[int | None, Query(ge=0, le=2**53, description="millisecond after the last; none: its end")]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="rows in an answer at most")]
Cursor = Annotated[str | None, Query(max_length=100, description="`next_cursor` of the answer before")]


def between(rows: pl.DataFrame, start_ms: int | None, end_ms: int | None) -> pl.DataFrame:
    """The rows whose `timeline_ms` is in `[start_ms, end_ms)`."""
    if start_ms is not None:
        rows = rows.filter(pl.col("timeline_ms") >= start_ms)
    return rows if end_ms is None else rows.filter(pl.col("timeline_ms") < end_ms)


def page(
    rows: pl.DataFrame, data_version: str, cursor: str | None, limit: int, **more: str | int | Mapping[str, int]
) -> Response:
    """The answer `Page` with the rows from the cursor on. `more`: what else it tells.

    Raises:
        BadInput: the cursor is none.
        Refused: the table has another content than when the cursor was given out (409).
    """
    first = _offset(cursor, data_version)
    shown = rows.slice(first, limit)
    after = first + shown.height
    head = {
        "total": rows.height,
        "next_cursor": f"{data_version[:16]}.{after}" if after < rows.height else None,
        "data_version": data_version,
        **more,
    }
    # Polars writes thousands of rows faster than pydantic checks them.
    body = f'{{"rows":{json_rows(shown)},{json.dumps(head)[1:]}'
    return Response(body, media_type="application/json")


def json_rows(rows: pl.DataFrame) -> str:
    """The rows as a JSON list of objects, NaN as null."""
    kept = rows.drop(LEFT_OUT & set(rows.columns))
    return kept.fill_nan(None).write_json() if kept.height else "[]"


def _offset(cursor: str | None, version: str) -> int:
    if cursor is None:
        return 0
    form = re.fullmatch(r"([0-9a-f]{16})\.([0-9]{1,12})", cursor)
    if form is None:
        raise BadInput("The cursor is not one that this API gave out", "send `next_cursor` of the answer before")
    if form[1] != version[:16]:
        raise Refused(409, "The result was made anew since the first page", "begin again without a cursor")
    return int(form[2])
