"""Pictures of many requests, run together: on every core for CPU routines, in batches for an accelerator.

Why this is not a library. What is needed: a request brings many pictures; only pictures with equal routine, settings
and references may share a batch; the queue is bounded and says so; CPU routines and an accelerator live in one process
that holds each model once. Looked at, with what does not fit: LitServe 0.2 (one input a request, one batch for all
inputs whatever their settings, worker processes with a model each, no bound on the queue); batched 0.1 (one unbounded
queue a function, no keys, no cancelling); mosec 0.9 (a stage is a process, one input a request, no keys, no multipart);
Ray Serve (`@serve.batch` has no keys either, and it brings a cluster). What is general is left to maintained parts:
uvicorn and FastAPI above this file, concurrent.futures below it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from numpy.typing import NDArray

from gpu_service.errors import BadInput
from gpu_service.host.refusals import Refusal
from gpu_service.routines import (
    SOUND,
    Batch,
    DebugPictures,
    Reference,
    Routine,
)
from gpu_service.settings import Settings
from gpu_service.wire import Message, Phases

T = TypeVar("T")
AnyRoutine: TypeAlias = Routine[Any, Any, Any]
Key: TypeAlias = tuple[str, str, tuple[Reference, ...]]


@dataclass(frozen=True)
class Work:
    """The pictures of one request."""

    routine: AnyRoutine
    settings: Settings
    identity: str
    pictures: Sequence[bytes]
    items: Sequence[Message]
    references: tuple[Reference, ...] = ()
    debug: bool = False

    @property
    def key(self) -> Key:
        """What pictures must have in common to share a batch."""
        return self.routine.name, self.settings.model_dump_json(), self.references


@dataclass(frozen=True)
class BatchResult:
    """The answer to one picture, and what it took."""

    answer: Message
    pictures: DebugPictures
    ms: Phases


@dataclass
class _Entry:
    """One picture that waits for its batch."""

    work: Work
    index: int
    arrived: float
    future: asyncio.Future[BatchResult]
    decode_ms: float = 0.0
    image: NDArray[Any] | None = field(default=None, repr=False)


Observer: TypeAlias = Callable[[str, int, Phases], None]
"""Called for each picture with the routine's name, the size of its batch and its phases."""


class Runner:
    """Lives in one event loop. `start` before the first `run`, `stop` at the end."""

    def __init__(self, *, threads: int, deadline_ms: float, queue_pictures: int, observe: Observer) -> None:
        self._threads = threads
        self._deadline_s = deadline_ms / 1000
        self._queue_pictures = queue_pictures
        self._observe = observe
        self._cpu = ThreadPoolExecutor(threads, thread_name_prefix="cpu")
        self._accelerator = ThreadPoolExecutor(1, thread_name_prefix="accelerator")
        self._aside = ThreadPoolExecutor(2, thread_name_prefix="aside")
        self._groups: OrderedDict[Key, list[_Entry]] = OrderedDict()
        self._arrived = asyncio.Event()
        self._gathering: asyncio.Task[None] | None = None
        self._first_calls: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._picture_ms = 50.0
        self.waiting_pictures = 0
        self.loaded: dict[tuple[str, str], float] = {}
        """(routine, identity) of every model that has answered, with the milliseconds that its first call took."""

    def start(self) -> None:
        self._gathering = asyncio.get_running_loop().create_task(self._gather())

    async def stop(self) -> None:
        """Drops what waits; what runs is left to end by itself."""
        if self._gathering:
            self._gathering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._gathering
        for pool in (self._cpu, self._accelerator, self._aside):
            pool.shutdown(wait=False, cancel_futures=True)

    async def call(self, function: Callable[[], T]) -> T:
        """Run something short on a thread that no picture keeps waiting."""
        return await asyncio.get_running_loop().run_in_executor(self._aside, function)

    async def run(self, work: Work) -> list[BatchResult]:
        """Answers in the order of the work's pictures. Cancelling drops the pictures that have not begun.

        Raises:
            Refused: 503 with Retry-After when the queue is full.
            Exception: what the routine raised for one of the pictures.
        """
        count = len(work.pictures)
        if self.waiting_pictures + count > self._queue_pictures:
            raise Refusal(
                503,
                f"The queue is full: {self.waiting_pictures} of {self._queue_pictures} pictures wait; try again later.",
                "busy",
                retry_after_s=self._retry_after_s(),
            )
        self.waiting_pictures += count
        alone = work.debug or work.routine.max_batch(work.settings) == 1
        futures = self._submit_alone(work) if alone else self._submit_to_group(work)
        try:
            return await asyncio.gather(*futures)
        finally:
            for future in futures:
                future.cancel()
            self.waiting_pictures -= count

    def _retry_after_s(self) -> int:
        expected_s = self.waiting_pictures * self._picture_ms / 1000 / self._threads
        return min(30, max(1, math.ceil(expected_s / 2)))

    # One picture at a time: CPU routines, on all cores; and debug answers.

    def _submit_alone(self, work: Work) -> list[asyncio.Future[BatchResult]]:
        loop = asyncio.get_running_loop()
        pool = self._cpu if work.routine.max_batch(work.settings) == 1 else self._accelerator
        arrived = time.monotonic()
        return [loop.run_in_executor(pool, self._alone, work, i, arrived) for i in range(len(work.pictures))]

    def _alone(self, work: Work, index: int, arrived: float) -> BatchResult:
        began = time.monotonic()
        image = _decoded(work, index)
        decoded = time.monotonic()
        [(answer, pictures)] = self._answers(work, [image], [work.items[index]])
        ms = Phases(
            queue_ms=(began - arrived) * 1000,
            decode_ms=(decoded - began) * 1000,
            run_ms=(time.monotonic() - decoded) * 1000,
        )
        self._note(work, 1, ms)
        return BatchResult(answer, pictures, ms)

    def _answers(
        self, work: Work, images: Sequence[NDArray[Any]], items: Sequence[Message]
    ) -> list[tuple[Message, DebugPictures]]:
        """Call the routine; the very first call, which loads the model, alone, so that it is loaded once."""
        if (work.routine.name, work.identity) in self.loaded:
            return _call(work, images, items)
        with self._first_calls[work.routine.name]:
            began = time.monotonic()
            answers = _call(work, images, items)
            self.loaded.setdefault((work.routine.name, work.identity), (time.monotonic() - began) * 1000)
            return answers

    def _note(self, work: Work, batch_size: int, ms: Phases) -> None:
        self._picture_ms += 0.05 * (ms.decode_ms + ms.run_ms - self._picture_ms)
        self._observe(work.routine.name, batch_size, ms)

    # Batches: pictures of several requests, gathered while the batch before them runs.

    def _submit_to_group(self, work: Work) -> list[asyncio.Future[BatchResult]]:
        loop = asyncio.get_running_loop()
        now = time.monotonic()
        entries = [_Entry(work, i, now, loop.create_future()) for i in range(len(work.pictures))]
        self._groups.setdefault(work.key, []).extend(entries)
        self._arrived.set()
        return [entry.future for entry in entries]

    async def _gather(self) -> None:
        """Take batch after batch: the next is gathered and decoded while one runs."""
        running: asyncio.Task[None] | None = None
        while True:
            entries = await self._decoded(await self._next_batch())
            if running:
                await running
            running = asyncio.create_task(self._run_batch(entries)) if entries else None

    async def _next_batch(self) -> list[_Entry]:
        """The group whose first picture came first; waits for more until it is full or its deadline has passed."""
        while True:
            self._arrived.clear()
            if not self._groups:
                await self._arrived.wait()
                continue
            key, group = next(iter(self._groups.items()))
            most = group[0].work.routine.max_batch(group[0].work.settings)
            left_s = group[0].arrived + self._deadline_s - time.monotonic()
            if len(group) < most and left_s > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._arrived.wait(), left_s)
                continue
            del self._groups[key]
            if group[most:]:
                self._groups[key] = group[most:]
            return group[:most]

    async def _decoded(self, entries: list[_Entry]) -> list[_Entry]:
        """Those of the entries that are still wanted and can be decoded."""
        loop = asyncio.get_running_loop()
        wanted = [entry for entry in entries if not entry.future.done()]
        errors = await asyncio.gather(
            *(loop.run_in_executor(self._cpu, _decode, entry) for entry in wanted), return_exceptions=True
        )
        for entry, error in zip(wanted, errors, strict=True):
            if isinstance(error, Exception) and not entry.future.done():
                entry.future.set_exception(error)
        return [entry for entry in wanted if not entry.future.done()]

    async def _run_batch(self, entries: list[_Entry]) -> None:
        """Run a batch; when it fails, each picture alone, so that one request's trouble is not another's."""
        loop = asyncio.get_running_loop()
        began = time.monotonic()
        work = entries[0].work
        images = [entry.image for entry in entries if entry.image is not None]
        items = [entry.work.items[entry.index] for entry in entries]
        try:
            answers = await loop.run_in_executor(self._accelerator, self._answers, work, images, items)
        except Exception as error:
            if len(entries) > 1:
                for entry in entries:
                    await self._run_batch([entry])
            elif not entries[0].future.done():
                entries[0].future.set_exception(error)
            return
        run_ms = (time.monotonic() - began) * 1000 / len(entries)
        for entry, (answer, pictures) in zip(entries, answers, strict=True):
            queue_ms = max(0.0, (began - entry.arrived) * 1000 - entry.decode_ms)
            ms = Phases(queue_ms=queue_ms, decode_ms=entry.decode_ms, run_ms=run_ms)
            self._note(work, len(entries), ms)
            if not entry.future.done():
                entry.future.set_result(BatchResult(answer, pictures, ms))


def _decoded(work: Work, index: int) -> NDArray[Any]:
    medium = work.routine.takes
    try:
        return medium.decode(work.pictures[index])
    except BadInput as error:
        if medium is SOUND:
            raise BadInput(f"Sound {index} cannot be decoded: {error}") from error
        raise BadInput(f"Picture {index} cannot be decoded: it is cut short or damaged.") from error


def _decode(entry: _Entry) -> None:
    began = time.monotonic()
    entry.image = _decoded(entry.work, entry.index)
    entry.decode_ms = (time.monotonic() - began) * 1000


def _call(work: Work, images: Sequence[NDArray[Any]], items: Sequence[Message]) -> list[tuple[Message, DebugPictures]]:
    batch = Batch(images, items, work.settings, work.references)
    answers = work.routine.debug(batch) if work.debug else [(answer, {}) for answer in work.routine.run(batch)]
    if len(answers) != len(images):
        raise RuntimeError(f"the routine {work.routine.name} gave {len(answers)} answers to {len(images)} pictures")
    return answers
