"""What a report calls the videos: as their user named them, never by where they lie on a machine.

Where the videos are read from stays in the timeline's spec and table.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

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
    """The parts of the path, the file last; of an address without host, user, password and query."""
    path = unquote(urlsplit(source).path) if is_remote(source) else source
    return [part for part in path.split("/") if part] or [source.partition("?")[0]]
