"""Copies of clips as a worse camera, encoder or channel would give them; the truth of a clip holds for its copies too.

Times, frame rate and the picture's whole content stay. libx264 runs single-threaded and without lookahead, and the
muxer writes no dates, so that equal inputs give equal bytes on one machine. Which clips are copied how is decided in
`bench.eval_clips`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from gpu_service.pictures import Image

VERSION = "2"
"""Part of the names under which copies are kept; to be raised with what a treatment does."""

BLUR_SIGMA_PX = 1.5
BITRATE_SHARE = 0.25
PAN_SHARE = 0.02
"""How far, as a share of its side, the picture is pushed out of the frame at most: less than the margin that lettering
which is meant to be read keeps."""
PAN_PERIODS_S = (5.0, 7.0)
"""Across and down."""
CRF = "20"
"""Quality where the bitrate is not what is degraded."""


@dataclass(frozen=True)
class Treatment:
    """One way to degrade a clip.

    Attributes:
        least_height_px: clips less high than this are not treated: they would be enlarged, or nobody could read them.
        picture: the pixels and the time in seconds, to pixels.
        bitrate_share: of the clip's own bitrate; None: a good quality.
    """

    name: str
    least_height_px: int
    picture: Callable[[Image, float], Image]
    bitrate_share: float | None = None


def scaled(height_px: int) -> Callable[[Image, float], Image]:
    """To this height; the width rounded to an even number of pixels."""

    def treat(picture: Image, _: float) -> Image:
        width_px = 2 * round(picture.shape[1] * height_px / picture.shape[0] / 2)
        return np.asarray(cv2.resize(picture, (width_px, height_px), interpolation=cv2.INTER_AREA), np.uint8)

    return treat


def blurred(picture: Image, _: float) -> Image:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), BLUR_SIGMA_PX), np.uint8)


def unchanged(picture: Image, _: float) -> Image:
    return picture


def cropped_and_panned(picture: Image, seconds: float) -> Image:
    """The frame wanders over the picture, cuts off at most `PAN_SHARE` of it at an edge and repeats the pixels of the
    opposite edge where there is no picture."""
    height_px, width_px = picture.shape[:2]
    across, down = (PAN_SHARE * math.sin(2 * math.pi * seconds / period) for period in PAN_PERIODS_S)
    shift = np.array([[1, 0, across * width_px], [0, 1, down * height_px]], np.float64)
    moved = cv2.warpAffine(
        picture, shift, (width_px, height_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8)


TREATMENTS = (
    Treatment("480p", 481, scaled(480)),
    Treatment("360p", 361, scaled(360)),
    Treatment("quarter_bitrate", 0, unchanged, BITRATE_SHARE),
    Treatment("blur", 360, blurred),
    Treatment("pan", 0, cropped_and_panned),
)


def write_copy(source: Path, target: Path, treatment: Treatment) -> None:
    """Write the treated copy as MP4 (H.264, without sound). Only a whole file appears under its name.

    Where the sound starts first, the first picture is shown from the file's start, so that the clock stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        with (
            av.open(str(source)) as clip,
            av.open(str(part), "w", format="mp4", options={"fflags": "+bitexact"}) as container,
        ):
            read = clip.streams.video[0]
            read.thread_type = "AUTO"
            assert read.time_base is not None
            start_pts = round(Fraction(clip.start_time or 0, av.time_base) / read.time_base)
            written: VideoStream | None = None
            for frame in clip.decode(read):
                assert frame.pts is not None
                pixels = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
                picture = _even(treatment.picture(pixels, float(frame.time or 0)))
                starts_late = written is None and frame.pts > start_pts
                written = written or _stream(container, read, picture, _options(source, read, treatment))
                for pts in (start_pts, frame.pts) if starts_late else (frame.pts,):
                    out = VideoFrame.from_ndarray(picture, format="bgr24")
                    out.pts, out.time_base = pts - start_pts, frame.time_base
                    container.mux(written.encode(out))
            if written is not None:
                container.mux(written.encode(None))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _options(source: Path, read: VideoStream, treatment: Treatment) -> dict[str, str]:
    # The lookahead reads beyond pictures whose width is no multiple of 16, where memory holds anything.
    options = {"preset": "veryfast", "threads": "1", "x264-params": "rc-lookahead=0:sync-lookahead=0"}
    if treatment.bitrate_share is None:
        return options | {"crf": CRF}
    seconds = float((read.duration or 0) * (read.time_base or 0)) or 1.0
    own = read.bit_rate or 8 * source.stat().st_size / seconds
    return options | {"b": str(round(own * treatment.bitrate_share))}


def _stream(
    container: av.container.OutputContainer, read: VideoStream, picture: Image, options: dict[str, str]
) -> VideoStream:
    stream = container.add_stream("libx264", rate=read.average_rate or Fraction(25), options=options)
    stream.height, stream.width = picture.shape[:2]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1
    stream.codec_context.time_base = read.time_base or Fraction(1, 1000)
    if read.sample_aspect_ratio:
        stream.codec_context.sample_aspect_ratio = read.sample_aspect_ratio
    return stream


def _even(picture: Image) -> Image:
    """Without its last row or column where their number is odd: yuv420p has none such."""
    height_px, width_px = picture.shape[:2]
    return np.ascontiguousarray(picture[: height_px - height_px % 2, : width_px - width_px % 2])
