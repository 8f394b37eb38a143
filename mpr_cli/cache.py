"""The commands `cache list` and `cache clear`; `mpr_resources.storage.cache_folders` selects what is cleared."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.table import Table

from gpu_service.errors import BadInput
from mpr_assets.runs.local_instance import dagster_instance
from mpr_assets.runs.local_storage import storage
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import terminal
from mpr_cli.arguments import OneOrAll
from mpr_cli.document import Document
from mpr_resources.run_queue import unfinished_timelines
from mpr_resources.storage.cache_folders import (
    CacheFolder,
    as_size,
    cache_folders,
    clear_folders,
    parse_age,
    parse_size,
    to_clear,
)

app = typer.Typer(no_args_is_help=True, help="List and clear what can be recomputed: frames, crops, overlays.")


@dataclass(frozen=True)
class ListedFolder:
    """`modified_ms`: when the last object was written, in milliseconds since 1970."""

    timeline: str
    kind: str
    objects: int
    size_bytes: int
    modified_ms: int


def _listed(folders: Sequence[CacheFolder]) -> list[ListedFolder]:
    return [
        ListedFolder(one.timeline, one.kind, one.objects, one.size_bytes, round(one.modified_s * 1000))
        for one in folders
    ]


def _size(folders: Sequence[ListedFolder]) -> str:
    return as_size(sum(folder.size_bytes for folder in folders))


@dataclass(frozen=True)
class CacheList(Document):
    folders: list[ListedFolder]

    def show(self) -> None:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for name in ("timeline", "kind"):
            table.add_column(name, overflow="fold")
        for name in ("objects", "size", "days old"):
            table.add_column(name, justify="right")
        now_s = time.time()
        for one in self.folders:
            days = f"{(now_s - one.modified_ms / 1000) / 86_400:.1f}"
            table.add_row(one.timeline, one.kind, str(one.objects), as_size(one.size_bytes), days)
        if self.folders:
            terminal.out.print(table)
        terminal.out.print(f"{len(self.folders)} folders, {_size(self.folders)}")


@app.command("list")
def cache_list(timeline: OneOrAll = None) -> CacheList:
    """List the cache's folders, oldest first."""
    return CacheList(_listed(cache_folders(storage(), _known(timeline))))


@dataclass(frozen=True)
class CacheCleared(Document):
    """`folders`: those deleted. `in_use`: timelines that have an unfinished run; their cache is kept."""

    folders: list[ListedFolder]
    in_use: list[str]

    def show(self) -> None:
        terminal.out.print(f"{len(self.folders)} folders deleted, {_size(self.folders)}.")
        for name in self.in_use:
            terminal.out.print(f"{name} has an unfinished run; its cache is kept.")


@app.command("clear")
def cache_clear(
    timeline: OneOrAll = None,
    older_than: Annotated[str | None, typer.Option(metavar="30d", help="folders written longer ago than this")] = None,
    larger_than: Annotated[
        str | None, typer.Option(metavar="10GB", help="the oldest folders, until the rest fits this size")
    ] = None,
) -> CacheCleared:
    """Delete what can be recomputed; scenarios, tables, reports and what a run is using are kept."""
    if timeline is None and older_than is None and larger_than is None:
        raise BadInput("It is not said what to clear", "give a TIMELINE, --older-than 30d or --larger-than 10GB")
    older_than_s = None if older_than is None else parse_age(older_than)
    larger_than_bytes = None if larger_than is None else parse_size(larger_than)
    if older_than is None and larger_than is None:
        larger_than_bytes = -1  # everything of the timeline
    store = storage()
    folders = cache_folders(store, _known(timeline))
    with dagster_instance() as instance:
        busy = unfinished_timelines(instance)
        doomed = to_clear(
            folders, time.time(), older_than_s=older_than_s, larger_than_bytes=larger_than_bytes, busy=busy
        )
        doomed = clear_folders(store, doomed, lambda: unfinished_timelines(instance))
    return CacheCleared(_listed(doomed), sorted(busy & {folder.timeline for folder in folders}))


def _known(timeline: str | None) -> str | None:
    """The name, when there is such a timeline."""
    if timeline is not None:
        load_spec(storage(), timeline)
    return timeline
