"""A stage's output: one Parquet object with the rows, and their origin in its footer.

What the rows mean is the stages' to say.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import polars as pl
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError, model_validator

from gpu_service.errors import PermanentError
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject, Storage

FOOTER_KEY = "mpr"


class TableHeader(BaseModel):
    """What made a table. It holds no times and no run id, so that equal work gives equal bytes.

    Attributes:
        fingerprint, data_version: see `mpr_assets.engine.versions`, where all hashes are explained.
        upstream: data version of each input, by stage.
        overrides: settings of this run that differ from the profile.
        skipped: why the stage was switched off or had nothing to do, or None.
        nothing_to_do: it was not switched off: there was nothing to do in what it was given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    timeline: str
    profile: str
    fingerprint: str
    data_version: str
    code_version: str
    settings: dict[str, JsonValue]
    overrides: dict[str, JsonValue]
    model: str
    upstream: dict[str, str]
    skipped: str | None
    nothing_to_do: bool = False

    @property
    def switched_off(self) -> str | None:
        """Why the stage was switched off; None: it was not."""
        return None if self.nothing_to_do else self.skipped

    @model_validator(mode="before")
    @classmethod
    def _as_earlier_versions_wrote_it(cls, data: object) -> object:
        """Theirs has a hash of the settings, which are there themselves."""
        return {key: value for key, value in data.items() if key != "settings_hash"} if isinstance(data, dict) else data


ColumnTypes: TypeAlias = Mapping[str, pl.DataType | type[pl.DataType]]
"""The columns of a table, in order, and their types."""

NamedRow: TypeAlias = dict[str, Any]
"""A row by its columns, as Polars gives it: what a value's type is, the table's schema says."""


@dataclass(frozen=True)
class StageTable:
    """Rows and what made them."""

    rows: pl.DataFrame
    header: TableHeader


def hash_of(value: object) -> str:
    """SHA-256 of a JSON-like value's meaning: the order of keys does not count."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def data_version_of(rows: pl.DataFrame, *parts: str) -> str:
    """SHA-256 of column names, types and values, and of `parts`."""
    digest = hashlib.sha256(hash_of([[name, str(dtype)] for name, dtype in rows.schema.items()] + list(parts)).encode())
    digest.update(rows.write_ndjson().encode())
    return digest.hexdigest()


def check_schema(rows: pl.DataFrame, schema: ColumnTypes, stage: str) -> None:
    """Raise ValueError where a stage's rows are not of the schema that it declares: a bug in the stage."""
    if rows.schema != pl.Schema(schema):
        raise ValueError(f"{stage} made columns {dict(rows.schema)}, but declares {dict(schema)}")


def to_parquet(table: StageTable) -> bytes:
    """Parquet bytes; equal tables give equal bytes."""
    buffer = io.BytesIO()
    table.rows.write_parquet(buffer, metadata={FOOTER_KEY: table.header.model_dump_json()})
    return buffer.getvalue()


def from_parquet(data: bytes, where: str) -> StageTable:
    """Read back what `to_parquet` made.

    Raises:
        PermanentError: the object is not such a table.
    """
    with _told_as_no_table(where):
        return StageTable(pl.read_parquet(io.BytesIO(data)), _header(data))


def _header(data: bytes) -> TableHeader:
    return TableHeader.model_validate_json(pl.read_parquet_metadata(io.BytesIO(data))[FOOTER_KEY])


@contextmanager
def _told_as_no_table(where: str) -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, KeyError, ValidationError) as error:
        raise PermanentError(
            f"{where} is not a table that this version of MPR can read ({type(error).__name__})",
            "delete it and materialize its stage again",
        ) from error


def read_header(storage: Storage, stage: str, timeline: str) -> TableHeader:
    """What made the table that is stored of a stage of a timeline.

    Raises:
        MissingObject: none is.
        PermanentError: the object is no table.
    """
    key = Keys.table(stage, timeline)
    with _told_as_no_table(storage.where(key)):
        return _header(storage.get(key))


def read_table(
    storage: Storage, stage: str, timeline: str, parse: Callable[[bytes, str], StageTable] = from_parquet
) -> StageTable:
    """What is stored of a stage of a timeline.

    Args:
        parse: `from_parquet`, or what calls it and remembers.

    Raises:
        MissingObject: nothing is.
        PermanentError: the object is no table.
    """
    key = Keys.table(stage, timeline)
    where = storage.where(key)
    try:
        return parse(storage.get(key), where)
    except MissingObject as error:
        raise MissingObject(
            f"{stage} of the timeline {timeline!r} is not stored at {where}", f"materialize {stage} first"
        ) from error
