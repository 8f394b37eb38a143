"""The streams of an open source that a session takes: one of pictures, one of sound where there is one."""

from __future__ import annotations

from dataclasses import dataclass

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

SOUND_CODECS = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp2", "mp3", "opus"})
"""What an MP4 can carry."""


@dataclass(frozen=True)
class CopiedStreams:
    """The streams of an open source that are copied.

    Attributes:
        sound: None where there is none that an MP4 can carry.
        changed: what the picture has become since the source was opened; None: what it was then.
    """

    container: InputContainer
    video: VideoStream
    sound: AudioStream | None
    changed: VideoStream | None = None

    @classmethod
    def of(cls, container: InputContainer, video: VideoStream) -> CopiedStreams:
        """One video stream and the first sound."""
        sounds = [one for one in container.streams.audio if one.codec_context.name in SOUND_CODECS]
        return cls(container, video, sounds[0] if sounds else None)

    @property
    def picture(self) -> VideoStream:
        """As the picture is now."""
        return self.changed or self.video

    @property
    def all(self) -> list[VideoStream | AudioStream]:
        return [self.video, *([self.sound] if self.sound is not None else [])]
