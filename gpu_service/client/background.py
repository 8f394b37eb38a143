"""The event loop in which a client's requests are made, on a thread of its own.

What a request is and when it is made again is in http.py.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import TypeVar

import httpx2

T = TypeVar("T")


class Background:
    """An event loop on a daemon thread, with the connections that belong to it."""

    def __init__(self, make_client: Callable[[], httpx2.AsyncClient]) -> None:
        self.http = make_client()
        self._requests: set[asyncio.Task[object]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live, name="inference-client", daemon=True)
        self._thread.start()

    def start(self, coroutine: Coroutine[object, None, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(self._tracked(coroutine), self._loop)

    async def _tracked(self, coroutine: Coroutine[object, None, T]) -> T:
        task = asyncio.current_task()
        assert task is not None
        self._requests.add(task)
        try:
            return await coroutine
        finally:
            self._requests.discard(task)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)

    async def _end(self) -> None:
        """Cancel the requests; what they have started themselves, they end themselves."""
        for request in self._requests:
            request.cancel()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.gather(*others, return_exceptions=True)
        await self.http.aclose()

    def _live(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
