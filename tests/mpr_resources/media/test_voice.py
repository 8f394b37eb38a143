"""Where somebody speaks in a sound, and when in it a word is that was heard in its voices alone."""

from __future__ import annotations

import numpy as np
import pytest

from gpu_service.sound import RATE_HZ, Samples
from mpr_resources.media.voice import Voice, VoiceDetector, spans_of
from tests.spoken import said_at, sentence

NOISE = np.random.default_rng(1).normal(0, 300, 20 * RATE_HZ).astype(np.int16)
SENTENCE_S = len(sentence()) / RATE_HZ
SOUNDS: dict[str, tuple[Samples, list[float]]] = {
    "nothing": (np.zeros(0, np.int16), []),
    "silence": (np.zeros(20 * RATE_HZ, np.int16), []),
    "noise": (NOISE, []),
    "a sentence": (said_at([4], 20), [4]),
    "two, far apart": (said_at([4, 20], 30), [4, 20]),
}


@pytest.mark.parametrize("case", SOUNDS)
def test_who_speaks_is_found(case: str) -> None:
    samples, starts_s = SOUNDS[case]
    voice = VoiceDetector().find(samples, 0.5, 500)
    spans_s = [(start / RATE_HZ, end / RATE_HZ) for start, end in voice.spans]
    assert [start for start, _ in spans_s] == pytest.approx(starts_s, abs=0.4)
    assert [end for _, end in spans_s] == pytest.approx([start + SENTENCE_S for start in starts_s], abs=0.4)
    assert len(voice.samples) == sum(end - start for start, end in voice.spans)


BLOCKS: dict[str, tuple[str, int, list[tuple[int, int]]]] = {
    "nobody": ("......", 300, []),
    "in the middle": ("..#...", 300, [(28_800, 51_200)]),
    "to both ends": ("#.....", 300, [(0, 19_200)]),
    "shorter silence belongs to it": ("#.#...", 1_500, [(0, 51_200)]),
    "longer silence does not": ("#..#..", 1_500, [(0, 19_200), (44_800, 67_200)]),
    "spans that would overlap are one": ("#.#", 0, [(0, 19_200), (28_800, 48_000)]),
}


@pytest.mark.parametrize("case", BLOCKS)
def test_spans_of_blocks_of_a_second(case: str) -> None:
    blocks, min_silence_ms, expected = BLOCKS[case]
    spoken = [block == "#" for block in blocks]
    assert spans_of(spoken, RATE_HZ, len(blocks) * RATE_HZ, min_silence_ms) == expected


WHEN: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "at the start": ((0, 500), (1_000, 1_500)),
    "in the second": ((2_100, 2_600), (5_100, 5_600)),
    "over the end of the first": ((1_800, 2_200), (2_800, 3_000)),
    "after the end": ((4_000, 4_500), (7_000, 7_000)),
}


@pytest.mark.parametrize("case", WHEN)
def test_when_in_the_sound_it_was(case: str) -> None:
    said, expected = WHEN[case]
    spans = ((RATE_HZ, 3 * RATE_HZ), (5 * RATE_HZ, 7 * RATE_HZ))
    assert Voice(spans, np.zeros(4 * RATE_HZ, np.int16)).span_ms(*said) == expected
