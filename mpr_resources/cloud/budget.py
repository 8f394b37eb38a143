"""What may be spent: limits in requests and in money, kept across threads, processes and machines.

A request is reserved before it is sent; the one that would pass a limit is not. Each scope (a run, a timeline, a day,
a minute of one provider) is a chain of small objects, numbered without gaps, each with the totals up to it: an object
is written only where none is yet, so of two who reserve at once one sees the other's and counts on. What a request
cost less than was reserved for it is given back by another link.

Money is whole micro-dollars (1 USD = 1 000 000): the price of a million tokens in USD is that of one in micro-dollars.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, RootModel

from gpu_service.errors import BadInput
from gpu_service.settings import Settings
from mpr_resources.cloud.providers import Model, Usage
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.yaml_files.load import load_file


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
        raise BadInput(f"{where} has no price for {model}", "add it, so that what it costs can be limited")
    return prices[str(model)]


@dataclass(frozen=True)
class Limit:
    """Most that may be spent in a scope; None: no limit."""

    scope: str
    requests: int | None = None
    micro_usd: int | None = None


class Totals(BaseModel):
    """Totals of a scope."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: int = 0
    micro_usd: int = 0

    def plus(self, requests: int, micro_usd: int) -> Totals:
        return Totals(requests=self.requests + requests, micro_usd=self.micro_usd + micro_usd)

    def within(self, limit: Limit) -> bool:
        few = limit.requests is None or self.requests <= limit.requests
        return few and (limit.micro_usd is None or self.micro_usd <= limit.micro_usd)


class Chain:
    """The totals of one scope. Thread-safe, and safe among processes."""

    def __init__(self, storage: Storage, scope: str) -> None:
        self._storage = storage
        self._folder = f"budget/{scope}"
        self._lock = threading.Lock()
        self._length = 0
        self._spent: Totals | None = None

    def spent(self) -> Totals:
        """The totals as they are now."""
        with self._lock:
            return self._follow()

    def add(self, requests: int, micro_usd: int, limit: Limit | None = None) -> bool:
        """Add to the totals unless they would pass the limit. Gives whether it was added."""
        with self._lock:
            while True:
                total = self._follow().plus(requests, micro_usd)
                if limit is not None and not total.within(limit):
                    return False
                if self._storage.create(self._key(self._length), total.model_dump_json().encode()):
                    self._spent, self._length = total, self._length + 1
                    return True

    def _key(self, number: int) -> str:
        return f"{self._folder}/{number:09d}.json"

    def _follow(self) -> Totals:
        """To the chain's end: from a listing at first, then link by link."""
        if self._spent is None:
            last = max(self._storage.list(self._folder), default=None)
            self._spent = Totals()
            if last is not None:
                self._length = int(last.rpartition("/")[2].removesuffix(".json"))
        while True:
            try:
                self._spent = Totals.model_validate_json(self._storage.get(self._key(self._length)))
            except MissingObject:
                return self._spent
            self._length += 1


class Budget:
    """The limits of several scopes at once: a request is within all of them, or is not sent."""

    def __init__(self, storage: Storage, limits: Iterable[Limit]) -> None:
        self._chains = [(Chain(storage, limit.scope), limit) for limit in limits]

    def reserve(self, micro_usd: int) -> str | None:
        """Reserve a request of at most this price. Gives the scope whose limit it would pass, or None."""
        for number, (chain, limit) in enumerate(self._chains):
            if not chain.add(1, micro_usd, limit):
                for earlier, _ in self._chains[:number]:
                    earlier.add(-1, -micro_usd)
                return limit.scope
        return None

    def settle(self, reserved_micro_usd: int, micro_usd: int) -> None:
        """Say what a request cost in fact."""
        if micro_usd != reserved_micro_usd:
            for chain, _ in self._chains:
                chain.add(0, micro_usd - reserved_micro_usd)
