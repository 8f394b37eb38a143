"""Judges an answer: a detection, or a candidate with the reason."""

from __future__ import annotations

import re
from collections.abc import Iterable

import polars as pl

from mpr_assets.escalation.candidates import (
    EscalationSettings,
    Group,
)
from mpr_assets.text.detections import DETECTION_SCHEMA
from mpr_resources.brands.brand_file import BrandList
from mpr_resources.brands.folding import fold_key
from mpr_resources.cloud.asking import Outcome

NO_NAMES = frozenset(
    {
        "unknown", "none", "na", "null", "notvisible", "unreadable", "illegible", "brand", "logo", "text", "sponsor",
        "advertisement", "advertising", "banner", "board", "company", "product", "team", "club", "player", "score",
        "time", "various", "multiple", "other",
    }
)  # fmt: skip
"""What models write when they have no name, folded."""


def resolve(
    rows: pl.DataFrame,
    given: Iterable[tuple[Group, Outcome]],
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
            brand, reason = accept(one, read, brands, settings)
            row[at["brand"]] = None if brand is None else spelt.setdefault(fold_key(brand), brand)
            row[at["reason"]] = reason
            row[at["confidence"]], row[at["source"]] = round(one.answer.confidence, 4), source
            row[at["text"]] = one.answer.text or read
    table = pl.DataFrame(list(resolved.values()), schema=DETECTION_SCHEMA, orient="row")
    order = ["seq", "brand", "y", "x", "h", "w", "source", "text", "confidence", "reason", "track"]
    return table.sort(order, nulls_last=True)


def accept(given: Outcome, read: str, brands: BrandList, settings: EscalationSettings) -> tuple[str | None, str]:
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
