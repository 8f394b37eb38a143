"""The object store: a local folder or an S3 bucket behind one URL. The layout of its keys is in `keys`."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, InvalidPathError, NotFoundError
from obstore.store import LocalStore, ObjectStore, S3Store

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ClientConfig, RetryConfig, S3Config

from gpu_service.errors import BadInput, MprError, PermanentError
from mpr_resources.environment import make_private
from mpr_resources.storage.errors import code_of, explain

PARALLEL_REQUESTS = 16
"""Objects on their way at once."""
READ_AHEAD = 64
"""Objects that `get_many` holds at most: enough that a slow one does not hold up the others."""
LISTED_AT_ONCE = 1000
UNFINISHED = re.compile("#[0-9]+$")
"""How obstore's folder names what it is still writing."""

STORE_ERRORS = (BaseError, OSError, ValueError)
"""What obstore raises; a ValueError where a key holds what no key may."""
CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f]")
"""obstore takes no key that holds one."""

# A server that is started anew is waited for, some seconds.
RETRIES: RetryConfig = {
    "max_retries": 7,
    "retry_timeout": timedelta(seconds=30),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 3},
}
TIMEOUTS: ClientConfig = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=60)}


class MissingObject(PermanentError):
    """Nothing is stored under the key."""


@dataclass(frozen=True)
class ObjectInfo:
    """An object as a listing shows it.

    Attributes:
        modified_s: when it was written, in seconds since 1970.
        etag: the store's own mark of these bytes; empty where it has none.
    """

    key: str
    size_bytes: int
    modified_s: float
    etag: str


class Storage:
    """Objects under one URL. Thread-safe."""

    def __init__(self, store: ObjectStore, url: str, endpoint: str = "", web_url: str | None = None) -> None:
        """`endpoint`: of the S3 server, where it is not AWS. `web_url`: where a web server hands out the objects."""
        self.store = store
        self.url = url
        self.endpoint = endpoint
        self.web_url = web_url

    @classmethod
    def open(cls, url: str, *, s3_endpoint_url: str | None = None, web_url: str | None = None) -> Storage:
        """Open `s3://bucket/prefix`, a `file://` URL or a folder (made when it is not there).

        Args:
            web_url: the http or https address of the folder or prefix, where a web server hands it out. Links to it are
                stored and shown, so it may hold no password.

        Raises:
            BadInput: a URL is of another kind, or the folder cannot be made.
        """
        if web_url is not None and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", web_url):
            raise BadInput(
                "MPR_STORAGE_WEB_URL is not a plain http or https address",
                "write it like https://reports.example/mpr, without user, password, ? and #",
            )
        scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", url)
        if scheme and scheme[1] == "s3":
            bucket, _, prefix = url.removeprefix("s3://").partition("/")
            if not bucket:
                raise BadInput(f"The storage URL {url!r} names no bucket", "write s3://bucket/prefix")
            return cls(_s3(bucket, prefix, s3_endpoint_url), url, s3_endpoint_url or "", web_url)
        if scheme and scheme[1] != "file":
            raise BadInput(
                f"The storage URL {url!r} starts with {scheme[0]}",
                "set MPR_STORAGE_URL to a folder, a file:// URL or s3://bucket/prefix",
            )
        if scheme and urlsplit(url).netloc not in ("", "localhost"):
            raise BadInput(
                f"The storage URL {url!r} names the host {urlsplit(url).netloc!r}",
                "write a folder of this machine with three slashes, like file:///data/mpr",
            )
        path = unquote(urlsplit(url).path) if scheme else url
        try:
            folder = Path(path).expanduser().absolute()
            make_private(folder)
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise BadInput(
                f"The storage folder {path!r} cannot be made ({reason})", "set MPR_STORAGE_URL to a writable one"
            ) from error
        return cls(LocalStore(folder), folder.as_uri(), web_url=web_url)

    def put(self, key: str, data: bytes) -> None:
        """Store the bytes under the key, replacing what was there at once."""
        try:
            obstore.put(self.store, key, data)
        except STORE_ERRORS as error:
            raise self._explain(error, "write", key) from error

    def put_file(self, key: str, file: Path) -> None:
        """Store a file of this machine under the key, in parts where it is large, replacing what was there at once."""
        try:
            obstore.put(self.store, key, file)
        except STORE_ERRORS as error:
            raise self._explain(error, "write", key) from error

    def create(self, key: str, data: bytes) -> bool:
        """Store the bytes under the key if nothing is there: of several who try at once one does. Gives whether."""
        try:
            obstore.put(self.store, key, data, mode="create")
        except (AlreadyExistsError, FileExistsError):
            return False
        except STORE_ERRORS as error:
            raise self._explain(error, "write", key) from error
        return True

    def put_many(self, objects: Iterable[tuple[str, bytes]]) -> None:
        """Store the bytes under their keys, `PARALLEL_REQUESTS` at a time, in no order; each is taken when sent."""
        with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
            sent: set[Future[None]] = set()
            for key, data in objects:
                sent.add(pool.submit(self.put, key, data))
                if len(sent) >= PARALLEL_REQUESTS:
                    done, sent = wait(sent, return_when=FIRST_COMPLETED)
                    for one in done:
                        one.result()
            for one in sent:
                one.result()

    def get_many(self, keys: Iterable[str]) -> Iterator[bytes]:
        """The bytes under the keys, in their order, read ahead by `READ_AHEAD` at most.

        Raises:
            MissingObject: there is nothing under one.
        """
        with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
            ahead: deque[Future[bytes]] = deque()
            try:
                for key in keys:
                    ahead.append(pool.submit(self.get, key))
                    if len(ahead) >= READ_AHEAD:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for one in ahead:
                    one.cancel()

    def get(self, key: str) -> bytes:
        """The bytes under the key.

        Raises:
            MissingObject: there is nothing under it.
        """
        try:
            return obstore.get(self.store, key).bytes().to_bytes()
        except STORE_ERRORS as error:
            raise self._explain(error, "read", key) from error

    def read_range(self, key: str, start: int, end: int) -> tuple[bytes, ObjectInfo]:
        """Bytes `[start, end)` of an object, fewer where it ends earlier, and what a listing would show of it.

        Raises:
            MissingObject: there is nothing under the key.
        """
        try:
            found = obstore.get(self.store, key, options={"range": (start, end)})
            return found.bytes().to_bytes(), _entry(found.meta)
        except STORE_ERRORS as error:
            raise self._explain(error, "read", key) from error

    def exists(self, key: str) -> bool:
        try:
            obstore.head(self.store, key)
        except STORE_ERRORS as error:
            # The answer to a look-up has no text: it is the same for a key and for a bucket that is missing.
            self._has_bucket  # noqa: B018
            if isinstance(error, NotFoundError | FileNotFoundError):
                return False
            raise self._explain(error, "look up", key) from error
        return True

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly below the folder `prefix`, sorted."""
        try:
            found = obstore.list_with_delimiter(self.store, prefix)["common_prefixes"]
        except STORE_ERRORS as error:
            raise self._explain(error, "list", prefix) from error
        return sorted(path.rstrip("/").rpartition("/")[2] for path in found)

    def list(self, prefix: str) -> Iterator[str]:
        """Keys below the folder `prefix`, sorted within each page that the store answers."""
        try:
            for page in obstore.list(self.store, prefix, chunk_size=LISTED_AT_ONCE):
                yield from sorted(found["path"] for found in page)
        except STORE_ERRORS as error:
            raise self._explain(error, "list", prefix) from error

    def entries(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """What a listing shows of the objects below the folder `prefix`, in no order."""
        try:
            for page in obstore.list(self.store, prefix or None, chunk_size=LISTED_AT_ONCE):
                yield from map(_entry, page)
        except STORE_ERRORS as error:
            raise self._explain(error, "list", prefix) from error

    def readable_entries(self) -> tuple[Sequence[ObjectInfo], Sequence[str]]:
        """What a listing shows of all objects; and what it had to pass over, each as its escaped name with the reason.

        Where others put files there are names that are no keys, folders that may not be read, links in a circle and
        links out of the folder. Nothing below such an entry is shown; all else is.
        """
        try:
            found = [_entry(found) for page in obstore.list(self.store, chunk_size=LISTED_AT_ONCE) for found in page]
            return _inside(found, Path(self.where(""))) if isinstance(self.store, LocalStore) else (found, [])
        except STORE_ERRORS as error:
            # One such entry makes obstore give up the whole listing.
            if isinstance(self.store, LocalStore):
                top = Path(self.where(""))
                readable, passed_over = self._readable_below(top)
                inside, outside = _inside(readable, top)
                return inside, sorted([*passed_over, *outside])
            if isinstance(self.store, S3Store) and isinstance(error, InvalidPathError | ValueError):
                return self._readable_objects(self.store)
            raise self._explain(error, "list", "") from error

    def _readable_objects(self, store: S3Store) -> tuple[Sequence[ObjectInfo], Sequence[str]]:
        try:
            import boto3
        except ModuleNotFoundError as error:
            raise BadInput(
                f"{self.url} holds a key with a part that is empty, dots or a control character",
                "delete it, or install MPR's extra `team`",
            ) from error
        top = f"{store.prefix}/" if store.prefix else ""
        pages = boto3.client("s3", endpoint_url=self.endpoint or None).get_paginator("list_objects_v2")
        found, passed_over = [], []
        for page in pages.paginate(Bucket=store.config["bucket"], Prefix=top):
            for one in page.get("Contents", []):
                key = one["Key"].removeprefix(top).removesuffix("/")
                if reason := _no_key(key):
                    passed_over.append(f"{key!a} ({reason})")
                else:
                    found.append(ObjectInfo(key, one["Size"], one["LastModified"].timestamp(), one["ETag"]))
        return found, sorted(passed_over)

    def _readable_below(self, top: Path) -> tuple[Sequence[ObjectInfo], Sequence[str]]:
        """Slower, as each file is looked up.

        Raises:
            MprError: the folder itself cannot be read.
        """
        found: list[ObjectInfo] = []
        passed_over: list[str] = []

        def walk(folder: Path, above: frozenset[tuple[int, int]]) -> None:
            status = folder.stat()
            inside = above | {(status.st_dev, status.st_ino)}
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
            for entry in entries:
                key = Path(entry.path).relative_to(top).as_posix()
                reason = _no_key(key)
                try:
                    if reason:
                        pass
                    elif entry.is_dir():
                        status = entry.stat()
                        if (status.st_dev, status.st_ino) in inside:
                            reason = "a link to a folder that it lies in"
                        else:
                            walk(Path(entry.path), inside)
                    elif entry.is_file() and not UNFINISHED.search(entry.name):
                        found.append(self.entry(key))
                except MissingObject:  # gone meanwhile
                    pass
                except OSError as error:
                    reason = f"cannot be read: {error.strerror}"
                except MprError as error:
                    reason = f"cannot be read: {error.what}"
                if reason:
                    passed_over.append(f"{key!a} ({reason})")

        try:
            walk(top, frozenset())
        except OSError as error:
            raise self._explain(error, "list", "") from error
        return found, sorted(passed_over)

    def entry(self, key: str) -> ObjectInfo:
        """The same of one object.

        Raises:
            MissingObject: there is nothing under the key.
        """
        try:
            return _entry(obstore.head(self.store, key))
        except STORE_ERRORS as error:
            raise self._explain(error, "look up", key) from error

    def copy(self, keys: Mapping[str, str]) -> None:
        """Copy objects within the store, from the keys to the values; in a folder without their bytes, as hard links.

        Raises:
            MissingObject: one is not there.
        """
        with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
            list(pool.map(self._copy_one, keys, keys.values()))

    def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects; those that are not there are no error."""
        with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
            list(pool.map(self._delete_one, keys))

    def delete_below(self, prefix: str) -> None:
        self.delete(list(self.list(prefix)))

    def delete_unfinished(self, prefix: str, older_than_s: float) -> None:
        """Delete what killed processes were just writing below a folder, so long ago; no listing shows it. A put to S3
        leaves nothing."""
        if isinstance(self.store, LocalStore):
            before_s = time.time() - older_than_s
            for path in Path(self.where(prefix)).rglob("*#[0-9]*"):
                with suppress(FileNotFoundError):  # finished meanwhile
                    if UNFINISHED.search(path.name) and path.is_file() and path.stat().st_mtime < before_s:
                        path.unlink()

    def link(self, key: str, seconds: int) -> str | None:
        """An address that opens the object in a browser for so long, without keys; None for a folder."""
        if not isinstance(self.store, S3Store):
            return None
        try:
            return obstore.sign(self.store, "GET", key, timedelta(seconds=seconds))
        except BaseError as error:
            raise self._explain(error, "sign", key) from error

    def web(self, key: str) -> str | None:
        """The object's address on the web server that hands out the storage; None where there is none."""
        return f"{self.web_url.rstrip('/')}/{quote(key)}" if self.web_url else None

    def where(self, key: str) -> str:
        """The object's address as a user would open it."""
        if self.url.startswith("file://"):
            return str(Path(unquote(urlsplit(self.url).path)) / key)
        return f"{self.url.rstrip('/')}/{key}" if key else self.url

    def _copy_one(self, key: str, target: str) -> None:
        try:
            obstore.copy(self.store, key, target)
        except STORE_ERRORS as error:
            raise self._explain(error, "copy", key) from error

    def _delete_one(self, key: str) -> None:
        try:
            obstore.delete(self.store, key)
        except STORE_ERRORS as error:
            if isinstance(error, NotFoundError | FileNotFoundError) and code_of(error) != "NoSuchBucket":
                return
            raise self._explain(error, "delete", key) from error

    @cached_property
    def _has_bucket(self) -> bool:
        """True; what a listing says of a bucket that is missing is raised."""
        if isinstance(self.store, S3Store):
            try:
                next(iter(obstore.list(self.store, chunk_size=1)), None)
            except STORE_ERRORS as error:
                raise self._explain(error, "list", "") from error
        return True

    def _explain(self, error: Exception, verb: str, key: str) -> MprError:
        where = self.where(key)
        if isinstance(error, NotFoundError | FileNotFoundError) and code_of(error) != "NoSuchBucket":
            return MissingObject(f"There is nothing at {where}", "materialize what makes it")
        return explain(error, verb, where, self.endpoint)


def _inside(found: Sequence[ObjectInfo], top: Path) -> tuple[Sequence[ObjectInfo], Sequence[str]]:
    """Without what a link leads to that is not below the folder `top`: who may put a link there may read it so."""
    real_top = top.resolve()
    folders: dict[Path, Path] = {}
    inside: list[ObjectInfo] = []
    passed_over: list[str] = []
    for one in found:
        path = top / one.key
        if path.parent not in folders:
            folders[path.parent] = path.parent.resolve()
        real = path.resolve() if path.is_symlink() else folders[path.parent] / path.name
        if real.is_relative_to(real_top):
            inside.append(one)
        else:
            passed_over.append(f"{one.key!a} (a link out of the folder)")
    return inside, sorted(passed_over)


def _no_key(name: str) -> str:
    """Why a name that others gave, relative and with slashes, is no key; empty where it is one."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "not UTF-8"
    if CONTROL_CHARACTERS.search(name):
        return "holds a control character"
    return "has an empty part or dots for one" if {"", ".", ".."} & set(name.split("/")) else ""


def _entry(found: ObjectMeta) -> ObjectInfo:
    return ObjectInfo(found["path"], found["size"], found["last_modified"].timestamp(), found["e_tag"] or "")


def _s3(bucket: str, prefix: str, endpoint_url: str | None) -> S3Store:
    config: S3Config = {"endpoint": endpoint_url} if endpoint_url else {}
    plain_http = bool(endpoint_url and endpoint_url.startswith("http://"))
    if endpoint_url and urlsplit(endpoint_url).scheme not in ("http", "https"):
        raise BadInput(f"The S3 endpoint {endpoint_url!r} is not a URL", "set S3_ENDPOINT_URL like http://minio:9000")
    if endpoint_url and "@" in urlsplit(endpoint_url).netloc:
        raise BadInput(
            "S3_ENDPOINT_URL holds a user or a password, which S3 servers do not take",
            "set it like http://minio:9000, and the keys as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    try:
        options: ClientConfig = {**TIMEOUTS, "allow_http": plain_http}
        return S3Store(bucket, prefix=prefix or None, config=config, client_options=options, retry_config=RETRIES)
    except BaseError as error:
        reason = str(error).partition("\n")[0].rpartition(": ")[2]
        raise BadInput(
            f"The bucket {bucket!r} cannot be opened ({reason})", "check its name and the AWS variables"
        ) from error
