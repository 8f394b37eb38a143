"""Questions about crops sent as a batch, which its provider answers when it has time, at half the price.

What belongs here: what is sent together, what is known of a batch until it is answered, and what becomes of its
answers. Which model is asked what is in `asking`.

A batch that is sent lies at `batches/{family}/{id}.json` until its answers are kept: a run that is killed while it
waits, or waits no longer, leaves it there for the next. Each of its requests is a row of the ledger, `waiting` at the
price that is reserved; of several who see the batch answered, one settles it.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from gpu_service.errors import PermanentError
from mpr_resources.cloud import ledger
from mpr_resources.cloud.answers import AnswerLikeness, Answers, Look, hash_distance
from mpr_resources.cloud.budget import Price
from mpr_resources.cloud.ledger import LedgerRow
from mpr_resources.cloud.paying import Account
from mpr_resources.cloud.prompt import Answer, read_answers
from mpr_resources.cloud.providers import Completion, Model, Provider, Request, Usage, failures
from mpr_resources.storage.store import MissingObject, Storage

FIRST_POLL_S = 1.0
LONGEST_POLL_S = 60.0
MOST_REQUESTS = 500
MOST_BYTES = 15_000_000
"""Of a batch: providers take 50,000 requests and more, and 256 (Anthropic), 200 (OpenAI, Groq) and 20 MB (Gemini)."""


class BatchProvider(Provider, Protocol):
    """A provider that answers many requests when it has time, at half the price."""

    def submit(self, asks: Mapping[str, Request]) -> str:
        """Send requests, each by a name of letters and digits; gives the batch's id.

        Raises:
            ProviderError: they were not taken.
        """
        ...

    def collect(self, batch: str, asks: Collection[str]) -> Mapping[str, Completion | failures.ProviderError] | None:
        """What became of each request, once all have ended; None: they have not. What it has no answer to is an error.

        Raises:
            ProviderError: it cannot say.
        """
        ...


class SentLook(BaseModel):
    """A crop in a batch, as far as its answer needs it: see `Look`."""

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    name: str
    aspect: float
    thumbnail: bytes

    @cached_property
    def phash(self) -> int:
        return int(self.name.partition("-")[0], 16)

    def shows(self, look: Look, likeness: AnswerLikeness) -> bool:
        """Whether its answer holds for this crop too."""
        if self.name == look.name:
            return True
        near = hash_distance(self.name, look) <= likeness.max_phash_distance
        return near and look.like(self.thumbnail, self.aspect, likeness)


class _SentRequest(BaseModel):
    """A request of a batch: its row of the ledger, and the crops that it shows, in order."""

    row: LedgerRow
    looks: tuple[SentLook, ...]


class _SentBatch(BaseModel):
    """A batch that was sent. `price`: what it costs; `requests`: by the names they have in it."""

    batch: str
    price: Price
    requests: dict[str, _SentRequest]


@dataclass
class BatchTally:
    """What became of batches.

    Attributes:
        failed: requests that ended without an answer, by how.
        singly: names of crops whose request failed for what else it held: they are asked by themselves.
        late: names of crops whose batch is not answered yet.
    """

    failed: Counter[str] = field(default_factory=Counter)
    singly: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)


class Batches:
    """The batches of one family of answers, at one provider."""

    def __init__(
        self, storage: Storage, family: str, answers: Answers, account: Account, provider: BatchProvider, model: Model
    ) -> None:
        self._storage = storage
        self._folder = f"batches/{family}"
        self._answers = answers
        self._account = account
        self._provider = provider
        self._model = model
        self.tally = BatchTally()

    def pending(self, looks: Sequence[Look]) -> list[Look]:
        """Those of the crops that a batch holds whose answers are not kept yet."""
        sent = [one for batch in self._open().values() for request in batch.requests.values() for one in request.looks]
        return [look for look in looks if any(one.shows(look, self._answers.likeness) for one in sent)]

    def send(self, asks: Sequence[tuple[Sequence[Look], Request]], rows: Sequence[LedgerRow], price: Price) -> None:
        """Send requests, each about its crops and reserved as its row; they may be more than one batch.

        Raises:
            ProviderError: a batch was not taken; what was reserved for it is given back.
        """
        left = list(zip(asks, rows, strict=True))
        while left:
            size = _fitting([ask for (_, ask), _ in left])
            part, left = left[:size], left[size:]
            named = {f"request-{number}": one for number, one in enumerate(part)}
            try:
                batch = self._provider.submit({name: ask for name, ((_, ask), _) in named.items()})
            except failures.ProviderError as error:
                for _, row in [*part, *left]:
                    self._account.settle_waiting(row, Usage(), error.outcome, 0)
                raise
            requests = {
                name: _SentRequest(row=row, looks=tuple(_sent(look) for look in looks))
                for name, ((looks, _), row) in named.items()
            }
            record = _SentBatch(batch=batch, price=price, requests=requests)
            self._storage.put(f"{self._folder}/{uuid.uuid4().hex}.json", record.model_dump_json().encode())

    def wait(self, looks: Sequence[Look], seconds: float, pause: Callable[[float], bool]) -> None:
        """Wait for batches that hold these crops, and keep their answers.

        Args:
            seconds: at most; what is not answered then is `late`.
            pause: waits for so many seconds, and gives whether to go on.

        Raises:
            ProviderError: the provider cannot say what became of one. The batch stays.
        """
        until_s, poll_s = time.monotonic() + seconds, FIRST_POLL_S
        while True:
            open_ = self._open()
            mine = {key: batch for key, batch in open_.items() if self._holds(batch, looks)}
            if not [key for key, batch in mine.items() if not self._collected(key, batch)]:
                return
            rest_s = until_s - time.monotonic()
            if rest_s <= 0 or not pause(min(poll_s, rest_s)):
                self.tally.late = {look.name for look in self.pending(looks)}
                return
            poll_s = min(LONGEST_POLL_S, poll_s * 1.5)

    def _holds(self, batch: _SentBatch, looks: Sequence[Look]) -> bool:
        sent = [one for request in batch.requests.values() for one in request.looks]
        return any(one.shows(look, self._answers.likeness) for one in sent for look in looks)

    def _collected(self, key: str, record: _SentBatch) -> bool:
        """Keep and settle what the provider has answered; gives whether it has."""
        lost = False
        try:
            found = self._provider.collect(record.batch, record.requests)
        except failures.RequestRejection as error:
            if error.outcome != "no_model":
                raise
            lost, found = True, {}  # of another account, or so old that it is forgotten
        if found is None:
            return False
        for name, request in record.requests.items():
            answer = found.get(name) or failures.not_in_batch(self._model.provider, "missing")
            self._settle(request, record.price, answer, lost)
        self._storage.delete([key])
        return True

    def _settle(
        self, request: _SentRequest, price: Price, answer: Completion | failures.ProviderError, lost: bool
    ) -> None:
        if isinstance(answer, Completion):
            try:
                for look, one in zip(request.looks, read_answers(answer.text, len(request.looks)), strict=True):
                    self._answers.keep(look, one)
            except ValueError:
                answer = failures.unreadable(self._model.provider, answer.usage)
        if isinstance(answer, Completion):
            self._account.settle_waiting(request.row, answer.usage, ledger.ANSWERED, price.micro_usd(answer.usage))
            return
        charged = request.row.micro_usd if lost else price.micro_usd(answer.usage)
        self._account.settle_waiting(request.row, answer.usage, answer.outcome, charged)
        if isinstance(answer, failures.ContentRefusal) and len(request.looks) == 1:
            self._answers.keep(request.looks[0], Answer(outcome="refused"))
            return
        self.tally.failed[answer.outcome] += 1
        if isinstance(answer, failures.ContentRefusal | failures.UnreadableAnswer):
            self.tally.singly |= {look.name for look in request.looks}

    def _open(self) -> dict[str, _SentBatch]:
        """The batches that are not answered yet, by where they lie."""
        found = {}
        for key in self._storage.list(self._folder):
            with suppress(MissingObject):  # another has just kept its answers
                try:
                    found[key] = _SentBatch.model_validate_json(self._storage.get(key))
                except ValidationError as error:
                    where = self._storage.where(key)
                    raise PermanentError(
                        f"{where} is not a batch that this version of MPR can read", "delete it, to ask anew"
                    ) from error
        return found


def _sent(look: Look) -> SentLook:
    return SentLook(name=look.name, aspect=look.aspect, thumbnail=look.thumbnail)


def _fitting(asks: Sequence[Request]) -> int:
    """How many requests go into one batch, from the first on; one does in any case."""
    total = 0
    for number, ask in enumerate(asks[:MOST_REQUESTS]):
        total += sum(len(base64.b64encode(part)) if isinstance(part, bytes) else len(part) for part in ask.parts)
        if total > MOST_BYTES and number:
            return number
    return min(len(asks), MOST_REQUESTS)
