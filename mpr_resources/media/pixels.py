"""Decoded frames to pixels: upright, square, opaque, BGR. Knows nothing of files or sampling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias, cast

import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, Interpolation
from numpy.typing import NDArray
from PIL import ImageColor

from gpu_service.pictures import Image
from mpr_resources.media.tone_mapping import Transfer, to_709

HD_HEIGHT_PX = 720
"""Video of this height and more that does not say is coded in BT.709, below it in BT.601, as players assume."""

MAX_ASPECT = 8
"""Sample aspect ratios beyond 8:1 or 1:8 are wrong headers and are ignored."""

COLORSPACE_UNSPECIFIED = 2

Color: TypeAlias = tuple[int, int, int]
"""Blue, green, red; 0 to 255."""

BLACK: Color = (0, 0, 0)


def color(text: str) -> Color:
    """A colour by its name in CSS, or written as #rgb or #rrggbb, in any case.

    Raises:
        ValueError: there is none of that name.

    >>> color("orange"), color("#102030")
    ((0, 165, 255), (48, 32, 16))
    """
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise ValueError(f"{text!r} is no colour: write a name such as white, or #rrggbb") from None
    return blue, green, red


@dataclass(frozen=True)
class Orientation:
    """How coded pixels are turned for display: transpose first, then flip."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def rotation_deg(self) -> int:
        """Clockwise turn, 0, 90, 180 or 270; a mirrored picture has the turn of its unmirrored self."""
        if self.transpose:
            return 90 if self.flip_x else 270
        return 180 if self.flip_y else 0

    def apply(self, pixels: Image) -> Image:
        if self.transpose:
            pixels = np.asarray(cv2.transpose(pixels), np.uint8)
        if self.flip_x or self.flip_y:
            code = -1 if self.flip_x and self.flip_y else 1 if self.flip_x else 0
            pixels = np.asarray(cv2.flip(pixels, code), np.uint8)
        return pixels


UPRIGHT = Orientation()


def orientation(frame: VideoFrame) -> Orientation:
    """The frame's display matrix as quarter turns and flips; other angles go to the nearest quarter turn.

    Ask where the angle (`frame.rotation`) has changed, not of each: the package ties a frame and its side data into a
    cycle, which keeps the frame's memory until the garbage collector runs. The matrix is nine native int32,
    [a b u, c d v, x y w], with x' = a x + c y and y' = b x + d y (FFmpeg, display.h).
    """
    # The package's stub knows one kind of side data only.
    side_data = cast("Mapping[SideDataType, bytes]", frame.side_data)
    if SideDataType.DISPLAYMATRIX not in side_data:
        return UPRIGHT
    a, b, _, c, d = np.frombuffer(side_data[SideDataType.DISPLAYMATRIX], np.int32)[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, a < 0, d < 0)
    return Orientation(True, c < 0, b < 0)


def display_size(
    width_px: int, height_px: int, aspect: Fraction | None, max_height_px: int | None = None
) -> tuple[int, int]:
    """Width and height, before turning, with square pixels: the shorter-sampled side is enlarged.

    Args:
        aspect: width of a sample over its height; None is square.
        max_height_px: neither size is changed unless the smaller side exceeds this; then both shrink alike.
    """
    width, height = Fraction(width_px), Fraction(height_px)
    if aspect is not None and Fraction(1, MAX_ASPECT) <= aspect <= MAX_ASPECT:
        width, height = (width * aspect, height) if aspect >= 1 else (width, height / aspect)
    if max_height_px is not None and min(width, height) > max_height_px:
        scale = max_height_px / min(width, height)
        width, height = width * scale, height * scale
    return max(1, round(width)), max(1, round(height))


def has_alpha(frame: VideoFrame) -> bool:
    """Whether the frame's format can tell of transparency; colours of a palette can."""
    return frame.format.has_palette or any(component.is_alpha for component in frame.format.components)


def to_pixels(
    frame: VideoFrame,
    aspect: Fraction | None = None,
    turn: Orientation = UPRIGHT,
    max_height_px: int | None = None,
    background: Color | None = BLACK,
) -> Image:
    """The frame as a person sees it: square pixels, upright, full-range BGR.

    Any pixel format FFmpeg can convert: planar or packed, grey, 10 and more bits, limited or full range. High dynamic
    range and the colours of BT.2020 are brought to BT.709 (see `tone_mapping`).

    Args:
        background: seen through transparent pixels; None: the frame's transparency has no meaning.
    """
    width, height = display_size(frame.width, frame.height, aspect, max_height_px)
    scaled = (width, height) != (frame.width, frame.height)
    transfer = _transfer(frame)
    matrix = None
    if frame.colorspace == COLORSPACE_UNSPECIFIED:
        usual = Colorspace.ITU709 if frame.height >= HD_HEIGHT_PX else Colorspace.ITU601
        matrix = usual if transfer is None else Colorspace.BT2020
    if background is not None and has_alpha(frame):
        # Before it is scaled: colours of transparent pixels would run into their neighbours.
        straight = frame.reformat(format="bgra", src_colorspace=matrix).to_ndarray()
        frame = VideoFrame.from_ndarray(composited(np.asarray(straight, np.uint8), background), "bgr24")
    converted = frame.reformat(
        width=width,
        height=height,
        format="bgr24",
        src_colorspace=matrix,
        interpolation=Interpolation.AREA if scaled else Interpolation.BILINEAR,
    )
    pixels = np.ascontiguousarray(converted.to_ndarray(), np.uint8)
    return turn.apply(pixels if transfer is None else to_709(pixels, transfer))


def _transfer(frame: VideoFrame) -> Transfer | None:
    """How the frame's colours are coded, where they are not those of BT.709 or so near to them that it is not seen."""
    if frame.color_trc in TRANSFERS:
        return TRANSFERS[frame.color_trc]
    return Transfer.GAMMA if frame.color_primaries == ColorPrimaries.BT2020 else None


TRANSFERS: Mapping[int, Transfer] = {ColorTrc.SMPTE2084: Transfer.PQ, ColorTrc.ARIB_STD_B67: Transfer.HLG}


def composited(straight: NDArray[np.uint8], background: Color) -> Image:
    """The picture over the background.

    Args:
        straight: shape (height, width, 4), BGRA, 0 to 255, colours not multiplied by alpha.
    """
    colors, alpha = straight[:, :, :3], straight[:, :, 3]
    if alpha.min() == 255:
        return np.ascontiguousarray(colors)
    shares = cv2.merge([alpha] * 3)
    behind = np.full_like(shares, background)
    over, under = cv2.multiply(colors, shares, scale=1 / 255), cv2.multiply(behind, 255 - shares, scale=1 / 255)
    return np.asarray(cv2.add(over, under), np.uint8)
