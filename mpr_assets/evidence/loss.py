"""What is said of a brand that was lost: where, by which rule, and what would have let it through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mpr_assets.evidence.remedies import Remedy

TRIED = frozenset({"detect_objects", "run_ocr", "match_brands"})
"""Stages of these routes that `mpr try` runs on a frame."""


class Reason(StrEnum):
    """Why a brand is not in the report at a moment; the later in this list, the farther it came."""

    OUTSIDE = "outside"
    NOT_SAMPLED = "not_sampled"
    SWITCHED_OFF = "switched_off"
    NOT_LISTED = "not_listed"
    NO_REFERENCE = "no_reference"
    NO_TEXT = "no_text"
    NO_LOGO = "no_logo"
    READ_AS = "read_as"
    NEAR_MISS = "near_miss"
    EXCLUDED = "excluded"
    WORDS_TAKEN = "words_taken"
    ANOTHER_WORD = "another_word"
    BELOW_THRESHOLD = "below_threshold"
    REJECTED = "rejected"
    OUT_OF_DATE = "out_of_date"
    NOT_COUNTED = "not_counted"


@dataclass(frozen=True)
class Loss:
    """Where a brand was lost.

    Attributes:
        stage: that let it go. sentence: says why.
        remedies: single settings that would have let it through.
        commands: what else would, as one types it.
    """

    stage: str
    reason: Reason
    sentence: str
    remedies: Sequence[Remedy] = ()
    commands: Sequence[str] = ()


@dataclass(frozen=True)
class Passed:
    """What happened on the way that did not yet lose it: a frame that stands for another, a stage made anew since."""

    stage: str
    sentence: str
    remedies: Sequence[Remedy] = ()
    commands: Sequence[str] = ()


def edits_told(edits: int) -> str:
    return f"{edits} edit{'' if edits == 1 else 's'}"


@dataclass(frozen=True)
class ReadLine:
    """A line of text of the frame. `nearest`: its words that are most like a name of the brand, which is `name`;
    `edits`: how many part them, 0 where they are the name; `rule`: why they are not taken for it, empty where they are.
    """

    line: int
    text: str
    confidence: float
    box: tuple[int, int, int, int]
    nearest: str
    name: str
    edits: int
    rule: str


def remedy_commands(timeline: str, remedies: Sequence[Remedy], seq: int | None) -> list[str]:
    """What one types to try each remedy on the frame, and to make the results anew with it."""
    commands = []
    for one in remedies:
        if seq is not None and one.stage in TRIED:
            commands.append(f"mpr try {timeline} {one.stage} --frames {seq} --set {one.assignment}")
        commands.append(f"mpr replay {timeline} {one.stage} --set {one.assignment}")
    return commands


def quoted(text: str) -> str:
    """An argument for a shell."""
    return '"' + "".join(f"\\{one}" if one in '"\\$`' else one for one in text) + '"'
