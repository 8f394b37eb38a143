"""Pictures of a timeline in storage, frames and crops: written as they come, read back as a stream with prefetch.

How frames are sampled and crops are cut is not here.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from zlib import crc32

from gpu_service.errors import BadInput, PermanentError
from gpu_service.pictures import Picture
from mpr_resources.storage.store import MissingObject, Storage

CACHE_BYTES = 256 * 2**20
PREFETCH = 6
"""Decoded pictures that wait to be taken."""
DECODERS = 2


@dataclass(frozen=True)
class Frame:
    """A sampled picture of a timeline."""

    seq: int
    timeline_ms: int
    picture: Picture


class PictureCache:
    """Decoded pictures by key, least recently used out first, bounded by the bytes of their pixels. Thread-safe."""

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._pictures: OrderedDict[str, Picture] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Picture | None:
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
            return self._pictures.get(key)

    def put(self, key: str, picture: Picture) -> None:
        """Keep the picture, decoded.

        Raises:
            BadInput: it cannot be decoded.
        """
        size_bytes = picture.pixels.nbytes  # decodes, which others need not wait for
        with self._lock:
            if key in self._pictures:
                return
            self._pictures[key] = picture
            self._bytes += size_bytes
            while self._bytes > self._max_bytes:
                _, oldest = self._pictures.popitem(last=False)
                self._bytes -= oldest.pixels.nbytes


class PictureFolder:
    """Numbered pictures under one key prefix, complete once `finish` was called: the marker is written last.

    The marker holds the pictures' checksums: a JPEG decoder makes something of damaged bytes and says nothing.

    `made_by`: what to materialize where a picture is missing.
    """

    def __init__(
        self, storage: Storage, prefix: str, extension: str, cache: PictureCache, made_by: str = "what makes it"
    ) -> None:
        self._storage = storage
        self._prefix = prefix
        self._extension = extension
        self._cache = cache
        self._made_by = made_by
        self._put: dict[int, int] = {}
        """Checksums of the pictures that were stored here, by number."""
        self._stored_sums: Mapping[str, int] | None = None

    def key(self, number: int) -> str:
        return f"{self._prefix}/{number:08d}.{self._extension}"

    def finished(self) -> bool:
        return self._storage.exists(self._marker)

    @property
    def _marker(self) -> str:
        return f"{self._prefix}/finished"

    def numbers(self) -> set[int]:
        """Of the pictures that are there, all or not."""
        names = (key.rpartition("/")[2].partition(".")[0] for key in self._storage.list(self._prefix))
        return {int(name) for name in names if name.isdecimal()}

    def put(self, number: int, encoded: bytes) -> None:
        self._put[number] = crc32(encoded)
        self._storage.put(self.key(number), encoded)

    def finish(self, there_already: Iterable[int] = ()) -> None:
        """Say that every picture is there. `there_already`: those that were not stored by this object, if any."""
        others = sorted(set(there_already) - self._put.keys())
        read = self._storage.get_many(self.key(number) for number in others)
        sums = self._put | {number: crc32(encoded) for number, encoded in zip(others, read, strict=True)}
        self._storage.put(self._marker, json.dumps({"crc32": dict(sorted(sums.items()))}).encode())

    def write(self, pictures: Iterable[tuple[int, bytes]], there_already: Iterable[int] = ()) -> None:
        """Store the encoded pictures as they come, many at a time, and finish."""

        def noted() -> Iterator[tuple[str, bytes]]:
            for number, encoded in pictures:
                self._put[number] = crc32(encoded)
                yield self.key(number), encoded

        self._storage.put_many(noted())
        self.finish(there_already)

    def read(self, number: int, *, decode: bool = True) -> Picture:
        """One picture, decoded unless it is only to be passed on as bytes."""
        cached = self._cache.get(self.key(number))
        if cached is not None:
            return cached
        with self._missing_named():
            encoded = self._storage.get(self.key(number))
        return self._take(number, encoded, decode)

    def stream(self, numbers: Iterable[int], *, decode: bool = True) -> Iterator[tuple[int, Picture]]:
        """The pictures in the order asked for: read many at a time, decoded ahead by at most `PREFETCH`."""
        self._sums()  # once, before several threads ask
        with ThreadPoolExecutor(DECODERS) as pool:
            ahead: deque[tuple[int, Future[Picture]]] = deque()
            for number, encoded in self._encoded(numbers):
                if encoded is None:
                    ahead.append((number, pool.submit(self.read, number, decode=decode)))
                else:
                    ahead.append((number, pool.submit(self._take, number, encoded, decode)))
                if len(ahead) > PREFETCH:
                    done, future = ahead.popleft()
                    yield done, future.result()
            while ahead:
                done, future = ahead.popleft()
                yield done, future.result()

    def _encoded(self, numbers: Iterable[int]) -> Iterator[tuple[int, bytes | None]]:
        """What is stored of each picture; None of one that is in the cache."""
        asked: deque[tuple[int, bool]] = deque()

        def not_cached() -> Iterator[str]:
            for number in numbers:
                cached = self._cache.get(self.key(number)) is not None
                asked.append((number, cached))
                if not cached:
                    yield self.key(number)

        with self._missing_named():
            for encoded in self._storage.get_many(not_cached()):
                while asked[0][1]:
                    yield asked.popleft()[0], None
                yield asked.popleft()[0], encoded
        for number, _ in asked:
            yield number, None

    @contextmanager
    def _missing_named(self) -> Iterator[None]:
        try:
            yield
        except MissingObject as error:
            raise MissingObject(error.what, f"materialize {self._made_by}") from error

    def _take(self, number: int, encoded: bytes, decode: bool) -> Picture:
        expected = self._sums().get(str(number))
        if expected is not None and crc32(encoded) != expected:
            raise PermanentError(
                f"{self._storage.where(self.key(number))} is not the picture that was stored: its bytes were damaged",
                f"copy it back, or delete its folder and materialize {self._made_by}",
            )
        picture = Picture(encoded=encoded)
        if decode:
            key = self.key(number)
            try:
                self._cache.put(key, picture)
            except BadInput as error:
                where = self._storage.where(key)
                raise PermanentError(f"{where} is not a valid picture", "delete its folder and rerun") from error
        return picture

    def _sums(self) -> Mapping[str, int]:
        """Checksums by number; none of a folder that is not finished, or was before there were any."""
        if self._stored_sums is None:
            try:
                self._stored_sums = _read_sums(self._storage.get(self._marker))
            except MissingObject:
                self._stored_sums = {}
        return self._stored_sums


def _read_sums(marker: bytes) -> Mapping[str, int]:
    try:
        found = json.loads(marker)["crc32"] if marker else {}
    except (ValueError, TypeError, LookupError):
        return {}
    return found if isinstance(found, dict) else {}
