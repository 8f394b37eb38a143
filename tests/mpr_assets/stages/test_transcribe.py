"""Words of pieces of sound on the timeline's clock, and a video without sound."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import polars as pl
import pytest

from gpu_service.client.local import LocalInference
from gpu_service.wire import SpokenWord, TranscribeAnswer
from mpr_assets.definitions import STAGES
from mpr_assets.freshness.stored import judge_stored
from mpr_assets.stages import transcribe
from mpr_assets.stages.transcribe import HeardPiece, transcript
from tests.mpr_assets.freshness.test_stored import resources
from tests.world import PROFILE, TIMELINE, World

CHUNKS = pl.DataFrame(
    {"chunk": [0, 1], "start_ms": [5_000, 0], "end_ms": [105_000, 20_000], "timeline_start_ms": [0, 100_000]}
)


def answer(*words: tuple[int, int, str]) -> TranscribeAnswer:
    said = tuple(SpokenWord(text=text, start_ms=start, end_ms=end, confidence=0.9) for start, end, text in words)
    return TranscribeAnswer(words=said, language="en")


PIECES: dict[str, tuple[list[HeardPiece], list[tuple[int, int, str]]]] = {
    "nothing": ([HeardPiece(0, 0, answer()), HeardPiece(1, 0, answer())], []),
    "on the clock of the timeline": (
        [HeardPiece(0, 0, answer((100, 200, "a"))), HeardPiece(1, 0, answer((100, 200, "b")))],
        [(100, 200, "a"), (100_100, 100_200, "b")],
    ),
    "in the overlap once, by its middle": (
        [
            HeardPiece(0, 0, answer((58_200, 58_600, "first"), (59_100, 59_400, "cut"))),
            HeardPiece(0, 58_000, answer((200, 600, "thirst"), (1_050, 1_500, "second"))),
        ],
        [(58_200, 58_600, "first"), (59_050, 59_500, "second")],
    ),
    "cut at the chunk's end": ([HeardPiece(1, 0, answer((19_900, 20_400, "on")))], [(119_900, 120_000, "on")]),
}


@pytest.mark.parametrize("case", PIECES)
def test_words_on_the_timeline(case: str) -> None:
    heard, expected = PIECES[case]
    table = transcript(heard, CHUNKS)
    assert dict(table.schema) == transcribe.SCHEMA
    assert list(table.select("start_ms", "end_ms", "text").iter_rows()) == expected


def test_a_video_without_sound_is_skipped_and_says_so(
    empty_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalInference, "identity", lambda *_: "faster_whisper/1")
    inputs = shutil.copytree(empty_world.inputs, tmp_path / "inputs")
    (inputs / "profiles" / "board.yaml").write_text(f"{PROFILE}transcribe: {{enabled: true, model: tiny}}\n")
    world = World(inputs, empty_world.storage_folder, empty_world.instance)
    world.register()
    first, again = world.run("timeline", "transcribe"), world.run("timeline", "transcribe")
    assert first.failures() == {}
    assert first.metadata("transcribe")["skipped"] == "clip.mp4 has no sound: nothing is heard in chunk 0."
    assert again.reused() == {"timeline": True, "transcribe": True}
    assert world.table("transcribe").rows.height == 0
    verdicts = judge_stored(STAGES, TIMELINE, resources(world), logging.getLogger())
    assert {one.stage: (str(one.state), one.causes) for one in verdicts if one.stage in ("timeline", "transcribe")} == {
        "timeline": ("fresh", ()),
        "transcribe": ("fresh", ()),
    }
