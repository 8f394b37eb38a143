"""Decodes a session's packets beside its recording, and keeps frames, sound and a growing MP4 in a folder.

It has a thread of its own and a bounded row of packets: where it is slower than the stream, it passes over pictures up
to the next keyframe, and the recording goes on. Which packets belong to which epoch is the recording's to say.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
from av.audio.codeccontext import AudioCodecContext
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext

from mpr_assets.sessions.session import Epoch, RecorderSettings
from mpr_live.recorder.frames import SceneFrames
from mpr_live.recorder.hooks import Hook
from mpr_live.recorder.sound import SoundChunks
from mpr_live.recording.window_file import WindowFile
from mpr_live.sources.copied_streams import CopiedStreams

LOG = logging.getLogger("mpr.live")
HELD = 500
"""Packets that wait to be decoded, at most."""


@dataclass(frozen=True)
class _Taken:
    packet: Packet[Stream]
    stream: int
    epoch: Epoch


class Recorder:
    """Of one session. `folder`: the session's own."""

    def __init__(self, folder: Path, settings: RecorderSettings) -> None:
        self._folder = folder
        self._hooks = (Hook(settings.on_frame), Hook(settings.on_sound))
        self.frames = SceneFrames(folder, settings.scene_threshold, self._hooks[0])
        self._sound = SoundChunks(folder, settings.sound_ms, self._hooks[1])
        self._due: queue.Queue[CopiedStreams | _Taken | None] = queue.Queue(HELD)
        self._streams: CopiedStreams | None = None
        self._epoch: Epoch | None = None
        self._video: VideoCodecContext | None = None
        self._audio: AudioCodecContext | None = None
        self._file: WindowFile | None = None
        self._passes_over = False
        self.passed_over = 0
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def opened(self, streams: CopiedStreams) -> None:
        """The source is open, or its picture has changed; its packets follow."""
        self._due.put(streams)

    def take(self, packet: Packet[Stream]) -> Packet[Stream]:
        """A copy of a packet, made before it is recorded: that consumes it."""
        copy: Packet[Stream] = av.Packet(bytes(packet))
        copy.pts, copy.dts, copy.time_base, copy.duration = packet.pts, packet.dts, packet.time_base, packet.duration
        copy.is_keyframe = packet.is_keyframe
        return copy

    def add(self, copy: Packet[Stream], stream: int, epoch: Epoch) -> None:
        """Take a packet that was recorded in this epoch."""
        try:
            self._due.put_nowait(_Taken(copy, stream, epoch))
        except queue.Full:
            if not self.passed_over:
                LOG.warning("the recorder is slower than the stream: it passes over pictures")
            self.passed_over += 1
            self._passes_over = True

    def close(self) -> None:
        """Decode what is held, and write the last of it."""
        self._due.put(None)
        self._thread.join()
        for hook in self._hooks:
            hook.close()

    def _work(self) -> None:
        while (due := self._due.get()) is not None:
            try:
                if isinstance(due, CopiedStreams):
                    self._end_epoch()
                    self._streams, self._epoch = due, None
                else:
                    self._take(due)
            except (av.FFmpegError, OSError) as error:  # the recording goes on
                LOG.warning("the recorder: %s", error)
        self._end_epoch()

    def _take(self, taken: _Taken) -> None:
        assert self._streams is not None
        if self._epoch != taken.epoch:
            self._end_epoch()
            self._begin_epoch(taken.epoch)
        is_picture = taken.stream == self._streams.video.index
        if is_picture and self._passes_over:
            if not taken.packet.is_keyframe:
                return
            self._passes_over = False
        if is_picture:
            assert self._video is not None
            for frame in self._video.decode(taken.packet):
                self._see(frame)
        elif self._audio is not None:
            for sound in self._audio.decode(taken.packet):
                self._hear(sound)
        if self._file is not None:
            self._file.add(taken.packet, taken.stream)

    def _see(self, frame: av.VideoFrame) -> None:
        if self._epoch is not None and frame.pts is not None:
            self.frames.add(frame, self._epoch.session_ms(frame.pts))

    def _hear(self, sound: av.AudioFrame) -> None:
        if self._epoch is not None and sound.pts is not None and sound.time_base is not None:
            at_s = sound.pts * sound.time_base - self._epoch.start_pts * self._epoch.time_base
            self._sound.add(sound, self._epoch.start_ms + float(at_s * 1000))

    def _begin_epoch(self, epoch: Epoch) -> None:
        assert self._streams is not None
        self._epoch = epoch
        picture, sound = self._streams.picture.codec_context, self._streams.sound
        self._video = cast("VideoCodecContext", av.CodecContext.create(picture.name, "r"))
        self._video.extradata = picture.extradata
        self._video.thread_count = 1
        self._audio = None
        if sound is not None:
            self._audio = cast("AudioCodecContext", av.CodecContext.create(sound.codec_context.name, "r"))
            self._audio.extradata = sound.codec_context.extradata
        self._file = WindowFile(self._new_file(epoch), self._streams, grows=True)

    def _new_file(self, epoch: Epoch) -> Path:
        """Where the epoch's MP4 grows: one that is there already is of a process that was killed, and stays."""
        names = [f"recording_{epoch.number:04d}{suffix}.mp4" for suffix in ("", *(f"_{at}" for at in range(1, 1000)))]
        return next(path for name in names if not (path := self._folder / name).exists())

    def _end_epoch(self) -> None:
        if self._video is not None and self._epoch is not None:
            for frame in self._video.decode(None):
                self._see(frame)
        if self._audio is not None:
            for sound in self._audio.decode(None):
                self._hear(sound)
        self._sound.close()
        self.frames.begin_again()
        file, self._file = self._file, None
        self._video = self._audio = self._epoch = None
        if file is not None:
            file.close()


def session_folder(folder: str, started_s: float) -> Path:
    """The folder of a session that began at this time."""
    return Path(folder) / time.strftime("%Y%m%d_%H%M%S", time.localtime(started_s))
