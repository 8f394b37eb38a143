"""A running stage's partial results, stored so that a killed run need not start over.

A journal is a row of numbered objects, each with some records in their order; what a record means is the writer's to
say. It is deleted once the stage's table is stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import msgpack

from gpu_service.errors import TransientError
from mpr_resources.storage.store import Storage

SHARE_LOST = 0.02
"""Of the time worked so far, what is lost at most when the run is killed ..."""
WRITES_A_TIME = 20.0
"""... but no more often than that writing takes this part of the time."""
MOST_BYTES = 8_000_000
"""Records held before they are written, whatever the time."""


class Journal:
    """The records under a key prefix: first those that are there are read, in order, then others are kept."""

    def __init__(self, storage: Storage, prefix: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._storage = storage
        self._prefix = prefix
        self._clock = clock
        self._began_s = self._written_s = clock()
        self._write_took_s = 0.0
        self._held: list[bytes] = []
        self._held_bytes = 0
        # Nothing after a gap counts: parts are written one after another.
        names = {key.rpartition("/")[2] for key in storage.list(prefix)}
        self._parts = next(number for number in range(len(names) + 1) if _name(number) not in names)

    def records(self) -> Iterator[Any]:
        """What is there, read part by part.

        Raises:
            TransientError: it cannot be used; it is forgotten.
        """
        for number in range(self._parts):
            try:
                records = msgpack.unpackb(self._storage.get(self._key(number)))
            except (ValueError, msgpack.UnpackException):
                self.refuse("a part of it is damaged")
            yield from records

    def keep(self, record: object) -> None:
        """Add a record of plain values and bytes; it is written soon, with others."""
        packed = msgpack.packb(record)
        self._held.append(packed)
        self._held_bytes += len(packed)
        now_s = self._clock()
        since_s = now_s - self._written_s
        enough = max(SHARE_LOST * (now_s - self._began_s), WRITES_A_TIME * self._write_took_s)
        if since_s >= enough or self._held_bytes >= MOST_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if not self._held:
            return
        before_s = self._clock()
        packer = msgpack.Packer()
        self._storage.put(self._key(self._parts), packer.pack_array_header(len(self._held)) + b"".join(self._held))
        self._parts += 1
        self._held, self._held_bytes = [], 0
        self._written_s = self._clock()
        self._write_took_s = self._written_s - before_s

    def clear(self) -> None:
        """Forget all."""
        self._storage.delete_below(self._prefix)
        self._parts = 0
        self._held, self._held_bytes = [], 0

    def refuse(self, why: str) -> NoReturn:
        """Forget all and say so, so that the stage is tried again from its beginning.

        Raises:
            TransientError: always.
        """
        self.clear()
        raise TransientError(f"The journal at {self._storage.where(self._prefix)} cannot be used: {why}", "begin anew")

    def _key(self, number: int) -> str:
        return f"{self._prefix}/{_name(number)}"


def _name(number: int) -> str:
    return f"{number:06d}.msgpack"
