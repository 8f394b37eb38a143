"""Pictures of a timeline in storage, frames and crops: written as they come, read back as a stream with prefetch.

How frames are sampled and crops are cut is not here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from gpu_service.errors import BadInput, PermanentError
from gpu_service.pictures import Picture
from mpr_resources.storage import Storage

CACHE_BYTES = 512 * 2**20
PREFETCH = 6
READERS = 2
WRITERS = 2


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
    """Numbered pictures under one key prefix, complete once `finish` was called: the marker is written last."""

    def __init__(self, storage: Storage, prefix: str, extension: str, cache: PictureCache) -> None:
        self._storage = storage
        self._prefix = prefix
        self._extension = extension
        self._cache = cache

    def key(self, number: int) -> str:
        return f"{self._prefix}/{number:08d}.{self._extension}"

    def finished(self) -> bool:
        return self._storage.exists(f"{self._prefix}/finished")

    def put(self, number: int, encoded: bytes) -> None:
        self._storage.put(self.key(number), encoded)

    def finish(self) -> None:
        """Say that every picture is there."""
        self._storage.put(f"{self._prefix}/finished", b"")

    def write(self, pictures: Iterable[tuple[int, bytes]]) -> None:
        """Store the encoded pictures as they come, a few at a time, and finish."""
        with ThreadPoolExecutor(WRITERS) as pool:
            pending: deque[Future[None]] = deque()
            for number, encoded in pictures:
                pending.append(pool.submit(self.put, number, encoded))
                if len(pending) > PREFETCH:
                    pending.popleft().result()
            for write in pending:
                write.result()
        self.finish()

    def read(self, number: int, *, decode: bool = True) -> Picture:
        """One picture, decoded unless it is only to be passed on as bytes."""
        key = self.key(number)
        picture = self._cache.get(key)
        if picture is None:
            picture = Picture(encoded=self._storage.get(key))
            if decode:
                try:
                    self._cache.put(key, picture)
                except BadInput as error:
                    where = self._storage.where(key)
                    raise PermanentError(f"{where} is not a picture any more; delete its folder and rerun.") from error
        return picture

    def stream(self, numbers: Iterable[int], *, decode: bool = True) -> Iterator[tuple[int, Picture]]:
        """The pictures in the order asked for, read ahead by at most `PREFETCH`."""
        with ThreadPoolExecutor(READERS) as pool:
            ahead: deque[tuple[int, Future[Picture]]] = deque()
            for number in numbers:
                ahead.append((number, pool.submit(self.read, number, decode=decode)))
                if len(ahead) > PREFETCH:
                    done, future = ahead.popleft()
                    yield done, future.result()
            while ahead:
                done, future = ahead.popleft()
                yield done, future.result()
