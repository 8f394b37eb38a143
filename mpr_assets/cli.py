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

import dagster as dg
import typer
import yaml
from dagster._utils.error import SerializableErrorInfo
from sqlalchemy.exc import SQLAlchemyError
from typer._click.exceptions import ClickException, NoArgsIsHelpError
from yaml import YAMLError

from gpu_service.errors import BadInput, MprError
from mpr_assets import terminal
from mpr_assets.definitions import JOB, ROOT, definitions, profiles_folder, storage_resource
from mpr_assets.partitions import load_spec, register, registered
from mpr_assets.report.measures import measures
from mpr_assets.stages.timeline import resolve
from mpr_assets.timelines import ChunkSpec, TimelineSpec, parse_chunk
from mpr_resources.inference import open_inference
from mpr_resources.media import probe
from mpr_resources.storage import Keys, MissingObject, Storage
from mpr_resources.tables import StageTable, from_parquet

FAILED = 1
UNUSABLE = 2
INTERRUPTED = 130

LONGEST_REASON = 300
"""Characters of what another program said that are passed on."""

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Video in, brand timeline out."
)
timeline_app = typer.Typer(no_args_is_help=True, help="Register timelines, and see them.")
profile_app = typer.Typer(no_args_is_help=True, help="Look at profiles, check them, copy one to change it.")
app.add_typer(timeline_app, name="timeline")
app.add_typer(profile_app, name="profile")

Videos = Annotated[list[Path], typer.Argument(metavar="VIDEO...", help="one video, or several one after another")]
Profile = Annotated[str, typer.Option(help="the profile that the stages take their settings from")]
Chunks = Annotated[
    list[str] | None,
    typer.Option("--chunk", help="a span START-END of the video, again for more; N:START-END of the Nth of several"),
]
Brands = Annotated[Path | None, typer.Option(help="brand file; the profile's own by default")]
Name = Annotated[str | None, typer.Option(help="name of the timeline; the video's by default")]
Replace = Annotated[bool, typer.Option(help="change a timeline that is registered already")]
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
    """Register a timeline, materialize every stage, print the brands."""
    open_inference(os.environ.get("INFERENCE_URL", ""), os.environ.get("INFERENCE_TOKEN", ""))
    spec = timeline_spec(video, profile, chunk or [], brands, name)
    with dagster_instance() as instance:
        create_timeline(instance, spec, replace=replace)
        run_timeline(instance, spec.name)
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
    terminal.out.print(spec.name, markup=False)


@timeline_app.command("list")
def timeline_list() -> None:
    """Names of all timelines."""
    with dagster_instance() as instance:
        for name in registered(instance):
            terminal.out.print(name, markup=False)


@timeline_app.command("show")
def timeline_show(timeline: Timeline) -> None:
    """A timeline's chunks, profile and brand file."""
    spec = load_spec(storage(), timeline)
    terminal.out.print(yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True), markup=False)


@profile_app.command("list")
def profile_list() -> None:
    """Names of all profiles, with what each is for."""
    profiles = profiles_folder(os.environ)
    for name in profiles.names():
        terminal.out.print(f"{name:20} {profiles.load(name).description}", markup=False)


@profile_app.command("show")
def profile_show(profile: ProfileName) -> None:
    """Every setting of a profile, defaults included."""
    settings = profiles_folder(os.environ).load(profile).model_dump(mode="json")
    terminal.out.print(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), markup=False)


@profile_app.command("validate")
def profile_validate(profile: ProfileName) -> None:
    """Check a profile, the brand file that it names and its logos."""
    profiles = profiles_folder(os.environ)
    profiles.references(profiles.load(profile))
    terminal.out.print(f"{profile} is valid.", markup=False)


@profile_app.command("duplicate")
def profile_duplicate(profile: ProfileName, new_name: ProfileName) -> None:
    """Copy a profile, to change the copy."""
    terminal.out.print(str(profiles_folder(os.environ).duplicate(profile, new_name)), markup=False)


@app.command()
def report(timeline: Timeline) -> None:
    """Print the brands of a timeline and where its report lies."""
    load_spec(storage(), timeline)
    show_report(timeline)


def timeline_spec(
    videos: list[Path], profile: str, chunks: list[str], brands: Path | None, name: str | None
) -> TimelineSpec:
    """What the arguments of `run` and `timeline create` ask for.

    Raises:
        BadInput: something in them cannot be used.
    """
    profiles = profiles_folder(os.environ)
    profiles.references(profiles.load(profile), brands)
    spans: list[list[tuple[int | None, int | None]]] = [[] for _ in videos]
    for text in chunks:
        number, colon, span = text.partition(":") if len(videos) > 1 else ("1", ":", text)
        if not colon or not re.fullmatch("[0-9]{1,9}", number) or not 1 <= int(number) <= len(videos):
            raise BadInput(
                f"The chunk {text!r} does not say which of the {len(videos)} videos it is of; write N:START-END."
            )
        spans[int(number) - 1].append(parse_chunk(span))
    specs = [
        ChunkSpec(source=_readable(video), start_ms=start_ms, end_ms=end_ms)
        for video, of_video in zip(videos, spans, strict=True)
        for start_ms, end_ms in of_video or [(None, None)]
    ]
    if name is None:
        name = re.sub(r"[^0-9A-Za-z_-]+", "_", videos[0].stem)[:80].strip("_-") or "timeline"
    return TimelineSpec(name=name, profile=profile, chunks=tuple(specs), brands=_readable(brands) if brands else None)


def _readable(path: Path) -> str:
    """The absolute path, as text that can be stored."""
    try:
        return str(path.absolute()).encode().decode()
    except UnicodeEncodeError as error:
        raise BadInput(f"The path {str(path)!r} is not UTF-8; rename the file.") from error


def create_timeline(instance: dg.DagsterInstance, spec: TimelineSpec, *, replace: bool) -> None:
    """Register the timeline once its sources were seen to be readable."""
    resolve(spec, probe)
    register(instance, storage(), spec, replace=replace)


def run_timeline(instance: dg.DagsterInstance, timeline: str) -> None:
    """Materialize every stage in this process.

    Raises:
        StageFailed: a stage failed.
    """
    graph = definitions(os.environ, progress=terminal.progress())
    result = graph.resolve_job_def(JOB).execute_in_process(
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        instance=instance,
        partition_key=timeline,
        raise_on_error=False,
    )
    if not result.success:
        raise StageFailed(_sentence(result.all_events), result.run_id)


class StageFailed(MprError):
    """A stage of the run failed; what the stages before it made is stored."""

    def __init__(self, sentence: str, run_id: str) -> None:
        super().__init__(
            f"{sentence}\nWhat was finished before is kept; run the same command again to go on. Run {run_id}."
        )


def _sentence(events: Sequence[dg.DagsterEvent]) -> str:
    """What the first stage that failed said, or the run when none was reached."""
    for event in events:
        if event.is_step_failure:
            failure = event.step_failure_data
            if failure.user_failure_data is not None and failure.user_failure_data.description:
                return f"{event.step_key} failed: {failure.user_failure_data.description}"
            return f"{event.step_key} failed unexpectedly: {_said(failure.error)}"
    said = [_said(event.job_failure_data.error) for event in events if event.is_job_failure]
    return f"The run failed before its first stage: {''.join(said[:1])}"


def _said(error: SerializableErrorInfo | None) -> str:
    """The first line of what an unforeseen error goes back to."""
    while error is not None and error.cause is not None:
        error = error.cause
    lines = error.message.strip().splitlines() if error else []
    return f"{lines[0] if lines else 'no reason told'}. The whole story is in the run's log in the Dagster UI."


def show_report(timeline: str) -> None:
    """Print the brand table and the page's address."""
    store = storage()
    try:
        exposures = _table(store, "compile_report", timeline)
        chunks = _table(store, "timeline", timeline)
    except MissingObject as error:
        raise BadInput(f"The timeline {timeline!r} has no report yet; run it first.") from error
    terminal.print_brands(measures(exposures.rows, chunks.rows))
    terminal.out.print(f"\nReport: {store.where(Keys.report(timeline, 'report.html'))}", markup=False)


def _table(store: Storage, stage: str, timeline: str) -> StageTable:
    key = Keys.table(stage, timeline)
    return from_parquet(store.get(key), store.where(key))


def storage() -> Storage:
    return storage_resource(os.environ).storage


def dagster_instance() -> dg.DagsterInstance:
    """The instance at `DAGSTER_HOME`; by default a folder in the clone, made and set up when it is not there.

    Raises:
        BadInput: it cannot be made or opened.
    """
    home = Path(os.environ.get("DAGSTER_HOME") or ROOT / ".mpr" / "dagster").absolute()
    os.environ["DAGSTER_HOME"] = str(home)
    settings = home / "dagster.yaml"
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not settings.exists():
            settings.unlink(missing_ok=True)
            settings.symlink_to(ROOT / "dagster.yaml")
        return dg.DagsterInstance.get()
    except (OSError, SQLAlchemyError, YAMLError, dg.DagsterError) as error:
        reason = " ".join(str(error).split())[:LONGEST_REASON]
        raise BadInput(
            f"Dagster's folder {home} cannot be used ({reason}); set DAGSTER_HOME to a folder that can be written, "
            "with a dagster.yaml that Dagster accepts or none."
        ) from error


def main() -> None:
    """Run the command line; one sentence and an exit status for whatever goes wrong."""
    try:
        sys.exit(app(standalone_mode=False))
    except NoArgsIsHelpError as error:
        error.show()
        sys.exit(UNUSABLE)
    except ClickException as error:
        _say(f"{error.format_message()} See mpr --help.", UNUSABLE)
    except StageFailed as error:
        _say(str(error), FAILED)
    except MprError as error:
        _say(str(error), UNUSABLE)
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        _say("interrupted; what was finished is kept, run the same command again to go on.", INTERRUPTED)


def _say(sentence: str, status: int) -> None:
    terminal.err.print(f"mpr: {sentence}", markup=False)
    sys.exit(status)
