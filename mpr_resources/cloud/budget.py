"""What may be spent: limits in requests and in money, kept across threads, processes and machines.

A request is reserved before it is sent; the one that would pass a limit is not. Each scope (a run, a timeline, a day)
is a row of the database with its totals. Writers go one after another, so what `beyond` sees still holds when `add` is
called in the same transaction. What a request cost less than was reserved for it is given back.

Money is whole micro-dollars (1 USD = 1 000 000): the price of a million tokens in USD is that of one in micro-dollars.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict, Field, RootModel
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from gpu_service.errors import BadInput
from gpu_service.settings import Settings
from mpr_resources.cloud.providers import Model, Usage
from mpr_resources.database.schema import spending as table
from mpr_resources.yaml_files.load import load_file

PASSING = ("run", "day")
"""Kinds of scopes that end by themselves; what a timeline cost counts for ever."""
KEPT_MS = 30 * 86_400_000
"""Totals of a run or a day in which nothing was spent for so long are deleted: no run takes a month."""


class Price(Settings):
    """What a model costs, in USD for a million tokens."""

    input: float = Field(ge=0, le=10_000, description="tokens sent")
    output: float = Field(ge=0, le=10_000, description="tokens answered, thinking included")
    cached: float | None = Field(None, ge=0, le=10_000, description="tokens from its cache; as input if none")
    picture_tokens: int = Field(2000, ge=0, le=100_000, description="tokens that one crop takes, at most")

    def micro_usd(self, usage: Usage) -> int:
        """What a request cost, rounded up."""
        cached = self.input if self.cached is None else self.cached
        fresh = usage.tokens_in - usage.tokens_cached
        return math.ceil(fresh * self.input + usage.tokens_cached * cached + usage.tokens_out * self.output)

    def in_batch(self) -> Price:
        """The price of what may wait: half, at every provider that has batches."""
        cached = None if self.cached is None else self.cached / 2
        return self.model_copy(update={"input": self.input / 2, "output": self.output / 2, "cached": cached})

    def most_micro_usd(self, texts: int, pictures: int, max_output_tokens: int) -> int:
        """What a request costs at most. `texts`: characters, a token each at worst."""
        return self.micro_usd(Usage(texts + pictures * self.picture_tokens, max_output_tokens))


class _Prices(RootModel[dict[str, Price]]):
    model_config = ConfigDict(frozen=True)


def load_prices(path: Path) -> Mapping[str, Price]:
    """The price of each model, `provider/model`.

    Raises:
        BadInput: the file is not there, or is no price file.
    """
    return load_file(path, _Prices).root


def price_of(prices: Mapping[str, Price], model: Model, where: Path) -> Price:
    """The model's price.

    Raises:
        BadInput: the file has none.
    """
    if str(model) not in prices:
        raise BadInput(f"{where} has no price for {model}", "add it, so that its cost can be limited")
    return prices[str(model)]


@dataclass(frozen=True)
class Limit:
    """Most that may be spent in a scope, `run/…`, `timeline/…` or `day/…`; None: no limit."""

    scope: str
    requests: int | None = None
    micro_usd: int | None = None


@dataclass(frozen=True)
class Totals:
    """Totals of a scope."""

    requests: int = 0
    micro_usd: int = 0

    def plus(self, requests: int, micro_usd: int) -> Totals:
        return Totals(self.requests + requests, self.micro_usd + micro_usd)

    def within(self, limit: Limit) -> bool:
        few = limit.requests is None or self.requests <= limit.requests
        return few and (limit.micro_usd is None or self.micro_usd <= limit.micro_usd)


def beyond(connection: Connection, limits: Iterable[Limit], micro_usd: int) -> str | None:
    """The scope whose limit one more request of at most this price would pass, or None."""
    for limit in limits:
        if not spent(connection, limit.scope).plus(1, micro_usd).within(limit):
            return limit.scope
    return None


def spent(connection: Connection, scope: str) -> Totals:
    """The totals of a scope as they are now."""
    row = connection.execute(select(table.c.requests, table.c.micro_usd).where(*_is(scope))).one_or_none()
    return Totals() if row is None else Totals(*row)


def add(connection: Connection, scopes: Iterable[str], requests: int, micro_usd: int, now_ms: int) -> None:
    """Add to the totals of each scope; less than nothing is given back."""
    for scope in scopes:
        more = {
            "requests": table.c.requests + requests,
            "micro_usd": table.c.micro_usd + micro_usd,
            "changed_ms": now_ms,
        }
        if not connection.execute(update(table).where(*_is(scope)).values(more)).rowcount:
            kind, _, name = scope.partition("/")
            row = {"kind": kind, "name": name, "requests": requests, "micro_usd": micro_usd, "changed_ms": now_ms}
            connection.execute(insert(table).values(row))
            connection.execute(delete(table).where(table.c.kind.in_(PASSING), table.c.changed_ms < now_ms - KEPT_MS))


def rename_timeline(connection: Connection, old: str, new: str, now_ms: int) -> None:
    """Add what a timeline has cost to its new name, and forget it under the old one."""
    before = spent(connection, f"timeline/{old}")
    if before != Totals():
        add(connection, [f"timeline/{new}"], before.requests, before.micro_usd, now_ms)
        connection.execute(delete(table).where(*_is(f"timeline/{old}")))


def _is(scope: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    kind, _, name = scope.partition("/")
    return table.c.kind == kind, table.c.name == name
