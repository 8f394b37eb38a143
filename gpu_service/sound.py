"""Sound as it travels: samples, or a WAV file of them. One channel, 16 bits, `RATE_HZ` samples a second, everywhere.

How a video's sound becomes that is in `mpr_resources.media.sound`; what is heard in it, in `routines.transcribe`.
"""

from __future__ import annotations

import io
import wave
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpu_service.errors import BadInput

Samples: TypeAlias = NDArray[np.int16]
"""Samples: shape (count,), -32768 to 32767."""

RATE_HZ = 16_000


class Sound:
    """One piece of sound. `Sound(encoded=wav_bytes)` or `Sound(samples=array)`."""

    def __init__(self, *, encoded: bytes | None = None, samples: Samples | None = None) -> None:
        if (encoded is None) == (samples is None):
            raise ValueError("a Sound is made from encoded bytes or from samples, one of them")
        self._encoded = encoded
        self._samples = samples

    @property
    def samples(self) -> Samples:
        """The samples, decoded on first use.

        Raises:
            BadInput: the bytes are not a WAV file of one channel, 16 bits and 16 kHz.
        """
        if self._samples is None:
            assert self._encoded is not None
            self._samples = decode_wav(self._encoded)
        return self._samples

    @property
    def encoded(self) -> bytes:
        """The bytes it came as, or a WAV file of the samples made on first use."""
        if self._encoded is None:
            assert self._samples is not None
            self._encoded = encode_wav(self._samples)
        return self._encoded


def encode_wav(samples: Samples) -> bytes:
    """A WAV file of the samples."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


def decode_wav(encoded: bytes) -> Samples:
    """The samples of a WAV file.

    Raises:
        BadInput: it is not one of one channel, 16 bits and 16 kHz.
    """
    try:
        with wave.open(io.BytesIO(encoded), "rb") as file:
            form = file.getnchannels(), 8 * file.getsampwidth(), file.getframerate()
            content = file.readframes(file.getnframes())
    except (wave.Error, EOFError, RuntimeError) as error:  # the last: a part that reaches beyond the file
        raise BadInput(f"These {len(encoded)} bytes are not a WAV file that can be read", _FORM) from error
    if form != (1, 16, RATE_HZ):
        raise BadInput(f"The WAV file has {form[0]} channels of {form[1]} bits at {form[2]} Hz", _FORM)
    return np.frombuffer(content[: len(content) // 2 * 2], "<i2").astype(np.int16)


_FORM = "send one channel of 16 bits at 16000 Hz"
