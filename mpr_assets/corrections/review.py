"""What a person says of results while going through them, as corrections: they are right, or two stays are one.

What was missed, is not there or is another brand is a correction by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from gpu_service.boxes import overlaps
from gpu_service.errors import BadInput
from mpr_assets.annotations.corrections import Correction, PixelBox
from mpr_assets.corrections.asked import AskedCorrection
from mpr_assets.corrections.given import TimelineState
from mpr_resources.brands.folding import fold_key
from mpr_resources.media.clock import clock


def accepted(asked: AskedCorrection) -> AskedCorrection:
    """That a detection is right: it is there whatever a later run makes of it, and counts as truth. What was found
    needs no reference picture.
    """
    return replace(asked, action="add", reference=False).checked()


def merged(asked: AskedCorrection, state: TimelineState) -> list[AskedCorrection]:
    """That the exposures of a brand which touch a span are one stay: the brand is there in the gaps between them, at
    the best place of the exposure before.

    Raises:
        BadInput: there are not two of them, or they are of different chunks, over whose edge no exposure goes.
    """
    if asked.span_ms is None:
        raise BadInput(f"{asked.where}: it does not say from when to when", "give the span that holds the exposures")
    start_ms, end_ms = asked.span_ms
    rows = [
        row
        for row in state.exposures.sort("start_ms").iter_rows(named=True)
        if fold_key(row["brand"]) == fold_key(asked.brand) and row["start_ms"] < end_ms and row["end_ms"] > start_ms
    ]
    if len(rows) < 2:
        raise BadInput(
            f"{asked.where}: the report of {state.timeline!r} has {len(rows) or 'no'} exposure{'s'[: not rows]} of "
            f"{asked.brand} from {clock(start_ms)} to {clock(end_ms)}",
            "name a span with two of them or more",
        )
    if len({row["chunk"] for row in rows}) > 1:
        raise BadInput(
            f"{asked.where}: the exposures of {asked.brand} are in different chunks", "merge those of one chunk alone"
        )
    return [
        replace(
            asked,
            action="add",
            brand=before["brand"],
            span_ms=(before["end_ms"], after["start_ms"]),
            box=PixelBox(**{side: before[f"best_{side}"] for side in "xywh"}),
            reference=False,
        ).checked()
        for before, after in pairwise(rows)
        if before["end_ms"] < after["start_ms"]
    ]


def contradicted(kept: Iterable[Correction], new: Sequence[Correction]) -> list[Correction]:
    """Those kept that say something else of the same mark than new ones do, which take their place."""
    return [one for one in kept if any(_contradicts(other, one) for other in new)]


def _contradicts(new: Correction, old: Correction) -> bool:
    at_once = new.start_ms < old.end_ms and old.start_ms < new.end_ms
    if not at_once or new.name == old.name:
        return False
    brand = fold_key(new.brand)
    takes_away = old.action != "add" and fold_key(old.brand) == brand
    gives = old.action != "reject" and fold_key(old.shown) == brand
    if not (takes_away or (gives and new.action != "add")):
        return False
    if new.box is None or old.box is None:
        return new.box is None and old.box is None
    return overlaps(*((box.x, box.y, box.w, box.h) for box in (new.box, old.box)))
