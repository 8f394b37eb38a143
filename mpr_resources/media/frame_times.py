"""When frames are shown, and from which key frames they can be decoded. Knows no files and no decoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FrameTimes:
    """The presentable frames of a span of a source.

    Attributes:
        pts: int64, shape (n,), ascending, unique.
        keys: int64, shape (k,), ascending: frames where decoding can start. Empty when packets carry no times of
            their own; then every frame has to be decoded.
    """

    pts: NDArray[np.int64]
    keys: NDArray[np.int64]


def entries(wanted: Sequence[int], times: FrameTimes) -> NDArray[np.int64]:
    """For each wanted frame the key frame from which it can be decoded; empty where keys are unknown."""
    if not len(times.keys):
        return np.zeros(0, np.int64)
    return times.keys[np.maximum(np.searchsorted(times.keys, np.asarray(wanted, np.int64), "right") - 1, 0)]


def from_start(start_pts: int) -> FrameTimes:
    """Times that make the file be decoded one and all from its start."""
    return FrameTimes(np.array([start_pts], np.int64), np.zeros(0, np.int64))


def earlier(pts: int, times: FrameTimes) -> FrameTimes:
    """The same frames, to be decoded one and all from the second key frame before the one that was tried."""
    at = max(0, int(np.searchsorted(times.keys, pts, "right")) - 3)
    return from_start(int(times.keys[at]) if len(times.keys) else pts)


def runs(wanted: Sequence[int], times: FrameTimes, gap: int) -> Iterator[Sequence[int]]:
    """Split where so much lies between two frames' groups of pictures that seeking beats reading."""
    if not wanted:
        return
    begins = entries(wanted, times)
    breaks = [i + 1 for i in range(len(begins) - 1) if begins[i + 1] - wanted[i] > gap]
    for start, end in zip([0, *breaks], [*breaks, len(wanted)], strict=True):
        yield wanted[start:end]


def nal_types(data: bytes, length_prefixed: bool) -> set[int]:
    """Types of the H.264 units in a packet: with four bytes of length before each, as in MP4, or start codes."""
    if not length_prefixed:
        return {unit[0] & 31 for unit in data.split(b"\0\0\1")[1:] if unit}
    types: set[int] = set()
    at = 0
    while at + 4 < len(data):
        types.add(data[at + 4] & 31)
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return types
