"""The `match_speech` stage: which brands are said, and when.

Names are found in the words of `transcribe` as `match_brands` finds them in text that is read. What is heard has no
place in a picture: mentions are a table of their own, and no part of the time on screen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl
from pydantic import Field

from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.text.name_index import NameIndex
from mpr_assets.text.names import Tolerance
from mpr_assets.text.sounds import TAG, SoundIndex, too_short
from mpr_resources.brands.brand_file import BrandList
from mpr_resources.brands.folding import fold
from mpr_resources.storage.tables import NamedRow, StageTable

CODE_VERSION = "2"
SOURCE = "speech"
PAUSE_MS = 1_500
"""Words that are farther apart are no name."""
CONTEXT_WORDS = 6
"""Words before and after a mention that are shown with it."""

SCHEMA = {
    "brand": pl.Utf8,
    "start_ms": pl.Int64,
    "end_ms": pl.Int64,
    "confidence": pl.Float64,
    "source": pl.Utf8,
    "text": pl.Utf8,
    "context": pl.Utf8,
    "chunk": pl.Int64,
}


class MatchSpeechSettings(StageSettings):
    """How like a name what was heard must be."""

    min_confidence: float = Field(0.4, ge=0, le=1, description="minimum confidence of a mention")
    exact_letters: int = Field(4, ge=1, le=20, description="maximum length of names that must match exactly")
    one_edit_letters: int = Field(7, ge=1, le=40, description="maximum length of names that may differ by one edit")
    edit_share: float = Field(0.18, ge=0, le=0.4, description="edits per letter allowed in longer names")

    @property
    def tolerance(self) -> Tolerance:
        return Tolerance(self.exact_letters, self.one_edit_letters, self.edit_share)


def match_speech(words: pl.DataFrame, brands: BrandList, settings: MatchSpeechSettings) -> pl.DataFrame:
    """The mentions, in the order of time.

    Args:
        words: as `transcribe` gives them.
        brands: what is looked for; their order does not matter.

    Returns:
        A table of `SCHEMA`. A longer name claims its words; a name that stands in words excluded for its brand, or that
        are never a brand, is none. The confidence is the mean of the words', times the likeness to the name.
    """
    names = _Names(
        NameIndex(brands.brands, settings.tolerance, brands.languages), SoundIndex(brands.brands, brands.languages)
    )
    rows = [row for said in _utterances(words) for row in _mentions(said, names, brands, settings)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("start_ms", "end_ms", "brand")


def _utterances(words: pl.DataFrame) -> Iterator[list[NamedRow]]:
    """Words without a pause between, of one chunk."""
    rows = list(words.iter_rows(named=True))
    breaks = [
        at
        for at, (one, other) in enumerate(pairwise(rows), start=1)
        if other["start_ms"] - one["end_ms"] > PAUSE_MS or other["chunk"] != one["chunk"]
    ]
    for start, end in pairwise([0, *breaks, len(rows)]):
        if start < end:
            yield rows[start:end]


@dataclass(frozen=True)
class _Names:
    """The brands' names as they are spelt, and as they sound."""

    spelt: NameIndex
    sounding: SoundIndex


@dataclass(frozen=True)
class _Said:
    """A name in an utterance: the words `start` to `end` of it, half-open. `score`: likeness to the name, 0 to 1."""

    brand: str
    excluded: bool
    letters: int
    cost: float
    score: float
    start: int
    end: int


def _mentions(
    said: Sequence[NamedRow], names: _Names, brands: BrandList, settings: MatchSpeechSettings
) -> Iterator[tuple[object, ...]]:
    found = list(_names_in(said, names))
    excluded = [one for one in found if one.excluded]
    used: set[int] = set()
    for one in sorted(found, key=_rank):
        words = range(one.start, one.end)
        bars = [other for other in excluded if other.brand == one.brand]
        if one.excluded or used & {*words} or any(other.start < one.end and one.start < other.end for other in bars):
            continue
        heard = said[one.start : one.end]
        text = _joined(heard)
        confidence = min(1.0, one.score * sum(word["confidence"] for word in heard) / len(heard))
        if confidence < settings.min_confidence or brands.never_means_one(text):
            continue
        used |= {*words}
        around = said[max(0, one.start - CONTEXT_WORDS) : one.end + CONTEXT_WORDS]
        times = heard[0]["start_ms"], max(word["end_ms"] for word in heard)
        yield one.brand, *times, round(confidence, 4), SOURCE, text, _joined(around), heard[0]["chunk"]


def _names_in(said: Sequence[NamedRow], names: _Names) -> Iterator[_Said]:
    parsed = names.spelt[_joined(said)]
    # Of each folded word the spoken one that it is part of: "Coca-Cola" is one spoken word and two folded ones.
    owners = [at for at, word in enumerate(said) for _ in fold(word["text"], repair=True).words]
    if len(owners) != len(parsed.folded.words):  # folded together they may be others: an address without its www
        return
    for hit in parsed.hits:
        name = hit.name
        at = owners[hit.start], owners[hit.end - 1] + 1
        yield _Said(name.brand, name.excluded, name.letters, hit.cost, hit.score, *at)
    for one in names.sounding.find([word.text for word in parsed.folded.words]):
        at = owners[one.start], owners[one.end - 1] + 1
        yield _Said(one.name.brand, False, len(one.name.key), one.edits, one.likeness, *at)


def _rank(one: _Said) -> tuple[float, float, str, int]:
    """The longest first, misheard letters taken off threefold; independent of the order of brands."""
    return 3 * one.cost - one.letters, one.cost, one.brand, one.start


def _joined(words: Sequence[NamedRow]) -> str:
    return " ".join(word["text"] for word in words)


def _brands(run: StageRun[MatchSpeechSettings]) -> dict[str, str]:
    """None where the profile has nothing transcribed: another list of brands then changes nothing."""
    transcribe = run.profile.section("transcribe")
    assert isinstance(transcribe, StageSettings)
    return {"brands": run.brand_list().version} if transcribe.enabled else {}


@declare_stage(
    name="match_speech",
    description="Matches what is said with the brands: mentions, each with its time.",
    group="brands",
    kinds={"polars", "parquet"},
    settings=MatchSpeechSettings,
    schema=SCHEMA,
    columns={
        "brand": "the brand that is said",
        "start_ms": "when the mention begins on the timeline's clock",
        "end_ms": "when it ends, which does not belong to it, on the timeline's clock",
        "text": "the words as they were heard",
        "context": "the words around it",
    },
    code_version=CODE_VERSION,
    inputs=("transcribe",),
    depends_on=_brands,
)
def stage(run: StageRun[MatchSpeechSettings], transcribe: StageTable) -> Result:
    """The mentions of all chunks."""
    found = match_speech(transcribe.rows, run.brand_list(), run.settings)
    short = too_short(run.brand_list().brands) if transcribe.header.skipped is None else []
    notes = [f"{key!r} has too few sounds to be found by its sound: its tag {TAG!r} does nothing." for key in short]
    counts = {"mentions": found.height, "brands_mentioned": found["brand"].n_unique()}
    return Result(found, {**counts}, notes=tuple(notes))
