"""What is said in a piece of sound, word by word: voice activity first, then a recogniser where somebody speaks.

Engine `faster_whisper`: Whisper in CTranslate2, with the voice activity detector (Silero) that its package carries.
Random sampling is off, so that equal sound gives equal words. What becomes of the words is their reader's affair.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np
from pydantic import Field

from gpu_service import models
from gpu_service.errors import BadInput
from gpu_service.pictures import Image
from gpu_service.routines import SOUND, Batch, DebugPictures, Routine
from gpu_service.settings import Settings
from gpu_service.sound import RATE_HZ, Samples
from gpu_service.wire import SpokenWord, TranscribeAnswer, TranscribeItem

Engine: TypeAlias = Literal["faster_whisper"]
WHAT = "the engine faster_whisper"
EXTRA = "speech"
VERSION = "1"
FULL_SCALE = 32768.0
DRAWN_PX = (1200, 160)
"""Width and height of the debug picture."""


class HearingSettings(Settings):
    """Which model hears, and what it takes for speech."""

    model: str = Field("", max_length=100, description="short name of a model of the inference host")
    language: str = Field(
        "",
        max_length=20,
        pattern=r"^([a-z]+(-[A-Za-z0-9]+)*)?$",
        description="code of the spoken language, as en; empty: it is detected",
    )
    voice_threshold: float = Field(0.5, gt=0, lt=1, description="probability above which sound is taken for a voice")
    min_silence_ms: int = Field(500, ge=0, le=10_000, description="shorter silence does not part speech")
    beams: int = Field(5, ge=1, le=20, description="readings that are weighed at once; fewer are faster and less exact")


class SpeechSettings(HearingSettings):
    """Which engine hears, and how."""

    engine: Engine = Field("faster_whisper", description="recogniser of speech")


class Whisper:
    """One model in memory. Safe to be called by several threads, one at a time."""

    def __init__(self, path: Path) -> None:
        faster_whisper = models.package("faster_whisper", WHAT, EXTRA)
        translate = models.package("ctranslate2", WHAT, EXTRA)
        translate.set_log_level(logging.ERROR)  # it warns that it computes in another precision than the file has
        gpu = models.wants_gpu() and translate.get_cuda_device_count() > 0
        self._vad: Any = models.package("faster_whisper.vad", WHAT, EXTRA)
        self._model: Any = faster_whisper.WhisperModel(
            str(path),
            device="cuda" if gpu else "cpu",
            # Whole numbers hear the same words on a CPU, in a sixth of the time.
            compute_type="default" if gpu else "int8",
            cpu_threads=min(4, len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else 4,
            local_files_only=True,
        )
        self._lock = threading.Lock()

    def hear(self, samples: Samples, hotwords: str, settings: SpeechSettings) -> TranscribeAnswer:
        """The words of a piece of sound.

        Raises:
            BadInput: the model does not know the language.
        """
        known = self._model.supported_languages
        if settings.language and settings.language not in known:
            raise BadInput(
                f"The model `{settings.model}` does not know the language {settings.language!r}",
                f"set `language` to one of {', '.join(known)}",
            )
        sound = samples.astype(np.float32) / FULL_SCALE
        with self._lock:
            speech = self._speech(sound, settings)
            if not speech:
                return TranscribeAnswer()
            segments, told = self._model.transcribe(
                sound,
                language=settings.language or None,
                beam_size=settings.beams,
                temperature=0.0,
                word_timestamps=True,
                hotwords=hotwords or None,
                condition_on_previous_text=False,
                vad_filter=True,
                vad_parameters=self._options(settings),
            )
            heard = [word for segment in segments for word in segment.words or ()]
        end_ms = len(samples) * 1000 // RATE_HZ
        words = [_word(one, end_ms) for one in heard if one.word.strip()]
        return TranscribeAnswer(words=tuple(words), speech_ms=speech, language=told.language)

    def _speech(self, sound: Any, settings: SpeechSettings) -> int:
        """How long somebody speaks, in ms."""
        spans = self._vad.get_speech_timestamps(sound, self._options(settings))
        return int(sum(span["end"] - span["start"] for span in spans)) * 1000 // RATE_HZ

    def _options(self, settings: SpeechSettings) -> Any:
        return self._vad.VadOptions(
            threshold=settings.voice_threshold, min_silence_duration_ms=settings.min_silence_ms, speech_pad_ms=200
        )


def _word(one: Any, end_ms: int) -> SpokenWord:
    start_ms = min(round(one.start * 1000), end_ms)
    return SpokenWord(
        text=one.word.strip(),
        start_ms=start_ms,
        end_ms=max(start_ms, min(round(one.end * 1000), end_ms)),
        confidence=round(min(max(one.probability, 0.0), 1.0), 4),
    )


def _run(batch: Batch[SpeechSettings, TranscribeItem]) -> list[TranscribeAnswer]:
    recogniser = models.load("faster_whisper", batch.settings.model, "model", Whisper)
    return [
        recogniser.hear(samples, item.hotwords, batch.settings)
        for samples, item in zip(batch.images, batch.items, strict=True)
    ]


def _debug(batch: Batch[SpeechSettings, TranscribeItem]) -> list[tuple[TranscribeAnswer, DebugPictures]]:
    return [
        (answer, {"heard": draw(samples, answer.words)})
        for samples, answer in zip(batch.images, _run(batch), strict=True)
    ]


def draw(samples: Samples, words: Sequence[SpokenWord]) -> Image:
    """The sound's outline over time, with the words that were heard, from left to right."""
    width, height = DRAWN_PX
    canvas = np.full((height, width, 3), 255, np.uint8)
    edges = np.linspace(0, len(samples), width + 1).astype(int)
    for x, (start, end) in enumerate(pairwise(edges)):
        loudest = int(np.abs(samples[start:end].astype(np.int32)).max(initial=0) / FULL_SCALE * height / 2)
        cv2.line(canvas, (x, height // 2 - loudest), (x, height // 2 + loudest), (200, 160, 90), 1)
    length_ms = max(len(samples) * 1000 / RATE_HZ, 1)
    for number, word in enumerate(words):
        at = int(word.start_ms / length_ms * width), 14 + 14 * (number % 3)
        cv2.putText(canvas, word.text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (30, 30, 30), 1, cv2.LINE_AA)
    return np.asarray(canvas, np.uint8)


def _identity(settings: SpeechSettings) -> str:
    version = models.version("faster-whisper", WHAT, EXTRA)
    return f"{settings.engine}/{VERSION}/{version}/{models.identity(settings.model, 'model')}"


TRANSCRIBE = Routine(
    name="transcribe",
    settings=SpeechSettings,
    item=TranscribeItem,
    answer=TranscribeAnswer,
    run=_run,
    debug=_debug,
    identity=_identity,
    takes=SOUND,
    max_in_request=1,
)
