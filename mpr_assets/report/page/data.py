"""What the page's scripts work with, as JSON. How the page looks without them is in page.html; pictures are not here.

Exposures stand in columns named as in report.json, those of the first brand first and each brand's in the order of
time: a list of numbers is read many times faster than as many objects.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from mpr_assets.report.exposure_table import CELLS
from mpr_assets.report.model import BrandReport, EvidenceBox, Exposure, Report, ReportSource

SOURCE_WORDS = {
    "ocr": "text",
    "logo": "logo",
    "object": "object",
    "local_vlm": "local VLM",
    "cloud_vlm": "cloud VLM",
    "manual": "by hand",
}
RULE_WORDS = {"all": "All time", "nielsen_1s": "Nielsen 1 s", "mrc_2s": "MRC 2 s", "legible_90": "90 % legible"}
PARTS = 1_000_000
"""Shares and confidences are whole numbers of these: as exact as report.json has them."""
BOX_PARTS = 10_000

WHOLE = (
    "start_ms", "end_ms", "start_uncertainty_ms", "end_uncertainty_ms", "seen_ms", "inferred_ms", "frames",
    "detections", "media_start_ms", "max_instances", "solo_ms", "nielsen_1s_ms", "mrc_2s_ms", "legible_90_ms",
)  # fmt: skip
SHARES = (
    "confidence", "max_confidence", "mean_area_share", "max_area_share", "mean_prominence", "visibility", "legibility",
    "clarity", "quality", "clutter",
)  # fmt: skip
OF_BRAND = (
    "mean_confidence", "mean_area_share", "mean_prominence", "visibility", "clarity", "quality", "clutter",
)  # fmt: skip
"""Means over a brand's frames: of these, not of its exposures' means, while all its exposures are shown."""


def found_by(source: str) -> str:
    """`logo+ocr` in words: `logo, text`."""
    return ", ".join(SOURCE_WORDS.get(one, one) for one in source.split("+"))


def page_data(report: Report, to_storage: str) -> str:
    """The JSON text, safe within a script element: no `<` is in it.

    Args:
        report: what the page shows.
        to_storage: the way from the page to the storage's root, for the frames that are kept there: `../../`.
    """
    exposures = [one for brand in report.brands for one in brand.exposures]
    kinds = list(dict.fromkeys(kind for one in exposures for kind in one.source.split("+")))
    placements = sorted({one.placement for one in exposures if one.placement})
    objects = sorted({one.placement_object or "" for one in exposures})
    reasons = sorted({one.placement_reason or "" for one in exposures})
    sources = [source.name for source in report.sources]
    frames = sorted({one.evidence.seq: one.evidence for one in exposures}.values(), key=lambda one: one.seq)
    folder = _common_folder(one.frame for one in frames)
    place_of_frame = {one.seq: place for place, one in enumerate(frames)}
    data = {
        "timeline": report.timeline,
        "duration": report.duration_ms,
        "cuts": report.cuts_ms,
        "sources": sources,
        "sizes": [_shown_size(source) for source in report.sources],
        "chunks": [
            [one.timeline_start_ms, one.start_ms, one.end_ms - one.start_ms, sources.index(one.source)]
            for one in report.chunks
        ],
        "kinds": [[kind, SOURCE_WORDS.get(kind, kind)] for kind in kinds],
        "cells": CELLS,
        "placements": placements,
        "objects": objects,
        "reasons": reasons,
        "currency": report.rate_card.currency if report.rate_card else None,
        "rule": report.counting_rule,
        "rules": [[one.rule, RULE_WORDS.get(one.rule, one.rule), one.says] for one in report.counted],
        "brands": [brand.brand for brand in report.brands],
        "counts": [len(brand.exposures) for brand in report.brands],
        "of_brand": {name: _shares(report.brands, name) for name in OF_BRAND},
        "in_cells": [brand.cells for brand in report.brands],
        "exposures": {
            **{name: [getattr(one, name) for one in exposures] for name in WHOLE},
            **{name: _shares(exposures, name) for name in SHARES},
            "kinds": [sum(1 << kinds.index(kind) for kind in one.source.split("+")) for one in exposures],
            "source": [sources.index(one.media) for one in exposures],
            "position": [CELLS.index(one.position) if one.position else None for one in exposures],
            "placement": [placements.index(one.placement) if one.placement else None for one in exposures],
            "placement_reason": [reasons.index(one.placement_reason or "") for one in exposures],
            "placement_object": [objects.index(one.placement_object or "") for one in exposures],
            "media_equivalent": [one.media_equivalent for one in exposures] if report.rate_card else [],
            "frame": [place_of_frame[one.evidence.seq] for one in exposures],
        },
        "inferred": {number: one.inferred for number, one in enumerate(exposures) if one.inferred},
        "boxes": [[_box(box) for box in one.evidence.boxes] for one in exposures],
        "frames": {
            "folder": quote(to_storage + folder),
            "name": [quote(one.frame[len(folder) :]) for one in frames],
            "seq": [one.seq for one in frames],
            "timeline_ms": [one.timeline_ms for one in frames],
            "media_ms": [one.media_ms for one in frames],
        },
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _shares(ones: Sequence[Exposure] | Sequence[BrandReport], name: str) -> list[int | None]:
    """A column in `PARTS`; None where it is not measured."""
    values = [getattr(one, name) for one in ones]
    return [None if value is None else round(PARTS * value) for value in values]


def _box(box: EvidenceBox) -> list[Any]:
    """Place and size in `BOX_PARTS` of the frame, confidence in %, what found it, stage, text."""
    place = [round(BOX_PARTS * side) for side in (box.x, box.y, box.w, box.h)]
    return [*place, round(100 * box.confidence), SOURCE_WORDS.get(box.source, box.source), box.stage, box.text]


def _shown_size(source: ReportSource) -> tuple[int, int]:
    """Width and height, in px, as the source is shown."""
    size = source.width_px, source.height_px
    return size if source.rotation_deg % 180 == 0 else size[::-1]


def _common_folder(keys: Iterable[str]) -> str:
    """The folder in which all lie, with its slash; empty where there is none."""
    folders = [posixpath.dirname(key) for key in keys]
    common = posixpath.commonpath(folders) if folders else ""
    return f"{common}/" if common else ""
