"""What must be found of each brand, by the truth and by corrections: the later word, a correction, counts.

Without a truth corrections are all that is known: what they say must be found, or is not there, and of the rest of the
timeline nobody has said anything. There it may be found, and is not missed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

from mpr_assets.annotations.corrections import Correction
from mpr_assets.annotations.truth import Kind, Truth, TruthRow
from mpr_assets.evaluation.spans import TruthSpan


def expected_spans(
    truth: Truth | None,
    corrections: Sequence[Correction],
    kinds: Collection[Kind],
    length_ms: int,
    key: Callable[[str], str],
) -> dict[str, list[TruthSpan]]:
    """What must be, and may be, found of each brand that they name.

    Args:
        kinds: those that must be found; others of the truth are optional.
        length_ms: of the timeline.
        key: what brands have in common that are the same.
    """
    rows: defaultdict[str, list[TruthRow]] = defaultdict(list)
    there: defaultdict[str, list[TruthSpan]] = defaultdict(list)
    gone: defaultdict[str, list[TruthSpan]] = defaultdict(list)
    for row in truth.rows if truth else ():
        rows[key(row.brand)].append(row)
    for one in corrections:
        span = TruthSpan(one.start_ms, min(one.end_ms, length_ms))
        if one.action != "reject":
            there[key(one.shown)].append(span)
        if one.action != "add" and one.box is None:  # of one place it says nothing of the others
            gone[key(one.brand)].append(span)
    everywhere = [] if truth else [TruthSpan(0, length_ms, optional=True)]
    return {
        brand: [
            *_without([*spans_of(rows.get(brand, ()), kinds), *everywhere], gone.get(brand, ())),
            *there.get(brand, ()),
        ]
        for brand in sorted({*rows, *there, *gone})
    }


def spans_of(rows: Sequence[TruthRow], kinds: Collection[Kind]) -> list[TruthSpan]:
    """The rows of one brand as spans; those of other kinds than these are optional."""
    return [
        TruthSpan(row.start_ms, row.end_ms, row.optional or (row.kind is not None and row.kind not in kinds))
        for row in rows
    ]


def _without(spans: Sequence[TruthSpan], gone: Sequence[TruthSpan]) -> list[TruthSpan]:
    """What is left of spans."""
    left = list(spans)
    for start_ms, end_ms, _ in gone:
        left = [
            TruthSpan(a, b, optional)
            for one_start_ms, one_end_ms, optional in left
            for a, b in ((one_start_ms, min(one_end_ms, start_ms)), (max(one_start_ms, end_ms), one_end_ms))
            if a < b
        ]
    return left
