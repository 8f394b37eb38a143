"""Pictures that no browser plays, as H.264: those of a camera, or of a broadcast in MPEG-2. Sound is copied.

It is done while the stream is read, and given as a transport stream, so that what follows knows no difference.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import cast

import av
from av.container import InputContainer, OutputContainer
from av.stream import Stream
from av.video.frame import PictureType
from av.video.stream import VideoStream

from gpu_service.errors import MprError
from mpr_live.sources.copied_streams import CopiedStreams
from mpr_live.sources.limits import OPEN_S, SILENT_S, Limits

PLAYED = frozenset({"h264", "hevc", "av1", "vp9"})
"""Codecs that are copied: what some browser plays."""
CARRIED_SOUND = frozenset({"aac", "mp2", "mp3", "ac3", "eac3", "opus"})
"""What a transport stream carries."""
KEYFRAME_S = 1
TICKS = Fraction(1, 90_000)
ENCODER = {"preset": "veryfast", "tune": "zerolatency", "crf": "20", "forced-idr": "1", "sc_threshold": "0"}


@contextmanager
def as_h264(container: InputContainer, video: VideoStream, limits: Limits) -> Iterator[InputContainer]:
    """The stream with its pictures in H.264, a keyframe each second.

    Raises:
        MprError, av.FFmpegError: the stream cannot be read any more.
    """
    read_end, write_end = os.pipe()
    failed: list[Exception] = []

    def work() -> None:
        try:
            with (
                os.fdopen(write_end, "wb", buffering=0) as pipe,
                av.open(pipe, "w", format="mpegts", options={"mpegts_copyts": "1", "flush_packets": "1"}) as output,
            ):
                _transcode(container, video, output, limits)
        except BrokenPipeError:  # nobody reads any more
            pass
        except (MprError, av.FFmpegError) as error:
            failed.append(error)

    worker = threading.Thread(target=work, name="transcoding", daemon=True)
    worker.start()
    try:
        with os.fdopen(read_end, "rb", buffering=0) as pipe:
            yield av.open(pipe, "r", format="mpegts", timeout=(OPEN_S, SILENT_S))
    except av.FFmpegError:
        worker.join()
        if not failed:
            raise
    worker.join()
    if failed:
        raise failed[0]


def _transcode(container: InputContainer, video: VideoStream, output: OutputContainer, limits: Limits) -> None:
    streams = CopiedStreams.of(container, video)
    rate = video.average_rate or Fraction(25)
    encoder = output.add_stream("libx264", rate=rate, options=ENCODER)
    encoder.width, encoder.height, encoder.pix_fmt = video.width // 2 * 2, video.height // 2 * 2, "yuv420p"
    encoder.codec_context.time_base = TICKS
    sounds: dict[int, Stream] = {}
    if streams.sound is not None and streams.sound.codec_context.name in CARRIED_SOUND:
        sounds[streams.sound.index] = output.add_stream_from_template(streams.sound)
    first_s: Fraction | None = None
    key_s, last_pts = Fraction(-KEYFRAME_S), -1
    for packet in container.demux(*streams.all):
        if packet.stream_index in sounds:
            if packet.dts is not None:
                packet.stream = sounds[packet.stream_index]
                output.mux(packet)
            continue
        if packet.stream_index != video.index:
            continue
        if packet.dts is not None:
            limits.picture(packet.dts * packet.time_base, packet.size)
        for frame in cast("list[av.VideoFrame]", packet.decode()):
            if frame.pts is None or frame.time_base is None:
                continue
            at_s = frame.pts * frame.time_base
            first_s = at_s if first_s is None else first_s
            pts = round(at_s / TICKS)
            if pts <= last_pts:
                continue
            is_key = not key_s <= at_s < key_s + KEYFRAME_S
            key_s = at_s if is_key else key_s
            shown = frame.reformat(encoder.width, encoder.height, "yuv420p")
            shown.pts, shown.time_base, last_pts = pts, TICKS, pts
            shown.pict_type = PictureType.I if is_key else PictureType.NONE
            output.mux(encoder.encode(shown))
    output.mux(encoder.encode())
