"""Questions about crops put to the models of a list, in order: what is known is not asked, what would cost too much
is not sent, what fails is tried again or goes to the next model.

What belongs here: caching, claims, budget, rate, retries and the ledger around a request. Not here: which crops are
worth a question and what becomes of the answers (`mpr_assets.escalation.candidates`).
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from sqlalchemy import Connection

from gpu_service.errors import MprError
from mpr_resources.cloud.answers import (
    AnswerLikeness,
    Answers,
    Look,
    alike,
    family_of,
)
from mpr_resources.cloud.batches import Batches, BatchProvider
from mpr_resources.cloud.budget import Limit, Price
from mpr_resources.cloud.claims import Claims
from mpr_resources.cloud.old_objects import take_over
from mpr_resources.cloud.paying import (
    MINUTE_S,
    Account,
    BeyondBudget,
    Label,
    Tally,
    UnsentRequest,
    retry_wait_s,
)
from mpr_resources.cloud.prompt import (
    PROMPT_HASH,
    SCHEMA,
    SYSTEM,
    Answer,
    parts,
    read_answers,
)
from mpr_resources.cloud.providers import (
    BATCHERS,
    WORDLESS,
    Model,
    Provider,
    Request,
    Usage,
    failures,
    key_of,
    open_provider,
)
from mpr_resources.database.connection import Database
from mpr_resources.storage.store import Storage

POLL_S = 0.3
CLAIM_MARGIN_S = 30.0
Tracked: TypeAlias = Callable[[Iterable[Any], int], Iterable[Any]]
"""Passes on the items, of which there are so many, and tells their progress."""


@dataclass(frozen=True)
class Question:
    """A crop to be asked about: JPEG bytes, and the like of the same place a moment before or after."""

    look: Look
    picture: bytes = field(repr=False)
    context: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Outcome:
    """What became of a question: an answer with its model, or why there is none (`budget`).

    An answer that another question's stands for says why too: `session`.
    """

    answer: Answer | None = None
    model: str = ""
    why: str = ""


@dataclass(frozen=True)
class Plan:
    """How questions are put.

    Attributes:
        models: asked in this order, with their prices.
        next_below: an answer that is "unknown" or less sure than this goes to the next model.
        longest_wait_s: a provider that wants to be left alone for longer is taken for unavailable.
        wait_s: how long an answer may take; 0: it is wanted at once. Else providers that have batches are asked so.
    """

    models: Sequence[tuple[Model, Price]]
    next_below: float
    crops_per_request: int
    in_flight: int
    attempts: int
    timeout_s: float
    longest_wait_s: float
    max_output_tokens: int
    requests_per_minute: int
    likeness: AnswerLikeness
    wait_s: float = 0.0


class Asker:
    """Asks. `storage` keeps the answers, `database` claims and money; `environ` has the providers' keys."""

    def __init__(
        self,
        storage: Storage,
        database: Database,
        environ: Mapping[str, str],
        plan: Plan,
        limits: Sequence[Limit],
        label: Label,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._storage = storage
        self._database = database
        self._environ = environ
        self._plan = plan
        self._account = Account(database, limits, label, plan.requests_per_minute, clock)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self.batch_failures: Counter[str] = Counter()
        """Requests of batches that ended without an answer, by how."""

    @property
    def tally(self) -> Tally:
        """What it cost so far."""
        return self._account.tally

    def answer(self, questions: Sequence[Question], tracked: Tracked = lambda items, _: items) -> list[Outcome]:
        """What became of each question, in their order. Answers are kept as they come, whatever happens then.

        Raises:
            BadInput: a key is not set. Rejected: a key, a model or a request is wrong. Unavailable: no model could be
            reached for a question that none has answered.
        """
        for model, _ in self._plan.models:
            key_of(model.provider, self._environ)
        if questions:
            take_over(self._database, self._storage)
        given = [Outcome() for _ in questions]
        open_ = list(range(len(questions)))
        trouble: failures.ProviderError | None = None
        for model, price in self._plan.models:
            if not open_:
                break
            round_ = _Round(self, model, price)
            answers = round_.answer([questions[number] for number in open_], tracked)
            trouble = round_.unavailable or trouble
            for number, answer in zip(open_, answers, strict=True):
                if answer is not None and _rank(answer) > _rank(given[number].answer):
                    given[number] = Outcome(answer, str(model))
                elif answer is None and given[number].answer is None:
                    late = questions[number].look.name in round_.late
                    given[number] = Outcome(why="late" if late else "budget" if round_.beyond else given[number].why)
            self.batch_failures += round_.batch_failures
            open_ = [
                number for number in open_ if not self._is_enough(given[number].answer) and given[number].why != "late"
            ]
        if trouble is not None and any(one.answer is None and not one.why for one in given):
            raise trouble
        return given

    def _is_enough(self, answer: Answer | None) -> bool:
        return (
            answer is not None
            and answer.outcome in ("brand", "none")
            and answer.confidence >= self._plan.next_below
        )  # fmt: skip


class _Round:
    """One model's turn. `unavailable`: why it was given up; `beyond`: the scope whose limit was reached."""

    def __init__(self, asker: Asker, model: Model, price: Price) -> None:
        self._asker = asker
        self._plan = asker._plan
        self._model = model
        self._price = price
        family = family_of(str(model), PROMPT_HASH)
        self._answers = Answers(asker._storage, family, self._plan.likeness)
        self._claims = Claims(asker._database, family, self._plan.likeness, clock=asker._clock)
        self._provider: Provider | None = None
        self._stop = threading.Event()
        self._family = family
        self.unavailable: failures.ProviderError | None = None
        self.beyond = ""
        self.late: set[str] = set()
        self.batch_failures: Counter[str] = Counter()

    def answer(self, questions: Sequence[Question], tracked: Tracked) -> list[Answer | None]:
        """An answer to each question; None where there is none."""
        found = {number: self._answers.find(question.look) for number, question in enumerate(questions)}
        unknown = [number for number, answer in found.items() if answer is None]
        groups = alike([questions[number].look for number in unknown], self._plan.likeness)
        try:
            self._ask_all([questions[unknown[leader]] for leader in groups], tracked)
        finally:
            if self._provider is not None:
                self._provider.close()
        for leader, followers in groups.items():
            answer = self._answers.find(questions[unknown[leader]].look)
            found.update(dict.fromkeys((unknown[one] for one in followers), answer))
        self._asker._account.count(known=len(questions) - len(groups))
        return [found[number] for number in range(len(questions))]

    def _ask_all(self, questions: Sequence[Question], tracked: Tracked) -> None:
        """Ask until each is answered, by us or by another run, or the round is stopped."""
        open_, size = list(questions), self._plan.crops_per_request
        if open_ and self._plan.wait_s and self._model.provider in BATCHERS:
            open_, size = self._by_batch(open_), 1
        while open_ and not self._stop.is_set():
            batches = [open_[start : start + size] for start in range(0, len(open_), size)]
            with ThreadPoolExecutor(self._plan.in_flight) as pool:
                try:
                    work = [pool.submit(self._batch, batch) for batch in batches]
                    for done in tracked(as_completed(work), len(work)):
                        done.result()
                except BaseException:
                    self._stop.set()
                    raise
            self._answers.refresh()
            open_ = [question for question in open_ if self._answers.find(question.look) is None]
            if open_ and not self._stop.is_set():
                self._sleep(POLL_S * (0.5 + random.random()))

    def _by_batch(self, questions: Sequence[Question]) -> list[Question]:
        """Have a batch answer what none holds already, and wait for it; gives what is then to be asked singly."""
        provider = cast(BatchProvider, self._opened())
        batches = Batches(
            self._asker._storage, self._family, self._answers, self._asker._account, provider, self._model
        )
        looks = [question.look for question in questions]
        own = {look.name for look in self._claims.claim(looks, self._claim_s)}
        mine = [question for question in questions if question.look.name in own]
        try:
            self._answers.refresh()  # another may have sent or finished between our look and our claim
            sent = {look.name for look in batches.pending(looks)}
            unsent = [q for q in mine if q.look.name not in sent and self._answers.find(q.look) is None]
            self._send_batch(batches, unsent)
        except UnsentRequest:
            return []
        except failures.ProviderUnavailable as error:
            self.unavailable = error
            self._stop.set()
            return []
        finally:
            with suppress(MprError):
                self._claims.release(question.look for question in mine)
        try:
            batches.wait(looks, self._plan.wait_s, self._paused)
        except failures.ProviderUnavailable as error:
            self.unavailable = error
            self._stop.set()
        self._answers.refresh()
        self.late, self.batch_failures = batches.tally.late, batches.tally.failed
        unanswered = [question for question in questions if self._answers.find(question.look) is None]
        if any(question.look.name not in self.late | batches.tally.singly for question in unanswered):
            failed = ", ".join(f"{number} {how}" for how, number in sorted(self.batch_failures.items()))
            if failed and self.unavailable is None:
                self.unavailable = failures.not_in_batch(self._model.provider, failed)
        return [question for question in unanswered if question.look.name in batches.tally.singly]

    def _send_batch(self, batches: Batches, questions: Sequence[Question]) -> None:
        """Reserve and send, as far as there is money."""
        size, price = self._plan.crops_per_request, self._price.in_batch()
        groups = [questions[start : start + size] for start in range(0, len(questions), size)]
        asks = [self._request(group) for group in groups]
        looks = [question.look for question in questions]

        def still_mine(connection: Connection) -> bool:
            return self._claims.renew(connection, looks, self._claim_s)

        wanted = [(len(group), self._most(group, ask, price)) for group, ask in zip(groups, asks, strict=True)]
        rows = self._asker._account.reserve_waiting(self._model, wanted, still_mine) if groups else []
        if len(rows) < len(groups):
            self.beyond = "budget"
        sent = [([question.look for question in group], ask) for group, ask in zip(groups, asks, strict=True)]
        batches.send(sent[: len(rows)], rows, price)

    def _batch(self, batch: Sequence[Question]) -> None:
        """Ask those of a batch that nobody else is asking and that are still not known."""
        if self._stop.is_set():
            return
        own = {look.name for look in self._claims.claim([question.look for question in batch], self._claim_s)}
        mine = [question for question in batch if question.look.name in own]
        try:
            if mine:
                self._answers.refresh()  # another may have finished between our look and our claim
            unknown = [question for question in mine if self._answers.find(question.look) is None]
            if unknown:
                self._ask(unknown)
        except failures.ProviderUnavailable as error:
            self.unavailable = error
            self._stop.set()
        except BaseException:
            self._stop.set()  # at once: the next batch may begin before whoever waits for this one hears of it
            raise
        finally:
            with suppress(MprError):  # the database is away, which is told by what led here; claims end by themselves
                self._claims.release(question.look for question in mine)

    @property
    def _claim_s(self) -> float:
        """Claims are renewed before every request: so long there may be between two of them."""
        return 2 * self._plan.timeout_s + self._plan.longest_wait_s + MINUTE_S + CLAIM_MARGIN_S

    def _ask(self, questions: Sequence[Question]) -> None:
        """One request, again while it fails for the moment. What is refused or too long together is asked singly."""
        for attempt in range(1, self._plan.attempts + 1):
            if self._stop.is_set():
                return
            try:
                self._send(questions)
                return
            except UnsentRequest:
                return
            except BeyondBudget as error:
                self.beyond = str(error)
                self._stop.set()
                return
            except failures.ContentRefusal:
                if len(questions) == 1:
                    self._answers.keep(questions[0].look, Answer(outcome="refused"))
                    return
            except failures.ProviderUnavailable as error:
                if len(questions) == 1 or error.outcome != "truncated":
                    self._wait(attempt, error)
                    continue
            for question in questions:
                self._ask([question])
            return

    def _wait(self, attempt: int, error: failures.ProviderUnavailable) -> None:
        wait_s = retry_wait_s(attempt, error, self._plan.attempts, self._plan.longest_wait_s)
        self._asker._account.count(retried=1)
        self._sleep(wait_s)

    def _sleep(self, seconds: float) -> None:
        """Wait, but not when the round is stopped meanwhile: a run that is cancelled ends at once."""
        if self._asker._sleep is None:
            self._stop.wait(seconds)
        else:
            self._asker._sleep(seconds)

    def _send(self, questions: Sequence[Question]) -> None:
        """One request: reserved before; after it first its answers are kept, then it is settled."""
        ask = self._request(questions)
        most = self._most(questions, ask, self._price)
        provider = self._opened()
        looks = [question.look for question in questions]

        def still_mine(connection: Connection) -> bool:
            return self._claims.renew(connection, looks, self._claim_s)

        account = self._asker._account
        row = account.reserve(self._model, len(questions), most, still_mine, self._paused)
        with account.settling(row, self._price) as receipt:
            said = provider.ask(ask)
            receipt.usage = said.usage
            for question, answer in zip(questions, self._read(said.text, len(questions), said.usage), strict=True):
                self._answers.keep(question.look, answer)

    def _request(self, questions: Sequence[Question]) -> Request:
        shown = parts([(question.picture, question.context) for question in questions])
        return Request(self._model.model, SYSTEM, shown, SCHEMA, self._plan.max_output_tokens, self._plan.timeout_s)

    def _most(self, questions: Sequence[Question], ask: Request, price: Price) -> int:
        """What the request costs at most."""
        if self._model.provider in WORDLESS:  # and context is not sent to it
            return price.most_micro_usd(0, len(questions), 0)
        texts = len(SYSTEM) + len(str(SCHEMA)) + sum(len(part) for part in ask.parts if isinstance(part, str))
        pictures = sum(isinstance(part, bytes) for part in ask.parts)
        return price.most_micro_usd(texts, pictures, ask.max_output_tokens)

    def _paused(self, seconds: float) -> bool:
        """Wait; gives whether the round goes on."""
        self._sleep(seconds)
        return not self._stop.is_set()

    def _read(self, text: str, count: int, usage: Usage) -> list[Answer]:
        try:
            return read_answers(text, count)
        except ValueError:
            raise failures.unreadable(self._model.provider, usage) from None

    def _opened(self) -> Provider:
        with self._asker._lock:
            if self._provider is None:
                self._provider = open_provider(self._model.provider, self._asker._environ)
            return self._provider


def _rank(answer: Answer | None) -> tuple[int, float]:
    if answer is None:
        return -1, 0.0
    return {"refused": 0, "unknown": 1, "none": 1, "brand": 2}[answer.outcome], answer.confidence
