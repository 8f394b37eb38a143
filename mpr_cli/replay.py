"""The commands of the replay loop: `status`, `replay`, `try`, `overlay`. Staleness is decided in
`mpr_assets.freshness.judge`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.table import Table

from gpu_service.errors import BadInput
from gpu_service.pictures import encode_png
from gpu_service.routines import DebugPictures
from mpr_assets.definitions import BY_NAME, STAGES
from mpr_assets.engine.open_run import stage_run
from mpr_assets.engine.overrides import NO_OVERRIDES, FrameChoice, Overrides, parse_overrides
from mpr_assets.engine.stage import Stage
from mpr_assets.freshness.config_versions import node
from mpr_assets.freshness.event_log import read_made
from mpr_assets.freshness.judge import StageState, of_timeline
from mpr_assets.freshness.status import StageStatus, TimelineStatus, status_of, status_of_many
from mpr_assets.orchestration.launchpad import as_config
from mpr_assets.overlays.overlay_store import overlays, seen_in
from mpr_assets.runs.local_instance import LOG, PATIENCE_S, dagster_instance, profiles, resources
from mpr_assets.runs.local_storage import storage
from mpr_assets.runs.run_control import backfills_at_work, selection
from mpr_assets.runs.run_lock import refuse_at_work
from mpr_assets.runs.try_stage import Trial, try_stage
from mpr_assets.timelines.partitions import registered
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import terminal
from mpr_cli.arguments import OneOrAll, Timeline, stage_name
from mpr_cli.document import Document
from mpr_cli.materialize import materialize, say_what_has_no_effect
from mpr_cli.report import assignments
from mpr_resources.storage.keys import Keys

app = typer.Typer()

STYLES = {
    StageState.FRESH: "green",
    StageState.STALE: "yellow",
    StageState.MISSING: "red",
    StageState.OVERRIDDEN: "cyan",
}

StageName = Annotated[str, typer.Argument(metavar="STAGE", help="name of a stage")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="a setting for this run only, repeatable")
]
Frames = Annotated[str | None, typer.Option(metavar="10,12,40-60", help="only these frames, by seq")]
Folder = Annotated[
    Path | None,
    typer.Option("--to", metavar="FOLDER", help="the folder to write the pictures to; by default the storage"),
]


@dataclass(frozen=True)
class ShownBackfill:
    """`timelines`, `done`, `failed`: how many, the last of ended and cancelled runs."""

    backfill_id: str
    title: str
    timelines: int
    done: int
    failed: int


@dataclass(frozen=True)
class StatusOfAll(Document):
    """`timelines`: the one that was asked for, or all. `backfills`: of all."""

    timelines: list[TimelineStatus]
    backfills: list[ShownBackfill]

    def show(self) -> None:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for heading in ("timeline", "profile", "stale", "missing", "overridden"):
            table.add_column(
                heading, overflow="fold", justify="left" if heading in ("timeline", "profile") else "right"
            )
        for one in self.timelines:
            if one.profile is None:
                table.add_row(one.timeline, terminal.styled("cannot be used", "red"))
                continue
            states = Counter(stage.state for stage in one.stages)
            overridden = sum(bool(stage.overrides) for stage in one.stages)
            counts = (states[StageState.STALE], states[StageState.MISSING], overridden)
            table.add_row(one.timeline, one.profile, *(str(count or "") for count in counts))
        if self.timelines:
            terminal.out.print(table)
        else:
            terminal.out.print("No timeline is registered.")
        for backfill in self.backfills:
            terminal.out.print(
                f"Backfill {backfill.backfill_id} ({backfill.title or 'untitled'}), {backfill.done} of "
                f"{backfill.timelines} timelines done, {backfill.failed} failed or cancelled; to end it: "
                f"mpr stop --backfill {backfill.backfill_id}",
            )


class StatusOfOne(StatusOfAll):
    """The same of one timeline, shown stage by stage."""

    def show(self) -> None:
        for one in self.timelines:
            _show_status(one)


@app.command()
def status(timeline: OneOrAll = None) -> StatusOfAll:
    """Show which stages of a timeline (or of all timelines) are fresh, stale, missing or overridden, and why."""
    return _status_of_all() if timeline is None else StatusOfOne([_status_of(timeline)], [])


@dataclass(frozen=True)
class Replayed(Document):
    """`stages`: those that were materialized. `saved_as`: the profile in the file `path` that has the settings now, or
    null. `status`: of the timeline afterwards.
    """

    run_id: str
    stages: list[str]
    saved_as: str | None
    path: str | None
    status: TimelineStatus

    def show(self) -> None:
        if self.saved_as is not None:
            terminal.out.print(f"Saved as the profile {self.saved_as}: {self.path}\n")
        _show_status(self.status)


@app.command()
def replay(
    timeline: Timeline,
    stage: StageName,
    changes: Changes = None,
    frames: Frames = None,
    only: Annotated[bool, typer.Option("--only", help="this stage only, without those that depend on it")] = False,
    through: Annotated[str | None, typer.Option(metavar="STAGE", help="stop after this stage")] = None,
    save_as: Annotated[
        str | None, typer.Option(metavar="PROFILE", help="save the settings in a copy of the profile")
    ] = None,
) -> Replayed:
    """Rematerialize a stage and those that depend on it, optionally with other settings for this run."""
    one = BY_NAME[stage_name(stage)]
    spec = load_spec(storage(), timeline)
    stages = selection(STAGES, one.name, only=only, through=stage_name(through) if through else None)
    overrides = overrides_of(one, timeline, changes, frames)
    say_what_has_no_effect(one, profiles().load(spec.profile), _asked(one, changes, frames))
    if save_as is not None:
        profiles().free_path(save_as)
        if not overrides.settings:
            raise BadInput(f"There is nothing to save as {save_as!r}: every setting is as in {spec.profile}.")
    with dagster_instance() as instance:
        refuse_at_work(instance, timeline)
        run = materialize(instance, timeline, command="replay", stages=stages, config={one.name: as_config(overrides)})
    path = None
    if save_as is not None:
        path = str(profiles().duplicate_with(spec.profile, save_as, {one.name: overrides.settings}))
    return Replayed(run.run_id, stages, save_as, path, _status_of(timeline))


@dataclass(frozen=True)
class Tried(Document):
    """`rows`: of the stage's table, on the frames `seqs`. `pictures`: the folder or address that has them; null: there
    are none.
    """

    timeline: str
    stage: str
    overrides: dict[str, object]
    seqs: list[int]
    rows: list[dict[str, object]]
    pictures: str | None

    def show(self) -> None:
        """The rows were printed as a table of their columns' types."""
        counts = Counter(row["seq"] for row in self.rows)
        terminal.out.print(f"Rows by frame: {', '.join(f'{seq}: {counts[seq]}' for seq in self.seqs)}")
        if self.pictures is not None:
            terminal.out.print(f"\nPictures: {self.pictures}")


@app.command("try")
def try_command(
    timeline: Timeline,
    stage: StageName,
    changes: Changes = None,
    frames: Frames = None,
    to: Folder = None,
) -> Tried:
    """Try a stage on some frames without a run, storing no result; prints rows and writes pictures."""
    one = BY_NAME[stage_name(stage)]
    overrides = _asked(one, changes, frames)
    say_what_has_no_effect(one, profiles().load(load_spec(storage(), timeline).profile), overrides)
    tried = try_stage(one, timeline, BY_NAME, resources(), overrides=overrides, debug=True, log=LOG)
    _print_rows(tried)
    store, prefix = storage(), Keys.trial(timeline, tried.key, one.name)
    for seq, pictures in tried.overlays.items():
        if to is not None:
            _write(to, seq, pictures)
            continue
        for name, picture in pictures.items():
            store.put(f"{prefix}/{_file(seq, name)}", encode_png(picture))
    return Tried(
        timeline=timeline,
        stage=one.name,
        overrides=dict(tried.overrides.record()),
        seqs=list(tried.seqs),
        rows=tried.rows.fill_nan(None).to_dicts(),
        pictures=str(to or store.where(prefix)) if tried.overlays else None,
    )


@dataclass(frozen=True)
class OverlaysDrawn(Document):
    """`seq`: of the frame that is shown: the one that stands for it, where the one asked for is a near-duplicate.
    `pictures`: where each lies.
    """

    timeline: str
    stage: str
    seq: int
    pictures: list[str]

    def show(self) -> None:
        for path in self.pictures:
            terminal.out.print(path)


@app.command()
def overlay(
    timeline: Timeline,
    stage: StageName,
    seq: Annotated[int, typer.Argument(metavar="SEQ", help="number of a frame")],
    to: Folder = None,
) -> OverlaysDrawn:
    """Draw pictures that show what a stage found in a frame and how; prints their paths."""
    one = BY_NAME[stage_name(stage)]
    run = stage_run(one, timeline, NO_OVERRIDES, resources(), LOG)
    shown = seen_in(one, run, seq)
    if shown != seq:
        terminal.err.print(f"Frame {seq} is a near-duplicate; frame {shown} stands for it.")
    with dagster_instance() as instance:
        made = of_timeline(read_made(instance, [node(one)], [timeline]), timeline)
    run_id = made[one.name].run_id if one.name in made else ""
    run_id = run_id or run.stored(one.name).header.fingerprint[:16]  # what was made under another name has no run
    pictures = overlays(one, run, run_id, shown)
    stored = [run.storage.where(Keys.overlay(timeline, run_id, one.name, shown, name)) for name in pictures]
    return OverlaysDrawn(timeline, one.name, shown, stored if to is None else _write(to, shown, pictures))


def overrides_of(stage: Stage, timeline: str, changes: Sequence[str] | None, frames: str | None) -> Overrides:
    """The overrides on the command line that differ from the timeline's profile.

    Raises:
        BadInput: a setting is unknown or out of its range, or the frames cannot be.
    """
    return stage_run(stage, timeline, _asked(stage, changes, frames), resources(), LOG).overrides


def _asked(stage: Stage, changes: Sequence[str] | None, frames: str | None) -> Overrides:
    choice = None if frames is None else FrameChoice.parse(frames)
    return parse_overrides(stage.name, changes or []) | Overrides(frames=choice)


def _status_of(timeline: str) -> TimelineStatus:
    with dagster_instance() as instance:
        return status_of(instance, STAGES, timeline, resources(patience_s=PATIENCE_S), LOG)


def _status_of_all() -> StatusOfAll:
    with dagster_instance() as instance:
        timelines = status_of_many(instance, STAGES, registered(instance), resources(patience_s=PATIENCE_S), LOG)
        backfills = backfills_at_work(instance)
    shown = [ShownBackfill(one.backfill_id, one.title, len(one.timelines), one.done, one.failed) for one in backfills]
    return StatusOfAll(timelines, shown)


def _show_status(status: TimelineStatus) -> None:
    """Every stage with its state and why."""
    table = Table(box=None, header_style="bold", pad_edge=False, title_justify="left")
    for heading in ("stage", "state", "why"):
        table.add_column(heading, overflow="fold")
    for one in status.stages:
        table.add_row(one.stage, terminal.styled(one.state, STYLES[StageState(one.state)]), _why(one))
    terminal.out.print(f"{status.timeline}, profile {status.profile}")
    terminal.out.print(table)


def _why(stage: StageStatus) -> str:
    """The causes, what was overridden, and why it was skipped."""
    overridden = [f"made with {assignments(stage.overrides)}"] if stage.overrides else []
    skipped = [f"skipped: {stage.skipped}"] if stage.skipped else []
    return "; ".join([*stage.causes, *overridden, *skipped])


def _print_rows(tried: Trial) -> None:
    if tried.overrides:
        terminal.out.print(f"With {assignments(tried.overrides.record())}")
    with pl.Config(tbl_rows=200, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_width_chars=terminal.PIPE_WIDTH):
        terminal.out.print(str(tried.rows))


def _file(seq: int, name: str) -> str:
    return f"{seq:08d}_{name}.png"


def _write(folder: Path, seq: int, pictures: DebugPictures) -> list[str]:
    """The pictures as files; their paths.

    Raises:
        BadInput: the folder cannot be written.
    """
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, picture in pictures.items():
            path = folder / _file(seq, name)
            path.write_bytes(encode_png(picture))
            paths.append(str(path))
    except OSError as error:
        raise BadInput(f"The folder {folder} cannot be written ({error.strerror})", "give another with --to") from error
    return paths
