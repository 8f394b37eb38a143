"""Pictures of a timeline in storage, frames and crops: written as they come, read back as a stream with prefetch.

How frames are sampled and crops are cut is not here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

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

    def key(self, number: int) -> str:
        return f"{self._prefix}/{number:08d}.{self._extension}"

    def finished(self) -> bool:
        return self._storage.exists(f"{self._prefix}/finished")

    def numbers(self) -> set[int]:
        """Of the pictures that are there, all or not."""
        names = (key.rpartition("/")[2].partition(".")[0] for key in self._storage.list(self._prefix))
        return {int(name) for name in names if name.isdecimal()}

    def put(self, number: int, encoded: bytes) -> None:
        self._storage.put(self.key(number), encoded)

    def finish(self) -> None:
        """Say that every picture is there."""
        self._storage.put(f"{self._prefix}/finished", b"")

    def write(self, pictures: Iterable[tuple[int, bytes]]) -> None:
        """Store the encoded pictures as they come, many at a time, and finish."""
        self._storage.put_many((self.key(number), encoded) for number, encoded in pictures)
        self.finish()

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
        picture = Picture(encoded=encoded)
        if decode:
            key = self.key(number)
            try:
                self._cache.put(key, picture)
            except BadInput as error:
                where = self._storage.where(key)
                raise PermanentError(f"{where} is not a valid picture", "delete its folder and rerun") from error
        return picture
