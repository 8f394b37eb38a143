"""Frames as JPEG in the widths that pages ask for. Each is read and scaled once while it stays in a bounded cache."""

from __future__ import annotations

import threading
from collections import OrderedDict

import cv2
import numpy as np

from gpu_service.errors import NotThere
from gpu_service.pictures import decode, encode_jpeg
from mpr_assets.timelines.spec import validate_timeline_name
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject, Storage

CACHE_BYTES = 128 * 2**20
MIN_WIDTH, MAX_WIDTH = 16, 7680
QUALITY = 85


class FramePictures:
    """Encoded frames, the least recently used out first. Thread-safe."""

    def __init__(self, storage: Storage, max_bytes: int = CACHE_BYTES) -> None:
        self._storage = storage
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[tuple[str, str, int, int | None], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def jpeg(self, timeline: str, version: str, seq: int, width: int | None) -> bytes:
        """The frame as it is stored, or scaled down to a width.

        Args:
            version: beginning of the fingerprint under which the frames lie, 16 characters.

        Raises:
            NotThere: it is not stored.
        """
        key = (validate_timeline_name(timeline), version, seq, width)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = self._stored(timeline, version, seq) if width is None else self._scaled(timeline, version, seq, width)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = found
                self._bytes += len(found)
            while self._bytes > self._max_bytes:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= len(oldest)
        return found

    def forget(self, timeline: str) -> None:
        """Those of a timeline are read again."""
        with self._lock:
            for key in [one for one in self._kept if one[0] == timeline]:
                self._bytes -= len(self._kept.pop(key))

    def _stored(self, timeline: str, version: str, seq: int) -> bytes:
        try:
            return self._storage.get(f"{Keys.frames(timeline, version)}/{seq:08d}.jpg")
        except MissingObject as error:
            raise NotThere(
                f"The frame {seq} of the timeline {timeline!r} is not in the cache", "run extract_frames again"
            ) from error

    def _scaled(self, timeline: str, version: str, seq: int, width: int) -> bytes:
        encoded = self.jpeg(timeline, version, seq, None)
        picture = decode(encoded)
        height_px, width_px = picture.shape[:2]
        if width >= width_px:
            return encoded
        height = max(1, round(height_px * width / width_px))
        scaled = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        return encode_jpeg(np.asarray(scaled, np.uint8), QUALITY)
