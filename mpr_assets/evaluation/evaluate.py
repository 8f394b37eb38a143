"""Holds what a report says against what is known of its timeline: the figures of `model`, made of spans and boxes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from gpu_service.boxes import XYWH
from gpu_service.settings import Settings
from mpr_assets.annotations.corrections import Correction
from mpr_assets.annotations.truth import Kind, Truth, TruthRow
from mpr_assets.corrections.applied import MANUAL
from mpr_assets.evaluation.boxes import RIGHT_IOU, BoxCounts, TrueBoxes, box_counts, matched
from mpr_assets.evaluation.calibration import Judged, reliability
from mpr_assets.evaluation.expected import expected_spans, spans_of
from mpr_assets.evaluation.mistakes import confusions, mistakes
from mpr_assets.evaluation.model import (
    DECIMALS,
    BoxFigures,
    BrandFigures,
    CalibrationFigures,
    Confusion,
    EdgeFigures,
    Evaluation,
    Figures,
    Mistake,
    NamedBrand,
    rates,
)
from mpr_assets.evaluation.spans import (
    EdgeErrors,
    EventCounts,
    FoundSpan,
    GridCounts,
    TruthSpan,
    all_edges,
    average_precisions,
    edge_errors,
    event_counts,
    grid_counts,
    is_known,
    is_there,
)
from mpr_resources.brands.brand_file import BrandList
from mpr_resources.brands.folding import fold_key

MOST_MISTAKES = 100


class SpanSettings(Settings):
    """How near is near enough. The defaults suit a truth that was set by eye and a sampler of two frames a second."""

    kinds: tuple[Kind, ...] = Field(
        ("text", "logo"),
        description="kinds of marks that must be found; others of the truth can be found and not missed",
    )
    tolerance_ms: int = Field(
        500,
        ge=0,
        le=10_000,
        description="on the grid, how near to an edge of the truth nothing is missed or claimed wrongly, in ms",
    )
    collar_ms: int = Field(
        500, ge=0, le=10_000, description="how far start and end of a matching event may be off, in ms"
    )
    offset_share: float = Field(
        0.5, ge=0, le=1, description="share of a true event's length that its end may be off where that is more"
    )


TrueBoxesOf = Callable[[str, int], Sequence[XYWH]]
"""Gives the true boxes of a brand, however it is spelt, in the frame that begins at a time in ms."""


@dataclass(frozen=True)
class Known:
    """What is known of a timeline. `truth`: None: corrections are all."""

    truth: Truth | None
    corrections: Sequence[Correction]


@dataclass(frozen=True)
class Claimed:
    """What its report says.

    Attributes:
        exposures: rows of `compile_report`.
        detections: rows (seq, x, y, w, h, brand, confidence, source), all with a brand.
        looked_at: rows (seq, timeline_ms) of the frames in which brands were looked for.
        frame_ms: how long a frame of the video lasts.
        length_ms: of the timeline.
        brands: those that were looked for; a brand is the same as another whose name or alias it bears.
    """

    exposures: pl.DataFrame
    detections: pl.DataFrame
    looked_at: pl.DataFrame
    frame_ms: float
    length_ms: int
    brands: BrandList


def evaluate(timeline: str, known: Known, claimed: Claimed, settings: SpanSettings) -> Evaluation:
    """Hold a report against what is known. What stands on corrections alone was not found."""
    length_ms = claimed.length_ms
    named: dict[str, NamedBrand] = {}
    key = _keys(claimed.brands, named)
    truth = expected_spans(known.truth, known.corrections, settings.kinds, length_ms, key)
    found = _spans_found(claimed.exposures, key)
    true_boxes = _true_boxes(known.truth, claimed.frame_ms, key)
    found_boxes = _boxes_found(claimed, key)
    looked_ms = claimed.looked_at["timeline_ms"].to_list()
    made: list[BrandFigures] = []
    edges: list[EdgeErrors] = []
    grids: list[GridCounts] = []
    events: list[EventCounts] = []
    precisions: list[NDArray[np.float64]] = []
    boxes = BoxCounts()
    for brand in sorted({*truth, *found}, key=lambda one: (named[one].name.casefold(), one)):
        theirs, ours = truth.get(brand, ()), found.get(brand, ())
        grids.append(grid_counts(theirs, ours, length_ms, settings.tolerance_ms))
        events.append(event_counts(theirs, ours, settings.collar_ms, settings.offset_share))
        edges.append(edge_errors(theirs, ours, length_ms, settings.tolerance_ms))
        precision = average_precisions(theirs, ours)
        mine = [] if precision is None else [precision]
        precisions += mine
        at = {ms: [box for box, _ in found_boxes.get((brand, ms), ())] for ms in looked_ms}
        own_boxes = box_counts(true_boxes[brand], at) if brand in true_boxes else BoxCounts()
        boxes += own_boxes
        figures = _figures(grids[-1:], events[-1:], edges[-1:], mine, own_boxes)
        own = {name: getattr(figures, name) for name in Figures.model_fields}
        made.append(BrandFigures(brand=named[brand].name, listed=named[brand].listed, **own))
    wrong = mistakes(truth, found, length_ms, settings.tolerance_ms)
    judged = _judged(found_boxes, true_boxes, truth, found, settings)
    return Evaluation(
        timeline=timeline,
        truth=known.truth.file if known.truth else "",
        corrections=len(known.corrections),
        length_ms=length_ms,
        total=_figures(grids, events, edges, precisions, boxes),
        brands=tuple(made),
        calibration=CalibrationFigures.of(reliability(Judged.of(list(judged)))),
        mistakes=tuple(
            Mistake(kind=one.kind, brand=named[one.brand].name, start_ms=one.start_ms, end_ms=one.end_ms)
            for one in wrong[:MOST_MISTAKES]
        ),
        confusions=tuple(
            Confusion(missed=named[missed].name, claimed=named[other].name, ms=ms)
            for missed, other, ms in confusions(wrong)
        ),
    )


def true_spans(truth: Truth, brands: BrandList, kinds: Collection[Kind]) -> dict[str, list[TruthSpan]]:
    """What the truth says of each brand, under the name that detections have it under."""
    named: dict[str, NamedBrand] = {}
    key = _keys(brands, named)
    rows: defaultdict[str, list[TruthRow]] = defaultdict(list)
    for row in truth.rows:
        rows[key(row.brand)].append(row)
    return {named[brand].name: spans_of(own, kinds) for brand, own in rows.items()}


def true_boxes_of(known: Known, claimed: Claimed) -> TrueBoxesOf:
    """What gives the true boxes; none where the truth has none."""
    key = _keys(claimed.brands, {})
    boxes = _true_boxes(known.truth, claimed.frame_ms, key)
    return lambda brand, at_ms: boxes[key(brand)].at(at_ms) if key(brand) in boxes else ()


def _keys(brands: BrandList, named: dict[str, NamedBrand]) -> Callable[[str], str]:
    """What gives the key of a brand however it is spelt, and notes its name."""

    def key(name: str) -> str:
        listed = brands.named(name)
        shown = name if listed is None else listed.name
        named.setdefault(fold_key(shown), NamedBrand(name=shown, listed=listed is not None))
        return fold_key(shown)

    return key


def _spans_found(exposures: pl.DataFrame, key: Callable[[str], str]) -> dict[str, list[FoundSpan]]:
    found: defaultdict[str, list[FoundSpan]] = defaultdict(list)
    columns = ("brand", "start_ms", "end_ms", "max_confidence")
    for brand, start_ms, end_ms, confidence in exposures.filter(pl.col("source") != MANUAL).select(columns).iter_rows():
        found[key(brand)].append(FoundSpan(start_ms, end_ms, confidence))
    return dict(found)


def _true_boxes(truth: Truth | None, frame_ms: float, key: Callable[[str], str]) -> dict[str, TrueBoxes]:
    of_brand: defaultdict[str, list[tuple[int, int, int, int, int]]] = defaultdict(list)
    for brand, boxes in (truth.boxes if truth else {}).items():
        of_brand[key(brand)] += boxes
    return {brand: TrueBoxes(boxes, frame_ms) for brand, boxes in of_brand.items()}


Found = dict[tuple[str, int], list[tuple[XYWH, float]]]
"""Boxes with their confidences, by brand and when their frame begins, in ms."""


def _boxes_found(claimed: Claimed, key: Callable[[str], str]) -> Found:
    timed = claimed.detections.filter(pl.col("source") != MANUAL).join(claimed.looked_at, on="seq", how="inner")
    found: defaultdict[tuple[str, int], list[tuple[XYWH, float]]] = defaultdict(list)
    for brand, at_ms, confidence, *box in timed.select(
        "brand", "timeline_ms", "confidence", "x", "y", "w", "h"
    ).iter_rows():
        found[key(brand), at_ms].append(((box[0], box[1], box[2], box[3]), confidence))
    return dict(found)


def _judged(
    boxes: Found,
    true_boxes: Mapping[str, TrueBoxes],
    truth: Mapping[str, Sequence[TruthSpan]],
    found: Mapping[str, Sequence[FoundSpan]],
    settings: SpanSettings,
) -> Iterator[tuple[float, bool, tuple[str, str]]]:
    """Each detection of which it is known whether it is right. Those of one exposure go together."""
    for (brand, at_ms), here in boxes.items():
        spans = truth.get(brand, ())
        if not is_known(spans, at_ms):
            continue
        stay = next((str(one.start_ms) for one in found.get(brand, ()) if one.start_ms <= at_ms < one.end_ms), "none")
        true_here = true_boxes[brand].at(at_ms) if brand in true_boxes else ()
        fits = matched(true_here, [box for box, _ in here])
        for place, (_, confidence) in enumerate(here):
            in_time = is_there(spans, at_ms, settings.tolerance_ms)
            right = fits.get(place, 0.0) >= RIGHT_IOU if true_here else in_time
            yield confidence, right, (brand, stay)


def _figures(
    grids: Sequence[GridCounts],
    events: Sequence[EventCounts],
    edges: Sequence[EdgeErrors],
    precisions: Sequence[NDArray[np.float64]],
    boxes: BoxCounts,
) -> Figures:
    present_ms = sum(one.present_ms for one in grids)
    found_ms = sum(one.found_ms for one in grids)
    false_ms = sum(one.false_ms for one in grids)
    true, claimed, matched = (sum(getattr(one, name) for one in events) for name in ("events", "found", "matched"))
    recall, precision, f1 = rates(found_ms, present_ms, found_ms + false_ms)
    event_recall, event_precision, event_f1 = rates(matched, true, claimed)
    by_tiou = np.mean(precisions, axis=0) if precisions else np.zeros(0)
    errors = all_edges(edges)
    return Figures(
        present_ms=present_ms,
        found_ms=found_ms,
        missed_ms=present_ms - found_ms,
        false_ms=false_ms,
        recall=recall,
        precision=precision,
        f1=f1,
        events=true,
        found_events=claimed,
        matched_events=matched,
        event_recall=event_recall,
        event_precision=event_precision,
        event_f1=event_f1,
        average_precision=round(float(by_tiou.mean()), DECIMALS) if len(by_tiou) else None,
        average_precision_by_tiou=tuple(round(float(one), DECIMALS) for one in by_tiou),
        starts=EdgeFigures.of(errors.starts_ms),
        ends=EdgeFigures.of(errors.ends_ms),
        boxes=BoxFigures.of(boxes),
    )
