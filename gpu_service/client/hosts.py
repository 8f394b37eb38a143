"""Selects the host of the next request: evenly, leaving out hosts that do not answer for a while.

Why this is not a library: tenacity waits between attempts at one call, and httpx2's transport repeats only a connection
that failed, at the same address. Here the wait belongs to a host, all requests share it, and another host is asked
meanwhile.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx2

from gpu_service.errors import BadInput

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0


@dataclass
class Host:
    """One inference host as this client has met it."""

    url: str
    in_flight: int = 0
    asked_at: float = 0.0
    away_until: float = 0.0
    failures: int = 0

    def answered(self) -> None:
        self.failures = 0

    def leave_out(self, retry_after_s: float | None = None) -> bool:
        """Ask others for a while: as long as the host said, else longer with each failure, with jitter.

        Gives whether it is the host's first failure since it answered.
        """
        now = time.monotonic()
        if retry_after_s is not None:
            self.away_until = now + retry_after_s * random.uniform(1.0, 1.25)
        elif now >= self.away_until:  # the requests that were under way together count as one failure
            pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**self.failures)
            self.failures += 1
            self.away_until = now + pause_s * random.uniform(0.5, 1.0)
            return self.failures == 1
        return False


class Hosts:
    """The hosts of `INFERENCE_URL`."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.all = [Host(_checked(url)) for url in urls]
        if not self.all:
            raise BadInput(
                "There is no inference host", "set INFERENCE_URL to one or several URLs, separated by commas"
            )

    def next(self) -> tuple[Host, float]:
        """The host to ask and the seconds to wait before: the least busy that answers, else the next one back."""
        now = time.monotonic()
        host = min(self.all, key=lambda host: (max(now, host.away_until), host.in_flight, host.asked_at))
        host.asked_at = now
        return host, max(0.0, host.away_until - now)

    def __str__(self) -> str:
        return ", ".join(host.url for host in self.all)


def _checked(text: str) -> str:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        url = httpx2.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise BadInput(f"`{text}` in INFERENCE_URL is not the URL of a host", "it looks like http://gpu-host:8000")
    return text.rstrip("/")
