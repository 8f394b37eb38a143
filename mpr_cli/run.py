"""The command `run`: everything from a video to its brands."""

from __future__ import annotations

import os

import typer

from mpr_assets.runs.local_instance import dagster_instance
from mpr_assets.runs.run_lock import refuse_at_work
from mpr_cli.materialize import materialize
from mpr_cli.new_timeline import Brands, Chunks, Name, Profile, Replace, Videos, create_timeline, timeline_spec
from mpr_cli.report import show_report
from mpr_resources.inference.resource import open_inference

app = typer.Typer()


@app.command()
def run(
    video: Videos,
    profile: Profile = "generic",
    chunk: Chunks = None,
    brands: Brands = None,
    name: Name = None,
    replace: Replace = False,
) -> None:
    """Register a timeline, materialize all stages and print the brands."""
    open_inference(os.environ.get("INFERENCE_URL", ""), os.environ.get("INFERENCE_TOKEN", ""))
    spec = timeline_spec(video, profile, chunk or [], brands, name)
    with dagster_instance() as instance:
        refuse_at_work(instance, spec.name)
        create_timeline(instance, spec, replace=replace)
        materialize(instance, spec.name, command="run")
    show_report(spec.name)
