"""The commands `timeline create`, `timeline list`, `timeline show`."""

from __future__ import annotations

import typer

from mpr_assets.runs.local_instance import dagster_instance
from mpr_assets.runs.local_storage import storage
from mpr_assets.timelines.partitions import registered
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import terminal
from mpr_cli.arguments import Brands, Chunks, Name, Profile, Replace, Timeline, Videos
from mpr_cli.new_timeline import create_timeline, timeline_spec
from mpr_resources.yaml_files.syntax import dump

app = typer.Typer(no_args_is_help=True, help="Create, list and show timelines.")


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
