"""A sentence as sound, and a clip in which it is said.

`said.ogg` is spoken by espeak-ng: "Welcome back to the stadium. Tonight's match is brought to you by Nowhere Airlines."
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from gpu_service.sound import RATE_HZ, Samples
from tests.clips import numbered

SAID = Path(__file__).parent / "said.ogg"


def sentence() -> Samples:
    """The sentence, some six seconds."""
    resampler = av.AudioResampler("s16", "mono", RATE_HZ)
    with av.open(str(SAID)) as container:
        blocks = [block for frame in container.decode(audio=0) for block in resampler.resample(frame)]
    return np.concatenate([block.to_ndarray().reshape(-1) for block in blocks])


def said_at(starts_s: Sequence[float], seconds: float) -> Samples:
    """Silence of this length with the sentence at these times."""
    samples, words = np.zeros(round(seconds * RATE_HZ), np.int16), sentence()
    for start_s in starts_s:
        at = round(start_s * RATE_HZ)
        samples[at : at + len(words)] = words[: len(samples) - at]
    return samples


def write_spoken(path: Path, samples: Samples) -> Path:
    """A film of two pictures a second with this sound."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=2)
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=RATE_HZ, layout="mono")
        packets = [
            packet
            for number in range(2 * len(samples) // RATE_HZ)
            for packet in video.encode(av.VideoFrame.from_ndarray(numbered(number % 16), "bgr24"))
        ]
        packets += video.encode()
        frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
        packets += [*sound.encode(frame), *sound.encode()]
        for packet in sorted(packets, key=lambda packet: Fraction(packet.dts or 0) * packet.time_base):
            container.mux(packet)
    return path
