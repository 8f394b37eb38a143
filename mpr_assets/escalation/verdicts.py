"""Judges an answer: a detection, or a candidate with the reason, and where in its frame."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import polars as pl

from gpu_service.boxes import XYWH
from mpr_assets.escalation.candidates import EscalationSettings
from mpr_assets.escalation.pictures import CropView
from mpr_assets.text.detections import DETECTION_SCHEMA
from mpr_assets.text.name_index import NameIndex
from mpr_assets.text.names import Tolerance
from mpr_resources.brands.brand_file import BrandList
from mpr_resources.brands.folding import fold, fold_key
from mpr_resources.cloud.asking import Outcome
from mpr_resources.cloud.prompt import Answer, PictureAnnotation

NO_NAMES = frozenset(
    {
        "unknown", "none", "na", "null", "notvisible", "unreadable", "illegible", "brand", "logo", "text", "sponsor",
        "advertisement", "advertising", "banner", "board", "company", "product", "team", "club", "player", "score",
        "time", "various", "multiple", "other",
    }
)  # fmt: skip
"""What models write when they have no name, folded."""


Shares: TypeAlias = tuple[float, float, float, float]
"""Left, top, width and height of a part of a picture, of its width and height."""


@dataclass(frozen=True)
class CropVerdict:
    """What an answer is worth: a brand, or the reason for which it is none. `box`: where, if the provider told it."""

    brand: str | None
    reason: str
    confidence: float
    box: Shares | None = None


def frame_sizes(frames: pl.DataFrame) -> dict[int, tuple[int, int]]:
    """Width and height of each frame, px, by its number: of the table of `extract_frames`."""
    return {seq: (width, height) for seq, width, height in frames.select("seq", "width_px", "height_px").iter_rows()}


def resolve(
    rows: pl.DataFrame,
    given: Iterable[tuple[CropView, Outcome]],
    brands: BrandList,
    settings: EscalationSettings,
    source: str,
    sizes: Mapping[int, tuple[int, int]],
) -> pl.DataFrame:
    """The candidates after the answers: detections, and what is left, each with the model's score and a reason.

    A candidate that was not asked about is as it was, or has the reason why not (`budget`). Reasons of those that were:
    `no_brand_seen`, `unknown`, `refused`, `excluded:NAME`, `implausible:NAME`, `below_threshold:NAME`. A detection
    whose place the provider told has its box there; in the other frames of its group, at the same place of theirs.

    Args:
        sizes: as `frame_sizes`.
    """
    resolved = {number: list(row) for number, row in enumerate(rows.iter_rows())}
    at = {name: index for index, name in enumerate(DETECTION_SCHEMA)}
    spelt: dict[str, str] = {}  # a name that is in no list, as it was answered first
    judge = Judge(brands, settings)
    for view, one in given:
        for number in view.group.rows:
            row = resolved[number]
            if one.answer is None:
                row[at["reason"]] = one.why or row[at["reason"]]
                continue
            read = row[at["text"]]
            found = judge.verdict(one, read)
            row[at["brand"]] = None if found.brand is None else spelt.setdefault(fold_key(found.brand), found.brand)
            row[at["reason"]] = found.reason
            row[at["confidence"]], row[at["source"]] = round(found.confidence, 4), source
            row[at["text"]] = one.answer.text or read
            if found.brand is not None and found.box is not None:
                own: XYWH = (row[at["x"]], row[at["y"]], row[at["w"]], row[at["h"]])
                row[at["x"]], row[at["y"]], row[at["w"]], row[at["h"]] = placed(
                    found.box, view, own, sizes[row[at["seq"]]]
                )
                row[at["polygon"]] = None
    table = pl.DataFrame(list(resolved.values()), schema=DETECTION_SCHEMA, orient="row")
    order = ["seq", "brand", "y", "x", "h", "w", "source", "text", "confidence", "reason", "track"]
    return table.sort(order, nulls_last=True)


def placed(box: Shares, view: CropView, own: XYWH, size: tuple[int, int]) -> XYWH:
    """Where a part of the view's picture is in a frame of its group, px, within the frame.

    Args:
        box: the part.
        own: the candidate's box in that frame; the view's own place lies the same way in the view's frame.
        size: width and height of that frame.
    """
    left, top, width, height = view.area
    place = view.place
    across, down = own[2] / place.w, own[3] / place.h
    x = own[0] + (left + box[0] * width - place.x) * across
    y = own[1] + (top + box[1] * height - place.y) * down
    x_px, y_px = min(max(0, round(x)), size[0] - 1), min(max(0, round(y)), size[1] - 1)
    right_px = min(max(x_px + 1, round(x + box[2] * width * across)), size[0])
    bottom_px = min(max(y_px + 1, round(y + box[3] * height * down)), size[1])
    return x_px, y_px, right_px - x_px, bottom_px - y_px


class Judge:
    """Says what answers are worth, by a list of brands and a profile's settings."""

    def __init__(self, brands: BrandList, settings: EscalationSettings) -> None:
        self._brands = brands
        self._settings = settings
        never = [*settings.exclude, *brands.never, *(text for brand in brands.brands for text in brand.exclude)]
        self._never = {fold_key(text) for text in never}
        self._index: NameIndex | None = None

    def verdict(self, given: Outcome, read: str) -> CropVerdict:
        """The brand, as the list spells it, or why the answer is none. `read`: the text that OCR read there.

        Where the model knows no brand but read the name of one in the list, that is the brand.
        """
        answer = given.answer
        assert answer is not None
        if answer.outcome == "unknown":
            answer = self._by_its_text(answer)
        if answer.outcome != "brand":
            reason = {"none": "no_brand_seen"}.get(answer.outcome, answer.outcome)
            return CropVerdict(None, reason, answer.confidence)
        listed = self._brands.named(answer.brand)
        name = listed.name if listed else answer.brand
        if {fold_key(text) for text in (name, answer.brand, answer.text)} & self._never:
            return CropVerdict(None, f"excluded:{name}", answer.confidence)
        if listed is None and not _believable(name, f"{answer.text} {read}"):
            return CropVerdict(None, f"implausible:{name}", answer.confidence)
        if answer.confidence < self._settings.min_confidence:
            return CropVerdict(None, f"below_threshold:{name}", answer.confidence)
        return CropVerdict(name, "", answer.confidence, _box(answer))

    def _by_its_text(self, answer: Answer) -> Answer:
        """The answer with the surest name of the list that its words bear, and those words for its place."""
        words = [one for one in answer.annotations if one.kind == "text"]
        if not words:
            return answer
        if self._index is None:
            self._index = NameIndex(self._brands.brands, Tolerance(), self._brands.languages)
        parsed = self._index[" ".join(word.text for word in words)]
        # Of each folded word the one that it is part of: "Coca-Cola" is one word and two folded ones.
        owners = [at for at, word in enumerate(words) for _ in fold(word.text, repair=True).words]
        if len(owners) != len(parsed.folded.words):
            return answer
        hits = [hit for hit in parsed.hits if not hit.unsure and not hit.one_above_other]
        barred = {(hit.name.brand, at) for hit in hits if hit.name.excluded for at in range(hit.start, hit.end)}
        free = [
            hit
            for hit in hits
            if not hit.name.excluded and not barred & {(hit.name.brand, at) for at in range(hit.start, hit.end)}
        ]
        if not free:
            return answer
        best = max(free, key=lambda hit: (hit.name.letters - 3 * hit.cost, hit.name.brand))
        named = words[owners[best.start] : owners[best.end - 1] + 1]
        confidence = min(1.0, best.score * sum(word.confidence for word in named) / len(named))
        logo = PictureAnnotation(kind="logo", text=best.name.brand, confidence=confidence, box=_around(named))
        return answer.model_copy(
            update={"outcome": "brand", "brand": best.name.brand, "confidence": confidence, "annotations": (logo,)}
        )


def _box(answer: Answer) -> Shares | None:
    """Where the provider saw the brand, the surest place first."""
    logos = [one for one in answer.annotations if one.kind == "logo" and fold_key(one.text) == fold_key(answer.brand)]
    return max(logos, key=lambda one: one.confidence).box if logos else None


def _around(words: Sequence[PictureAnnotation]) -> Shares:
    left, top = (min(word.box[side] for word in words) for side in (0, 1))
    right, bottom = (max(word.box[side] + word.box[side + 2] for word in words) for side in (0, 1))
    return left, top, min(right, 1.0) - left, min(bottom, 1.0) - top


def _believable(name: str, visible: str) -> bool:
    """Whether a name that is in no list can be one: it is to be read in the picture, or reads like a name."""
    key = fold_key(name)
    letters = sum(character.isalpha() for character in key)
    if not letters or key in NO_NAMES:
        return False
    short = len(name) <= 40 and len(name.split()) <= 5
    plausible = short and letters >= 2 and not re.search(r"[/@{}<>\[\]]|\.\s", name)
    return plausible or key in fold_key(visible)
