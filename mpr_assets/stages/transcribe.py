"""The `transcribe` stage: what is said in the chunks' sound, word by word, on the timeline's clock.

Sound is decoded in `mpr_resources.media.sound` and heard by the routine `transcribe`, or by cloud providers through
`mpr_resources.cloud.hearing`, in pieces that reach into one another, so that no word is cut. Which of the words name a
brand is for `match_speech` to find.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

import polars as pl
from pydantic import Field, field_validator, model_validator

from gpu_service.errors import PermanentError
from gpu_service.routines import Inference
from gpu_service.routines.transcribe import TRANSCRIBE, HearingSettings, SpeechSettings
from gpu_service.sound import RATE_HZ, Samples, Sound
from gpu_service.wire import TranscribeAnswer, TranscribeItem
from mpr_assets.engine.paid import PaidSettings
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.report.source_names import source_names
from mpr_assets.text.screen_names import ScreenNames
from mpr_assets.timelines.chunks import stream_place
from mpr_assets.timelines.spec import ChunkSpec
from mpr_resources.brands.folding import fold
from mpr_resources.cloud.hearing import LONGEST_MS, HeardSound, Hearer, HearingPlan
from mpr_resources.cloud.providers import Model
from mpr_resources.media.fenced_reading import has_sound, pieces
from mpr_resources.media.sound import SoundSpan, count_pieces
from mpr_resources.storage.tables import NamedRow, StageTable

CODE_VERSION = "1"
PIECE_MS = 60_000
"""So much is heard at once: two windows of Whisper, and a request that a CPU answers in time."""
OVERLAP_MS = 2_000
"""More than any word lasts."""
AROUND_MS = 30_000
"""What is on screen so long before and after a piece may be said in it."""

SCHEMA = {
    "start_ms": pl.Int64,
    "end_ms": pl.Int64,
    "text": pl.Utf8,
    "confidence": pl.Float64,
    "language": pl.Utf8,
    "chunk": pl.Int64,
}


Engine: TypeAlias = Literal["faster_whisper", "google_speech"]
Hotwords: TypeAlias = Literal["none", "brands", "screen"]


class TranscribeSettings(HearingSettings, PaidSettings, StageSettings):
    """Which track is heard, by which model."""

    enabled: bool = Field(False, description="true: speech is transcribed, and brands are looked for in it")
    engine: Engine = Field(
        "faster_whisper", description="recogniser of speech; google_speech is paid for, and needs a language"
    )
    cloud_models: tuple[str, ...] = Field(
        ("google_speech/latest_long",),
        min_length=1,
        max_length=8,
        description="PROVIDER/MODEL of google_speech, tried in this order; what none of them hears, model does if set",
    )
    track: int = Field(0, ge=0, le=100, description="number of the sound track among those of the file, from 0")
    hotwords: Hotwords = Field(
        "none",
        description="names that the model is told, and hears more often: brands: those of the brand list; screen: what "
        "run_ocr reads about that time, too",
    )
    allow_damage: bool = Field(False, description="true: sound that cannot be decoded counts as silence")

    @field_validator("hotwords", mode="before")
    @classmethod
    def _was_a_switch(cls, hotwords: object) -> object:
        return ("brands" if hotwords else "none") if isinstance(hotwords, bool) else hotwords

    @field_validator("cloud_models")
    @classmethod
    def _are_models(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(Model.parse(one, hears=True)) for one in models)

    @model_validator(mode="after")
    def _can_hear(self) -> TranscribeSettings:
        if self.enabled and self.engine == "faster_whisper" and not self.model:
            raise ValueError("enabled needs a model; set model to the name of one that the inference host knows")
        if self.enabled and self.engine == "google_speech" and not self.language:
            raise ValueError("engine google_speech needs a language; set it with its region, as en-GB")
        return self

    def without_effect(self) -> dict[str, str]:
        """What is for the other engine."""
        if self.engine == "faster_whisper":
            return dict.fromkeys(["cloud_models", *PaidSettings.model_fields], "engine is faster_whisper")
        return {} if self.model else {"beams": "no model is set"}

    @property
    def of_host(self) -> SpeechSettings:
        """What the routine is told. Whisper knows languages without regions."""
        same = {name: getattr(self, name) for name in HearingSettings.model_fields}
        return SpeechSettings(**{**same, "language": self.language.partition("-")[0]})


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


@dataclass(frozen=True)
class _Place:
    """Where a piece begins in which chunk, and the names that are likely to be said there."""

    chunk: int
    start_ms: int
    names: tuple[str, ...]

    @property
    def item(self) -> TranscribeItem:
        return TranscribeItem(hotwords=", ".join(self.names)[:5000])


Pieces: TypeAlias = Iterator[tuple[_Place, Samples]]
"""Pieces of sound, each with its place."""


@dataclass(frozen=True)
class _Names:
    """Names that are likely to be said. `screen`: None where what is read on screen is not told."""

    brands: tuple[str, ...]
    screen: ScreenNames | None

    def about(self, start_ms: int, end_ms: int) -> tuple[str, ...]:
        """Those of this time on the timeline's clock: those on screen first, as Whisper hears the first alone."""
        shown = () if self.screen is None else self.screen.between(start_ms - AROUND_MS, end_ms + AROUND_MS)
        keys = {fold(name).key for name in shown}
        return (*shown, *(name for name in self.brands if fold(name).key not in keys))


def _pieces(
    spans: Sequence[tuple[int, SoundSpan]], piece_ms: int, starts_ms: Mapping[int, int], names: _Names
) -> Pieces:
    for number, span in spans:
        for start_ms, samples in pieces(span, piece_ms, OVERLAP_MS):
            at_ms = starts_ms[number] + start_ms
            told = names.about(at_ms, at_ms + len(samples) * 1000 // RATE_HZ)
            yield _Place(number, start_ms, told), samples


def _heard(sounds: Pieces, inference: Inference, settings: SpeechSettings) -> Iterator[HeardPiece]:
    """The pieces in their order, heard by the routine."""
    given = ((place, Sound(samples=samples), place.item) for place, samples in sounds)
    for place, answer in inference.map(TRANSCRIBE, given, settings):
        yield HeardPiece(place.chunk, place.start_ms, answer)


def _hearer(run: StageRun[TranscribeSettings], environ: Mapping[str, str]) -> Hearer:
    settings = run.settings
    plan = HearingPlan(
        models=settings.priced([Model.parse(one, hears=True) for one in settings.cloud_models], run.profiles.folder),
        language=settings.language,
        in_flight=settings.requests_in_flight,
        attempts=settings.attempts,
        timeout_s=settings.timeout_s,
        longest_wait_s=settings.longest_wait_s,
        requests_per_minute=settings.requests_per_minute,
        voice_threshold=settings.voice_threshold,
        min_silence_ms=settings.min_silence_ms,
    )
    return Hearer(run.storage, run.database, environ, plan, settings.limits(run.label), run.label)


@dataclass
class _Elsewhere:
    """Pieces that providers did not hear, by why; another engine did."""

    inference: Inference
    settings: SpeechSettings
    pieces: Counter[str]

    def hear(self, hearer: Hearer, sounds: Pieces) -> Iterator[HeardPiece]:
        """The pieces in their order, heard by providers, and by the routine where they do not.

        Raises:
            ProviderUnavailable, PermanentError: a piece is heard by none of them, and no model is set for it.
        """
        given = ((place, samples, place.names) for place, samples in sounds)
        for place, samples, found in hearer.hear(given):
            answer = found.answer
            if answer is None:
                if not self.settings.model:
                    raise _unheard(hearer, found)
                self.pieces[found.why] += 1
                [(_, answer)] = self.inference.map(
                    TRANSCRIBE, [(place, Sound(samples=samples), place.item)], self.settings
                )
            yield HeardPiece(place.chunk, place.start_ms, answer)


def _unheard(hearer: Hearer, found: HeardSound) -> Exception:
    if found.why == "unavailable" and hearer.trouble is not None:
        return hearer.trouble
    return PermanentError(
        f"The budget of {hearer.beyond} is spent before all of the sound is heard",
        "what is heard is kept: raise transcribe's max_usd_… or max_requests_…, or set model to a Whisper model that "
        "hears the rest",
    )


def _outside(run: StageRun[TranscribeSettings]) -> dict[str, str]:
    settings = run.settings
    named = {"brands": run.brand_list().version} if settings.hotwords != "none" else {}
    cloud = list(settings.cloud_models) if settings.engine == "google_speech" else []
    host = [run.inference.identity(TRANSCRIBE, settings.of_host)] if settings.model else []
    return {"model": ", ".join(cloud + host), **named}


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
    inputs=("timeline", "extract_frames", "filter_scenes", "run_ocr"),
    depends_on=_outside,
)
def stage(
    run: StageRun[TranscribeSettings],
    timeline: StageTable,
    extract_frames: StageTable,
    filter_scenes: StageTable,
    run_ocr: StageTable,
) -> Result:
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
    screen = None
    if run.settings.hotwords == "screen":
        languages = run.brand_list().languages
        screen = ScreenNames(run_ocr.rows, extract_frames.rows, filter_scenes.rows, languages)
        if run_ocr.header.skipped is not None:
            silent.append(f"Nothing on screen is told as hotwords: {run_ocr.header.skipped}.")
    listed = () if run.settings.hotwords == "none" else run.brand_list().brands
    names = _Names(tuple(brand.name for brand in listed), screen)
    notes = silent
    counts: dict[str, int | float] = {"words": 0, "chunks_with_sound": len(spans)}
    if run.settings.engine == "google_speech":
        elsewhere = _Elsewhere(run.inference, run.settings.of_host, Counter())
        hearer = _hearer(run, os.environ)
        words = _words(run, spans, timeline, LONGEST_MS, names, lambda sounds: elsewhere.hear(hearer, sounds))
        notes = [*silent, *_told(elsewhere.pieces, hearer, run.settings.model)]
        tally = hearer.tally
        counts |= {
            "requests": tally.requests,
            "requests_retried": tally.retried,
            "answers_known": tally.known,
            "seconds_paid": tally.tokens_in,
            "usd": tally.micro_usd / 1_000_000,
            **{f"pieces_left_by_{why}": number for why, number in sorted(elsewhere.pieces.items())},
        }
    else:
        settings = run.settings.of_host
        words = _words(run, spans, timeline, PIECE_MS, names, lambda sounds: _heard(sounds, run.inference, settings))
    for said in notes:
        run.log(said)
    return Result(words, counts | {"words": words.height}, notes=tuple(notes))


def _words(
    run: StageRun[TranscribeSettings],
    spans: Sequence[tuple[int, SoundSpan]],
    timeline: StageTable,
    piece_ms: int,
    names: _Names,
    hear: Callable[[Pieces], Iterator[HeardPiece]],
) -> pl.DataFrame:
    total = sum(count_pieces(span, piece_ms, OVERLAP_MS) for _, span in spans)
    starts_ms = dict(timeline.rows.select("chunk", "timeline_start_ms").iter_rows())
    heard = hear(_pieces(spans, piece_ms, starts_ms, names))
    return transcript(run.tracked(heard, total, "minutes"), timeline.rows)


def _told(left: Mapping[str, int], hearer: Hearer, model: str) -> Iterator[str]:
    reasons = {"budget": f"the budget of {hearer.beyond} is spent", "unavailable": str(hearer.trouble).rstrip(".")}
    for why, number in sorted(left.items()):
        yield f"{number} piece{'' if number == 1 else 's'} of sound, heard by {model}: {reasons[why]}."
