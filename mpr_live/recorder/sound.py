"""Sound as WAV files, one after another, through to the end. Times are the session's; a file holds no gap."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import av
import numpy as np

from mpr_live.recorder.hooks import Hook
from mpr_live.recorder.index import Index

GAP_MS = 100
"""A sound that comes later or earlier than the one before ends by more than this begins another file."""
MOST_CHANNELS = 2


class SoundChunks:
    """Writes `audio/chunk_0000.wav` and so on, each of about so long."""

    def __init__(self, folder: Path, chunk_ms: int, hook: Hook) -> None:
        self._index = Index(folder / "audio", "chunk_{:04d}.wav", 0)
        self._chunk_ms = chunk_ms
        self._hook = hook
        self._resampler: av.AudioResampler | None = None
        self._form: tuple[int, int] | None = None
        self._held: list[np.ndarray] = []
        self._samples = 0
        self._start_ms = 0.0

    def add(self, frame: av.AudioFrame, at_ms: float) -> None:
        """Take the next sound, at this time of the session."""
        channels = min(MOST_CHANNELS, frame.layout.nb_channels)
        form = (frame.sample_rate, channels)
        if form != self._form or abs(at_ms - self._end_ms) > GAP_MS:
            self.close()
            self._form, self._start_ms = form, at_ms
            self._resampler = av.AudioResampler("s16", "mono" if channels == 1 else "stereo", frame.sample_rate)
        assert self._resampler is not None
        frame.pts = None
        for one in self._resampler.resample(frame):
            samples = one.to_ndarray().reshape(-1, channels)
            self._held.append(samples)
            self._samples += len(samples)
        if self._end_ms - self._start_ms >= self._chunk_ms:
            self._write()

    def close(self) -> None:
        """Write what is held."""
        if self._samples:
            self._write()

    @property
    def _end_ms(self) -> float:
        return self._start_ms + (self._samples * 1000 / self._form[0] if self._form else 0)

    def _write(self) -> None:
        assert self._form is not None
        rate, channels = self._form
        data = io.BytesIO()
        with wave.open(data, "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(np.concatenate(self._held).tobytes())
        start_s, duration_s = self._start_ms / 1000, self._samples / rate
        path = self._index.add(data.getvalue(), {"timestamp": round(start_s, 3), "duration": round(duration_s, 3)})
        self._start_ms, self._held, self._samples = self._end_ms, [], 0
        self._hook.run(path, start_s, duration_s)
