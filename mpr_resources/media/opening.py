"""Opening video files, and refusing what is none. Reading them is in `decoding`; where they lie, in `sources`."""

from __future__ import annotations

from typing import cast

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from gpu_service.errors import BadInput
from mpr_resources.media.sources import Source

BUFFER_BYTES = 64 * 2**10
"""What FFmpeg asks a source for at once."""

PICTURE_FORMATS = frozenset({"image2", "image2pipe", "ico", "apng", "tty", "bin", "xbin", "adf", "idf"})
"""Demuxers that read pictures or text files as if they were video (and everything named *_pipe)."""


def open_video(source: Source) -> tuple[InputContainer, VideoStream]:
    """The container and its first video stream that is no cover picture; BadInput when there is none."""
    try:
        container = av.open(source.opened(), "r", buffer_size=BUFFER_BYTES)
    except (PermissionError, av.PermissionError):
        raise BadInput(f"{source.name} may not be read by this user", "change its permissions") from None
    except av.FFmpegError as error:
        raise BadInput(
            f"{source.name} cannot be opened as video ({reason(error)}): it is not a video or it is cut off",
            "copy it again or convert it to MP4",
        ) from error
    try:
        return container, _video_stream(source.name, container)
    except BadInput:
        container.close()
        raise


def _video_stream(source: str, container: InputContainer) -> VideoStream:
    if container.format.name in PICTURE_FORMATS or container.format.name.endswith("_pipe"):
        raise BadInput(f"{source} is a picture or a text, not a video", "name a video file")
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        has = "only sound" if container.streams.audio else "no video"
        raise BadInput(f"{source} holds {has}", "name a file that holds video")
    stream = streams[0]
    if cast("object | None", stream.codec_context) is None:
        raise BadInput(f"{source} uses a video codec that is not known here", "convert it to H.264")
    return stream


def reason(error: av.FFmpegError) -> str:
    """What FFmpeg says, without its number and file."""
    return (error.strerror or str(error)).lower()
