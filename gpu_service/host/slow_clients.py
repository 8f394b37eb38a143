"""Connections that do not come to a request (slowloris): headers under limits of time and size, which uvicorn lacks.

Bodies have theirs in bodies.py.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_TIMEOUT_S = 10.0
"""For a connection to send a request's headers, the wait for its first byte included."""
MOST_HEADER_BYTES = 64 * 1024
"""Of the address and all headers of a request."""


class HeadersInTime(HttpToolsProtocol):
    """uvicorn's HTTP protocol (`uvicorn.run(http=…)`) that closes a connection whose headers are late or too large."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._late: asyncio.TimerHandle | None = None
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers_came()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._header_bytes = 0
        if self._late is None:
            self._expect_headers()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._headers_came()
        if not self.transport.is_closing():
            super().on_headers_complete()

    def _expect_headers(self) -> None:
        self._late = self.loop.call_later(HEADERS_TIMEOUT_S, self.transport.close)

    def _headers_came(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _count(self, byte_count: int) -> None:
        self._header_bytes += byte_count
        if self._header_bytes > MOST_HEADER_BYTES:
            self.transport.abort()


def take_all_file_descriptors() -> None:
    """Let this process have as many connections as its hard limit allows; shells give it 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
