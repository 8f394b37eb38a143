"""Packets of a source as they come, read in a thread of their own: a call into FFmpeg cannot be interrupted.

A file is played at its own pace. A stream that breaks off is opened again, after longer and longer waits. What becomes
of the packets is in `mpr_live.recording`.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from gpu_service.errors import BadInput, MprError, TransientError
from mpr_assets.sessions.session import LiveSession, Window
from mpr_live.sources.addresses import LiveStream, stream_at
from mpr_live.sources.copied_streams import CopiedStreams
from mpr_live.sources.limits import Hostile, Limits
from mpr_live.sources.parameter_sets import SEQUENCE, is_annex_b, sequence_parameters, stream_of
from mpr_live.sources.rtmp_listener import NoPublisher
from mpr_live.sources.transcoding import PLAYED, as_h264
from mpr_resources.media.opening import open_video, reason, video_stream
from mpr_resources.media.sources import LocalFile
from mpr_resources.media.streams import ANY_STREAM

HELD = 1000
"""Packets that wait to be taken, at most."""
HELD_BYTES = 64_000_000
"""So many bytes of them, one packet more or less."""
SHORTEST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
STEADY_S = 10.0
"""A stream that has come for so long is opened again as if it had never failed."""


@dataclass(frozen=True)
class Opened:
    """The source is open, or its picture has changed, for which `why` is a reason.

    `goes_on`: its clock is the one that it was left at.
    """

    streams: CopiedStreams
    goes_on: bool = False
    why: str = ""


@dataclass(frozen=True)
class Away:
    """The source is not there at present, for a reason; it is tried again."""

    reason: str


@dataclass(frozen=True)
class Ended:
    """The source has come to its end; or, with an error, it cannot be read any more."""

    error: MprError | None = None


Came: TypeAlias = "Opened | Packet[Stream] | Away | Ended"


class Reading:
    """What comes from a session's source."""

    def __init__(self, session: LiveSession, address: str, last: Window | None) -> None:
        """`address`: with what is secret in it. `last`: the window that a file is gone on with after."""
        self._session = session
        self._address = address
        self._last = last
        self._came: queue.Queue[Came] = queue.Queue(HELD)
        self._held_bytes = 0
        self._over = threading.Event()
        self._limits = Limits()
        self._stream: LiveStream | None = None
        self._thread = threading.Thread(target=self._read, name="reading", daemon=True)
        self._thread.start()

    def get(self, timeout_s: float) -> Came | None:
        """What came next; None: nothing came for so long."""
        try:
            came = self._came.get(timeout=timeout_s)
        except queue.Empty:
            if not self._thread.is_alive() and self._came.empty():
                raise TransientError("Reading the source has failed") from None
            return None
        if isinstance(came, Packet):
            self._held_bytes -= came.size
        return came

    def close(self) -> None:
        """Take nothing more. The thread may go on waiting for its source; it ends with the process."""
        self._over.set()
        if self._stream is not None:
            self._stream.close()

    def _read(self) -> None:
        try:
            if self._session.kind == "file":
                self._play()
            else:
                with closing(stream_at(self._address, self._session.kind, self._limits)) as self._stream:
                    self._take_in(self._stream)
            self._put(Ended())
        except MprError as error:
            self._put(Ended(error))
        except av.FFmpegError as error:
            self._put(Ended(TransientError(f"The source cannot be read any more ({error.strerror})")))

    def _take_in(self, stream: LiveStream) -> None:
        """Take a stream in until it is over, opening it again where it breaks off."""
        waits_s, has_come, listens, said = SHORTEST_WAIT_S, False, self._session.kind == "listen", ""
        while not self._over.is_set():
            began_s, before = time.monotonic(), self._limits.pictures
            try:
                self._limits.begun()
                with stream.opened() as container:
                    self._take_once(container)
                why = "it ended"
            except NoPublisher as error:
                if said != str(error):
                    said = str(error)
                    self._put(Away(said))
                continue
            except (MprError, av.FFmpegError) as error:
                if isinstance(error, av.FFmpegError):
                    error = BadInput(f"{self._session.source} cannot be read as a stream ({reason(error)})")
                if isinstance(error, Hostile) or (isinstance(error, BadInput) and not has_come and not listens):
                    raise error from None
                why = str(error)
            if stream.is_over:
                return
            has_come, said = has_come or self._limits.pictures > before, why
            self._put(Away(why))
            if time.monotonic() - began_s >= STEADY_S and self._limits.pictures > before:
                waits_s = SHORTEST_WAIT_S
            self._over.wait(waits_s)
            waits_s = min(LONGEST_WAIT_S, 2 * waits_s)

    def _take_once(self, container: InputContainer) -> None:
        try:
            video = video_stream("It", container, ANY_STREAM)
        except BadInput as error:  # a picture may come yet
            raise TransientError(error.what) from None
        self._limits.size(video.codec_context.width, video.codec_context.height)
        if video.codec_context.name not in PLAYED:
            with as_h264(container, video, self._limits) as transcoded:
                self._take_once(transcoded)
            return
        streams = CopiedStreams.of(container, video)
        self._put(Opened(streams))
        picture = PictureWatch(streams)
        for packet in _packets(streams):
            if self._over.is_set():
                return
            if packet.dts is None:
                continue
            if packet.stream_index == video.index:
                self._limits.picture(packet.dts * packet.time_base, packet.size)
                changed = picture.changed(packet)
                if changed is not None:
                    shown = changed.picture.codec_context
                    self._limits.size(shown.width, shown.height)
                    self._put(Opened(changed, why=f"its picture became {shown.width}x{shown.height}"))
            self._put(packet)

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
                if self._held_bytes > HELD_BYTES:
                    self._over.wait(0.05)
                    continue
                self._came.put(what, timeout=0.5)
            except queue.Full:
                continue
            if isinstance(what, Packet):
                self._held_bytes += what.size
            return


def _packets(streams: CopiedStreams) -> Iterator[Packet[Stream]]:
    try:
        yield from streams.container.demux(*streams.all)
    except IndexError:  # PyAV's, of a stream that was not there at first
        raise TransientError("other streams came in its place") from None


class PictureWatch:
    """Watches whether a stream's picture becomes another."""

    def __init__(self, streams: CopiedStreams) -> None:
        self._streams = streams
        self._codec = streams.video.codec_context.name
        self._last: bytes | None = None

    def changed(self, packet: Packet[Stream]) -> CopiedStreams | None:
        """What the streams are from this packet on; None: what they were.

        Raises:
            TransientError: another, which only opening the source again can tell.
        """
        if packet.has_sidedata("new_extradata") and self._last is not None:
            raise TransientError("its picture became another")
        self._last = self._last or b""
        if not packet.is_keyframe or self._codec not in SEQUENCE:
            return None
        data = bytes(packet)
        said = sequence_parameters(self._codec, data) if is_annex_b(data) else b""
        if not said or said == self._last:
            return None
        before, self._last = self._last, said
        return replace(self._streams, changed=stream_of(self._codec, data)) if before else None


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
