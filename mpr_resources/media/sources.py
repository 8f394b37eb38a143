"""Where video comes from: a file of this machine, an object in S3, an address on the web.

What is not on this machine is read in ranges, some blocks ahead, and never copied to disk. What the bytes mean is in
`opening` and `decoding`.
"""

from __future__ import annotations

import io
import os
import re
import stat
import threading
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

from obstore.exceptions import NotSupportedError
from obstore.store import HTTPStore

if TYPE_CHECKING:
    from obstore.store import ClientConfig

from gpu_service.errors import BadInput, PermanentError, TransientError
from gpu_service.masking import without_secrets
from mpr_resources.storage.store import (
    TIMEOUTS,
    MissingObject,
    ObjectInfo,
    Storage,
)

BLOCK_BYTES = 2 * 2**20
BLOCKS_KEPT = 12
BLOCKS_AHEAD = 3
NO_SECRETS = (
    "passwords and signatures are not stored: give mpr run the whole address anew, signed anew if that has expired, or "
    "put user and password into ~/.netrc"
)


class Source(Protocol):
    """A video file, wherever it lies."""

    @property
    def name(self) -> str:
        """Its address as messages show it."""

    def check(self) -> None:
        """Refuse, with BadInput, what cannot be a readable file with content."""

    def opened(self) -> io.RawIOBase:
        """Its bytes, as PyAV reads them. Raises BadInput where they may not be read."""

    def size_bytes(self) -> int: ...

    def head(self, count: int) -> bytes:
        """The first bytes."""

    def state(self) -> str:
        """Changes when the file does; looked up anew. Raises MissingObject where there is none."""

    def changed_s(self) -> float:
        """When the file was last changed, in seconds since 1970. Raises MissingObject where there is none."""


class LocalFile:
    """A file of this machine."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    @property
    def name(self) -> str:
        return str(self._path)

    def check(self) -> None:
        path = self._path
        try:
            status = path.stat()
        except FileNotFoundError:
            raise BadInput(f"{path} does not exist", "check the path") from None
        except PermissionError:
            raise BadInput(f"{path} cannot be read by this user", "change its permissions") from None
        except (OSError, ValueError) as error:
            raise BadInput(f"{path} cannot be read ({error})", "check the path") from None
        if stat.S_ISDIR(status.st_mode):
            raise BadInput(f"{path} is a folder", "name one video file in it")
        if not stat.S_ISREG(status.st_mode):
            raise BadInput(f"{path} is not a regular file", "save the video to a file first")
        if status.st_size == 0:
            raise BadInput(f"{path} is empty (0 bytes)", "copy the file again")

    def opened(self) -> io.RawIOBase:
        try:
            return self._path.open("rb", buffering=0)
        except PermissionError:
            raise BadInput(f"{self._path} cannot be read by this user", "change its permissions") from None

    def size_bytes(self) -> int:
        return self._path.stat().st_size

    def head(self, count: int) -> bytes:
        with self._path.open("rb") as file:
            return file.read(count)

    def state(self) -> str:
        found = self._status()
        return f"{found.st_size} bytes, {found.st_mtime_ns} ns"

    def changed_s(self) -> float:
        return self._status().st_mtime

    def _status(self) -> os.stat_result:
        try:
            return self._path.stat()
        except OSError as error:
            raise MissingObject(f"{self._path} is not there ({error.strerror}).") from error


class RemoteFile:
    """An object in S3 or on the web, read by blocks, of which the last used are kept. Thread-safe.

    Args:
        key: in the storage.
        name: the address as messages show it.
        given: the address as it was given, and the S3 server: by these another process opens the file anew.
    """

    def __init__(self, storage: Storage, key: str, name: str, given: tuple[str, str | None] = ("", None)) -> None:
        self.name = name
        self._given = given
        self._storage = storage
        self._key = key
        self._blocks: OrderedDict[int, Future[bytes]] = OrderedDict()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(BLOCKS_AHEAD, "read-ahead")

    def __reduce__(self) -> tuple[object, ...]:
        return _at, self._given

    def check(self) -> None:
        if self.size_bytes() == 0:
            raise BadInput(f"{self.name} is empty (0 bytes)", "upload the file again")

    def opened(self) -> io.RawIOBase:
        return _Reader(self)

    def size_bytes(self) -> int:
        return self._found.size_bytes

    def head(self, count: int) -> bytes:
        return self.read(0, count)

    def state(self) -> str:
        return _state(self._look())

    def changed_s(self) -> float:
        return self._look().modified_s

    def read(self, start: int, end: int) -> bytes:
        """Bytes `[start, end)`, fewer at the object's end.

        Raises:
            TransientError: the object was replaced while it was read, or the storage does not answer.
        """
        end = min(end, self.size_bytes())
        if start >= end:
            return b""
        first, last = start // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        parts = [self._block(number).result() for number in range(first, last + 1)]
        offset = first * BLOCK_BYTES
        return b"".join(parts)[start - offset : end - offset]

    @cached_property
    def _found(self) -> ObjectInfo:
        return self._look()

    def _look(self) -> ObjectInfo:
        try:
            # By reading, not by a look-up: a signed address holds for reading alone.
            _, found = self._storage.read_range(self._key, 0, 1)
        except MissingObject as error:
            raise BadInput(f"{self.name} does not exist", "check the address") from error
        except PermanentError as error:
            if "416" in str(error) or "InvalidRange" in str(error):
                return ObjectInfo(self._key, 0, 0.0, "")
            if self.name.startswith("http") and not isinstance(error.__cause__, NotSupportedError):
                raise BadInput(f"{self.name} may not be read", NO_SECRETS) from error
            raise BadInput(str(error)) from error
        return found

    def _block(self, number: int) -> Future[bytes]:
        """The block, asked for now or before; those that follow are asked for too, when it comes in sequence."""
        with self._lock:
            in_sequence = number == 0 or number - 1 in self._blocks
            block = self._ask(number)
            for ahead in range(number + 1, number + 1 + BLOCKS_AHEAD if in_sequence else 0):
                if ahead * BLOCK_BYTES < self.size_bytes():
                    self._ask(ahead)
            self._blocks.move_to_end(number)
            while len(self._blocks) > BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        return block

    def _ask(self, number: int) -> Future[bytes]:
        known = self._blocks.get(number)
        if known is None or (known.done() and known.exception() is not None):
            known = self._blocks[number] = self._pool.submit(self._fetch, number * BLOCK_BYTES)
        return known

    def _fetch(self, start: int) -> bytes:
        data, found = self._storage.read_range(self._key, start, min(start + BLOCK_BYTES, self.size_bytes()))
        if _state(found) != _state(self._found):
            raise TransientError(f"{self.name} was replaced while it was read", "run again")
        return data


class _Reader(io.RawIOBase):
    """A position in a remote file, as PyAV reads it."""

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._at = 0
        self.name = file.name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size_bytes()}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._at, self._file.size_bytes() if size < 0 else self._at + size)
        self._at += len(data)
        return data


_given: dict[str, str] = {}


def give(address: str) -> str:
    """What may be stored of an address: it, without passwords and signatures.

    This process reads it with them from now on. They are kept nowhere else.
    """
    stored = without_secrets(address)
    if stored != address:
        _given[stored] = address
    return stored


class Sources:
    """Files by address. `s3_endpoint_url`: of the S3 server, where it is not AWS."""

    def __init__(self, s3_endpoint_url: str | None = None) -> None:
        self._s3_endpoint_url = s3_endpoint_url

    def __reduce__(self) -> tuple[object, ...]:
        return _sources, (self._s3_endpoint_url, dict(_given))

    def at(self, address: str) -> Source:
        """The file at a path, at `s3://bucket/key` or at an `https://` address. Nothing is read yet.

        User and password for a web server are those that this process was given, or those in `~/.netrc`.

        Raises:
            BadInput: the address names no object, or `~/.netrc` cannot be read.
        """
        if not is_remote(address):
            return LocalFile(address)
        if address.startswith("s3://"):
            bucket, _, key = address.removeprefix("s3://").partition("/")
            if not key:
                raise BadInput(f"{address} names no object", "write s3://bucket/path/of/video.mp4")
            storage = Storage.open(f"s3://{bucket}", s3_endpoint_url=self._s3_endpoint_url)
            return RemoteFile(storage, key, address, (address, self._s3_endpoint_url))
        name = without_secrets(address)
        whole = address if address != name else _given.get(name, name)
        plain, authorization = _without_user(whole)
        options: ClientConfig = {**TIMEOUTS, "allow_http": address.startswith("http:")}
        if authorization:
            options["default_headers"] = {"Authorization": authorization}
        try:
            store = HTTPStore.from_url(plain, client_options=options)
        except ValueError as error:
            reason = str(error).partition("\n")[0]
            raise BadInput(f"{name} is no address ({reason})", "it looks like https://host/path/of/video.mp4") from None
        return RemoteFile(Storage(store, name), "", name, (whole, None))


def _sources(s3_endpoint_url: str | None, given: Mapping[str, str]) -> Sources:
    """In another process, which is to read what this one was given too."""
    _given.update(given)
    return Sources(s3_endpoint_url)


def _at(address: str, s3_endpoint_url: str | None) -> Source:
    return Sources(s3_endpoint_url).at(address)


def _without_user(address: str) -> tuple[str, str]:
    """The address without user and password, and the header in which they are sent; empty where there are none."""
    parts = urlsplit(address)
    user, password = parts.username, parts.password
    plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if user is None and parts.hostname:
        try:
            user, _, password = netrc().authenticators(parts.hostname) or (None, None, None)
        except FileNotFoundError:
            return plain, ""
        except (NetrcParseError, OSError) as error:
            raise BadInput(f"~/.netrc cannot be read ({error})", "correct it") from None
        return plain, _basic(user, password or "") if user else ""
    return plain, _basic(unquote(user), unquote(password or "")) if user else ""


def _basic(user: str, password: str) -> str:
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def is_remote(address: str) -> bool:
    """Whether the address is no path of this machine."""
    return re.match(r"(s3|https?)://", address) is not None


def local_state(address: str) -> str | None:
    """Changes when the file at a path of this machine does, or goes; None: the address is none."""
    if is_remote(address):
        return None
    try:
        return LocalFile(address).state()
    except MissingObject as error:
        return str(error)


def _state(found: ObjectInfo) -> str:
    return f"{found.size_bytes} bytes, {found.etag or found.modified_s}"
