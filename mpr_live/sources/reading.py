"""Packets of a source as they come, read in a thread of their own: a call into FFmpeg cannot be interrupted.

A file is played at its own pace. What becomes of the packets is in `mpr_live.recording`.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from gpu_service.errors import BadInput, MprError, TransientError
from mpr_assets.sessions.session import LiveSession, Window
from mpr_live.sources.copied_streams import CopiedStreams

HELD = 1000
"""Packets that wait to be taken, at most."""
OPEN_S, READ_S = 15.0, 15.0
"""How long a server that is pulled may take to answer, and to send something more."""


@dataclass(frozen=True)
class Opened:
    """The source is open. `goes_on`: its clock is the one that it was left at."""

    streams: CopiedStreams
    goes_on: bool


@dataclass(frozen=True)
class Ended:
    """The source has come to its end; or, with an error, it cannot be read any more."""

    error: MprError | None = None


Came: TypeAlias = "Opened | Packet[Stream] | Ended"


class Reading:
    """What comes from a session's source."""

    def __init__(self, session: LiveSession, address: str, last: Window | None) -> None:
        """`address`: with what is secret in it. `last`: the window that a file is gone on with after."""
        self._session = session
        self._address = address
        self._last = last
        self._came: queue.Queue[Came] = queue.Queue(HELD)
        self._over = threading.Event()
        threading.Thread(target=self._read, name="reading", daemon=True).start()

    def get(self, timeout_s: float) -> Came | None:
        """What came next; None: nothing came for so long."""
        try:
            return self._came.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Take nothing more. The thread may go on waiting for its source; it ends with the process."""
        self._over.set()

    def _read(self) -> None:
        try:
            if self._session.kind == "file":
                self._play()
            else:
                self._pull()
            self._put(Ended())
        except MprError as error:
            self._put(Ended(error))
        except av.FFmpegError as error:
            self._put(Ended(TransientError(f"The source cannot be read any more ({error.strerror})")))

    # Sources are not closed here: packets that wait to be taken still refer to their streams, and close them at last.

    def _play(self) -> None:
        again = False
        while not self._over.is_set():
            container = av.open(self._address)
            streams = _copied(container, self._session.source)
            resume_pts = self._resume_pts(streams) if not again else None
            self._put(Opened(streams, goes_on=resume_pts is not None))
            pace = PlayingPace(self._session.speed)
            for packet in container.demux(*streams.all):
                if self._over.is_set():
                    return
                if packet.dts is None:
                    continue
                if resume_pts is not None:
                    is_video = packet.stream.index == streams.video.index
                    if not (is_video and packet.is_keyframe and packet.pts is not None and packet.pts >= resume_pts):
                        continue
                    resume_pts = None
                pace.wait(packet.dts * packet.time_base, self._over)
                self._put(packet)
            if not self._session.loop:
                return
            again = True

    def _resume_pts(self, streams: CopiedStreams) -> int | None:
        """Where a file that was recorded up to a window is gone on with, in its own units; it is wound on to there."""
        if self._last is None:
            return None
        end_pts = self._last.end_pts
        streams.container.seek(max(0, end_pts - 1), stream=streams.video)
        return end_pts

    def _pull(self) -> None:
        container = av.open(self._address, timeout=(OPEN_S, READ_S))
        streams = _copied(container, self._session.source)
        self._put(Opened(streams, goes_on=False))
        for packet in container.demux(*streams.all):
            if self._over.is_set():
                return
            if packet.dts is not None:
                self._put(packet)

    def _put(self, what: Came) -> None:
        while not self._over.is_set():
            try:
                self._came.put(what, timeout=0.5)
            except queue.Full:
                continue
            return


class PlayingPace:
    """Holds packets back until their time has come. `speed`: so many times as fast as real time."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._began: tuple[float, Fraction] | None = None

    def wait(self, at_s: Fraction, over: threading.Event) -> None:
        """Wait for a time on the packets' clock, or until it is over."""
        now_s = time.monotonic()
        if self._began is None:
            self._began = (now_s, at_s)
        began_s, first_s = self._began
        due_s = began_s + float(at_s - first_s) / self._speed
        if due_s > now_s:
            over.wait(due_s - now_s)


def _copied(container: InputContainer, source: str) -> CopiedStreams:
    streams = CopiedStreams.of(container)
    if streams is None:
        raise BadInput(f"{source} has no picture", "choose a source with video")
    return streams
