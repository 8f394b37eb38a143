"""Inference hosts that cannot be reached: found out before anything of weight is imported, and said in one sentence."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import urlsplit

from gpu_service.masking import masked

CONNECT_S = 1.5
"""A host of one's own network has taken a connection by then; one that has not may still answer later."""


def away_sentence(url: str, error: BaseException) -> str:
    """That a host does not answer, why, and what happens now."""
    return (
        f"The inference host {masked(url)} does not answer ({_reason(error)}); it is asked again until "
        "INFERENCE_GIVE_UP_AFTER_S has passed. See that it runs and that INFERENCE_URL is right."
    )


def hosts_away(urls: str) -> list[tuple[str, OSError]]:
    """The hosts of `INFERENCE_URL` (commas between) that take no connection, with the reason, in about `CONNECT_S`.

    An address that is none is left to those who read it.
    """
    listed = [url.strip().rstrip("/") for url in urls.split(",") if url.strip()]
    if not listed:
        return []
    with ThreadPoolExecutor(len(listed)) as pool:
        return [(url, error) for url, error in zip(listed, pool.map(_trouble, listed), strict=True) if error]


def _trouble(url: str) -> OSError | None:
    with suppress(ValueError):  # no URL, or no port
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if parts.hostname:
            try:
                socket.create_connection((parts.hostname, port), CONNECT_S).close()
            except OSError as error:
                return error
    return None


def _reason(error: BaseException) -> str:
    """What the system said, where a library wrapped it; else what the error says, or its name."""
    numbers = (one.errno for one in _causes(error) if isinstance(one, OSError) and not isinstance(one, socket.gaierror))
    number = next((number for number in numbers if number), None)
    return os.strerror(number) if number else str(error) or type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            yield from _causes(error.exceptions[0])
        error = error.__cause__ or error.__context__
