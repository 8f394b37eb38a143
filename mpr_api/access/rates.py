"""How often a client may ask for what costs much: a token bucket for each (RFC 2697 without the excess burst)."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from mpr_api.access.refusals import Refused

MOST_CLIENTS = 1000


class TooOften(Refused):
    kind = "too_often"

    def __init__(self, what: str, retry_after_s: int) -> None:
        sentence = f"So many {what} in so short a time are too many"
        super().__init__(429, sentence, f"try again in {retry_after_s} s", retry_after_s)


class Rate:
    """So many a second, and so many at once, for each client. Thread-safe; of one process."""

    def __init__(self, what: str, per_s: float, at_once: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._per_s = per_s
        self._at_once = at_once
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, client: str) -> None:
        """One more.

        Raises:
            TooOften: it is too many.
        """
        with self._lock:
            now_s = self._clock()
            left, then_s = self._left.pop(client, (float(self._at_once), now_s))
            left = min(self._at_once, left + (now_s - then_s) * self._per_s)
            granted = left >= 1
            self._left[client] = (left - granted, now_s)
            while len(self._left) > MOST_CLIENTS:
                self._left.popitem(last=False)
        if not granted:
            raise TooOften(self._what, math.ceil((1 - left) / self._per_s))
