"""The object store: a local folder or an S3 bucket behind one URL. Keys are laid out here; what objects hold is not.

A put leaves the old object or the new one, never half of one: in a folder by a temporary file and a rename, in S3 by
its nature.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, ObjectStore, S3Store

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Config

from gpu_service.errors import BadInput, MprError, PermanentError, TransientError

PARALLEL_REQUESTS = 16


class MissingObject(PermanentError):
    """Nothing is stored under the key."""


@dataclass(frozen=True)
class Entry:
    """An object as a listing shows it.

    Attributes:
        modified_s: when it was written, in seconds since 1970.
        etag: the store's own mark of these bytes; empty where it has none.
    """

    key: str
    size_bytes: int
    modified_s: float
    etag: str


class Keys:
    """The public layout. Frames and crops lie under the fingerprint of what made them, so that a
    rerun with other settings never overwrites what a reader still needs."""

    @staticmethod
    def spec(timeline: str) -> str:
        return f"timelines/{timeline}.json"

    @staticmethod
    def table(stage: str, timeline: str) -> str:
        return f"stages/{stage}/{timeline}.parquet"

    @staticmethod
    def frames(timeline: str, fingerprint: str) -> str:
        return f"cache/timelines/{timeline}/frames/{fingerprint[:16]}"

    @staticmethod
    def crops(timeline: str, fingerprint: str) -> str:
        return f"cache/timelines/{timeline}/crops/{fingerprint[:16]}"

    @staticmethod
    def overlay(timeline: str, run: str, stage: str, seq: int, name: str) -> str:
        return f"cache/timelines/{timeline}/overlays/{run}/{stage}/{seq:08d}_{name}.png"

    @staticmethod
    def scenario(label: str) -> str:
        return f"scenarios/{label}"

    @staticmethod
    def overlay_index(timeline: str, run: str, stage: str, seq: int) -> str:
        """Names of a frame's overlays in the order in which they are shown; written after them."""
        return f"cache/timelines/{timeline}/overlays/{run}/{stage}/{seq:08d}.json"

    @staticmethod
    def report(timeline: str, name: str) -> str:
        return f"reports/{timeline}/{name}"


class Storage:
    """Objects under one URL. Thread-safe."""

    def __init__(self, store: ObjectStore, url: str) -> None:
        self.store = store
        self.url = url

    @classmethod
    def open(cls, url: str, *, s3_endpoint_url: str | None = None) -> Storage:
        """Open `s3://bucket/prefix`, a `file://` URL or a folder (made when it is not there).

        Raises:
            BadInput: the URL is of another kind, or the folder cannot be made.
        """
        scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", url)
        if scheme and scheme[1] == "s3":
            bucket, _, prefix = url.removeprefix("s3://").partition("/")
            if not bucket:
                raise BadInput(f"The storage URL {url!r} names no bucket; write s3://bucket/prefix.")
            return cls(_s3(bucket, prefix, s3_endpoint_url), url)
        if scheme and scheme[1] != "file":
            raise BadInput(
                f"The storage URL {url!r} starts with {scheme[0]}; set MPR_STORAGE_URL to a folder, "
                "a file:// URL or s3://bucket/prefix."
            )
        if scheme and urlsplit(url).netloc not in ("", "localhost"):
            raise BadInput(
                f"The storage URL {url!r} names the host {urlsplit(url).netloc!r}; write a folder of this machine "
                "with three slashes, like file:///data/mpr."
            )
        path = unquote(urlsplit(url).path) if scheme else url
        try:
            folder = Path(path).expanduser().absolute()
            folder.mkdir(parents=True, exist_ok=True)
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise BadInput(
                f"The storage folder {path!r} cannot be made ({reason}); set MPR_STORAGE_URL to one that can."
            ) from error
        return cls(LocalStore(folder), folder.as_uri())

    def put(self, key: str, data: bytes) -> None:
        """Store the bytes under the key, replacing what was there at once."""
        try:
            obstore.put(self.store, key, data)
        except (BaseError, OSError) as error:
            raise self._explain(error, "write", key) from error

    def create(self, key: str, data: bytes) -> bool:
        """Store the bytes under the key if nothing is there: of several who try at once one does. Gives whether."""
        try:
            obstore.put(self.store, key, data, mode="create")
        except (AlreadyExistsError, FileExistsError):
            return False
        except (BaseError, OSError) as error:
            raise self._explain(error, "write", key) from error
        return True

    def get(self, key: str) -> bytes:
        """The bytes under the key.

        Raises:
            MissingObject: there is nothing under it.
        """
        try:
            return obstore.get(self.store, key).bytes().to_bytes()
        except (BaseError, OSError) as error:
            raise self._explain(error, "read", key) from error

    def exists(self, key: str) -> bool:
        try:
            obstore.head(self.store, key)
        except (NotFoundError, FileNotFoundError):
            return False
        except (BaseError, OSError) as error:
            raise self._explain(error, "look up", key) from error
        return True

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly below the folder `prefix`, sorted."""
        try:
            found = obstore.list_with_delimiter(self.store, prefix)["common_prefixes"]
        except (BaseError, OSError) as error:
            raise self._explain(error, "list", prefix) from error
        return sorted(path.rstrip("/").rpartition("/")[2] for path in found)

    def list(self, prefix: str) -> Iterator[str]:
        """Keys below the folder `prefix`, sorted within each page that the store answers."""
        try:
            for page in obstore.list(self.store, prefix):
                yield from sorted(found["path"] for found in page)
        except (BaseError, OSError) as error:
            raise self._explain(error, "list", prefix) from error

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """What a listing shows of the objects below the folder `prefix`, in no order."""
        try:
            for page in obstore.list(self.store, prefix or None):
                yield from map(_entry, page)
        except (BaseError, OSError) as error:
            raise self._explain(error, "list", prefix) from error

    def entry(self, key: str) -> Entry:
        """The same of one object.

        Raises:
            MissingObject: there is nothing under the key.
        """
        try:
            return _entry(obstore.head(self.store, key))
        except (BaseError, OSError) as error:
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

    def where(self, key: str) -> str:
        """The object's address as a user would open it."""
        if self.url.startswith("file://"):
            return str(Path(unquote(urlsplit(self.url).path)) / key)
        return f"{self.url.rstrip('/')}/{key}"

    def _copy_one(self, key: str, target: str) -> None:
        try:
            obstore.copy(self.store, key, target)
        except (BaseError, OSError) as error:
            raise self._explain(error, "copy", key) from error

    def _delete_one(self, key: str) -> None:
        try:
            obstore.delete(self.store, key)
        except (NotFoundError, FileNotFoundError):
            return
        except (BaseError, OSError) as error:
            raise self._explain(error, "delete", key) from error

    def _explain(self, error: Exception, verb: str, key: str) -> MprError:
        where = self.where(key)
        if isinstance(error, NotFoundError | FileNotFoundError):
            return MissingObject(f"There is nothing at {where}; materialize what makes it.")
        if isinstance(error, UnauthenticatedError | PermissionDeniedError | PermissionError):
            return PermanentError(f"The storage refuses to {verb} {where}; check its keys and permissions.")
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return TransientError(f"The storage did not {verb} {where} ({reason.rstrip('.')}); see whether it is there.")


def _entry(found: ObjectMeta) -> Entry:
    return Entry(found["path"], found["size"], found["last_modified"].timestamp(), found["e_tag"] or "")


def _s3(bucket: str, prefix: str, endpoint_url: str | None) -> S3Store:
    config: S3Config = {"endpoint": endpoint_url} if endpoint_url else {}
    plain_http = bool(endpoint_url and endpoint_url.startswith("http://"))
    if endpoint_url and urlsplit(endpoint_url).scheme not in ("http", "https"):
        raise BadInput(f"The S3 endpoint {endpoint_url!r} is not a URL; set S3_ENDPOINT_URL like http://minio:9000.")
    try:
        return S3Store(bucket, prefix=prefix or None, config=config, client_options={"allow_http": plain_http})
    except BaseError as error:
        raise BadInput(f"The bucket {bucket!r} cannot be opened ({error}); check MPR_STORAGE_URL.") from error
