"""The `transcribe` stage: what is said in the chunks' sound, word by word, on the timeline's clock.

Sound is decoded in `mpr_resources.media.sound` and heard by the routine `transcribe`, in pieces that reach into one
another, so that no word is cut. Which of the words name a brand is for `match_speech` to find.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import polars as pl
from pydantic import Field, model_validator

from gpu_service.routines import Inference
from gpu_service.routines.transcribe import TRANSCRIBE, SpeechSettings
from gpu_service.sound import Sound
from gpu_service.wire import TranscribeAnswer, TranscribeItem
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.report.source_names import source_names
from mpr_assets.timelines.chunks import stream_place
from mpr_assets.timelines.spec import ChunkSpec
from mpr_resources.media.fenced_reading import has_sound, pieces
from mpr_resources.media.sound import SoundSpan, count_pieces
from mpr_resources.storage.tables import NamedRow, StageTable

CODE_VERSION = "1"
PIECE_MS = 60_000
"""So much is heard at once: two windows of Whisper, and a request that a CPU answers in time."""
OVERLAP_MS = 2_000
"""More than any word lasts."""

SCHEMA = {
    "start_ms": pl.Int64,
    "end_ms": pl.Int64,
    "text": pl.Utf8,
    "confidence": pl.Float64,
    "language": pl.Utf8,
    "chunk": pl.Int64,
}


class TranscribeSettings(SpeechSettings, StageSettings):
    """Which track is heard, by which model."""

    enabled: bool = Field(False, description="true: speech is transcribed, and brands are looked for in it")
    track: int = Field(0, ge=0, le=100, description="number of the sound track among those of the file, from 0")
    hotwords: bool = Field(
        False, description="true: the model is told the names of the brand list, and hears them more often"
    )
    allow_damage: bool = Field(False, description="true: sound that cannot be decoded counts as silence")

    @model_validator(mode="after")
    def _has_a_model(self) -> TranscribeSettings:
        if self.enabled and not self.model:
            raise ValueError("enabled needs a model; set model to the name of one that the inference host knows")
        return self


@dataclass(frozen=True)
class HeardPiece:
    """What was heard in a piece of a chunk. `start_ms`: where the piece begins, from the start of the chunk."""

    chunk: int
    start_ms: int
    answer: TranscribeAnswer


def transcript(heard: Iterable[HeardPiece], chunks: pl.DataFrame) -> pl.DataFrame:
    """The words on the timeline's clock, each once: where two pieces overlap, the earlier has the first half.

    Args:
        heard: the pieces of each chunk in the order of time.
        chunks: the table of `timeline`.

    Returns:
        A table of `SCHEMA` in the order of time; times are cut at the edges of their chunk.
    """
    by_chunk: dict[int, list[HeardPiece]] = {}
    for piece in heard:
        by_chunk.setdefault(piece.chunk, []).append(piece)
    rows = []
    for chunk in chunks.iter_rows(named=True):
        of_chunk = by_chunk.get(chunk["chunk"], [])
        starts_ms, length_ms = chunk["timeline_start_ms"], chunk["end_ms"] - chunk["start_ms"]
        for number, piece in enumerate(of_chunk):
            from_ms = piece.start_ms + OVERLAP_MS // 2 if number else 0
            until_ms = of_chunk[number + 1].start_ms + OVERLAP_MS // 2 if number + 1 < len(of_chunk) else length_ms + 1
            for word in piece.answer.words:
                start_ms, end_ms = (min(piece.start_ms + ms, length_ms) for ms in (word.start_ms, word.end_ms))
                if from_ms <= (start_ms + end_ms) // 2 < until_ms:
                    times = starts_ms + start_ms, starts_ms + end_ms
                    rows.append((*times, word.text, word.confidence, piece.answer.language, chunk["chunk"]))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("start_ms", "end_ms", maintain_order=True)


def _span(run: StageRun[TranscribeSettings], chunk: NamedRow) -> SoundSpan:
    base = Fraction(chunk["time_base_num"], chunk["time_base_den"])
    return SoundSpan(
        source=run.sources.at(chunk["source"]),
        place=stream_place(chunk),
        origin_s=chunk["origin_pts"] * base,
        start_ms=chunk["start_ms"],
        end_ms=chunk["end_ms"],
        track=run.settings.track,
        allow_damage=run.settings.allow_damage,
    )


def _heard(
    spans: Sequence[tuple[int, SoundSpan]], inference: Inference, settings: TranscribeSettings, item: TranscribeItem
) -> Iterator[HeardPiece]:
    """The pieces of each chunk, in the order of time."""
    sounds = (
        ((number, start_ms), Sound(samples=samples), item)
        for number, span in spans
        for start_ms, samples in pieces(span, PIECE_MS, OVERLAP_MS)
    )
    for (number, start_ms), answer in inference.map(TRANSCRIBE, sounds, settings):
        yield HeardPiece(number, start_ms, answer)


def _outside(run: StageRun[TranscribeSettings]) -> dict[str, str]:
    model = {"model": run.inference.identity(TRANSCRIBE, run.settings)}
    return model | ({"brands": run.brand_list().version} if run.settings.hotwords else {})


@declare_stage(
    name="transcribe",
    description="Transcribes what is said in the chunks' sound, word by word.",
    group="text",
    kinds={"inference", "parquet"},
    settings=TranscribeSettings,
    schema=SCHEMA,
    columns={
        "start_ms": "when the word begins on the timeline's clock",
        "end_ms": "when it ends, which does not belong to it, on the timeline's clock",
        "text": "the word as it was heard, with its capitals and punctuation",
        "confidence": "probability of the word by the model, 0 to 1",
        "language": "code of the language that the model heard",
    },
    code_version=CODE_VERSION,
    inputs=("timeline",),
    depends_on=_outside,
)
def stage(run: StageRun[TranscribeSettings], timeline: StageTable) -> Result:
    """The words of all chunks."""
    spans, silent = [], []
    shown = source_names([*run.spec.chunks, *(ChunkSpec(source=source) for source in timeline.rows["source"])])
    for chunk in timeline.rows.iter_rows(named=True):
        span = _span(run, chunk)
        if has_sound(span.source, span.place):
            spans.append((chunk["chunk"], span))
        else:
            silent.append(f"{shown[chunk['source']]} has no sound: nothing is heard in chunk {chunk['chunk']}.")
    if not spans:
        return Result(pl.DataFrame(schema=SCHEMA), nothing_to_do=" ".join(silent))
    names = ", ".join(brand.name for brand in run.brand_list().brands) if run.settings.hotwords else ""
    heard = _heard(spans, run.inference, run.settings, TranscribeItem(hotwords=names[:5000]))
    total = sum(count_pieces(span, PIECE_MS, OVERLAP_MS) for _, span in spans)
    words = transcript(run.tracked(heard, total, "minutes"), timeline.rows)
    for said in silent:
        run.log(said)
    return Result(words, {"words": words.height, "chunks_with_sound": len(spans)}, notes=tuple(silent))
