"""Opening video files, and refusing what is none. Reading them is in `decoding`; where they lie, in `sources`.

Media come from strangers, and some formats name other media: playlists, DASH manifests, lists of files, session
descriptions, numbered pictures. FFmpeg would follow them to any file and address that this machine reaches. So only
demuxers of `CONTAINERS` are used, FFmpeg gets the bytes from us, and no protocol is open to it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from gpu_service.errors import BadInput
from mpr_resources.media.sources import Source
from mpr_resources.media.streams import StreamPlace
from mpr_resources.media.watched import opened, reads_header

HARMFUL = "it is damaged, or made to harm: copy it again or convert it to MP4"
BUFFER_BYTES = 64 * 2**10
"""What FFmpeg reads from a source at once."""

TIME_LIMIT_S = 300.0
"""For opening, and for each packet: more than the storage's own time-outs, so that those speak first."""

MOST_STREAMS = 200
"""A whole multiplex of a broadcaster has some dozens; FFmpeg looks for the first packets of each."""

MOST_INDEX_ENTRIES = 10_000_000
"""Of all streams: a day of pictures at 60 a second, with sound. MP4 declares them with a few bytes, true or not."""

MOST_METADATA_CHARACTERS = 2**24
"""Of titles, comments and the like, all together."""

CONTAINERS = (
    "3g2,3gp,asf,av1,avi,avs2,avs3,cavsvideo,cine,dhav,dirac,dnxhd,dv,flv,gif,gxf,h261,h263,h264,hevc,ivf,kux,lmlm4,"
    "m4v,matroska,mjpeg,mlv,mov,mp4,mpeg,mpegts,mpegvideo,mxf,mxg,nsv,nut,nuv,obu,ogg,pva,r3d,rm,smk,swf,ty,vc1,vivo,"
    "vvc,webm,wtv,xmv,yuv4mpegpipe"
)
"""FFmpeg's demuxers of video files that open nothing but the file itself."""

SOUND = "aac,ac3,aiff,amr,ape,au,caf,dts,eac3,flac,loas,mp3,tta,voc,w64,wav,wv"
"""Demuxers of sound alone, known only to say so."""

PICTURES = frozenset({"ico", "apng", "tty", "bin", "xbin", "adf", "idf"}).union(
    name for name in av.formats_available if name.endswith("_pipe")
)
"""Demuxers that read pictures or text files as if they were video, known only to say so."""

LISTS = (
    (re.compile(rb"\s*#EXTM3U"), "an HLS playlist"),
    (re.compile(rb"\s*ffconcat version"), "a list of files to join"),
    (re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<MPD\b", re.DOTALL), "a DASH manifest"),
    (re.compile(rb"\s*v=0\r?\n"), "a session description (SDP)"),
    (re.compile(rb"\s*(<asx\b|\[reference\]|\[playlist\])", re.IGNORECASE), "a playlist"),
    (re.compile(rb"\s*(<\?xml[^>]*>\s*)?<smil\b", re.IGNORECASE), "a playlist"),
)
"""How files begin that name other media."""


@dataclass(frozen=True)
class OpenVideo:
    """An open file and its video stream. Close it."""

    container: InputContainer
    stream: VideoStream
    file: io.RawIOBase

    def close(self) -> None:
        self.container.close()
        self.file.close()


def open_video(source: Source, place: StreamPlace) -> OpenVideo:
    """The container and one of its video streams. Which one is to be shown no header can tell: see `probe`.

    Raises:
        BadInput: the file may not be read, is no video, names other media, or has no such video stream.
    """
    opened(source.name)
    file = source.opened()
    if place.from_byte:
        file = _FromByte(file, source.name, place.from_byte)
    try:
        return _opened(source, file, place)
    except BaseException:
        file.close()
        raise


def _opened(source: Source, file: io.RawIOBase, place: StreamPlace) -> OpenVideo:
    try:
        with reads_header():
            container = av.open(
                file,
                "r",
                options=_OPTIONS,
                metadata_errors="replace",
                buffer_size=BUFFER_BYTES,
                timeout=(TIME_LIMIT_S, TIME_LIMIT_S),
            )
    except av.ExitError:
        raise BadInput(f"{source.name} took more than {TIME_LIMIT_S:.0f} s to open", "convert it to MP4") from None
    except MemoryError:
        raise BadInput(f"The header of {source.name} takes too much memory", HARMFUL) from None
    except av.FFmpegError as error:
        _refuse_list(source)
        raise BadInput(
            f"{source.name} cannot be opened as video ({reason(error)}): it is not a video or it is cut off",
            "copy it again or convert it to MP4",
        ) from error
    try:
        _refuse_large_header(source.name, container)
        return OpenVideo(container, video_stream(source.name, container, place), file)
    except BadInput:
        container.close()
        raise


def _refuse_large_header(name: str, container: InputContainer) -> None:
    streams = container.streams
    if len(streams) >= MOST_STREAMS:
        raise BadInput(f"{name} has {MOST_STREAMS} streams or more", HARMFUL)
    if (entries := sum(max(stream.frames, len(stream.index_entries)) for stream in streams)) > MOST_INDEX_ENTRIES:
        raise BadInput(f"The index of {name} declares {entries} packets, more than {MOST_INDEX_ENTRIES}", HARMFUL)
    texts = [container.metadata, *(stream.metadata for stream in streams)]
    if sum(len(text) for told in texts for pair in told.items() for text in pair) > MOST_METADATA_CHARACTERS:
        raise BadInput(f"The metadata of {name} has more than {MOST_METADATA_CHARACTERS} characters", HARMFUL)


_OPTIONS = {
    "max_streams": str(MOST_STREAMS),
    "format_whitelist": ",".join([CONTAINERS, SOUND, *sorted(PICTURES)]),
    "protocol_whitelist": "none",  # no protocol has this name
}


def _refuse_list(source: Source) -> None:
    head = source.head(4096)
    for begins, kind in LISTS:
        if begins.match(head):
            raise BadInput(
                f"{source.name} is {kind}: it names other media, which are not followed",
                "name the video files themselves",
            )


def is_cover(stream: VideoStream) -> bool:
    """Whether the file flags it as a cover picture, or as thumbnails of its chapters."""
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def video_stream(source: str, container: InputContainer, place: StreamPlace) -> VideoStream:
    """A video stream of an open container. `source`: as messages show it.

    Raises:
        BadInput: it holds no video, or no such stream.
    """
    if container.format.name in PICTURES:
        raise BadInput(f"{source} is a picture or a text, not a video", "name a video file")
    streams = [
        stream
        for stream in container.streams.video
        if not is_cover(stream) and (not place.pid or stream.id == place.pid)
    ]
    if not streams and place.pid:
        raise BadInput(f"Stream {place.number} of {source} is of no video that is known", "pick another")
    if not streams:
        has = "only sound" if container.streams.audio else "no video"
        raise BadInput(f"{source} holds {has}", "name a file that holds video")
    known = [stream for stream in streams if cast("object | None", stream.codec_context) is not None]
    picked = place.number if not place.pid else None
    if picked is not None and picked not in [stream.index for stream in streams]:
        raise no_such_stream(source, picked, [stream.index for stream in streams])
    usable = [stream for stream in known if picked in (None, stream.index)]
    if not usable:
        which = source if picked is None else f"Stream {picked} of {source}"
        raise BadInput(f"{which} uses an unknown video codec", "convert it to H.264")
    return usable[0]


def no_such_stream(source: str, number: int, there: Iterable[int]) -> BadInput:
    """Says so, and which ones there are."""
    return BadInput(f"{source} has no video stream {number}", f"its video streams are {', '.join(map(str, there))}")


class _FromByte(io.RawIOBase):
    """A file without its beginning."""

    def __init__(self, file: io.RawIOBase, name: str, from_byte: int) -> None:
        self.name = name  # FFmpeg looks at its suffix
        self._file = file
        self._from_byte = from_byte
        file.seek(from_byte)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell() - self._from_byte

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset + (self._from_byte if whence == io.SEEK_SET else 0), whence) - self._from_byte

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size) or b""

    def close(self) -> None:
        self._file.close()
        super().close()


def reason(error: av.FFmpegError) -> str:
    """What FFmpeg says, without its number and file."""
    return (error.strerror or str(error)).lower()
