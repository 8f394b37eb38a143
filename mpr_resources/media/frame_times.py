"""When frames are shown, and from which key frames they can be decoded. Knows no files and no decoder."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import NamedTuple

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


class Stamp(NamedTuple):
    """What the decoder says of a frame's time: its own pts, and the dts of the packet that made it come out."""

    pts: int | None
    dts: int | None


def best_times(stamps: Sequence[Stamp]) -> list[int | None]:
    """When frames, given in the order of showing, are shown; None: at an unknown time, or another comes at the same.

    The pts, or the dts of a frame without, unless more of the dts ascend: in files that keep the order of decoding
    alone the pts belong to other frames. FFmpeg's `best_effort_timestamp` is chosen so too (libavcodec/decode.c,
    guess_correct_pts), but by the faults up to each frame, so that it is wrong for the frames before the first fault.
    What does not ascend is left out, and what then has no time comes a usual step after the frame before.

    >>> best_times([Stamp(1, 1), Stamp(3, 2), Stamp(2, 3), Stamp(4, None)])
    [1, 2, 3, 4]
    """
    by_pts = _longest_ascent([dts if pts is None else pts for pts, dts in stamps])
    by_dts = _longest_ascent([dts for _, dts in stamps])
    kept_pts, kept_dts = (sum(time is not None for time in times) for times in (by_pts, by_dts))
    # No packet makes the last frames come out.
    drained = sum(1 for _ in takewhile(lambda stamp: stamp.dts is None, reversed(stamps)))
    times = by_dts if kept_dts and kept_dts + drained > kept_pts else by_pts
    known = [time for time in times if time is not None]
    step = int(np.median(np.diff(known))) if len(known) > 1 else 1
    following: list[float] = [math.inf]
    for time in reversed(times):
        following.append(following[-1] if time is None else time)
    for at, (time, later) in enumerate(zip(times, reversed(following[:-1]), strict=True)):
        before = times[at - 1] if at else None
        if time is None and before is not None and before + step < later:
            times[at] = before + step
    return times


def _longest_ascent(times: Sequence[int | None]) -> list[int | None]:
    """The most of the times that ascend, the latest where some are equal; the others are None.

    The longest increasing subsequence, found by patience sorting (Fredman 1975).
    """
    ends: list[int] = []  # the lowest time that ends an ascent of each length
    places: list[int] = []  # of those times
    before: dict[int, int] = {}
    for at, time in enumerate(times):
        if time is None:
            continue
        length = bisect_left(ends, time)
        ends[length : length + 1], places[length : length + 1] = [time], [at]
        before[at] = places[length - 1] if length else -1
    kept: list[int | None] = [None] * len(times)
    at = places[-1] if places else -1
    while at >= 0:
        kept[at] = times[at]
        at = before[at]
    return kept


def ascend(times: Sequence[int]) -> bool:
    """Whether each is later than the one before."""
    return all(earlier < later for earlier, later in pairwise(times))


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
