"""What a report calls the videos: as their user named them, never by where they lie on a machine.

Where the videos are read from stays in the timeline's spec and table.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

from mpr_assets.timelines.spec import ChunkSpec
from mpr_resources.media.sources import is_remote


def source_names(chunks: Sequence[ChunkSpec]) -> dict[str, str]:
    """The name of each source, by its path or address; no two have the same.

    Sources whose names would be the same get as many of the folders above as tell them apart.

    >>> source_names([ChunkSpec(source="/media/a/cup.mp4"), ChunkSpec(source="/media/b/cup.mp4")])
    {'/media/a/cup.mp4': 'a/cup.mp4', '/media/b/cup.mp4': 'b/cup.mp4'}
    """
    names: dict[str, str] = {}
    for chunk in chunks:
        names.setdefault(chunk.source, chunk.name or _folders(chunk.source)[-1])
    for depth in range(2, 2 + max((len(_folders(source)) for source in names), default=0)):
        taken = list(names.values())
        alike = [source for source, name in names.items() if taken.count(name) > 1]
        for source in alike:
            names[source] = "/".join(_folders(source)[-depth:])
    return names


def _folders(source: str) -> list[str]:
    """The parts of the path, the file last; of an address the host first, without user, password and query."""
    if not is_remote(source):
        return [part for part in source.split("/") if part]
    scheme, _, rest = source.partition("://")
    whole = rest if scheme == "s3" else rest.partition("?")[0].partition("#")[0]  # in a key these are letters
    host, _, path = whole.partition("/")
    return [host.rpartition("@")[2], *(part for part in unquote(path).split("/") if part)]
