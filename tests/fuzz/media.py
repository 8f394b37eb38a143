"""Mutated videos through the fence: each is taken, or refused by a sentence, within the limit of time.

A fixed seed makes the same files each time. Nothing is stored but the files at which something else happened.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gpu_service.errors import BadInput, MprError
from mpr_assets.sampling.frames import ExtractedFrame, sampled
from mpr_assets.sampling.settings import ExtractFramesSettings
from mpr_assets.stages.extract_frames import chunk_rows
from mpr_assets.stages.timeline import resolve
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec
from mpr_resources.media.fence import fenced
from mpr_resources.media.sources import Sources
from tests.clips import write_numbered

SEED = 18
LIMIT_S = 60.0
"""More for one file is a fault."""
CONTAINERS = (".mp4", ".mkv", ".ts", ".avi", ".webm")


@dataclass
class Outcome:
    """What became of the files. `faults`: file, and what happened that is no sentence, or took too long."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[Path, str]] = field(default_factory=list)
    slowest_s: float = 0.0


def clips(folder: Path | None, into: Path) -> list[Path]:
    """The videos below a folder; without one, small ones of several containers are made."""
    if folder is not None:
        return sorted(path for path in folder.rglob("*") if path.suffix in CONTAINERS)
    made = []
    for suffix in CONTAINERS:
        codec = {"codec": "libvpx-vp9"} if suffix == ".webm" else {}
        made.append(write_numbered(into / f"clip{suffix}", 50, fps=25, **codec))
    return made


def mutated(videos: Sequence[Path], count: int, into: Path, seed: int = SEED) -> Iterator[Path]:
    """`count` damaged copies of the videos, one at a time; each is gone when the next one comes."""
    random = np.random.default_rng(seed)
    for number in range(count):
        original = videos[number % len(videos)]
        data = bytearray(original.read_bytes())
        for _ in range(int(random.integers(1, 4))):
            data = _mutate(data, random)
        path = into / f"{number:04}{original.suffix}"
        path.write_bytes(data)
        yield path
        path.unlink(missing_ok=True)


def _mutate(data: bytearray, random: np.random.Generator) -> bytearray:
    """One of: bits in the header or anywhere turned, a span zeroed, made extreme, cut out, doubled, moved; cut off."""
    size = max(1, len(data))
    at = int(random.integers(0, size))
    length = int(min(size - at, 2 ** random.integers(0, 14)))
    match int(random.integers(0, 9)):
        case 0:
            for place in random.integers(0, min(size, 4096), 8):
                data[place] ^= 1 << int(random.integers(0, 8))
        case 1:
            for place in random.integers(0, size, 64):
                data[place] ^= 1 << int(random.integers(0, 8))
        case 2:
            data[at : at + length] = bytes(length)
        case 3:
            data[at : at + 4] = bytes([255, 255, 255, 255])
        case 4:
            del data[at : at + length]
        case 5:
            data[at:at] = data[at : at + length]
        case 6:
            data = data[: max(64, at)]
        case 7:  # in the index, which containers keep at either end
            place = int(random.integers(max(0, size - 20_000), size))
            data[place : place + 4] = random.bytes(4)
        case 8:
            data[at : at + length] = random.bytes(length)
    return data


def try_all(videos: Sequence[Path], count: int, kept: Path, seed: int = SEED) -> Outcome:
    """Probe and sample each damaged copy; `kept`: where those go at which there was a fault."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="mpr-fuzz-") as folder:
        for path in mutated(videos, count, Path(folder), seed):
            began_s = time.monotonic()
            said = _tried(path)
            took_s = time.monotonic() - began_s
            outcome.slowest_s = max(outcome.slowest_s, took_s)
            fault = said if said.startswith("fault") else f"took {took_s:.0f} s" if took_s > LIMIT_S else ""
            outcome.counts["fault" if fault else said] += 1
            if fault:
                kept.mkdir(parents=True, exist_ok=True)
                (kept / path.name).write_bytes(path.read_bytes())
                outcome.faults.append((kept / path.name, fault))
    return outcome


def _tried(path: Path) -> str:
    try:
        chunks = chunk_rows(resolve(TimelineSpec(name="t", chunks=(ChunkSpec(source=str(path)),))))
        frames = sum(
            1 for _ in fenced(ExtractedFrame, sampled, chunks, ExtractFramesSettings().plain(), Sources(), None)
        )
    except MprError as error:
        if "ended the decoder" in str(error):
            return "the decoder crashed, told by a sentence"
        if not isinstance(error, BadInput):
            return f"fault: {type(error).__name__}: {error}"
        return "refused by a sentence"
    except Exception as error:
        return f"fault: {type(error).__name__}: {error}"
    return "taken" if frames else "fault: no frame and no sentence"
