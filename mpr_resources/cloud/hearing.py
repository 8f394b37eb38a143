"""Pieces of sound heard by providers of speech, in order: what is known is not sent, what would cost too much neither.

What belongs here: voice activity, store of answers, claims and order of models around a request. Not here: where the
sound comes from and what is looked for in its words; nor what was heard of pictures, which is in `asking`.

An answer lies at `answers/{family}/{hash of the sound that is sent}.json`; a family is one model, language and list of
phrases.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from pydantic import ValidationError
from sqlalchemy import Connection

from gpu_service.errors import MprError, PermanentError
from gpu_service.sound import RATE_HZ, Samples
from gpu_service.wire import SpokenWord, TranscribeAnswer
from mpr_resources.cloud.answers import family_of
from mpr_resources.cloud.budget import Limit, Price
from mpr_resources.cloud.claims import Claims
from mpr_resources.cloud.paying import (
    MINUTE_S,
    Account,
    BeyondBudget,
    Label,
    Tally,
    UnsentRequest,
    retry_wait_s,
)
from mpr_resources.cloud.providers import Model, SpeechProvider, SpeechRequest, failures, key_of, open_hearer
from mpr_resources.database.connection import Database
from mpr_resources.media.voice import Voice, VoiceDetector
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import hash_of

K = TypeVar("K")

LONGEST_MS = 58_000
"""Of a piece of sound: a provider's minute, less what its own clock may differ."""
BILLED_S = 15
"""A request is reserved by so many whole seconds at a time, which is how some of Google's models are billed."""
POLL_S = 0.3
CLAIM_MARGIN_S = 30.0


@dataclass(frozen=True)
class HearingPlan:
    """How sound is heard.

    Attributes:
        models: tried in this order, with their prices.
        language: code of the spoken language.
        in_flight: pieces that are heard at once.
        voice_threshold, min_silence_ms: see `VoiceDetector.find`.
        longest_wait_s: a provider that wants to be left alone for longer is taken for unavailable.
    """

    models: Sequence[tuple[Model, Price]]
    language: str
    in_flight: int
    attempts: int
    timeout_s: float
    longest_wait_s: float
    requests_per_minute: int
    voice_threshold: float
    min_silence_ms: int


@dataclass(frozen=True)
class HeardSound:
    """What became of a piece: its words, or why there are none (`budget`, `unavailable`)."""

    answer: TranscribeAnswer | None = None
    why: str = ""


@dataclass(frozen=True)
class _SoundName:
    """What a sound is claimed by."""

    name: str
    aspect: float = 1.0
    thumbnail: bytes = b""


class Hearer:
    """Hears. `storage` keeps the answers, `database` claims and money; `environ` has the providers' keys.

    Attributes:
        trouble: why a provider was given up; None: none was.
        beyond: the scope whose limit was reached; empty: none was.
    """

    def __init__(
        self,
        storage: Storage,
        database: Database,
        environ: Mapping[str, str],
        plan: HearingPlan,
        limits: Sequence[Limit],
        label: Label,
    ) -> None:
        """
        Raises:
            BadInput: a key is not set. MissingEngine: a package is not installed.
        """
        for model, _ in plan.models:
            key_of(model.provider, environ)
        self._storage = storage
        self._database = database
        self._environ = environ
        self._plan = plan
        self._account = Account(database, limits, label, plan.requests_per_minute)
        self._detector = VoiceDetector()
        self._providers: dict[str, SpeechProvider] = {}
        self._given_up: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.trouble: failures.ProviderUnavailable | None = None
        self.beyond = ""

    @property
    def tally(self) -> Tally:
        """What it cost so far."""
        return self._account.tally

    def hear(self, sounds: Iterable[tuple[K, Samples, tuple[str, ...]]]) -> Iterator[tuple[K, Samples, HeardSound]]:
        """What became of each piece, in their order. Words are on the clock of their piece.

        Args:
            sounds: of at most `LONGEST_MS`, each with the names that are likely to be said in it.

        Raises:
            Rejected: a key, a model or a language is wrong.
        """
        waiting: deque[tuple[K, Samples, Future[HeardSound]]] = deque()
        given = iter(sounds)
        with ThreadPoolExecutor(self._plan.in_flight) as pool:
            try:
                while True:
                    for key, samples, phrases in islice(given, self._plan.in_flight - len(waiting)):
                        voice = self._detector.find(samples, self._plan.voice_threshold, self._plan.min_silence_ms)
                        waiting.append((key, samples, pool.submit(self._heard, voice, phrases)))
                    if not waiting:
                        return
                    key, samples, work = waiting.popleft()
                    yield key, samples, work.result()
            finally:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                for provider in self._providers.values():
                    provider.close()

    def _heard(self, voice: Voice, phrases: tuple[str, ...]) -> HeardSound:
        if not voice.spans:
            return HeardSound(TranscribeAnswer())
        for model, price in self._plan.models:
            if str(model) in self._given_up:
                continue
            try:
                found = self._by(model, price, voice.samples, phrases)
            except failures.ProviderUnavailable as error:
                self._given_up.add(str(model))
                self.trouble = error
                continue
            except BeyondBudget as error:
                self.beyond = str(error)
                return HeardSound(why="budget")
            words = [_moved(word, voice) for word in found.words]
            return HeardSound(found.model_copy(update={"words": tuple(words)}))
        return HeardSound(why="unavailable")

    def _by(self, model: Model, price: Price, samples: Samples, phrases: tuple[str, ...]) -> TranscribeAnswer:
        """One model's words, on the clock of the samples: known, or asked for once nobody else is asking."""
        family = family_of(str(model), hash_of(["speech", self._plan.language, list(phrases)]))
        ask = SpeechRequest(model.model, samples, self._plan.language, phrases, self._plan.timeout_s)
        digest = hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest()
        name = _SoundName(digest[:40])
        key = f"answers/{family}/{digest[:40]}.json"
        claims = Claims(self._database, family, None)
        while (kept := self._kept(key)) is None:
            if claims.claim([name], self._claim_s):
                try:
                    kept = self._kept(key)  # another may have finished between our look and our claim
                    return self._asked(model, price, ask, claims, name, key) if kept is None else kept
                finally:
                    with suppress(MprError):  # the database is away: claims end by themselves
                        claims.release([name])
            if self._stop.wait(POLL_S):
                raise UnsentRequest
        self._account.count(known=1)
        return kept

    def _asked(
        self, model: Model, price: Price, ask: SpeechRequest, claims: Claims, name: _SoundName, key: str
    ) -> TranscribeAnswer:
        """One request, again while it fails for the moment."""
        plan = self._plan
        whole_s = -(-len(ask.samples) // (RATE_HZ * BILLED_S)) * BILLED_S
        provider = self._opened(model.provider)

        def still_mine(connection: Connection) -> bool:
            return claims.renew(connection, [name], self._claim_s)

        attempt = 0
        while True:
            attempt += 1
            row = self._account.reserve(model, 1, price.most_micro_usd(whole_s, 0, 0), still_mine, self._paused)
            try:
                with self._account.settling(row, price) as receipt:
                    heard = provider.hear(ask)
                    receipt.usage = heard.usage
                    speech_ms = len(ask.samples) * 1000 // RATE_HZ
                    answer = TranscribeAnswer(words=heard.words, speech_ms=speech_ms, language=plan.language)
                    self._storage.put(key, answer.model_dump_json().encode())
                    return answer
            except failures.ProviderUnavailable as error:
                wait_s = retry_wait_s(attempt, error, plan.attempts, plan.longest_wait_s)
            self._account.count(retried=1)
            if not self._paused(wait_s):
                raise UnsentRequest

    def _kept(self, key: str) -> TranscribeAnswer | None:
        try:
            return TranscribeAnswer.model_validate_json(self._storage.get(key))
        except MissingObject:
            return None
        except ValidationError as error:
            where = self._storage.where(key)
            raise PermanentError(f"{where} is not an answer that this version of MPR can read", "delete it") from error

    @property
    def _claim_s(self) -> float:
        return 2 * self._plan.timeout_s + self._plan.longest_wait_s + MINUTE_S + CLAIM_MARGIN_S

    def _paused(self, seconds: float) -> bool:
        return not self._stop.wait(seconds)

    def _opened(self, provider: str) -> SpeechProvider:
        with self._lock:
            if provider not in self._providers:
                self._providers[provider] = open_hearer(provider, self._environ)
            return self._providers[provider]


def _moved(word: SpokenWord, voice: Voice) -> SpokenWord:
    start_ms, end_ms = voice.span_ms(word.start_ms, word.end_ms)
    return word.model_copy(update={"start_ms": start_ms, "end_ms": end_ms})
