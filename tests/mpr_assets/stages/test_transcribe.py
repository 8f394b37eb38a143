"""Words of pieces of sound on the timeline's clock."""

from __future__ import annotations

import polars as pl
import pytest

from gpu_service.wire import SpokenWord, TranscribeAnswer
from mpr_assets.stages import transcribe
from mpr_assets.stages.transcribe import HeardPiece, transcript

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
