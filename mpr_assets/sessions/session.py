"""What is stored of a live session: what was asked for, its windows and its state; and the clock that they share.

Each object has one writer, so none is read, changed and written by two. Where they lie is in `session_store`.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mpr_resources.names import check_name

DIGITS = 6
"""Of a window's number in the name of its timeline."""
LONGEST_NAME = 90
BEAT_S = 2.0
"""How often the supervisor says that it is there."""
SILENT_S = 15.0
"""A session that has not said so for this long has no process."""

Status = Literal["starting", "active", "stopping", "inactive", "error"]


class LiveObject(BaseModel):
    """Base of what is stored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class RecorderSettings(LiveObject):
    """A folder of frames and sound that the session keeps beside its windows, for other programs.

    Attributes:
        folder: in which the session's own is made, named by its start.
        on_frame, on_sound: commands that are run for each file; see `mpr_live.recorder.hooks`.
    """

    folder: str
    scene_threshold: float = Field(
        27.0, gt=0, le=255, description="change of colour that begins a scene, in grey levels"
    )
    sound_ms: int = Field(10_000, ge=500, le=600_000)
    on_frame: str | None = None
    on_sound: str | None = None


class RecorderState(LiveObject):
    """What was set while the session runs."""

    scene_threshold: float


class LiveSession(LiveObject):
    """What was asked for; written once, when the session begins."""

    name: str
    source: str = Field(description="path or address, without passwords and stream keys")
    kind: Literal["file", "pull", "listen", "camera"]
    profile: str
    brands: str | None = None
    window_ms: int = Field(ge=500, le=600_000)
    speed: float = Field(1.0, gt=0, le=1000, description="of a file: how many times as fast as real time it is played")
    loop: bool = False
    recorder: RecorderSettings | None = None
    keep_hours: float | None = Field(None, gt=0, description="older windows' recordings are taken away; none: never")
    keep_gb: float | None = Field(None, gt=0, description="the oldest recordings beyond this are; none: never")
    started_s: float = Field(description="by the clock of the machine, in seconds since 1970")


class Removed(LiveObject):
    """The windows whose recording was taken away, as half-open spans of their numbers, in order."""

    spans: tuple[tuple[int, int], ...] = ()

    def __contains__(self, number: int) -> bool:
        return any(start <= number < end for start, end in self.spans)

    def with_also(self, numbers: Iterable[int]) -> Removed:
        """These too.

        >>> Removed(spans=((0, 2),)).with_also([5, 2, 6]).spans
        ((0, 3), (5, 7))
        """
        spans: list[tuple[int, int]] = []
        for start, end in sorted([*self.spans, *((one, one + 1) for one in numbers)]):
            if spans and start <= spans[-1][1]:
                spans[-1] = spans[-1][0], max(end, spans[-1][1])
            else:
                spans.append((start, end))
        return Removed(spans=tuple(spans))


class LiveState(LiveObject):
    """How the session is, as its supervisor says."""

    status: Status
    reason: str = ""
    beat_s: float = 0.0
    place: str = Field("", description="the machine at which its processes are")
    restarts: int = 0


class Ingest(LiveObject):
    """How far the stream was taken in, as the ingest process says. `ended`: no window comes any more."""

    epoch: int = -1
    windows: int = 0
    packets: int = 0
    lost_packets: int = Field(0, description="packets that belong to no window, as before the first keyframe")
    recorded_ms: int = Field(0, description="end of the last window, on the session's clock")
    received_ms: int = Field(0, description="of what came last, on the session's clock")
    away: str = Field("", description="why nothing comes at present; empty: something does, or nothing was tried yet")
    happened: tuple[str, ...] = Field((), description="the last things worth telling, each with its session time")
    ended: bool = False


class Epoch(LiveObject):
    """A stretch of a session with one continuous clock: `start_pts` is shown at `start_ms` of the session.

    Attributes:
        time_base_num, time_base_den: of the seconds that a unit of pts lasts.
    """

    number: int
    start_pts: int
    start_ms: int
    time_base_num: int
    time_base_den: int
    reason: str = ""

    @property
    def time_base(self) -> Fraction:
        return Fraction(self.time_base_num, self.time_base_den)

    def session_ms(self, pts: int) -> int:
        """The session's time of a pts of this epoch, rounded to the nearest millisecond."""
        return self.start_ms + round((pts - self.start_pts) * self.time_base * 1000)


class Window(LiveObject):
    """Some seconds of a session as one fMP4 file that can be read alone: its header, then fragments.

    Attributes:
        start_pts, end_pts: of its pictures, half-open, on the epoch's clock.
        start_ms, end_ms: the same on the session's clock.
        wall_s: when its first packet came, by the clock of the machine.
        closed_s: when it was closed.
        header_bytes: of the file, before its first fragment.
        packets_hash: SHA-256 of the payloads of its video packets, in their order.
    """

    number: int
    epoch: Epoch
    start_pts: int
    end_pts: int
    start_ms: int
    end_ms: int
    wall_s: float
    closed_s: float
    size_bytes: int
    header_bytes: int
    video_packets: int
    packets_hash: str
    sha256: str
    codec: str
    width_px: int
    height_px: int


class Analysed(LiveObject):
    """What became of a window. `failed` says why; its timeline can be run again.

    Attributes:
        lag_ms: from the window's end to its result, by the clock of the machine.
        seconds: that its run took.
        goes_on, cut_ms: see `mpr_assets.sessions.joint.Joint`.
    """

    number: int
    status: Literal["analysed", "failed", "skipped"]
    reason: str = ""
    run_id: str = ""
    thinned: bool = False
    goes_on: bool = False
    cut_ms: int | None = None
    seconds: float = 0.0
    lag_ms: int = 0
    exposures: int = 0
    done_s: float = 0.0


def check_session_name(name: str) -> str:
    """The name itself, when it can be a session's: its windows are timelines whose names begin with it.

    Raises:
        BadInput: it cannot.
    """
    return check_name(check_name(name, "session name")[: LONGEST_NAME + 1], "session name")


def timeline_of(session: str, number: int) -> str:
    """The name of a window's timeline.

    >>> timeline_of("derby", 12)
    'derby-000012'
    """
    return f"{session}-{number:0{DIGITS}d}"
