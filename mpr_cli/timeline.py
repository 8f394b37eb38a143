"""The commands `timeline create`, `list`, `show`, `delete` and `rename`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

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
from mpr_cli.arguments import Brands, Chunks, Name, Profile, Replace, Timeline, Videos, composed
from mpr_cli.materialize import materialize
from mpr_cli.new_timeline import create_timeline, timeline_spec
from mpr_resources.brands.registry import Registry
from mpr_resources.environment import database_url
from mpr_resources.yaml_files.syntax import dump

app = typer.Typer(no_args_is_help=True, help="Create, list, show, delete and rename timelines.")

Yes = Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")]


@app.command("create")
def timeline_create(
    video: Videos,
    profile: Profile = "generic",
    chunk: Chunks = None,
    brands: Brands = None,
    name: Name = None,
    replace: Replace = False,
) -> None:
    """Register a timeline; materialize it in the Dagster UI or with `mpr run`."""
    spec = timeline_spec(video, profile, chunk or [], brands, name)
    with dagster_instance() as instance:
        create_timeline(instance, spec, replace=replace)
    terminal.out.print(spec.name)


@app.command("list")
def timeline_list() -> None:
    """List the names of all timelines."""
    with dagster_instance() as instance:
        for name in registered(instance):
            terminal.out.print(name)


@app.command("show")
def timeline_show(timeline: Timeline) -> None:
    """Show a timeline's chunks, profile and brand file."""
    spec = load_spec(storage(), timeline)
    terminal.out.print(dump(spec.model_dump(mode="json")))


@app.command("delete")
def timeline_delete(timeline: Timeline, yes: Yes = False) -> None:
    """Delete a timeline with its results, frames and reports; scenarios and the costs of its requests are kept."""
    store = storage()
    with dagster_instance() as instance:
        if not is_known(instance, store, timeline):
            load_spec(store, timeline)
        if not yes:
            typer.confirm(f"Delete the timeline {timeline} with everything that is stored of it?", abort=True)
        objects = delete_timeline(instance, store, Registry(database_url(os.environ)), timeline, STAGES)
    terminal.out.print(f"{timeline} is deleted, {objects} objects.")


@app.command("rename")
def timeline_rename(
    timeline: Timeline,
    new_name: Annotated[str, typer.Argument(metavar="NEW_NAME", callback=composed, help="a name that is not taken")],
    yes: Yes = False,
) -> None:
    """Give a timeline another name; results, frames, states and costs go with it, its report is compiled again."""
    store = storage()
    load_spec(store, timeline)
    if not yes:
        typer.confirm(f"Rename the timeline {timeline} to {new_name}? Its history stays under {timeline}.", abort=True)
    with dagster_instance() as instance:
        registry = Registry(database_url(os.environ))
        report = rename_timeline(instance, store, registry, timeline, new_name, STAGES)
        terminal.out.print(f"{timeline} is now {new_name}.")
        if report is None:
            observe_first(instance, new_name)
        else:
            config = {report.header.stage: as_config(Overrides.from_record(report.header.overrides))}
            materialize(instance, new_name, command="rename", stages=[report.header.stage], config=config)
