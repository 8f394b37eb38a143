"""SQL over tables that are held in memory, by DuckDB: it reads those tables and nothing else.

DuckDB is shut in: no files, no network, no extensions, no variables of this process, no settings; and of the
statements it runs those that read. What tables there are is in `all_tables`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import polars as pl

from gpu_service.errors import BadInput

if TYPE_CHECKING:
    import duckdb

MOST_ROWS = 1_000_000
"""More rows are refused: they are held in memory."""
SHUT_IN: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
}
"""DuckDB's settings, which are locked once the tables are there."""

READING = frozenset({"SELECT", "EXPLAIN", "MULTI"})
"""Kinds of statements that read; DESCRIBE and SUMMARIZE are SELECT, PIVOT is MULTI."""


class Tables(Protocol):
    """Tables by name. `empty`: without its rows, which costs nothing; `read`: with them."""

    @property
    def names(self) -> list[str]: ...
    def empty(self, name: str) -> pl.DataFrame: ...
    def read(self, name: str) -> pl.DataFrame: ...


@dataclass(frozen=True)
class QueryAnswer:
    """Rows by column. `types`: the columns' types as SQL calls them."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


class _ArrowStream:
    """A table as DuckDB takes it: without this it asks for pyarrow."""

    def __init__(self, table: pl.DataFrame) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def ask(sql: str, tables: Tables) -> QueryAnswer:
    """The answer of one SQL statement. Of the tables those are read that it names.

    Raises:
        BadInput: it is wrong, does not read alone, reaches for what is no table, or gives too many rows.
        PermanentError: a table that it names cannot be read.
    """
    import duckdb

    with duckdb.connect(":memory:", config=SHUT_IN) as connection:
        for name in tables.names:
            connection.register(name, _ArrowStream(tables.empty(name)))
        connection.execute("SET lock_configuration = true")
        try:
            for name in _named(connection, sql, tables):
                connection.register(name, _ArrowStream(tables.read(name)))
            found = connection.execute(sql)
            described = found.description or []
            rows = found.fetchmany(MOST_ROWS + 1)
        except duckdb.Error as error:
            raise _refused(error, tables) from error
    if len(rows) > MOST_ROWS:
        raise BadInput(f"The query gives more than {MOST_ROWS:,} rows", "narrow it down, or end it with LIMIT")
    return QueryAnswer(
        columns=tuple(column[0] for column in described),
        types=tuple(str(column[1]) for column in described),
        rows=tuple(tuple(row) for row in rows),
    )


def _named(connection: duckdb.DuckDBPyConnection, sql: str, tables: Tables) -> list[str]:
    """The tables whose names are words of the statement: DuckDB's own list of them lacks some, as those of a PIVOT.

    Raises:
        BadInput: it is not one statement that reads.
    """
    kinds = [one.type for one in connection.extract_statements(sql)]
    if len(kinds) != 1:
        raise BadInput(f"The query holds {len(kinds) or 'no'} statements", "give one, like SELECT * FROM exposures")
    if kinds[0].name not in READING:
        raise BadInput(
            f"The query is a statement of the kind {kinds[0].name}, and queries read only", "write one with SELECT"
        )
    words = set(re.findall(r"\w+", sql.casefold()))
    return [name for name in tables.names if name in words]


def _refused(error: duckdb.Error, tables: Tables) -> BadInput:
    import duckdb

    lines = str(error).strip().splitlines()
    said = lines[0].rstrip(".!") if lines else type(error).__name__
    if isinstance(error, duckdb.PermissionException):
        return BadInput(
            f"The query reaches for what is no table of MPR's ({said})", f"use the tables {', '.join(tables.names)}"
        )
    return BadInput(f"The query cannot be answered: {said}", f"the tables are {', '.join(tables.names)}")
