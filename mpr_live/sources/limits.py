"""What a stream may ask of the process that takes it in: time without a picture, bytes without one, pictures a second.

Those of one that passes them are refused; no other stream is touched. Where the bytes come from is each source's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction

from gpu_service.errors import BadInput, TransientError

SILENT_S = 30.0
"""So long a source may send nothing, or nothing that a picture comes of."""
OPEN_S = 30.0
"""So long opening may take."""
LOOKED_AT = {"analyzeduration": "2000000", "probesize": "5000000"}
"""How long FFmpeg looks for a stream that is announced and does not come, such as sound: microseconds, and bytes."""
PICTURELESS_BYTES = 64_000_000
"""So much may come without a picture among it."""
PICTURES_A_SECOND = 300
"""By the stream's own clock."""
LARGEST_PX = 8192
"""The longest side of a picture."""
LARGEST_PACKET_BYTES = 32_000_000


class Hostile(BadInput):
    """A stream that no session takes, however often it is tried."""


class Limits:
    """Counts what a source sends between one picture and the next. One thread takes packets, another may take bytes."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._since_s = now_s()
        self._bytes = 0
        self._second: tuple[Fraction, int] | None = None
        self.pictures = 0

    def begun(self) -> None:
        """The source is opened anew."""
        self._since_s, self._bytes, self._second = self._now_s(), 0, None

    def waiting(self) -> None:
        """Nothing has come for a moment.

        Raises:
            TransientError: for too long.
        """
        if self._now_s() - self._since_s > SILENT_S:
            raise TransientError(f"no picture came for {SILENT_S:.0f} s")

    def took(self, size: int) -> None:
        """Bytes came.

        Raises:
            Hostile: too many without a picture.
            TransientError: for too long.
        """
        self._bytes += size
        if self._bytes > PICTURELESS_BYTES:
            raise Hostile(f"It sends {PICTURELESS_BYTES // 1_000_000} MB without a picture")
        self.waiting()

    def picture(self, at_s: Fraction, size: int) -> None:
        """A packet of a picture came, of so many bytes, whose time on the stream's clock this is.

        Raises:
            Hostile: they come too closely, or one is too large.
        """
        self._since_s, self._bytes = self._now_s(), 0
        self.pictures += 1
        if size > LARGEST_PACKET_BYTES:
            raise Hostile(f"It sends a picture of {size // 1_000_000} MB")
        began_s, count = self._second or (at_s, 0)
        if not began_s <= at_s < began_s + 1:
            began_s, count = at_s, 0
        self._second = (began_s, count + 1)
        if count + 1 > PICTURES_A_SECOND:
            raise Hostile(f"It sends more than {PICTURES_A_SECOND} pictures a second")

    @staticmethod
    def size(width_px: int, height_px: int) -> None:
        """Of the pictures that the stream's header announces.

        Raises:
            Hostile: larger than any is taken.
        """
        if max(width_px, height_px) > LARGEST_PX:
            raise Hostile(f"It sends pictures of {width_px}x{height_px}; up to {LARGEST_PX} pixels a side are taken")
