"""The script that the graph is measured against: RapidOCR as it comes on two frames a second.

    echo '[{"name": "clip", "video": "clip.mp4", "brands": ["Acme"]}]' | python -m bench.plain_script

One process reads all clips. It is what somebody writes in an hour, and imports nothing of MPR: every sampled frame is
read whole, a brand is found where a line is like it or its letters stand within the line's, and what is found again
after one missed sample is one stay. The first line of output says what start-up cost (imports, models, a first
picture); then one JSON line a clip.
"""

from __future__ import annotations

import json
import resource
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import av
import numpy as np
from rapidfuzz import fuzz
from rapidocr import RapidOCR

FPS = 2
STEP_S = 1 / FPS
BRIDGED_STEPS = 2
"""Samples of a brand that are at most so many steps apart are one stay."""


LEAST_RATIO = 80
"""How like a brand a line must be, of 100; the best of 75, 80 and 85 on the clips at hand, and better than a part of
the line that is as like (`partial_ratio`)."""
LEAST_LETTERS_WITHIN = 5
"""Of a brand that may stand within a line."""


def folded(text: str) -> str:
    """Letters and digits alone, without case and accents."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", text).casefold() if letter.isalnum())


def sampled(video: str) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
    """For every half second the first frame at or after it: number of the sample, pixels (BGR)."""
    with av.open(video) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        wanted = 0
        for frame in container.decode(stream):
            if frame.time is not None and frame.time >= wanted * STEP_S:
                yield wanted, frame.to_ndarray(format="bgr24")
                wanted = int(frame.time / STEP_S) + 1


def texts(reader: RapidOCR, picture: np.ndarray[Any, Any]) -> tuple[str, ...]:
    """All lines of a picture."""
    answer: Any = reader(picture)
    return answer.txts or ()


def is_in(brand: str, line: str) -> bool:
    """Whether a line means the brand, both folded."""
    return fuzz.ratio(brand, line) >= LEAST_RATIO or (len(brand) >= LEAST_LETTERS_WITHIN and brand in line)


def stays(lines: Mapping[int, Sequence[str]], brands: Sequence[str]) -> list[tuple[str, float, float]]:
    """When each brand is on screen: brand, start and end in seconds.

    Args:
        lines: the texts read, by number of the sample.
    """
    keys = {brand: folded(brand) for brand in brands}
    seen: dict[str, list[int]] = defaultdict(list)
    for sample in sorted(lines):
        read = [folded(line) for line in lines[sample]]
        for brand, key in keys.items():
            if any(is_in(key, line) for line in read):
                seen[brand].append(sample)
    found = []
    for brand, samples in seen.items():
        spans = [(samples[0], samples[0])]
        for sample in samples[1:]:
            start, before = spans[-1]
            if sample - before <= BRIDGED_STEPS:
                spans[-1] = (start, sample)
            else:
                spans.append((sample, sample))
        found += [(brand, start * STEP_S, (end + 1) * STEP_S) for start, end in spans]
    return found


def user_s() -> float:
    """User CPU seconds of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def main() -> None:
    """Read the jobs, run them, print."""
    reader = RapidOCR(params={"Global.log_level": "error"})
    reader(np.full((64, 64, 3), 255, np.uint8))
    print(json.dumps({"startup_user_s": user_s()}), flush=True)
    for job in json.load(sys.stdin):
        before_s = user_s()
        lines = {sample: texts(reader, picture) for sample, picture in sampled(job["video"])}
        found = stays(lines, job["brands"])
        print(json.dumps({"name": job["name"], "user_s": user_s() - before_s, "stays": found}), flush=True)


if __name__ == "__main__":
    main()
