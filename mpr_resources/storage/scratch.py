"""Storage for temporary work: reads fall through to the real storage, writes stay in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mpr_resources.storage.store import MissingObject, Storage


class ScratchStorage(Storage):
    """What is written is read back and found as if it were stored, and gone with the object. Nothing is deleted.

    `hidden`: keys of stored objects that are not to be seen.
    """

    def __init__(self, stored: Storage, hidden: Iterable[str] = ()) -> None:
        super().__init__(stored.store, stored.url, stored.endpoint)
        self.written: dict[str, bytes] = {}
        self._stored = stored
        self._hidden = frozenset(hidden)

    def put(self, key: str, data: bytes) -> None:
        self.written[key] = data

    def create(self, key: str, data: bytes) -> bool:
        if self.exists(key):
            return False
        self.put(key, data)
        return True

    def copy(self, keys: Mapping[str, str]) -> None:
        for key, target in keys.items():
            self.put(target, self.get(key))

    def get(self, key: str) -> bytes:
        if key in self.written:
            return self.written[key]
        if key in self._hidden:
            raise MissingObject(f"There is nothing at {self.where(key)}", "materialize what makes it")
        return self._stored.get(key)

    def exists(self, key: str) -> bool:
        return key in self.written or (key not in self._hidden and self._stored.exists(key))

    def list(self, prefix: str) -> Iterator[str]:
        found = {key for key in self.written if key.startswith(f"{prefix.rstrip('/')}/")}
        yield from sorted(found | (set(self._stored.list(prefix)) - self._hidden))

    def where(self, key: str) -> str:
        return self._stored.where(key)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.written.pop(key, None)
