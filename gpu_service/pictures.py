"""A picture as it travels: encoded bytes, pixels, or both, each computed from the other once, when first needed.

Pixels are uint8 arrays of shape (height, width, 3) in BGR order everywhere in MPR.
"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from gpu_service.errors import BadInput

Image: TypeAlias = NDArray[np.uint8]
"""Pixels: shape (height, width, 3), BGR, 0 to 255."""

JPEG_QUALITY = 90
FORMATS = ("JPEG", "PNG", "WEBP")
"""What is taken from outside, as Pillow names it; OpenCV would decode more."""
MAX_REFERENCE_MEGAPIXELS = 40
"""A logo is scaled down to some hundred pixels; no camera's picture of one is larger."""
MAX_FILE_BYTES = 100_000_000
"""A PNG of as many megapixels as are taken has no more."""
MAX_SVG_BYTES = 5_000_000
SVG_TIME_S = 20
"""By the clock, on a busy machine; the process itself may use 5 s."""
PNG_PARAMETERS = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
)
"""Of video frames, 2.5 times quicker than compression 1 alone, and as small within a tenth or two."""


class Picture:
    """One picture. `Picture(encoded=jpeg_bytes)` or `Picture(pixels=array)`."""

    def __init__(self, *, encoded: bytes | None = None, pixels: Image | None = None) -> None:
        if (encoded is None) == (pixels is None):
            raise ValueError("a Picture is made from encoded bytes or from pixels, one of them")
        self._encoded = encoded
        self._pixels = pixels
        self._came_encoded = encoded is not None

    @property
    def pixels(self) -> Image:
        """The pixels, decoded on first use.

        Raises:
            BadInput: the bytes are not a picture that can be decoded.
        """
        if self._pixels is None:
            assert self._encoded is not None
            self._pixels = decode(self._encoded)
        return self._pixels

    @property
    def encoded(self) -> bytes:
        """The bytes it came as, or a JPEG of the pixels made on first use."""
        if self._encoded is None:
            assert self._pixels is not None
            self._encoded = encode_jpeg(self._pixels)
        return self._encoded

    @property
    def lossless(self) -> bytes:
        """The bytes it came as, or a PNG of the pixels: decoding them gives exactly `pixels`."""
        if self._came_encoded:
            return self.encoded
        return encode_png(self.pixels)


def read_file(path: Path) -> bytes:
    """The bytes of a picture's file.

    Raises:
        BadInput: it is no regular file, or too large for one picture.
        OSError: it cannot be read.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise BadInput(f"{path} is not a regular file", "name a picture file")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise BadInput(f"{path} is larger than {MAX_FILE_BYTES // 1_000_000} MB", "is it really a picture?")
    return path.read_bytes()


def decode(encoded: bytes) -> Image:
    """Decode PNG, JPEG or WebP bytes.

    Raises:
        BadInput: they are not such a picture.
    """
    pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR) if encoded else None
    if pixels is None:
        raise BadInput(f"These {len(encoded)} bytes are not a picture that can be decoded", "send PNG, JPEG or WebP")
    return np.asarray(pixels, np.uint8)


def rasterise(svg: bytes, side_px: int) -> bytes:
    """PNG bytes of an SVG drawn to fit a square, in a process of its own with limits: see `svg_process`.

    Raises:
        ValueError: it is not an SVG that can be drawn, reads other files, or takes too much time or memory.
    """
    if len(svg) > MAX_SVG_BYTES:
        raise ValueError(f"it has more than {MAX_SVG_BYTES / 1e6:.0f} MB")
    command = [sys.executable, "-I", str(Path(__file__).parent / "svg_process.py"), str(side_px)]
    try:
        drawn = subprocess.run(command, input=svg, capture_output=True, timeout=SVG_TIME_S, check=False)
    except subprocess.TimeoutExpired:
        raise ValueError(f"drawing it takes more than {SVG_TIME_S} s") from None
    if drawn.returncode == 1:
        raise ValueError(drawn.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    if drawn.returncode != 0:
        raise ValueError("drawing it takes too much time or memory")
    return drawn.stdout


def size_px(encoded: bytes) -> tuple[int, int] | None:
    """Width and height of JPEG, PNG or WebP bytes, by their header alone; None: far more pixels than any picture has.

    Raises:
        BadInput: they are not such a picture.
    """
    try:
        with PillowImage.open(io.BytesIO(encoded), formats=FORMATS) as picture:
            return picture.size
    except (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning):
        return None
    except Exception as error:  # Pillow raises many kinds on damaged headers; each means the same
        raise BadInput(f"These {len(encoded)} bytes are not a JPEG, PNG or WebP file that can be read") from error


def refuse_large(encoded: bytes) -> None:
    """Refuse a reference picture of more than `MAX_REFERENCE_MEGAPIXELS`: a few megabytes may unpack to gigabytes.

    Raises:
        BadInput: it is no JPEG, PNG or WebP file.
        ValueError: it is too large.
    """
    size = size_px(encoded)
    if size is None:
        raise ValueError(f"it has more than {MAX_REFERENCE_MEGAPIXELS} megapixels")
    width_px, height_px = size
    if width_px * height_px > MAX_REFERENCE_MEGAPIXELS * 1e6:
        raise ValueError(f"its {width_px} x {height_px} pixels are more than {MAX_REFERENCE_MEGAPIXELS} megapixels")


def encode_jpeg(pixels: Image, quality: int = JPEG_QUALITY) -> bytes:
    """JPEG bytes of the pixels; quality 1 to 100."""
    done, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"cannot encode pixels of shape {pixels.shape} as JPEG")
    return encoded.tobytes()


def encode_png(pixels: Image) -> bytes:
    """PNG bytes of the pixels: lossless."""
    done, encoded = cv2.imencode(".png", pixels, PNG_PARAMETERS)
    if not done:
        raise ValueError(f"cannot encode pixels of shape {pixels.shape} as PNG")
    return encoded.tobytes()
