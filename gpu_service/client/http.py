"""The HTTP client: the same interface as `LocalInference`, on one or several inference hosts.

What is transient (a host that is away, a time-out, a full queue) is tried again until `give_up_after_s` has passed; an
inference may be repeated without harm. Anything else that a host refuses is a `PermanentError` with its sentence.
The requests are made in an event loop on a thread of its own, so that closing an iterator ends them at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

import httpx2
import msgpack
from pydantic import BaseModel, Field, ValidationError

from gpu_service.client.away import away_sentence
from gpu_service.client.background import Background
from gpu_service.client.hosts import Host, Hosts
from gpu_service.client.retry_after import retry_after_s
from gpu_service.errors import (
    BadInput,
    HostAway,
    MissingEngine,
    PermanentError,
)
from gpu_service.pictures import Picture, decode
from gpu_service.routines import (
    A,
    DebugPictures,
    I,
    Reference,
    Routine,
    S,
    T,
)
from gpu_service.settings import Settings
from gpu_service.sound import Sound
from gpu_service.wire import (
    Failure,
    IdentityAnswer,
    ReferenceKey,
)

M = TypeVar("M", bound=BaseModel)

TRANSIENT_STATUSES = frozenset({408, 425, 429, 502, 503, 504})
KEEP_IDLE_S = 20.0

log = logging.getLogger(__name__)


class ClientConfig(Settings):
    """How patient the client is, and how much it asks for at once."""

    connect_timeout_s: float = Field(5.0, gt=0, description="to open a connection")
    answer_timeout_s: float = Field(
        120.0, gt=0, description="for a request and its whole answer, time in the host's queue included"
    )
    give_up_after_s: float = Field(60.0, ge=0, description="after the first failure, retry for this long, then fail")
    batch_pictures: int = Field(8, ge=1, description="most pictures in one request")
    batch_mb: float = Field(16.0, gt=0, description="a request is sent once its pictures reach this size, in MB")
    requests_in_flight: int = Field(4, ge=1, description="concurrent requests to each host")
    lossless: bool = Field(True, description="pictures without encoded bytes are sent as PNG; false: as JPEG")


@dataclass(frozen=True)
class _Request:
    """A multipart request to a routine, ready to be sent any number of times."""

    path: str
    call: bytes
    pictures: Sequence[bytes]
    references: Mapping[str, Reference]

    def files(self, missing: Sequence[str]) -> list[tuple[str, tuple[str, bytes, str]]]:
        parts = [("request", ("request.json", self.call, "application/json"))]
        parts += [("picture", (str(i), picture, "application/octet-stream")) for i, picture in enumerate(self.pictures)]
        sent = [self.references[sha256].encoded for sha256 in missing if sha256 in self.references]
        return parts + [("reference", (str(i), encoded, "application/octet-stream")) for i, encoded in enumerate(sent)]


_Post: TypeAlias = Callable[[httpx2.AsyncClient, str], Awaitable[httpx2.Response]]
"""Sends a request to a URL."""


@dataclass(frozen=True)
class _Batch(Generic[T, I]):
    tokens: list[T]
    pictures: list[bytes]
    items: list[I]


class HttpInference:
    """Routines on inference hosts. One instance may be used by several threads; `close` it at the end.

    Args:
        urls: one or several hosts, used evenly; one that does not answer is left out and tried again later.
        token: bearer token of the hosts, empty for none.

    Raises:
        BadInput: there is no URL, or it is not one; or the token cannot be a header.
    """

    def __init__(self, urls: Sequence[str], token: str = "", config: ClientConfig | None = None) -> None:
        self._config = config or ClientConfig()
        self._hosts = Hosts(urls)
        if not (token.isascii() and token.isprintable() and token == token.strip()):
            raise BadInput("INFERENCE_TOKEN has characters that a bearer token cannot have", "use letters and digits")
        self._token = token
        self._background: Background | None = None
        self._starting = threading.Lock()

    def map(
        self,
        routine: Routine[S, I, A],
        pictures: Iterable[tuple[T, Picture | Sound, I]],
        settings: S,
        references: Sequence[Reference] = (),
    ) -> Iterator[tuple[T, A]]:
        """See `Inference.map`. Reads ahead by what may be in flight, no further.

        Raises:
            HostAway: no host has answered for `give_up_after_s`.
            PermanentError: a host refuses, or hosts answer with different models.
        """
        most = self._config.requests_in_flight * len(self._hosts.all)
        waiting: deque[tuple[list[T], Future[tuple[Host, bytes]]]] = deque()
        identities: dict[str, str] = {}
        try:
            for batch in self._batches(pictures, min(routine.max_in_request, self._config.batch_pictures)):
                while waiting and (len(waiting) >= most or waiting[0][1].done()):
                    yield from self._answers(routine, *waiting.popleft(), identities)
                request = _request(routine, f"/{routine.name}", batch, settings, references)
                waiting.append((batch.tokens, self._start(self._send(request))))
            while waiting:
                yield from self._answers(routine, *waiting.popleft(), identities)
        finally:
            for _, future in waiting:
                future.cancel()

    def debug(
        self,
        routine: Routine[S, I, A],
        picture: Picture | Sound,
        item: I,
        settings: S,
        references: Sequence[Reference] = (),
    ) -> tuple[A, DebugPictures]:
        """One answer with its intermediate pictures. Raises as `map` does."""
        path = f"/{routine.name}/debug"
        request = _request(routine, path, _Batch([None], [self._bytes(picture)], [item]), settings, references)
        host, content = self._wait(self._send(request))
        answered = _parsed(routine.debug_response, content, host, path)
        [answer], [pictures] = answered.answers, answered.pictures
        return answer, {name: decode(png) for name, png in pictures.items()}

    def identity(self, routine: Routine[S, I, A], settings: S) -> str:
        """What would make the answers. Raises as `map` does."""
        path = f"/{routine.name}/identity"
        call = routine.identity_call(settings=settings)
        body = call.model_dump_json().encode()
        host, content = self._wait(self._send_json(path, body))
        return _parsed(IdentityAnswer, content, host, path).identity

    def close(self) -> None:
        """End what is under way and close the connections."""
        with self._starting:
            if self._background:
                self._background.close()
            self._background = None

    def __enter__(self) -> HttpInference:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # From pictures to requests, from responses to answers: in the caller's thread.

    def _bytes(self, picture: Picture | Sound) -> bytes:
        return picture.lossless if self._config.lossless and isinstance(picture, Picture) else picture.encoded

    def _batches(self, pictures: Iterable[tuple[T, Picture | Sound, I]], most: int) -> Iterator[_Batch[T, I]]:
        batch: _Batch[T, I] = _Batch([], [], [])
        size = 0
        for token, picture, item in pictures:
            encoded = self._bytes(picture)
            batch.tokens.append(token)
            batch.pictures.append(encoded)
            batch.items.append(item)
            size += len(encoded)
            if len(batch.pictures) >= most or size >= self._config.batch_mb * 1e6:
                yield batch
                batch, size = _Batch([], [], []), 0
        if batch.pictures:
            yield batch

    def _answers(
        self,
        routine: Routine[S, I, A],
        tokens: Sequence[T],
        future: Future[tuple[Host, bytes]],
        identities: dict[str, str],
    ) -> Iterator[tuple[T, A]]:
        try:
            host, content = future.result()
        finally:
            future.cancel()
        path = f"/{routine.name}"
        answered = _parsed(routine.response, content, host, path)
        count = len(answered.answers)
        if count != len(tokens):
            raise PermanentError(f"{host.url} gave {count} answers to {len(tokens)} pictures of {path}.")
        identities.setdefault(answered.identity, host.url)
        if len(identities) > 1:
            models = "; ".join(f"{url}: {identity}" for identity, url in identities.items())
            raise PermanentError(f"The answers to {path} come from different models ({models})", "use equal hosts")
        yield from zip(tokens, answered.answers, strict=True)

    # Requests: in the background loop.

    def _start(self, coroutine: Coroutine[object, None, T]) -> Future[T]:
        with self._starting:
            if self._background is None:
                self._background = Background(self._http_client)
            return self._background.start(coroutine)

    def _wait(self, coroutine: Coroutine[object, None, T]) -> T:
        future = self._start(coroutine)
        try:
            return future.result()
        finally:
            future.cancel()

    def _http_client(self) -> httpx2.AsyncClient:
        config = self._config
        connections = config.requests_in_flight * len(self._hosts.all)
        return httpx2.AsyncClient(
            headers={"Accept": "application/msgpack"}
            | ({"Authorization": f"Bearer {self._token}"} if self._token else {}),
            limits=httpx2.Limits(
                max_connections=4 * connections, max_keepalive_connections=connections, keepalive_expiry=KEEP_IDLE_S
            ),
            # Certificates take 0.1 s to read, and only https needs them; redirects are not followed.
            verify=any(host.url.startswith("https:") for host in self._hosts.all),
            # The rest is under the clock of the whole request.
            timeout=httpx2.Timeout(None, connect=config.connect_timeout_s),
            trust_env=False,  # hosts of one's own network: no proxy between
        )

    async def _send(self, request: _Request) -> tuple[Host, bytes]:
        async def post(http: httpx2.AsyncClient, url: str) -> httpx2.Response:
            response = await http.post(url, files=request.files(()))
            missing = _missing(response)
            return await http.post(url, files=request.files(missing)) if missing else response

        return await self._until_answered(request.path, post)

    async def _send_json(self, path: str, body: bytes) -> tuple[Host, bytes]:
        async def post(http: httpx2.AsyncClient, url: str) -> httpx2.Response:
            return await http.post(url, content=body, headers={"Content-Type": "application/json"})

        return await self._until_answered(path, post)

    async def _until_answered(self, path: str, post: _Post) -> tuple[Host, bytes]:
        """Ask host after host until one answers or refuses for good."""
        assert self._background is not None
        http = self._background.http
        failing_since: float | None = None
        while True:
            host, pause_s = self._hosts.next()
            began = time.monotonic()
            left_s = self._config.give_up_after_s - (began - failing_since) if failing_since is not None else None
            if pause_s:
                await asyncio.sleep(pause_s if left_s is None else min(pause_s, max(left_s, 0)))
            host.in_flight += 1
            answer_timeout_s = self._answer_timeout_s(left_s)
            try:
                async with asyncio.timeout(answer_timeout_s):
                    response = await post(http, host.url + path)
                trouble = f"it answers {response.status_code}" if response.status_code in TRANSIENT_STATUSES else ""
                if not trouble:
                    host.answered()
                    return host, _content(response, host, path)
                host.leave_out(retry_after_s(response.headers))
            except httpx2.TransportError as error:
                trouble = _described(error)
                if host.leave_out():
                    log.warning(away_sentence(host.url, error))
            except TimeoutError:
                trouble = f"no whole answer within {answer_timeout_s:.3g} s"
                if host.leave_out():
                    log.warning(f"The inference host {host.url} gave {trouble}; trying again.")
            finally:
                host.in_flight -= 1
            failing_since = began if failing_since is None else failing_since
            failing_s = time.monotonic() - failing_since
            if failing_s >= self._config.give_up_after_s:
                raise self._given_up(path, host, failing_s, trouble)

    def _answer_timeout_s(self, left_s: float | None) -> float:
        """One clock for all of a request, so that an answer in drips ends too; cut to what is left before giving up."""
        most_s = self._config.answer_timeout_s
        return most_s if left_s is None else min(most_s, max(1.0, left_s))

    def _given_up(self, path: str, host: Host, failing_s: float, trouble: str) -> HostAway:
        which = f"The inference host {host.url}" if len(self._hosts.all) == 1 else f"No inference host of {self._hosts}"
        verb = "has not answered" if len(self._hosts.all) == 1 else "has answered"
        return HostAway(
            f"{which} {verb} {path} for {failing_s:.1f} s (the last time: {trouble})",
            f"see that it runs (curl {host.url}/health), then start the stage again",
        )


def _request(
    routine: Routine[S, I, A], path: str, batch: _Batch[T, I], settings: S, references: Sequence[Reference]
) -> _Request:
    keys = tuple(ReferenceKey(brand=r.brand, name=r.name, sha256=r.sha256) for r in references)
    call = routine.call(settings=settings, items=tuple(batch.items), references=keys)
    known = {reference.sha256: reference for reference in references}
    return _Request(path, call.model_dump_json().encode(), batch.pictures, known)


def _parsed(model: type[M], content: bytes, host: Host, path: str) -> M:
    try:
        return model.model_validate(msgpack.unpackb(content))
    except (ValidationError, ValueError) as error:
        raise PermanentError(
            f"{host.url} answers {path} in an unknown form",
            "use the same version on both sides",
        ) from error


def _missing(response: httpx2.Response) -> Sequence[str]:
    failure = _failure(response) if response.status_code == 424 else None
    return failure.missing if failure else ()


def _failure(response: httpx2.Response) -> Failure | None:
    with contextlib.suppress(ValidationError):
        return Failure.model_validate_json(response.content)
    return None


def _content(response: httpx2.Response, host: Host, path: str) -> bytes:
    """The body of a good answer. Raises PermanentError with the host's sentence for any other."""
    if response.status_code == 200:
        return response.content
    failure = _failure(response)
    if failure is None:
        raise PermanentError(
            f"{host.url} answers {path} with {response.status_code}, which is not an answer of an inference host "
            f"({response.text[:200]!r})",
            "check INFERENCE_URL",
        )
    sentence = f"{host.url} refuses {path}: {failure.error}"
    match failure.kind:
        case "bad_input":
            raise BadInput(sentence)
        case "missing_engine":
            raise MissingEngine(sentence)
    raise PermanentError(sentence)


def _described(error: Exception) -> str:
    return f"{type(error).__name__}{': ' if str(error) else ''}{error}"
