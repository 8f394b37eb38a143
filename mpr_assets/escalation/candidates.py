"""Which candidates are worth asking a vision-language model about: settings and rules, the same for both models.

Their pictures are cut in `mpr_assets.escalation.pictures`; asking is in `mpr_resources.cloud` and the routine `vlm`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

import polars as pl
from pydantic import Field, field_validator

from gpu_service.boxes import XYWH, overlaps
from gpu_service.settings import Settings
from mpr_assets.engine.settings import StageSettings
from mpr_assets.text.detections import DETECTION_SCHEMA
from mpr_resources.brands.folding import fold_key
from mpr_resources.cloud.answers import AnswerLikeness

SAME_TEXT_LETTERS = 5
"""Texts of at least so many letters that are read alike are taken for one thing."""

Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]


class TextRule(Settings):
    """Texts that cost no request: those that the pattern matches as a whole, whatever their case."""

    name: str = Field(min_length=1, max_length=40, pattern="^[a-z_]+$")
    pattern: str = Field(min_length=1, max_length=500)

    @field_validator("pattern")
    @classmethod
    def _is_a_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
        return pattern

    def matches(self, text: str) -> bool:
        return re.fullmatch(self.pattern, " ".join(text.split()), re.IGNORECASE) is not None


DEFAULT_RULES = (
    TextRule(name="clock", pattern=r"\d{1,3}\s*[:.'’]\s*\d{0,2}(\s*\+\s*\d{1,2}\s*['’]?)?|\+\s*\d{1,2}\s*['’]?"),
    TextRule(name="score", pattern=r"([a-z]{2,4}\s*)?\d{1,3}\s*[-–:]\s*\d{1,3}(\s*[a-z]{2,4})?"),
    TextRule(name="team_score", pattern=r"[a-z]{3}\s*\d{1,2}\s*[-–:]?\s*\d{0,2}\s*[a-z]{3}"),
    TextRule(name="number", pattern=r"[\W\d_]*"),
    TextRule(name="shirt_number", pattern=r"\d{1,2}\.?\s+[^\W\d][\w.'’-]*(\s+[^\W\d][\w'’-]*)?"),
    TextRule(name="initial_and_name", pattern=r"[^\W\d]\.\s*[^\W\d][\w'’-]+"),
    TextRule(name="scarcely_a_word", pattern=r".{0,2}"),
)


class EscalationSettings(StageSettings):
    """What both models have: which candidates go, and when an answer is a detection."""

    enabled: bool = Field(False, description="true: candidates are sent to the model")
    reasons: tuple[str, ...] = Field(
        ("near_miss", "no_brand", "low_confidence", "unread"),
        description="candidates with these reasons are sent; unread: crops without text",
    )
    skip_text: tuple[TextRule, ...] = Field(
        DEFAULT_RULES,
        description="texts that are not sent: rules with a name and a regular expression that matches the whole text",
    )
    known_texts: tuple[Text, ...] = Field(
        (), description="texts known not to be brands, which are not sent: players, slogans, captions"
    )
    min_width_px: int = Field(24, ge=1, le=4000, description="minimum size of a candidate")
    min_height_px: int = Field(10, ge=1, le=4000, description="minimum height of a candidate")
    min_sharpness: float = Field(15.0, ge=0, le=100_000, description="minimum sharpness: variance of the Laplacian")
    min_frames: int = Field(1, ge=1, le=10_000, description="minimum number of frames that show a candidate")
    max_candidates: int = Field(
        300, ge=0, le=100_000, description="maximum candidates sent, the longest and largest on screen first"
    )
    same_text: bool = Field(True, description="send candidates with the same (not short) text only once")
    margin: float = Field(
        0.4, ge=0, le=5, description="margin around a candidate in its picture, in heights of the candidate"
    )
    max_phash_distance: int = Field(
        10, ge=0, le=32, description="maximum distance of the perceptual hashes of equal crops, in bits"
    )
    max_change: float = Field(
        9.0, ge=0, le=255, description="maximum difference of equal crops in any letter-sized block, in grey levels"
    )
    min_confidence: float = Field(
        0.6, ge=0, le=1, description="minimum confidence of an answer; below it the candidate stays a candidate"
    )
    session_confidence: float | None = Field(
        0.8,
        ge=0,
        le=1,
        description="minimum confidence of an answer to be reused for texts with that name; none: never reused",
    )
    exclude: tuple[Text, ...] = Field((), description="names that are never reported as brands")

    @property
    def likeness(self) -> AnswerLikeness:
        return AnswerLikeness(self.max_phash_distance, self.max_change)


@dataclass(frozen=True)
class Place:
    """A box of a frame, and how surely its text was read."""

    seq: int
    x: int
    y: int
    w: int
    h: int
    confidence: float


@dataclass
class Group:
    """Candidates that one answer holds for: a text followed over frames, or equal crops. `rows`: their numbers."""

    text: str
    reason: str
    rows: list[int] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)

    @property
    def worth(self) -> tuple[int, int]:
        """Longest seen first, then largest."""
        return len({place.seq for place in self.places}), max(place.w * place.h for place in self.places)


def candidates(found: pl.DataFrame, crops: pl.DataFrame) -> pl.DataFrame:
    """What is unresolved: rows without a brand, and groups of crops in which nothing was read or found.

    Args:
        found: `DETECTION_SCHEMA`, detections and candidates.
        crops: the table of `preprocess`. Its groups get negative tracks, which texts do not have.
    """
    boxes: dict[int, list[XYWH]] = {}
    for seq, x, y, w, h in found.select("seq", "x", "y", "w", "h").iter_rows():
        boxes.setdefault(seq, []).append((x, y, w, h))
    columns = ("crop", "seq", "x", "y", "w", "h")
    rows = list(crops.select(columns).iter_rows())
    read = {crop for crop, seq, x, y, w, h in rows if any(overlaps(one, (x, y, w, h)) for one in boxes.get(seq, ()))}
    unread = [
        (seq, x, y, w, h, None, 0.0, "object", "", "unread", -1 - crop, None, None)
        for crop, seq, x, y, w, h in rows
        if crop not in read
    ]
    return pl.concat(
        [found.filter(pl.col("brand").is_null()), pl.DataFrame(unread, schema=DETECTION_SCHEMA, orient="row")]
    )


def choose(rows: pl.DataFrame, settings: EscalationSettings) -> tuple[list[Group], Counter[str]]:
    """The groups to ask about, the most worth first, and how many are left out by which rule."""
    left: Counter[str] = Counter()
    chosen = []
    for group in _groups(rows, settings.same_text):
        rule = _rule_against(group, settings)
        if rule:
            left[rule] += 1
        else:
            chosen.append(group)
    chosen.sort(key=lambda group: (-group.worth[0], -group.worth[1], group.rows[0]))
    left["limit"] += max(0, len(chosen) - settings.max_candidates)
    return chosen[: settings.max_candidates], +left


def _groups(rows: pl.DataFrame, same_text: bool) -> Iterable[Group]:
    groups: dict[tuple[str, object], Group] = {}
    names = ("seq", "x", "y", "w", "h", "confidence", "text", "reason", "track")
    for number, (seq, x, y, w, h, confidence, text, reason, track) in enumerate(rows.select(names).iter_rows()):
        letters = fold_key(text)
        kind = reason.partition(":")[0]
        if same_text and len(letters) >= SAME_TEXT_LETTERS:
            key: tuple[str, object] = (f"text {kind}", letters)
        else:
            key = (f"track {kind}", track) if track is not None else ("row", number)
        group = groups.setdefault(key, Group(text, kind))
        group.rows.append(number)
        group.places.append(Place(seq, x, y, w, h, confidence))
    return groups.values()


def _rule_against(group: Group, settings: EscalationSettings) -> str:
    """The rule that keeps a group from being asked about; empty where there is none."""
    if group.reason not in settings.reasons:
        return "reason"
    if group.text:
        if fold_key(group.text) in {fold_key(text) for text in settings.known_texts}:
            return "known_text"
        for rule in settings.skip_text:
            if rule.matches(group.text):
                return rule.name
    if group.worth[0] < settings.min_frames:
        return "rarely_seen"
    if (
        max(p.w for p in group.places) < settings.min_width_px
        or max(p.h for p in group.places) < settings.min_height_px
    ):
        return "small"
    return ""
