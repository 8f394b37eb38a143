"""Checks that a stage can read another's stored table: it must be of a compatible version.

A code version is MAJOR or MAJOR.MINOR. MINOR is raised when a stage computes different values for the same columns,
MAJOR when the meaning of its columns changes: tables of another MAJOR version are not read.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from gpu_service.errors import PermanentError
from mpr_assets.engine.stage import Stage
from mpr_resources.storage.tables import StageTable


def refuse_incompatible(inputs: Mapping[str, StageTable], stages: Mapping[str, Stage]) -> None:
    """Check the tables that a stage is about to read.

    Args:
        inputs: tables by the stage that made them.
        stages: the stages as they are now, by name.

    Raises:
        PermanentError: a table was made by a version whose tables are not read; names the asset to materialize.
    """
    for name, table in inputs.items():
        was, now = table.header.code_version, stages[name].code_version
        expected = pl.Schema(stages[name].schema)
        if major(was) != major(now):
            why = f"was made by version {was} of {name}, and the current version {now} cannot read it"
        elif table.rows.schema != expected:
            differ = sorted(
                column
                for column in {*table.rows.columns, *expected}
                if table.rows.schema.get(column) != expected.get(column)
            )
            why = f"has other columns than version {now} of {name} makes ({', '.join(differ)})"
        else:
            continue
        raise PermanentError(
            f"What is stored of {name} for the timeline {table.header.timeline!r} {why}", f"materialize {name} again"
        )


def major(code_version: str) -> str:
    """
    >>> major("2.1")
    '2'
    """
    return code_version.partition(".")[0]
