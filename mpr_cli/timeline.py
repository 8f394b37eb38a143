"""The commands `timeline create`, `list`, `show`, `delete` and `rename`."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Annotated

import polars as pl
import typer

from gpu_service.errors import PermanentError
from mpr_assets.definitions import STAGES
from mpr_assets.engine.overrides import Overrides
from mpr_assets.orchestration.launchpad import as_config
from mpr_assets.runs.delete_rename import delete_timeline, is_known, rename_timeline
from mpr_assets.runs.local_instance import dagster_instance
from mpr_assets.runs.local_run import observe_first
from mpr_assets.runs.local_storage import storage
from mpr_assets.timelines.partitions import registered
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import terminal
from mpr_cli.arguments import Brands, Chunks, Name, Profile, Recorded, Replace, Streams, Timeline, Videos, composed
from mpr_cli.document import Document
from mpr_cli.materialize import materialize
from mpr_cli.new_timeline import create_timeline, timeline_spec
from mpr_resources.brands.registry import Registry
from mpr_resources.environment import database_url
from mpr_resources.storage.store import MissingObject
from mpr_resources.storage.tables import read_table
from mpr_resources.yaml_files.syntax import dump

app = typer.Typer(no_args_is_help=True, help="Create, list, show, delete and rename timelines.")

Yes = Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")]


@dataclass(frozen=True)
class TimelineCreated(Document):
    timeline: str

    def show(self) -> None:
        terminal.out.print(self.timeline)


@app.command("create")
def timeline_create(
    video: Videos,
    profile: Profile = "generic",
    chunk: Chunks = None,
    stream: Streams = None,
    recorded_at: Recorded = None,
    brands: Brands = None,
    name: Name = None,
    replace: Replace = False,
) -> TimelineCreated:
    """Register a timeline; materialize it in the Dagster UI or with `mpr run`."""
    spec = timeline_spec(video, profile, chunk or [], brands, name, stream or [], recorded_at or [])
    with dagster_instance() as instance:
        create_timeline(instance, spec, replace=replace)
    return TimelineCreated(spec.name)


@dataclass(frozen=True)
class TimelineList(Document):
    timelines: list[str]

    def show(self) -> None:
        for name in self.timelines:
            terminal.out.print(name)


@app.command("list")
def timeline_list() -> TimelineList:
    """List the names of all timelines."""
    with dagster_instance() as instance:
        return TimelineList(registered(instance))


@dataclass(frozen=True)
class ShownChunk:
    source: str
    start_ms: int | None
    end_ms: int | None
    stream: int | None
    name: str | None
    recorded_at: str | None


@dataclass(frozen=True)
class ShownTimeline(Document):
    """`stream_choices`: of sources with several video streams the one used, and those left aside; a sentence each."""

    name: str
    profile: str
    chunks: list[ShownChunk]
    brands: str | None
    version: str | None
    refused: str | None
    stream_choices: list[str]

    def show(self) -> None:
        spec = asdict(self)
        choices = spec.pop("stream_choices")
        terminal.out.print(dump(spec))
        for choice in choices:
            terminal.out.print(f"# {choice}")


@app.command("show")
def timeline_show(timeline: Timeline) -> ShownTimeline:
    """Show a timeline's chunks, profile and brand file."""
    spec = load_spec(storage(), timeline).model_dump()
    chunks = [ShownChunk(**chunk) for chunk in spec["chunks"]]
    return ShownTimeline(**spec | {"chunks": chunks, "stream_choices": _stream_choices(timeline)})


def _stream_choices(timeline: str) -> list[str]:
    """Which of several video streams was used, a sentence for each source, once the timeline is materialized."""
    try:
        chunks = read_table(storage(), "timeline", timeline).rows
    except (MissingObject, PermanentError):
        return []
    if "stream_choice" not in chunks.columns:  # of an earlier version
        return []
    told = chunks.filter(pl.col("stream_choice") != "").unique(["source", "stream_choice"], maintain_order=True)
    return [f"{source}: {choice}" for source, choice in told.select("source", "stream_choice").iter_rows()]


@dataclass(frozen=True)
class TimelineDeleted(Document):
    """`objects`: how many were deleted from the storage."""

    timeline: str
    objects: int

    def show(self) -> None:
        terminal.out.print(f"{self.timeline} is deleted, {self.objects} objects.")


@app.command("delete")
def timeline_delete(timeline: Timeline, yes: Yes = False) -> TimelineDeleted:
    """Delete a timeline with its results, frames and reports; scenarios and the costs of its requests are kept."""
    store = storage()
    with dagster_instance() as instance:
        if not is_known(instance, store, timeline):
            load_spec(store, timeline)
        if not yes:
            typer.confirm(f"Delete the timeline {timeline} with everything that is stored of it?", abort=True)
        objects = delete_timeline(instance, store, Registry(database_url(os.environ)), timeline, STAGES)
    return TimelineDeleted(timeline, objects)


@dataclass(frozen=True)
class TimelineRenamed(Document):
    timeline: str
    new_name: str

    def show(self) -> None:
        terminal.out.print(f"{self.timeline} is now {self.new_name}.")


@app.command("rename")
def timeline_rename(
    timeline: Timeline,
    new_name: Annotated[str, typer.Argument(metavar="NEW_NAME", callback=composed, help="a name that is not taken")],
    yes: Yes = False,
) -> TimelineRenamed:
    """Give a timeline another name; results, frames, states and costs go with it, its report is compiled again."""
    store = storage()
    load_spec(store, timeline)
    if not yes:
        typer.confirm(f"Rename the timeline {timeline} to {new_name}? Its history stays under {timeline}.", abort=True)
    with dagster_instance() as instance:
        registry = Registry(database_url(os.environ))
        report = rename_timeline(instance, store, registry, timeline, new_name, STAGES)
        if report is None:
            observe_first(instance, new_name)
        else:
            config = {report.header.stage: as_config(Overrides.from_record(report.header.overrides))}
            materialize(instance, new_name, command="rename", stages=[report.header.stage], config=config)
    return TimelineRenamed(timeline, new_name)
