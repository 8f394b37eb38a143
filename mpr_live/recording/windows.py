"""A session's recording: packets of its source, in the order in which they come, become windows in the storage.

Windows are cut at keyframes. Where the clock of the packets breaks a new epoch begins. Where packets come from is in
`mpr_live.sources`; what a file of them looks like in `window_file`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from av.packet import Packet
from av.stream import Stream

from mpr_assets.sessions.session import Epoch, LiveSession, Window
from mpr_assets.sessions.session_store import INGEST, SessionStore
from mpr_live.recording.recovery import recovered
from mpr_live.recording.window_file import WindowFile, header_bytes
from mpr_live.sources.copied_streams import CopiedStreams
from mpr_resources.media.clock import clock

JUMP_S = 10
"""The clock of a source that goes on by so much from one packet to the next has jumped."""
EARLY_MS = 20
"""A keyframe that is so little early ends a window too: times are rounded."""
LONGEST_MS, MOST_BYTES = 120_000, 256_000_000
"""A window without a keyframe that has grown to this is closed; what follows is passed over until one comes."""
OPEN_FILE, OPEN_ABOUT = "open.mp4", "open.json"
TOLD = 20
"""Of the things that happened, how many are kept."""


class Recording:
    """Writes one session's windows.

    Resumes where the storage says that the session has come to: windows are numbered on.
    """

    def __init__(
        self, store: SessionStore, session: LiveSession, scratch: Path, wall_s: Callable[[], float] = time.time
    ) -> None:
        """`scratch`: a folder of this machine for the window that is open."""
        self._store = store
        self._session = session
        self._scratch = scratch
        self._wall_s = wall_s
        self._take_up()
        self._number = store.windows_closed()
        before = store.ingest()
        last = store.window(self._number - 1) if self._number else None
        first = store.window(0) if self._number else None
        self.last = last
        self._zero_s = first.wall_s if first else None
        self._epoch = last.epoch if last else None
        self._recorded_ms = last.end_ms if last else 0
        self._state = before.model_copy(update={"windows": self._number, "recorded_ms": self._recorded_ms})
        self._streams: CopiedStreams | None = None
        self._file: WindowFile | None = None
        self._begins_epoch = "the session begins" if last is None else "taken up again"
        self._start_pts = self._end_pts = 0
        self._last_dts: int | None = None
        self._picture_s: Fraction | None = None
        self._sound_s: Fraction | None = None
        self._window_wall_s = 0.0
        self._size_px = (0, 0)

    def _take_up(self) -> None:
        """Store what is whole of a window that was open when the process before this one was killed."""
        file, about = self._scratch / OPEN_FILE, self._scratch / OPEN_ABOUT
        if self._session.kind != "file":
            found = recovered(file, about, self._wall_s)
            if found is not None and found[0].number == self._store.windows_closed():
                self._store.put_window(*found)
        for one in (file, about):
            one.unlink(missing_ok=True)

    @property
    def open_epoch(self) -> Epoch | None:
        """The epoch of the window that is open; None: none is."""
        return self._epoch if self._file is not None else None

    def opened(self, streams: CopiedStreams, *, goes_on: bool = False, why: str = "") -> None:
        """The source is open; its packets follow. `goes_on`: its clock is the one of the last epoch."""
        self.close()
        if self._state.away:
            self._tell(away="")
        self._streams = streams
        self._last_dts = self._picture_s = self._sound_s = None
        if goes_on and self._epoch is not None:
            self._begins_epoch = ""
        elif not self._begins_epoch:
            self._begins_epoch = why or "the source was opened again"

    def add(self, packet: Packet[Stream]) -> None:
        """Take a packet."""
        assert self._streams is not None, "the source is open"
        if packet.stream.index != self._streams.video.index:
            self._add_sound(packet)
            return
        if packet.pts is None or packet.dts is None:
            return
        if self._last_dts is not None:
            step_s = (packet.dts - self._last_dts) * packet.time_base
            if step_s < 0 or step_s > JUMP_S:
                self._break(f"its clock jumped by {float(step_s):+.1f} s")
            elif step_s == 0 and not self._moved_on(packet):
                return
        self._last_dts, self._picture_s = packet.dts, packet.dts * packet.time_base
        if self._file is not None and self._is_over(packet, packet.pts):
            # It lasts until the next picture is shown; durations of packets are often left out.
            self._end_pts = max(packet.pts, self._start_pts + 1)
            self.close()
        if self._file is None:
            if not packet.is_keyframe:
                self._count(lost=1)
                return
            self._begin(packet, packet.pts)
        self._end_pts = max(self._end_pts, packet.pts + (packet.duration or 0))
        self._copy(packet)

    def _moved_on(self, packet: Packet[Stream]) -> bool:
        """Give a packet that comes at the time of the one before the next there is; whether that can be done."""
        assert packet.dts is not None
        assert packet.pts is not None
        if packet.pts <= packet.dts:
            self._count(lost=1)
            return False
        packet.dts += 1
        return True

    def _add_sound(self, packet: Packet[Stream]) -> None:
        """Take a packet of sound, where its clock is that of the picture."""
        if packet.dts is None:
            return
        at_s = packet.dts * packet.time_base
        is_near = self._picture_s is not None and abs(at_s - self._picture_s) <= JUMP_S
        if not is_near or (self._sound_s is not None and at_s <= self._sound_s):
            self._count(lost=1)
            return
        self._sound_s = at_s
        self._copy(packet)

    def close(self) -> None:
        """End the window that is open, if one is, and store it."""
        file, self._file = self._file, None
        if file is None:
            return
        file.close()
        data = file.path.read_bytes()
        epoch = self._epoch
        assert epoch is not None, "a window is of an epoch"
        window = self._open_window(epoch).model_copy(
            update={
                "end_pts": self._end_pts,
                "end_ms": epoch.session_ms(self._end_pts),
                "closed_s": self._wall_s(),
                "size_bytes": len(data),
                "header_bytes": header_bytes(data),
                "video_packets": file.video_packets,
                "packets_hash": file.packets_hash,
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        )
        self._store.put_window(window, data)
        for one in (file.path, self._scratch / OPEN_ABOUT):
            one.unlink(missing_ok=True)
        self._number += 1
        self._recorded_ms = max(self._recorded_ms, window.end_ms)
        self._tell(windows=self._number, recorded_ms=self._recorded_ms, received_ms=self._recorded_ms)

    def away(self, reason: str) -> None:
        """The source is not there at present: the open window ends."""
        self.close()
        if self._state.away != reason:
            if self._state.epoch >= 0 and not self._state.away:
                self.happened(f"the source is away: {reason}")
            self._tell(away=reason)

    def _open_window(self, epoch: Epoch) -> Window:
        """What is known of the window that is open."""
        return Window(
            number=self._number,
            epoch=epoch,
            start_pts=self._start_pts,
            end_pts=self._start_pts,
            start_ms=epoch.session_ms(self._start_pts),
            end_ms=epoch.session_ms(self._start_pts),
            wall_s=self._window_wall_s,
            closed_s=0.0,
            size_bytes=0,
            header_bytes=0,
            video_packets=0,
            packets_hash="",
            sha256="",
            codec=self._streams.picture.codec_context.name if self._streams else "",
            width_px=self._size_px[0],
            height_px=self._size_px[1],
        )

    def end(self) -> None:
        """Close the last window and say that none follows."""
        self.close()
        self._tell(ended=True)

    def happened(self, what: str) -> None:
        """Keep a sentence for `status`."""
        told = (*self._state.happened, f"{clock(self._recorded_ms)}: {what}")
        self._tell(happened=told[-TOLD:])

    def _is_over(self, packet: Packet[Stream], pts: int) -> bool:
        """Whether the open window ends before this packet of the picture."""
        assert self._file is not None
        lasts_ms = (pts - self._start_pts) * packet.time_base * 1000
        if packet.is_keyframe:
            return lasts_ms >= self._session.window_ms - EARLY_MS
        if lasts_ms > LONGEST_MS or self._file.payload_bytes > MOST_BYTES:
            self.happened("no keyframe came for too long; what follows is passed over until one does")
            return True
        return False

    def _begin(self, packet: Packet[Stream], pts: int) -> None:
        assert self._streams is not None
        self._window_wall_s = self._wall_s()
        if self._zero_s is None:
            self._zero_s = self._window_wall_s
        if self._begins_epoch or self._epoch is None:
            self._begin_epoch(pts, packet.time_base)
        context = self._streams.picture.codec_context
        self._size_px = (context.width, context.height)
        self._start_pts, self._end_pts = pts, pts
        self._scratch.mkdir(parents=True, exist_ok=True)
        assert self._epoch is not None
        (self._scratch / OPEN_ABOUT).write_text(self._open_window(self._epoch).model_dump_json())
        self._file = WindowFile(self._scratch / OPEN_FILE, self._streams, grows=True)

    def _begin_epoch(self, pts: int, base: Fraction) -> None:
        start_ms = self._recorded_ms
        if self._session.kind != "file" and self._zero_s is not None:
            start_ms = max(start_ms, round((self._wall_s() - self._zero_s) * 1000))
        number = 0 if self._epoch is None else self._epoch.number + 1
        self._epoch = Epoch(
            number=number,
            start_pts=pts,
            start_ms=start_ms,
            time_base_num=base.numerator,
            time_base_den=base.denominator,
            reason=self._begins_epoch,
        )
        if number:
            self.happened(f"a new epoch: {self._begins_epoch}")
        self._begins_epoch = ""
        self._tell(epoch=number)

    def _break(self, why: str) -> None:
        self.close()
        self._sound_s = None
        self._begins_epoch = self._begins_epoch or why

    def _copy(self, packet: Packet[Stream]) -> None:
        if self._file is None:
            self._count(lost=1)
            return
        self._file.add(packet, packet.stream.index)
        self._count()

    def _count(self, lost: int = 0) -> None:
        """Held back until there is something else to tell: packets come often."""
        state = self._state
        self._state = state.model_copy(update={"packets": state.packets + 1, "lost_packets": state.lost_packets + lost})

    def _tell(self, **changed: object) -> None:
        self._state = self._state.model_copy(update=changed)
        self._store.put(INGEST, self._state)
