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
from av.packet import Packet
from av.stream import Stream

from gpu_service.errors import MprError, TransientError
from mpr_assets.sessions.session import LiveSession, Window
from mpr_live.sources.copied_streams import CopiedStreams
from mpr_resources.media.opening import open_video
from mpr_resources.media.sources import LocalFile
from mpr_resources.media.streams import ANY_STREAM

HELD = 1000
"""Packets that wait to be taken, at most."""


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
        """`address`: a path. `last`: the window that the file is gone on with after."""
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
            self._play()
            self._put(Ended())
        except MprError as error:
            self._put(Ended(error))
        except av.FFmpegError as error:
            self._put(Ended(TransientError(f"The source cannot be read any more ({error.strerror})")))

    # Of a source only the file is closed: packets that wait to be taken refer to their streams, and close them at last.

    def _play(self) -> None:
        again = False
        while not self._over.is_set():
            file = LocalFile(self._address)
            file.check()
            video = open_video(file, ANY_STREAM)
            with video.file:
                self._play_once(CopiedStreams.of(video.container, video.stream), again=again)
            if not self._session.loop:
                return
            again = True

    def _play_once(self, streams: CopiedStreams, *, again: bool) -> None:
        resume_pts = self._resume_pts(streams) if not again else None
        self._put(Opened(streams, goes_on=resume_pts is not None))
        pace = PlayingPace(self._session.speed)
        for packet in streams.container.demux(*streams.all):
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

    def _resume_pts(self, streams: CopiedStreams) -> int | None:
        """Where a file that was recorded up to a window is gone on with, in its own units; it is wound on to there."""
        if self._last is None:
            return None
        end_pts = self._last.end_pts
        streams.container.seek(max(0, end_pts - 1), stream=streams.video)
        return end_pts

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
