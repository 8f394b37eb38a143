"""The commands `live start`, `list`, `status`, `report` and `stop`: live streams, analysed while they run."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpu_service.errors import BadInput
from mpr_cli import terminal
from mpr_cli.document import Document
from mpr_resources.media.clock import clock

if TYPE_CHECKING:
    from mpr_live.control import SessionStatus

app = typer.Typer(no_args_is_help=True, help="Record live streams and find their brands while they run.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="name of a live session")]


@dataclass(frozen=True)
class LiveStatus(Document):
    """`status`: starting, active, stopping, inactive or error, for `reason`. `windows`: closed so far, of which
    `analysed` have had their turn; `lag_ms`: of the session, received and not analysed yet. `epoch`: from 0, -1 before
    the first picture. `restarts`: of the session's processes. `happened`: the last things worth telling.
    """

    name: str
    source: str
    profile: str
    status: str
    reason: str
    epoch: int
    windows: int
    analysed: int
    recorded_ms: int
    lag_ms: int
    restarts: int
    happened: list[str]
    log: str

    def show(self) -> None:
        said = f"{self.name} is {self.status}{f': {self.reason}' if self.reason else ''}"
        terminal.out.print(said)
        terminal.out.print(
            f"{clock(self.recorded_ms)} recorded in {self.windows} windows, {self.analysed} analysed, "
            f"{clock(self.lag_ms)} behind; log: {self.log}"
        )
        for one in self.happened:
            terminal.out.print(f"  {one}")


@dataclass(frozen=True)
class LiveList(Document):
    sessions: list[LiveStatus]

    def show(self) -> None:
        rows = [
            (one.name, one.status, clock(one.recorded_ms), str(one.windows), str(one.analysed), clock(one.lag_ms))
            for one in self.sessions
        ]
        terminal.print_table(("session", "status", "recorded", "windows", "analysed", "behind"), rows)


@app.command("start")
def live_start(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="a video file, played in real time; an address to pull; rtmp:// or srt://127.0.0.1 "
            "listens; camera:/dev/video0; - reads an address from stdin",
        ),
    ],
    name: Annotated[str, typer.Option(help="name of the session; its windows are timelines NAME-000000, ...")],
    profile: Annotated[str, typer.Option(help="the profile with the stages' settings")] = "generic",
    brands: Annotated[Path | None, typer.Option(help="brand file; the profile's own by default")] = None,
    window: Annotated[str, typer.Option(help="length of a window, like 10s; it ends at the next keyframe")] = "10s",
    speed: Annotated[float, typer.Option(min=0.01, max=1000, help="of a file: times as fast as real time")] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="of a file: begin again at its end")] = False,
    pull: Annotated[bool, typer.Option("--pull", help="pull from the rtmp server of this machine, not listen")] = False,
    recorder: Annotated[
        Path | None, typer.Option(help="folder in which the session keeps scene frames, sound and a growing MP4")
    ] = None,
    scene_threshold: Annotated[float, typer.Option(min=0.1, max=255, help="change of colour that begins a scene")] = 27,
    keep_hours: Annotated[
        float | None, typer.Option(min=0.01, help="take older recordings away; what was found stays")
    ] = None,
    keep_gb: Annotated[float | None, typer.Option(min=0.001, help="take the oldest beyond this away")] = None,
    on_frame: Annotated[str, typer.Option(help="command that is run for each frame of --recorder")] = "",
    on_sound: Annotated[str, typer.Option(help="command that is run for each sound file of --recorder")] = "",
) -> LiveStatus:
    """Record a live stream and find its brands while it runs; see docs/live.md."""
    from mpr_assets.runs.local_instance import profiles
    from mpr_assets.runs.local_storage import storage
    from mpr_assets.sessions.session import LiveSession, RecorderSettings
    from mpr_live.control import start
    from mpr_live.sources.addresses import read_address

    folder = profiles()
    folder.references(folder.load(profile), brands)
    if recorder is None and (on_frame or on_sound):
        raise BadInput("A command for frames or sound needs --recorder FOLDER", "say where they are to be kept")
    address = read_address(sys.stdin.readline().strip() if source == "-" else source, pull=pull)
    asked = LiveSession(
        name=name,
        source=address.shown,
        kind=address.kind,
        profile=profile,
        brands=None if brands is None else str(brands.absolute()),
        window_ms=_window_ms(window),
        speed=speed,
        loop=loop,
        keep_hours=keep_hours,
        keep_gb=keep_gb,
        recorder=None
        if recorder is None
        else RecorderSettings(
            folder=str(recorder.absolute()),
            scene_threshold=scene_threshold,
            on_frame=on_frame or None,
            on_sound=on_sound or None,
        ),
        started_s=time.time(),
    )
    return _shown(start(storage(), asked, address.whole))


@dataclass(frozen=True)
class LiveCapture(Document):
    """`session_ms`: when the frame was shown, on the session's clock."""

    path: str
    session_ms: int

    def show(self) -> None:
        terminal.out.print(f"{self.path} at {clock(self.session_ms)}", soft_wrap=True)


@app.command("capture")
def live_capture(name: Name) -> LiveCapture:
    """Keep the newest frame of a live session, in its folder; see --recorder of mpr live start."""
    from mpr_assets.runs.local_storage import storage
    from mpr_live.control import capture

    path, session_ms = capture(storage(), name)
    return LiveCapture(path, session_ms)


@dataclass(frozen=True)
class LiveSetting(Document):
    name: str
    scene_threshold: float

    def show(self) -> None:
        terminal.out.print(f"{self.name} begins a scene at a change of {self.scene_threshold:g}")


@app.command("set")
def live_set(
    name: Name,
    setting: Annotated[str, typer.Argument(metavar="scene_threshold=NUMBER", help="what to set")],
) -> LiveSetting:
    """Set the change of colour that begins a scene, while a live session runs."""
    from mpr_assets.runs.local_storage import storage
    from mpr_live.control import set_scene_threshold

    what, _, said = setting.partition("=")
    try:
        threshold = float(said) if what == "scene_threshold" else None
    except ValueError:
        threshold = None
    if threshold is None:
        raise BadInput(f"{setting!r} sets nothing", "write it like scene_threshold=27")
    set_scene_threshold(storage(), name, threshold)
    return LiveSetting(name, threshold)


@app.command("list")
def live_list() -> LiveList:
    """List all live sessions with their state."""
    from mpr_assets.runs.local_storage import storage
    from mpr_live.control import statuses

    return LiveList([_shown(one) for one in statuses(storage())])


@app.command("status")
def live_status(name: Name) -> LiveStatus:
    """Show how a live session is, how far it has come, and what happened."""
    from mpr_assets.runs.local_storage import storage
    from mpr_live.control import status_of

    return _shown(status_of(storage(), name))


@dataclass(frozen=True)
class LiveBrand:
    """`share`: of recorded time. `spans_ms`: its exposures on the session's clock."""

    brand: str
    seconds: float
    share: float
    spans_ms: list[list[int]]


@dataclass(frozen=True)
class LiveReport(Document):
    """`final`: no window is to come. `left_out`: timelines of windows that could not be analysed; `skipped_ms`: of
    windows that were not, as the analysis was behind.
    """

    name: str
    final: bool
    windows: int
    analysed: int
    recorded_ms: int
    skipped_ms: int
    left_out: list[str]
    brands: list[LiveBrand]

    def show(self) -> None:
        rows = [
            (one.brand, str(len(one.spans_ms)), f"{one.seconds:.2f}", f"{one.share:.1%}", clock(one.spans_ms[0][0]))
            for one in self.brands
        ]
        terminal.print_table(("brand", "exposures", "seconds", "share", "first"), rows)
        so_far = "" if self.final else " so far"
        terminal.out.print(f"{clock(self.recorded_ms)} in {self.analysed} of {self.windows} windows{so_far}.")
        if self.skipped_ms:
            terminal.out.print(f"{clock(self.skipped_ms)} more was not analysed, as the analysis was behind.")
        for one in self.left_out:
            terminal.out.print(f"{one} is left out: mpr status {one}")


@app.command("report")
def live_report(name: Name) -> LiveReport:
    """Print the brands of a live session so far, over all its windows."""
    from mpr_assets.runs.local_storage import storage
    from mpr_assets.sessions.session_report import REPORT, SessionReport
    from mpr_assets.sessions.session_store import SessionStore
    from mpr_resources.storage.store import MissingObject

    store = SessionStore(storage(), name)
    store.session()
    try:
        found = SessionReport.model_validate_json(store.storage.get(store.key(REPORT)))
    except MissingObject:
        raise BadInput(f"No window of the live session {name!r} is analysed yet", "wait for the first") from None
    brands = [
        LiveBrand(one.brand, one.seconds, one.share, [[shown.start_ms, shown.end_ms] for shown in one.exposures])
        for one in found.brands
    ]
    return LiveReport(
        name,
        found.final,
        found.windows,
        found.analysed,
        found.recorded_ms,
        found.skipped_ms,
        list(found.failed),
        brands,
    )


@app.command("stop")
def live_stop(name: Name) -> LiveStatus:
    """End a live session: its last window is closed and analysed, its report is finished."""
    from mpr_assets.runs.local_storage import storage
    from mpr_live.control import status_of, stop

    stop(storage(), name)
    return _shown(status_of(storage(), name))


def _window_ms(text: str) -> int:
    from mpr_assets.timelines.spec import parse_time

    ms = parse_time(text.removesuffix("s"))
    if ms is None or not 500 <= ms <= 600_000:
        raise BadInput(f"The window {text!r} is no length", "write it like 10s, from 0.5s to 600s")
    return ms


def _shown(found: SessionStatus) -> LiveStatus:
    from mpr_live.places import log_file

    return LiveStatus(
        name=found.name,
        source=found.session.source,
        profile=found.session.profile,
        status=found.state.status,
        reason=found.state.reason,
        epoch=found.ingest.epoch,
        windows=found.ingest.windows,
        analysed=found.analysed,
        recorded_ms=found.ingest.recorded_ms,
        lag_ms=found.lag_ms,
        restarts=found.state.restarts,
        happened=list(found.ingest.happened),
        log=str(log_file(found.name)),
    )
