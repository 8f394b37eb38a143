"""Which candidates are worth asking a vision-language model about, with which picture, and what its answer is worth.

What belongs here: routing, pictures, checking; pure, and the same for the local and the cloud model. Not here: asking
(`mpr_resources.asking`, the routine `vlm`) and the two stages.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

import cv2
import numpy as np
import polars as pl
from pydantic import Field, field_validator

from gpu_service.pictures import Image
from gpu_service.routines.preprocess import sharpness
from gpu_service.settings import Settings
from mpr_assets.brand_text import NameIndex
from mpr_assets.misreadings import Tolerance
from mpr_assets.stages import StageSettings
from mpr_assets.stages.match_brands import DETECTION_SCHEMA
from mpr_resources.answers import Likeness, Look
from mpr_resources.asking import Given
from mpr_resources.brands import Brand, BrandList
from mpr_resources.folding import fold_key
from mpr_resources.frames import Frame
from mpr_resources.questions import Answer

SAME_TEXT_LETTERS = 5
"""Texts of at least so many letters that are read alike are taken for one thing."""
SESSION_LETTERS = 4
"""Names of at least so many letters are known from one text to the next."""
SMALLEST_SIDE_PX = 64
LARGEST_SIDE_PX = 768
NO_NAMES = frozenset(
    {
        "unknown", "none", "na", "null", "notvisible", "unreadable", "illegible", "brand", "logo", "text", "sponsor",
        "advertisement", "advertising", "banner", "board", "company", "product", "team", "club", "player", "score",
        "time", "various", "multiple", "other",
    }
)  # fmt: skip
"""What models write when they have no name, folded."""

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

    enabled: bool = Field(False, description="true: candidates are put to the model")
    reasons: tuple[str, ...] = Field(
        ("near_miss", "no_brand", "low_confidence", "unread"),
        description="candidates of these reasons are asked about; unread: crops without text",
    )
    skip_text: tuple[TextRule, ...] = Field(
        DEFAULT_RULES, description="texts that are not asked about: name and regular expression, of the whole text"
    )
    known_texts: tuple[Text, ...] = Field(
        (), description="texts that are known to be no brand and not asked about: players, slogans, captions"
    )
    min_width_px: int = Field(24, ge=1, le=4000, description="smaller candidates are not asked about")
    min_height_px: int = Field(10, ge=1, le=4000, description="lower candidates are not asked about")
    min_sharpness: float = Field(
        15.0, ge=0, le=100_000, description="variance of the Laplacian; more blurred crops are not asked about"
    )
    min_frames: int = Field(1, ge=1, le=10_000, description="candidates seen in fewer frames are not asked about")
    max_candidates: int = Field(
        300, ge=0, le=100_000, description="most that are asked about, those seen longest and largest first"
    )
    same_text: bool = Field(True, description="candidates with the same longer text are asked about once")
    margin: float = Field(0.4, ge=0, le=5, description="surroundings shown with a candidate, in its heights")
    max_phash_distance: int = Field(10, ge=0, le=32, description="bits of the perceptual hash of equal crops")
    max_change: float = Field(
        9.0, ge=0, le=255, description="grey levels by which the most changed letter of crops asked about once differs"
    )
    min_confidence: float = Field(0.6, ge=0, le=1, description="an answer less sure than this stays a candidate")
    session_confidence: float | None = Field(
        0.8, ge=0, le=1, description="texts that bear a name answered so surely are not asked about; none: they are"
    )
    exclude: tuple[Text, ...] = Field((), description="names that are never taken for a brand")

    @property
    def likeness(self) -> Likeness:
        return Likeness(self.max_phash_distance, self.max_change)


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


@dataclass(frozen=True)
class Shown:
    """A group with its picture, and what it looked like a moment before or after where that is not the same."""

    group: Group
    picture: Image
    look: Look
    context: tuple[Image, ...]


def candidates(found: pl.DataFrame, crops: pl.DataFrame) -> pl.DataFrame:
    """What is unresolved: rows without a brand, and groups of crops in which nothing was read or found.

    Args:
        found: `DETECTION_SCHEMA`, detections and candidates.
        crops: the table of `preprocess`. Its groups get negative tracks, which texts do not have.
    """
    boxes: dict[int, list[tuple[int, int, int, int]]] = {}
    for seq, x, y, w, h in found.select("seq", "x", "y", "w", "h").iter_rows():
        boxes.setdefault(seq, []).append((x, y, w, h))
    columns = ("crop", "seq", "x", "y", "w", "h")
    rows = list(crops.select(columns).iter_rows())
    read = {crop for crop, seq, *box in rows if any(_lies_in(one, box) for one in boxes.get(seq, ()))}
    unread = [
        (seq, x, y, w, h, None, 0.0, "object", "", "unread", -1 - crop)
        for crop, seq, x, y, w, h in rows
        if crop not in read
    ]
    return pl.concat(
        [found.filter(pl.col("brand").is_null()), pl.DataFrame(unread, schema=DETECTION_SCHEMA, orient="row")]
    )


def _lies_in(box: tuple[int, int, int, int], crop: Sequence[int]) -> bool:
    """Whether half of the box or more is within the crop, or the other way round."""
    (x, y, w, h), (left, top, width, height) = box, crop
    across = min(x + w, left + width) - max(x, left)
    down = min(y + h, top + height) - max(y, top)
    return across > 0 and down > 0 and 2 * across * down >= min(w * h, width * height)


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


def to_look_at(groups: Sequence[Group]) -> dict[int, list[tuple[int, Place]]]:
    """By frame, the places that are cut out: of each group the surest and largest, the one before and the one after."""
    wanted: dict[int, list[tuple[int, Place]]] = {}
    for number, group in enumerate(groups):
        places = sorted({place.seq: place for place in group.places}.values(), key=lambda place: place.seq)
        best = max(range(len(places)), key=lambda i: (places[i].confidence, places[i].w * places[i].h, -i))
        for place in places[max(0, best - 1) : best + 2]:
            wanted.setdefault(place.seq, []).append((number, place))
    return wanted


def look(
    groups: Sequence[Group], frames: Iterable[Frame], settings: EscalationSettings, context: int
) -> tuple[list[Shown], Counter[str]]:
    """The groups with their clearest pictures, and how many are left out because all are blurred.

    Args:
        groups: as chosen.
        frames: those that `to_look_at` names, in any order.
        context: most pictures of a moment before or after.
    """
    wanted = to_look_at(groups)
    cuts: dict[int, list[tuple[float, int, Image]]] = {}
    for frame in frames:
        for number, place in wanted.get(frame.seq, ()):
            crop = cut(frame.picture.pixels, place, settings.margin)
            gray = np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), np.uint8)
            cuts.setdefault(number, []).append((sharpness(gray), frame.seq, crop))
    shown, left = [], Counter[str]()
    for number, group in enumerate(groups):
        found = sorted(cuts.get(number, ()), key=lambda one: (-one[0] * one[2].size, one[1]))
        if not found or found[0][0] < settings.min_sharpness:
            left["blurred"] += 1
            continue
        picture = sized(found[0][2])
        seen = Look(picture)
        others = [sized(crop) for _, _, crop in sorted(found[1:], key=lambda one: one[1])]
        unlike = [other for other in others if not seen.near(Look(other), settings.likeness)]
        shown.append(Shown(group, picture, seen, tuple(unlike[:context])))
    return shown, left


def ask_in_turn(
    shown: Sequence[Shown], ask: Callable[[Sequence[Shown]], Sequence[Given]], settings: EscalationSettings
) -> list[Given]:
    """What became of each, in their order: those whose text may bear the name of an earlier one are asked after it.

    Names answered surely enough are the timeline's session: a later text that bears one of them, as whole words read
    well enough, is that brand's, and is not asked about. So a name read now well and now badly, or with more words
    around it, is asked about once. The threshold is one of its own: another `min_confidence` asks nothing anew.
    """
    given: dict[int, Given] = {}
    texts = [one.group.text for one in shown]
    later = set() if settings.session_confidence is None else _later(texts)
    first = [number for number in range(len(shown)) if number not in later]
    given |= zip(first, ask([shown[number] for number in first]), strict=True)
    session = _Session(given.values(), settings.session_confidence or 0.0)
    given |= {number: known for number in later if (known := session.answer(texts[number])) is not None}
    rest = [number for number in sorted(later) if number not in given]
    if rest:
        given |= zip(rest, ask([shown[number] for number in rest]), strict=True)
    return [given[number] for number in range(len(shown))]


def _later(texts: Sequence[str]) -> set[int]:
    """The texts, by number, that have another one among their words, or that read like one before them."""
    first: dict[str, int] = {}
    for number, text in enumerate(texts):
        if len(fold_key(text)) >= SESSION_LETTERS:
            first.setdefault(text, number)
    index = NameIndex([Brand(name=text) for text in first], Tolerance())
    index.read(first)
    later = set()
    for number, text in enumerate(texts):
        if text in first:
            words = len(index[text].folded.words)
            for hit in index[text].hits:
                if hit.end - hit.start < words or first[hit.name.brand] < number:
                    later.add(number)
    return later


class _Session:
    """The names that a model has answered of a timeline, each with the surest answer."""

    def __init__(self, given: Iterable[Given], confidence: float) -> None:
        self._known: dict[str, Given] = {}
        for one in given:
            answer = one.answer
            if answer is None or answer.outcome != "brand" or answer.confidence < confidence:
                continue
            key = fold_key(answer.brand)
            before = self._known.get(key)
            if len(key) >= SESSION_LETTERS and (
                before is None or before.answer is None or before.answer.confidence < answer.confidence
            ):
                self._known[key] = one
        self._index = NameIndex([Brand(name=key) for key in sorted(self._known)], Tolerance())

    def answer(self, text: str) -> Given | None:
        """The answer that holds for this text too; None where it bears none of the names."""
        hits = [hit for hit in self._index[text].hits if not hit.unsure]
        if not hits:
            return None
        best = max(hits, key=lambda hit: (hit.score, hit.name.letters, hit.name.brand))
        known = self._known[best.name.brand]
        assert known.answer is not None
        sure = known.answer.confidence * best.score
        answer = Answer(outcome="brand", brand=known.answer.brand, confidence=sure, text=text)
        return Given(answer, known.model, why="session")


def cut(image: Image, place: Place, margin: float) -> Image:
    """The box with its surroundings, as far as the frame goes."""
    height, width = image.shape[:2]
    around = round(place.h * margin)
    left, top = min(max(0, place.x - around), width - 1), min(max(0, place.y - around), height - 1)
    right, bottom = max(left + 1, place.x + place.w + around), max(top + 1, place.y + place.h + around)
    return np.ascontiguousarray(image[top:bottom, left:right])


def sized(crop: Image) -> Image:
    """The crop, enlarged or reduced so that a model can read it and is not sent more than it uses."""
    scale = max(1.0, SMALLEST_SIDE_PX / min(crop.shape[:2]))
    scale = min(scale, LARGEST_SIDE_PX / max(crop.shape[:2]))
    if scale == 1.0:
        return crop
    size = (max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale)))
    way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(crop, size, interpolation=way), np.uint8)


def resolve(
    rows: pl.DataFrame,
    given: Iterable[tuple[Group, Given]],
    brands: BrandList,
    settings: EscalationSettings,
    source: str,
) -> pl.DataFrame:
    """The candidates after the answers: detections, and what is left, each with the model's score and a reason.

    A candidate that was not asked about is as it was, or has the reason why not (`budget`). Reasons of those that were:
    `no_brand_seen`, `unknown`, `refused`, `excluded:NAME`, `implausible:NAME`, `below_threshold:NAME`.
    """
    resolved = {number: list(row) for number, row in enumerate(rows.iter_rows())}
    at = {name: index for index, name in enumerate(DETECTION_SCHEMA)}
    spelt: dict[str, str] = {}  # a name that is in no list, as it was answered first
    for group, one in given:
        for number in group.rows:
            row = resolved[number]
            if one.answer is None:
                row[at["reason"]] = one.why or row[at["reason"]]
                continue
            read = row[at["text"]]
            brand, reason = judge(one, read, brands, settings)
            row[at["brand"]] = None if brand is None else spelt.setdefault(fold_key(brand), brand)
            row[at["reason"]] = reason
            row[at["confidence"]], row[at["source"]] = round(one.answer.confidence, 4), source
            row[at["text"]] = one.answer.text or read
    table = pl.DataFrame(list(resolved.values()), schema=DETECTION_SCHEMA, orient="row")
    order = ["seq", "brand", "y", "x", "h", "w", "source", "text", "confidence", "reason", "track"]
    return table.sort(order, nulls_last=True)


def judge(given: Given, read: str, brands: BrandList, settings: EscalationSettings) -> tuple[str | None, str]:
    """The brand, as the list spells it, or why the answer is none. `read`: the text that OCR read there."""
    answer = given.answer
    assert answer is not None
    if answer.outcome != "brand":
        return None, {"none": "no_brand_seen"}.get(answer.outcome, answer.outcome)
    listed = brands.named(answer.brand)
    name = listed.name if listed else answer.brand
    said = {fold_key(text) for text in (name, answer.brand, answer.text)}
    never = [*settings.exclude, *brands.never, *(text for brand in brands.brands for text in brand.exclude)]
    if said & {fold_key(text) for text in never}:
        return None, f"excluded:{name}"
    if listed is None and not _believable(name, f"{answer.text} {read}"):
        return None, f"implausible:{name}"
    if answer.confidence < settings.min_confidence:
        return None, f"below_threshold:{name}"
    return name, ""


def _believable(name: str, visible: str) -> bool:
    """Whether a name that is in no list can be one: it is to be read in the picture, or reads like a name."""
    key = fold_key(name)
    letters = sum(character.isalpha() for character in key)
    if not letters or key in NO_NAMES:
        return False
    short = len(name) <= 40 and len(name.split()) <= 5
    plausible = short and letters >= 2 and not re.search(r"[/@{}<>\[\]]|\.\s", name)
    return plausible or key in fold_key(visible)
