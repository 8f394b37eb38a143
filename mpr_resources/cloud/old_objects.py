"""Claims, money and the ledger as objects in the storage, which older versions wrote, taken over into the database.

What belongs here: reading those objects, once for a storage and a database. They are left where they are, and nothing
is written there any more.

- `ledger/{day}/{time}-{random}.parquet`: a row each.
- `budget/{kind}/{name}/{number}.json`: the totals up to it, so the last of a folder has the scope's; a minute of a
  provider is such a scope too.
- `claims/{family}/{name}.{number}`: who asks about a crop, and until when.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, insert, or_, select

from gpu_service.errors import PermanentError
from mpr_resources.cloud import budget, ledger, rates
from mpr_resources.database import schema
from mpr_resources.database.connection import Database
from mpr_resources.storage.store import MissingObject, ObjectInfo, Storage
from mpr_resources.storage.tables import hash_of

FOLDERS = ("ledger", "budget", "claims")
TOTALS = re.compile(r"budget/((?:run|timeline|day|minute)/.+)/[0-9]{9}\.json")
CLAIM = re.compile(r"claims/([0-9a-f]{16})/([0-9a-f]{16}-[0-9a-f]{24})\.[0-9]+")


class _OldTotals(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    requests: int
    micro_usd: int


class _OldClaim(BaseModel):
    """`until_s`: since 1970."""

    model_config = ConfigDict(frozen=True, extra="ignore", val_json_bytes="base64")

    host: str
    pid: int
    until_s: float
    thumbnail: bytes
    aspect: float = Field(gt=0)


@dataclass
class _Old:
    """What there is to take over. `totals`: by scope, with when they were written; `rates`: by provider and minute."""

    rows: list[ledger.LedgerRow] = field(default_factory=list)
    totals: dict[str, tuple[_OldTotals, int]] = field(default_factory=dict)
    rates: dict[tuple[str, int], int] = field(default_factory=dict)
    claims: list[dict[str, object]] = field(default_factory=list)


def take_over(database: Database, storage: Storage) -> None:
    """See that the database has what older versions kept in the storage. Once done, it asks the database alone.

    What is read is written in one transaction with the mark that it was, so it is taken over whole and once, whoever is
    killed or does the same at the same time. A storage that was moved is known by its keys.

    Raises:
        PermanentError: an object cannot be read.
    """
    url = " ".join(filter(None, (storage.endpoint, storage.url)))
    if not database.absent and database.read(lambda connection: _is_done(connection, url, "")):
        return
    listed = {folder: sorted(storage.entries(folder), key=lambda entry: entry.key) for folder in FOLDERS}
    keys = [entry.key for entries in listed.values() for entry in entries]
    if not keys and database.absent:
        return
    listing = hash_of(keys)
    old = _read(storage, listed)

    def write(connection: Connection) -> None:
        if not _is_done(connection, url, listing):
            _write(connection, old)
        if not _is_done(connection, url, ""):
            mark = {"url": url, "listing": listing, "time_ms": time.time_ns() // 1_000_000}
            connection.execute(insert(schema.old_storage).values(mark))

    database.write(write)


def _is_done(connection: Connection, url: str, listing: str) -> bool:
    table = schema.old_storage
    known = select(table.c.url).where(or_(table.c.url == url, table.c.listing == listing)).limit(1)
    return connection.execute(known).one_or_none() is not None


def _read(storage: Storage, listed: Mapping[str, Sequence[ObjectInfo]]) -> _Old:
    now_s, old = time.time(), _Old()
    keys = [entry.key for entry in listed["ledger"] if entry.key.endswith(".parquet")]
    for key, data in zip(keys, storage.get_many(keys), strict=True):
        old.rows += _rows(storage.where(key), key, data)
    last = {found[1]: entry for entry in listed["budget"] if (found := TOTALS.fullmatch(entry.key))}
    for scope, entry in last.items():
        if not scope.startswith("timeline/") and entry.modified_s * 1000 < now_s * 1000 - budget.KEPT_MS:
            continue
        kind, _, name = scope.partition("/")
        if kind != "minute":
            old.totals[scope] = _totals(storage, entry.key), round(entry.modified_s * 1000)
        elif (number := _minute(name)) > now_s // 60 - rates.KEPT_MINUTES:
            old.rates[name.partition("/")[0], number] = _totals(storage, entry.key).requests
    for entry in listed["claims"]:
        found = CLAIM.fullmatch(entry.key)
        with suppress(MissingObject, ValidationError):  # answered meanwhile; what cannot be read is void
            if found:
                held = _OldClaim.model_validate_json(storage.get(entry.key))
                if held.until_s <= now_s:
                    continue
                row = {"family": found[1], "name": found[2], "owner": "", "host": held.host, "pid": held.pid}
                row |= {"until_ms": round(held.until_s * 1000), "aspect": held.aspect, "thumbnail": held.thumbnail}
                old.claims.append(row)
    return old


def _rows(where: str, key: str, data: bytes) -> list[ledger.LedgerRow]:
    """Of one object. A row's id follows from the key, so that it is the same whenever it is taken over."""
    try:
        rows = pl.read_parquet(io.BytesIO(data)).rows(named=True)
        ids = [f"{row['time_ms']:014d}-{hash_of([key, number])[:12]}" for number, row in enumerate(rows)]
        return [ledger.LedgerRow(id=one, **row) for one, row in zip(ids, rows, strict=True)]
    except (pl.exceptions.PolarsError, KeyError, TypeError, ValueError) as error:
        raise PermanentError(f"{where} is no row of the ledger", "delete it, or put it back as it was") from error


def _totals(storage: Storage, key: str) -> _OldTotals:
    try:
        return _OldTotals.model_validate_json(storage.get(key))
    except ValidationError as error:
        raise PermanentError(
            f"{storage.where(key)} does not say what was spent", "delete it, or put it back as it was"
        ) from error


def _minute(name: str) -> int:
    """The number since 1970 of a minute's name: anthropic/2026-05-31T08-15."""
    return int(datetime.strptime(name.rpartition("/")[2], "%Y-%m-%dT%H-%M").replace(tzinfo=UTC).timestamp() // 60)


def _write(connection: Connection, old: _Old) -> None:
    there = set(connection.execute(select(schema.ledger_row.c.id)).scalars())
    ledger.enter(connection, [row for row in old.rows if row.id not in there])
    for scope, (totals, written_ms) in old.totals.items():
        budget.add(connection, [scope], totals.requests, totals.micro_usd, written_ms)
    for (provider, minute), requests in old.rates.items():
        rates.add(connection, provider, minute, requests)
    for row in old.claims:
        held = schema.claim.c.family == row["family"], schema.claim.c.name == row["name"]
        if connection.execute(select(schema.claim.c.name).where(*held)).one_or_none() is None:
            connection.execute(insert(schema.claim).values(row))
