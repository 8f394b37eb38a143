"""How each decoded frame is shown: its size, aspect and turn may change within a stream. Pixels: `pixels`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mpr_resources.media.pixels import UPRIGHT, Orientation, display_size, orientation


@dataclass(frozen=True)
class Geometry:
    """How one frame is shown.

    Attributes:
        width_px, height_px: as coded.
        aspect: width of a sample over its height; None is square.
        turn: from coded to displayed.
    """

    width_px: int
    height_px: int
    aspect: Fraction | None
    turn: Orientation

    @property
    def displayed_px(self) -> tuple[int, int]:
        """Width and height as displayed: upright, with square pixels."""
        width_px, height_px = display_size(self.width_px, self.height_px, self.aspect)
        return (height_px, width_px) if self.turn.transpose else (width_px, height_px)


class StreamGeometry:
    """Tells how the frames of a stream are shown, once `decoded` was told of them.

    As FFmpeg's av_guess_sample_aspect_ratio has it, the container's aspect goes before the codec's, where it has one of
    its own. The package does not tell a frame's aspect, only the decoder's at the moment, which may be ahead of the
    frame that it puts out; so an aspect is taken to hold from a key frame on, where codecs change it.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._header = stream.sample_aspect_ratio or None
        self._container_tells = self._header not in (None, stream.codec_context.sample_aspect_ratio)
        self._keys: list[int] = []
        self._aspects: list[Fraction | None] = []
        self._angle: int | None = None
        self._turn = UPRIGHT

    def decoded(self, frames: Iterable[VideoFrame], aspect: Fraction | None) -> None:
        """The decoder has put out these frames, and has this aspect now."""
        for frame in frames:
            if frame.key_frame and frame.pts is not None and self._aspect(frame.pts) != aspect:
                at = bisect_right(self._keys, frame.pts)
                self._keys.insert(at, frame.pts)
                self._aspects.insert(at, aspect)

    def of(self, frame: VideoFrame) -> Geometry:
        """How the frame is shown."""
        aspect = None if self._container_tells or frame.pts is None else self._aspect(frame.pts)
        # By the angle alone, which costs nothing; see `orientation`. None that is mirrored follows one that is turned.
        if frame.rotation != self._angle:
            self._angle, self._turn = frame.rotation, orientation(frame)
        return Geometry(frame.width, frame.height, aspect or self._header, self._turn)

    def _aspect(self, pts: int) -> Fraction | None:
        at = bisect_right(self._keys, pts)
        return self._aspects[at - 1] if at else None
