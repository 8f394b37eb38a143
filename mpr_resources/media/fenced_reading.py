"""What a video file is and holds, each looked up behind the fence: the functions of `probe`, `decoding` and `sound` for
whoever has other work to lose.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gpu_service.sound import Samples
from mpr_resources.media import fenced_calls
from mpr_resources.media.fence import fenced
from mpr_resources.media.probe import Probe
from mpr_resources.media.sound import SoundSpan
from mpr_resources.media.sources import Source
from mpr_resources.media.streams import StreamPlace


def probed(source: Source, stream: int | None = None) -> Probe:
    """As `probe`. Raises what that and `fenced` do."""
    [found] = fenced(Probe, fenced_calls.probed, source, stream)
    return found


def picture_times_ms(
    source: Source, place: StreamPlace, start_ms: int | None = None, end_ms: int | None = None
) -> NDArray[np.int64]:
    """When the pictures come on that a span shows, on the source's clock: int64, shape (n,). See `Media.times`."""
    [times_ms] = fenced(bytes, fenced_calls.picture_times_ms, source, place, start_ms, end_ms)
    return np.frombuffer(times_ms, np.int64)


def has_sound(source: Source, place: StreamPlace) -> bool:
    """As `sound.has_sound`."""
    [found] = fenced(bool, fenced_calls.has_sound, source, place)
    return found


def pieces(span: SoundSpan, piece_ms: int, overlap_ms: int) -> Iterator[tuple[int, Samples]]:
    """As `sound.pieces`."""
    for start_ms, samples in fenced(tuple[int, bytes], fenced_calls.pieces, span, piece_ms, overlap_ms):
        yield start_ms, np.frombuffer(samples, np.int16)
