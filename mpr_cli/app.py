"""The command line `mpr`. It parses, calls, prints; what it calls is elsewhere.

Exit status: 0 done, 1 a stage failed, 2 the input cannot be used, 130 interrupted.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import cv2
import dagster as dg
import typer
from typer._click.exceptions import ClickException, NoArgsIsHelpError

from gpu_service.errors import BadInput, MprError
from mpr_assets.definitions import storage_resource
from mpr_assets.report.measures import measures
from mpr_assets.runs.local_instance import dagster_instance, profiles, storage
from mpr_assets.runs.local_run import StageFailed, observe_first
from mpr_assets.runs.run_lock import refuse_at_work
from mpr_assets.stages.timeline import resolve
from mpr_assets.timelines.partitions import load_spec, register, registered
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec, parse_chunk
from mpr_cli import (
    brands,
    cache,
    control,
    costs,
    history,
    replay,
    scenarios,
    terminal,
    watch,
)
from mpr_cli.exit_status import FAILED, INTERRUPTED, UNUSABLE
from mpr_cli.materialize import materialize
from mpr_resources.inference.resource import open_inference
from mpr_resources.media.probe import probe
from mpr_resources.media.sources import Sources, is_remote
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject
from mpr_resources.storage.tables import read_table
from mpr_resources.yaml_files.syntax import dump

LINK_S = 3600

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Video in, brand timeline out."
)
timeline_app = typer.Typer(no_args_is_help=True, help="Create, list and show timelines.")
profile_app = typer.Typer(no_args_is_help=True, help="List, show, validate and duplicate profiles.")
app.add_typer(timeline_app, name="timeline")
app.add_typer(profile_app, name="profile")
app.add_typer(brands.app, name="brands")
app.add_typer(cache.app, name="cache")
app.add_typer(control.app)
app.add_typer(costs.app)
app.add_typer(history.app)
app.add_typer(replay.app)
app.add_typer(scenarios.app, name="scenario")
app.add_typer(watch.app)

Videos = Annotated[
    list[str],
    typer.Argument(metavar="VIDEO...", help="one video, or several in order: a path, s3://bucket/key or https://..."),
]
Profile = Annotated[str, typer.Option(help="the profile with the stages' settings")]
Chunks = Annotated[
    list[str] | None,
    typer.Option("--chunk", help="a span START-END of the video, repeatable; N:START-END for the Nth video"),
]
Brands = Annotated[Path | None, typer.Option(help="brand file; the profile's own by default")]
Name = Annotated[str | None, typer.Option(help="name of the timeline; the video's by default")]
Replace = Annotated[bool, typer.Option(help="replace the timeline if its name is registered")]
Timeline = Annotated[str, typer.Argument(help="name of a timeline")]
ProfileName = Annotated[str, typer.Argument(help="name of a profile")]


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


@timeline_app.command("create")
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


@timeline_app.command("list")
def timeline_list() -> None:
    """List the names of all timelines."""
    with dagster_instance() as instance:
        for name in registered(instance):
            terminal.out.print(name)


@timeline_app.command("show")
def timeline_show(timeline: Timeline) -> None:
    """Show a timeline's chunks, profile and brand file."""
    spec = load_spec(storage(), timeline)
    terminal.out.print(dump(spec.model_dump(mode="json")))


@profile_app.command("list")
def profile_list() -> None:
    """List all profiles with their descriptions."""
    folder = profiles()
    for name in folder.names():
        terminal.out.print(f"{name:20} {folder.load(name).description}")


@profile_app.command("show")
def profile_show(profile: ProfileName) -> None:
    """Show every setting of a profile, defaults included."""
    settings = profiles().load(profile).model_dump(mode="json")
    terminal.out.print(dump(settings))


@profile_app.command("validate")
def profile_validate(profile: ProfileName) -> None:
    """Validate a profile, its brand file and its logos."""
    folder = profiles()
    folder.references(folder.load(profile))
    terminal.out.print(f"{profile} is valid.")


@profile_app.command("duplicate")
def profile_duplicate(profile: ProfileName, new_name: ProfileName) -> None:
    """Copy a profile under a new name, to edit the copy."""
    terminal.out.print(str(profiles().duplicate(profile, new_name)))


@app.command()
def report(timeline: Timeline) -> None:
    """Print a timeline's brands and the location of its report."""
    load_spec(storage(), timeline)
    show_report(timeline)


def timeline_spec(
    videos: Sequence[str | Path], profile: str, chunks: list[str], brands: Path | None, name: str | None
) -> TimelineSpec:
    """The spec that the arguments of `run` and `timeline create` describe, with everything that they name checked.

    Raises:
        BadInput: something in them cannot be used.
    """
    folder = profiles()
    folder.references(folder.load(profile), brands)
    spans: list[list[tuple[int | None, int | None]]] = [[] for _ in videos]
    for text in chunks:
        number, colon, span = text.partition(":") if len(videos) > 1 else ("1", ":", text)
        if not colon or not re.fullmatch("[0-9]{1,9}", number) or not 1 <= int(number) <= len(videos):
            raise BadInput(
                f"The chunk {text!r} does not say which of the {len(videos)} videos it belongs to", "write N:START-END"
            )
        spans[int(number) - 1].append(parse_chunk(span))
    addresses = [str(video) for video in videos]
    for address in addresses:
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", address) and not is_remote(address):
            raise BadInput(f"MPR cannot read addresses like {address}; give a path, s3://... or https://...")
    specs = [
        ChunkSpec(source=video if is_remote(video) else _readable(Path(video)), start_ms=start_ms, end_ms=end_ms)
        for video, of_video in zip(addresses, spans, strict=True)
        for start_ms, end_ms in of_video or [(None, None)]
    ]
    if name is None:
        file = addresses[0].partition("?")[0] if is_remote(addresses[0]) else addresses[0]
        name = re.sub(r"[^0-9A-Za-z_-]+", "_", Path(file).stem)[:80].strip("_-") or "timeline"
    brand_file = _readable(brands) if brands else None
    spec = TimelineSpec(name=name, profile=profile, chunks=tuple(specs), brands=brand_file)
    sources = Sources(storage_resource(os.environ).s3_endpoint_url)
    resolve(spec, lambda source: probe(sources.at(source)))
    return spec


def _readable(path: Path) -> str:
    """The absolute path, as text that can be stored."""
    try:
        return str(path.absolute()).encode().decode()
    except UnicodeEncodeError as error:
        raise BadInput(f"The path {str(path)!r} is not UTF-8", "rename the file") from error


def create_timeline(instance: dg.DagsterInstance, spec: TimelineSpec, *, replace: bool) -> None:
    """Register the timeline in Dagster and in the storage."""
    register(instance, storage(), spec, replace=replace)
    observe_first(instance, spec.name)


def show_report(timeline: str) -> None:
    """Print the brand table and the report's location."""
    store = storage()
    try:
        exposures = read_table(store, "compile_report", timeline)
        chunks = read_table(store, "timeline", timeline)
    except MissingObject as error:
        raise BadInput(f"The timeline {timeline!r} has no report yet", "run it first") from error
    terminal.print_brands(measures(exposures.rows, chunks.rows))
    for line in replay.overridden(store, timeline):
        terminal.out.print(line)
    page = Keys.report(timeline, "report.html")
    terminal.out.print(f"\nReport: {store.where(page)}")
    link = store.link(page, LINK_S)
    if link is not None:
        terminal.out.print(f"In a browser, for an hour: {link}", soft_wrap=True)


def main() -> None:
    """Run the command line; every failure is one sentence and an exit status."""
    # OpenCV prints its own lines about a damaged picture; MPR's message names the picture.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        status = app(standalone_mode=False)
        if status == INTERRUPTED:  # what typer makes of a KeyboardInterrupt
            raise KeyboardInterrupt
        sys.exit(status)
    except NoArgsIsHelpError as error:
        error.show()
        sys.exit(UNUSABLE)
    except ClickException as error:
        _say(f"{error.format_message()} (see mpr --help)", UNUSABLE)
    except typer.Abort:  # the question was declined, or no terminal is attached
        _say("cancelled, nothing was changed; --yes skips the question.", FAILED)
    except StageFailed as error:
        _say(str(error), FAILED)
    except MprError as error:
        _say(str(error), UNUSABLE)
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        _say("interrupted; finished stages are kept, run the same command again to continue.", INTERRUPTED)


def _say(sentence: str, status: int) -> None:
    terminal.err.print(f"mpr: {sentence}")
    sys.exit(status)
