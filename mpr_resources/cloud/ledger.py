"""The ledger: a row for every request to a model that costs something, and sums of them.

A request is one small Parquet object below `ledger/{day}/`, so that any number of processes can write at once, and
`SELECT * FROM 'ledger/*/*.parquet'` reads them all.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import polars as pl

from mpr_resources.storage.store import PARALLEL_REQUESTS, Storage

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "time_ms": pl.Int64,
    "timeline": pl.Utf8,
    "stage": pl.Utf8,
    "provider": pl.Utf8,
    "model": pl.Utf8,
    "crops": pl.Int32,
    "tokens_in": pl.Int64,
    "tokens_out": pl.Int64,
    "tokens_cached": pl.Int64,
    "micro_usd": pl.Int64,
    "milliseconds": pl.Int64,
    "outcome": pl.Utf8,
    "run": pl.Utf8,
}
"""time_ms: since 1970, UTC. tokens_cached are among tokens_in. micro_usd: 1 000 000 are one dollar."""

FOLDER = "ledger"
By: TypeAlias = Literal["provider", "timeline", "day"]


@dataclass(frozen=True)
class LedgerRow:
    """A request; see `SCHEMA`."""

    time_ms: int
    timeline: str
    stage: str
    provider: str
    model: str
    crops: int
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    micro_usd: int
    milliseconds: int
    outcome: str
    run: str


def day_of(time_ms: int) -> str:
    """The day of a time, in UTC: 2026-05-31."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d")


def write(storage: Storage, entry: LedgerRow) -> None:
    """Add a row."""
    buffer = io.BytesIO()
    pl.DataFrame([asdict(entry)], schema=SCHEMA).write_parquet(buffer)
    name = f"{entry.time_ms:014d}-{os.urandom(6).hex()}.parquet"
    storage.put(f"{FOLDER}/{day_of(entry.time_ms)}/{name}", buffer.getvalue())


def read(storage: Storage) -> pl.DataFrame:
    """Every row, in the order of time."""
    keys = [key for key in storage.list(FOLDER) if key.endswith(".parquet")]
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        tables = list(pool.map(lambda key: pl.read_parquet(io.BytesIO(storage.get(key))), keys))
    return pl.concat([pl.DataFrame(schema=SCHEMA), *tables]).sort(
        "time_ms", "timeline", "provider", maintain_order=True
    )


def sums(rows: pl.DataFrame, by: By) -> pl.DataFrame:
    """Requests, crops, tokens and money by provider and model, by timeline or by day (UTC), and in all at the end."""
    keys = {
        "provider": (pl.col("provider") + "/" + pl.col("model")).alias(by),
        "timeline": pl.col("timeline"),
        "day": pl.from_epoch("time_ms", "ms").dt.strftime("%Y-%m-%d").alias(by),
    }
    figures: Iterable[pl.Expr] = (
        pl.len().cast(pl.Int64).alias("requests"),
        (pl.col("outcome") != "answered").sum().cast(pl.Int64).alias("failed"),
        pl.col("crops").sum().cast(pl.Int64),
        pl.col("tokens_in", "tokens_out", "tokens_cached", "micro_usd").sum(),
    )
    grouped = rows.group_by(keys[by]).agg(*figures).sort(by)
    return pl.concat([grouped, rows.select(pl.lit("all").alias(by), *figures)])
