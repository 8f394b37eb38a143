"""Notices of new media files: stored by the webhook, taken by the sensor `new_media`.

Several notices of one file are one. What a file becomes is not decided here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject, Storage


def leave(storage: Storage, key: str) -> None:
    """Say that the media file of this key is whole."""
    storage.put(_notice(key), key.encode())


def noticed(storage: Storage) -> Iterator[str]:
    """Keys of media files of which a notice is there, as they are read."""
    for notice in storage.list(Keys.notices()):
        try:
            yield storage.get(notice).decode()
        except MissingObject:  # another tick was faster
            continue


def forget(storage: Storage, keys: Iterable[str]) -> None:
    """Take the notices away."""
    storage.delete(map(_notice, keys))


def _notice(key: str) -> str:
    return f"{Keys.notices()}/{hashlib.sha256(key.encode()).hexdigest()[:32]}"
