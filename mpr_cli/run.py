"""The command `run`: everything from a video to its brands."""

from __future__ import annotations

import logging
import os

import typer

from gpu_service.client.away import away_sentence, hosts_away
from mpr_cli.arguments import Brands, Chunks, Name, Profile, Recorded, Replace, Streams, Videos
from mpr_cli.report import ShownReport, report_of

app = typer.Typer()

LOG = logging.getLogger("mpr")


@app.command()
def run(
    video: Videos,
    profile: Profile = "generic",
    chunk: Chunks = None,
    stream: Streams = None,
    recorded_at: Recorded = None,
    brands: Brands = None,
    name: Name = None,
    replace: Replace = False,
) -> ShownReport:
    """Register a timeline, materialize all stages and print the brands."""
    for url, error in hosts_away(os.environ.get("INFERENCE_URL", "")):
        LOG.warning(away_sentence(url, error))
    # From here on, as Dagster takes seconds to import: a host that is away is named before.
    from mpr_assets.definitions import STAGES
    from mpr_assets.runs.local_instance import PATIENCE_S, dagster_instance, profiles, resources
    from mpr_assets.runs.local_storage import storage
    from mpr_assets.runs.run_lock import refuse_at_work, run_lock
    from mpr_assets.runs.up_to_date import up_to_date
    from mpr_assets.timelines.partitions import register
    from mpr_cli.materialize import materialize, say_what_has_no_effect, show_stored
    from mpr_cli.new_timeline import timeline_spec
    from mpr_resources.inference.resource import open_inference

    open_inference(os.environ.get("INFERENCE_URL", ""), os.environ.get("INFERENCE_TOKEN", ""))
    spec = timeline_spec(
        video, profile, chunk or [], brands, name, stream or [], recorded_at or [], for_this_process=True
    )
    settings = profiles().load(spec.profile)
    for stage in STAGES:
        say_what_has_no_effect(stage, settings)
    with dagster_instance() as instance:
        refuse_at_work(instance, spec.name)
        register(instance, storage(), spec, replace=replace)
        with run_lock(instance, spec.name):
            stored = up_to_date(instance, STAGES, spec.name, resources(patience_s=PATIENCE_S), LOG)
        if stored is None:
            materialize(instance, spec.name, command="run")
        else:
            show_stored(spec.name, stored)
    return report_of(spec.name)
