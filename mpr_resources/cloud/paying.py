"""What requests to cloud providers cost: reserved before one is sent, settled after it.

What belongs here: rate, budget and ledger around a request, whatever is asked, and the wait between its attempts. What
is asked of whom is in `asking` and `hearing`.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sqlalchemy import Connection

from mpr_resources.cloud import budget, ledger, rates
from mpr_resources.cloud.budget import Limit, Price
from mpr_resources.cloud.ledger import LedgerRow
from mpr_resources.cloud.providers import Model, Usage, failures
from mpr_resources.database.connection import Database

FIRST_WAIT_S = 1.0
MINUTE_S = 60.0


class UnsentRequest(Exception):
    """A request was not sent: its asker stopped, or somebody else has the claim meanwhile."""


class BeyondBudget(Exception):
    """The next request would pass a limit: of this scope."""


@dataclass(frozen=True)
class Label:
    """Whose requests they are, for the ledger."""

    timeline: str
    stage: str
    run: str


@dataclass
class Tally:
    """What a run of questions cost. `known`: answered without a request."""

    requests: int = 0
    micro_usd: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    known: int = 0
    retried: int = 0


@dataclass
class Receipt:
    """What a request took, as its provider says; set once that is known."""

    usage: Usage = field(default_factory=Usage)


class Account:
    """What one asker may spend and has spent. Thread-safe, and safe among processes."""

    def __init__(
        self,
        database: Database,
        limits: Sequence[Limit],
        label: Label,
        requests_per_minute: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`requests_per_minute`: to each provider, all runs together."""
        self._database = database
        self._limits = limits
        self._label = label
        self._requests_per_minute = requests_per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self.tally = Tally()

    def count(self, *, known: int = 0, retried: int = 0) -> None:
        """Add to the tally."""
        with self._lock:
            self.tally.known += known
            self.tally.retried += retried

    def reserve(
        self,
        model: Model,
        crops: int,
        micro_usd: int,
        still_mine: Callable[[Connection], bool],
        pause: Callable[[float], bool],
    ) -> LedgerRow:
        """Wait until the provider takes one more request, and reserve it at this price; gives its row in the ledger.

        That the claims still stand, the rate, the budget and the row are one transaction: of two who would each send
        the last request that there is room for, one does.

        Args:
            crops: that the request is about.
            still_mine: whether the asker's claims stand.
            pause: waits for so many seconds, and gives whether the asker goes on.

        Raises:
            BeyondBudget: it would pass a limit. UnsentRequest: a claim is lost, or the asker does not go on.
        """
        while True:
            now_s = self._clock()
            row = self._row(model, round(now_s * 1000), crops, micro_usd)

            def write(connection: Connection, now_s: float = now_s, row: LedgerRow = row) -> bool:
                if not still_mine(connection):
                    raise UnsentRequest  # held up for so long that another may be asking by now
                scope = budget.beyond(connection, self._limits, micro_usd)
                if scope is not None:
                    raise BeyondBudget(scope)
                if not rates.take(connection, model.provider, self._requests_per_minute, now_s):
                    return False
                budget.add(connection, self._scopes, 1, micro_usd, row.time_ms)
                ledger.enter(connection, [row])
                return True

            if self._database.write(write):
                return row
            if not pause(MINUTE_S - now_s % MINUTE_S):
                raise UnsentRequest

    def reserve_waiting(
        self, model: Model, requests: Sequence[tuple[int, int]], still_mine: Callable[[Connection], bool]
    ) -> list[LedgerRow]:
        """Reserve requests of a batch, as far as there is room for them; gives the rows of those from the first on.

        Args:
            requests: crops and price of each.
            still_mine: as in `reserve`.

        Raises:
            UnsentRequest: a claim is lost.
        """

        def write(connection: Connection) -> list[LedgerRow]:
            if not still_mine(connection):
                raise UnsentRequest
            rows: list[LedgerRow] = []
            for crops, micro_usd in requests:
                if budget.beyond(connection, self._limits, micro_usd) is not None:
                    break
                row = replace(self._row(model, round(self._clock() * 1000), crops, micro_usd), outcome=ledger.WAITING)
                budget.add(connection, self._scopes, 1, micro_usd, row.time_ms)
                ledger.enter(connection, [row])
                rows.append(row)
            return rows

        return self._database.write(write)

    def settle_waiting(self, reserved: LedgerRow, usage: Usage, outcome: str, charged: int) -> bool:
        """Say how a request of a batch ended, unless another has said it; gives whether."""
        took_ms = max(0, round(self._clock() * 1000) - reserved.time_ms)
        return self._settle(reserved, usage, outcome, charged, took_ms, waiting=True)

    @contextmanager
    def settling(self, reserved: LedgerRow, price: Price) -> Iterator[Receipt]:
        """Around a request and the keeping of its answer: says how it ended, and what it cost in fact."""
        receipt = Receipt()
        started_s, outcome, charged = time.monotonic(), ledger.BROKEN_OFF, reserved.micro_usd
        try:
            yield receipt
            outcome, charged = ledger.ANSWERED, price.micro_usd(receipt.usage)
        except failures.ProviderError as error:
            outcome, receipt.usage = error.outcome, error.usage
            # What was begun and not finished may be charged all the same: then the reservation stands.
            charged = reserved.micro_usd if outcome in ("timeout", "cut") else price.micro_usd(error.usage)
            raise
        finally:
            took_ms = round((time.monotonic() - started_s) * 1000)
            self._settle(reserved, receipt.usage, outcome, charged, took_ms)

    @property
    def _scopes(self) -> list[str]:
        return [limit.scope for limit in self._limits]

    def _row(self, model: Model, time_ms: int, crops: int, micro_usd: int) -> LedgerRow:
        """Of a request as long as its end is not known."""
        return LedgerRow(
            id=ledger.new_id(time_ms),
            time_ms=time_ms,
            timeline=self._label.timeline,
            stage=self._label.stage,
            provider=model.provider,
            model=model.model,
            crops=crops,
            tokens_in=0,
            tokens_out=0,
            tokens_cached=0,
            micro_usd=micro_usd,
            milliseconds=0,
            outcome=ledger.BROKEN_OFF,
            run=self._label.run,
        )

    def _settle(
        self, reserved: LedgerRow, usage: Usage, outcome: str, charged: int, took_ms: int, waiting: bool = False
    ) -> bool:
        row = replace(
            reserved,
            tokens_in=usage.tokens_in,
            tokens_out=usage.tokens_out,
            tokens_cached=usage.tokens_cached,
            micro_usd=charged,
            milliseconds=took_ms,
            outcome=outcome,
        )

        # Its own scopes: who settles a batch may be another run than who sent it, on another day.
        day = datetime.fromtimestamp(row.time_ms / 1000, UTC).strftime("%Y-%m-%d")
        scopes = [f"run/{row.run}", f"timeline/{row.timeline}", f"day/{day}"] if waiting else self._scopes

        def write(connection: Connection) -> bool:
            if waiting and not ledger.is_waiting(connection, row.id):
                return False
            budget.add(connection, scopes, 0, charged - reserved.micro_usd, row.time_ms)
            ledger.correct(connection, row)
            return True

        if not self._database.write(write):
            return False
        with self._lock:
            self.tally.requests += 1
            self.tally.micro_usd += charged
            self.tally.tokens_in += usage.tokens_in
            self.tally.tokens_out += usage.tokens_out
        return True


def retry_wait_s(attempt: int, error: failures.ProviderUnavailable, attempts: int, longest_wait_s: float) -> float:
    """How long to wait after a failed attempt, from 1, before the next one.

    Raises:
        ProviderUnavailable: the error, where it was the last attempt or the provider wants a longer wait.
    """
    wait_s = FIRST_WAIT_S * 2.0 ** (attempt - 1) * (0.75 + random.random() / 2)
    wait_s = max(wait_s, error.retry_after_s or 0.0)
    if attempt == attempts or wait_s > longest_wait_s:
        raise error
    return wait_s
