"""The cache: frames, crops, vectors, overlays, pictures of trials, and partial results of interrupted stages.

It lies below `cache/` and is made again when a stage needs it. What is to be cleared is chosen here, by age and size.
Scenarios are copies of their own, which nothing here touches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from pydantic import ByteSize, TypeAdapter, ValidationError

from gpu_service.errors import BadInput
from mpr_resources.storage.store import ObjectInfo, Storage

ROOT = "cache/timelines"
UNFINISHED_S = 3600.0
"""Nothing is written for so long."""
UNITS_S = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SIZE = TypeAdapter(ByteSize)


@dataclass(frozen=True)
class CacheFolder:
    """Objects that are cleared together.

    Attributes:
        kind: frames, crops, vectors, overlays, trials or parts.
        prefix: where they lie.
        modified_s: when the last of them was written, in seconds since 1970.
    """

    timeline: str
    kind: str
    prefix: str
    objects: int
    size_bytes: int
    modified_s: float


def cache_folders(storage: Storage, timeline: str | None = None) -> list[CacheFolder]:
    """What is in the cache, of one timeline or of all, the oldest first."""
    found: dict[str, list[ObjectInfo]] = {}
    for entry in storage.entries(ROOT if timeline is None else f"{ROOT}/{timeline}"):
        # cache/timelines/TIMELINE/KIND/NAME/...
        found.setdefault("/".join(entry.key.split("/")[:5]), []).append(entry)
    folders = [
        CacheFolder(
            timeline=prefix.split("/")[2],
            kind=prefix.split("/")[3],
            prefix=prefix,
            objects=len(entries),
            size_bytes=sum(entry.size_bytes for entry in entries),
            modified_s=max(entry.modified_s for entry in entries),
        )
        for prefix, entries in found.items()
    ]
    return sorted(folders, key=lambda folder: (folder.modified_s, folder.prefix))


def to_clear(
    folders: Sequence[CacheFolder],
    now_s: float,
    *,
    older_than_s: float | None = None,
    larger_than_bytes: int | None = None,
    busy: Collection[str] = (),
) -> list[CacheFolder]:
    """The folders to be cleared, the oldest first.

    Args:
        folders: the oldest first.
        older_than_s: those that were last written longer ago.
        larger_than_bytes: so many of the oldest that the rest is no larger than this.
        busy: timelines whose folders are in use, and stay.
    """
    left_bytes = sum(folder.size_bytes for folder in folders)
    chosen = []
    for folder in folders:
        old = older_than_s is not None and now_s - folder.modified_s > older_than_s
        large = larger_than_bytes is not None and left_bytes > larger_than_bytes
        if (old or large) and folder.timeline not in busy:
            chosen.append(folder)
            left_bytes -= folder.size_bytes
    return chosen


def clear_folders(
    storage: Storage, folders: Iterable[CacheFolder], busy: Callable[[], Collection[str]]
) -> list[CacheFolder]:
    """Delete what is in the folders, the sign that one is complete first; gives those that were cleared.

    Args:
        busy: the timelines whose folders are in use now; asked before each folder, as runs begin meanwhile.
    """
    cleared = []
    for folder in folders:
        if folder.timeline not in busy():
            storage.delete([f"{folder.prefix}/finished"])
            storage.delete_below(folder.prefix)
            cleared.append(folder)
    storage.delete_unfinished("cache", UNFINISHED_S)
    return cleared


def parse_age(text: str) -> float:
    """`30d`, `12h`, `90m` or `2w` in seconds.

    Raises:
        BadInput: it is not of that form.
    """
    form = re.fullmatch(r"([0-9]{1,6})([mhdw])", text.strip())
    if form is None:
        raise BadInput(f"{text!r} is not an age", "write a number and m, h, d or w, like 30d")
    return float(int(form[1]) * UNITS_S[form[2]])


def parse_size(text: str) -> int:
    """`10GB`, `1.5 TB` or `500MiB` in bytes; a GB is 10**9, a GiB 2**30.

    Raises:
        BadInput: it is not of that form, or has no unit: `10` would be ten bytes, and clear everything.
    """
    try:
        if text.strip()[-1:].isalpha():
            return _SIZE.validate_python(text.strip())
    except ValidationError:
        pass
    raise BadInput(f"{text!r} is not a size", "write a number and KB, MB, GB or TB, like 10GB")


def as_size(size_bytes: int) -> str:
    """A size as a user reads it.

    >>> as_size(1_230_000)
    '1.2 MB'
    """
    return ByteSize(size_bytes).human_readable(decimal=True, separator=" ")
