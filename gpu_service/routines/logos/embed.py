"""Find reference logos in a picture by what its cells look like to a small network: the engine `logo_embed`.

Where `match` asks for the same edges, this asks for the same look: it finds smooth shapes, faint and embossed marks,
other drawings of a logo, and takes other things for one sooner.

1. Each cell of CELL_PX pixels of the picture, at several sizes of it, is a vector (`trunk`), whitened, of unit length.
2. A reference is brought to one area and laid on the grid at four shifts: four templates of cells. Its likeness to a
   place is the mean cosine of the cells that lie on each other.
3. That likeness is counted in standard deviations above what the reference reaches on pictures without it
   (`backgrounds.npz`, made by `bench.logo_backgrounds`): some references are like much.
4. A brand's score is that of its best reference and a part of the second best's, less a part of what another brand
   reaches in the same picture. A logistic function makes a confidence of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gpu_service.boxes import iou, overlaps
from gpu_service.pictures import Image
from gpu_service.routines import Reference
from gpu_service.routines.logos.logo_set import logo_set
from gpu_service.routines.logos.references import Logo
from gpu_service.routines.logos.templates import TemplateSet, backgrounds, template_set
from gpu_service.routines.logos.trunk import CELL_PX, Floats, cells
from gpu_service.routines.logos.verify import corners_of, project, pyramid, verify
from gpu_service.settings import Settings
from gpu_service.wire import Box, ObjectFinding, to_quad

VERSION = "3"
SIZES = (1.0, 0.71, 0.5, 0.35, 0.25)
"""Sizes of a picture that are looked through, as shares of `logo_embed_side_px`."""
SECOND, RIVAL = 0.3, 0.5
"""Shares of the second best reference's and of the rival brand's score."""
LEAST_RIVAL = 3.5
"""A rival's score where there are too few brands for one: among 27, the best other brand has 4.5 in the median."""
WEIGHT, CONSTANT = 1.2, -5.0
"""Logistic calibration, fitted on what `bench.leave_one_out` measures."""
PLACES = 6
"""Places of a brand in a picture that are given, the likeliest."""
GROWN = 1.1
"""Sides of a logo, as shares of those of the place that looks most like it: a part of a logo is like the whole."""
STARTS = (1.0, 1.25)
"""Sizes of the place from which a pose is drawn to the edges."""
ON_EDGE, LIKE, NEAR = 0.5, 0.4, 0.4
"""A pose that was drawn to the edges gives the box if so much of its outline lies on edges, it looks so much like the
reference, and its box shares so much with the place's."""


class LogoEmbedSettings(Settings):
    """How logos are looked for by a network."""

    logo_threshold: float = Field(default=0.5, ge=0, le=1, description="minimum calibrated score of a logo")
    logo_embed_side_px: int = Field(
        default=500,
        ge=128,
        le=2048,
        description="long side to which a frame is scaled for logo_embed, which finds logos from a seventh of it on",
    )
    logo_embed_rival: int = Field(
        default=1,
        ge=1,
        le=9,
        description="a brand's score is lowered by that of the best other brand in the frame: 1; where many brands are "
        "in one frame, by the third best: 3",
    )


@dataclass(frozen=True)
class Places:
    """Likely places (k,) of references in a picture: whose, how likely in standard
    deviations, boxes (k, 4) in pixels."""

    owner: NDArray[np.int32]
    score: Floats
    boxes: Floats


def places(image: Image, templates: TemplateSet, side_px: int) -> Places:
    """The likeliest places of each template on each size of the picture."""
    owners, scores, boxes = [], [], []
    for level, factor in _levels(image, side_px):
        for group in templates.groups:
            likeness = group.likeness(level)
            down, across, count = likeness.shape
            if not down * across:
                continue
            flat = likeness.reshape(-1, count)
            kept = min(PLACES, len(flat))
            at = np.argpartition(-flat, kept - 1, axis=0)[:kept]
            owner = np.broadcast_to(group.owner, at.shape)
            score = (np.take_along_axis(flat, at, axis=0) - templates.mean[owner]) / templates.spread[owner]
            corner = np.stack([at % across, at // across], axis=-1) * CELL_PX
            box = np.concatenate(
                [corner + group.boxes[None, :, :2], np.broadcast_to(group.boxes[None, :, 2:], corner.shape)], axis=-1
            )
            owners.append(owner.reshape(-1))
            scores.append(score.reshape(-1))
            boxes.append(box.reshape(-1, 4) / factor)
    if not owners:
        return Places(np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros((0, 4), np.float32))
    return Places(np.concatenate(owners), np.concatenate(scores), np.concatenate(boxes).astype(np.float32))


def _levels(image: Image, side_px: int) -> list[tuple[Floats, float]]:
    """The picture's whitened cells at each size, and that size as a share of its own."""
    found = []
    for share in SIZES:
        factor = side_px * share / max(image.shape[:2])
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        size = max(CELL_PX, round(image.shape[1] * factor)), max(CELL_PX, round(image.shape[0] * factor))
        scaled = np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)
        found.append((backgrounds().whitened(cells(scaled)), factor))
    return found


def find_logos(image: Image, references: Sequence[Reference], settings: LogoEmbedSettings) -> list[ObjectFinding]:
    """Logos in the picture with box and calibrated score, sorted by brand, then best first.

    Raises:
        BadInput: a reference cannot be read.
        MissingEngine: see `trunk`.
    """
    templates = template_set(references)
    if not templates.references:
        return []
    seen = places(image, templates, settings.logo_embed_side_px)
    if not len(seen.owner):
        return []
    best = np.full(len(templates.references), -np.inf, np.float32)
    np.maximum.at(best, seen.owner, seen.score)
    support = _support(best, templates)
    rivals = _rivals(support + _brand_best(best, templates), settings.logo_embed_rival)
    brand = templates.brand_of[seen.owner]
    odds = WEIGHT * (seen.score + support[brand] - RIVAL * rivals[brand]) + CONSTANT
    confidence = 1 / (1 + np.exp(-odds.clip(-20, 20)))
    findings = []
    for number, name in enumerate(templates.brands):
        mine = np.flatnonzero((brand == number) & (confidence >= settings.logo_threshold))
        for i in _distinct(seen.boxes[mine], confidence[mine]):
            picked = int(mine[i])
            box = _inside(seen.boxes[picked], image)
            if box.w and box.h:
                reference = templates.references[seen.owner[picked]]
                findings.append(
                    ObjectFinding(
                        box=box,
                        label=name,
                        confidence=round(float(confidence[picked]), 4),
                        engine="logo_embed",
                        reference=reference.name,
                    )
                )
    tight = _tightened(image, findings, references)
    return sorted(tight, key=lambda f: (f.label, -f.confidence, f.box.x, f.box.y))


def _brand_best(best: Floats, templates: TemplateSet) -> Floats:
    found = np.full(len(templates.brands), -np.inf, np.float32)
    np.maximum.at(found, templates.brand_of, best)
    return found


def _support(best: Floats, templates: TemplateSet) -> Floats:
    """The second best reference's share of each brand's score; where there is only one, its own."""
    found = np.zeros(len(templates.brands), np.float32)
    for number in range(len(found)):
        own = np.sort(best[templates.brand_of == number])[::-1]
        found[number] = SECOND * own[min(1, len(own) - 1)]
    return np.where(np.isfinite(found), found, 0).astype(np.float32)


def _rivals(scores: Floats, rank: int) -> Floats:
    """For each brand the score of the best other one, or of that of a lower `rank`; at least `LEAST_RIVAL`."""
    found = np.full(len(scores), LEAST_RIVAL, np.float32)
    for number in range(len(scores)):
        others = np.sort(np.delete(scores, number))[::-1]
        if len(others) >= rank:
            found[number] = max(LEAST_RIVAL, others[rank - 1])
    return found


def _distinct(boxes: Floats, confidence: Floats) -> list[int]:
    """Indices of the surest of each heap of overlapping boxes, surest first, at most PLACES."""
    kept: list[int] = []
    whole = [(round(float(x)), round(float(y)), round(float(w)), round(float(h))) for x, y, w, h in boxes]
    for i in np.argsort(-confidence, kind="stable"):
        if len(kept) == PLACES:
            break
        if not any(overlaps(whole[i], whole[k]) for k in kept):
            kept.append(int(i))
    return kept


def _inside(box: Floats, image: Image) -> Box:
    height, width = image.shape[:2]
    x0, y0 = (max(0, round(float(v))) for v in box[:2])
    x1, y1 = min(width, round(float(box[0] + box[2]))), min(height, round(float(box[1] + box[3])))
    return Box(x=x0, y=y0, w=max(0, x1 - x0), h=max(0, y1 - y0))


def _tightened(image: Image, findings: list[ObjectFinding], references: Sequence[Reference]) -> list[ObjectFinding]:
    """The findings with their boxes drawn to the edges, where the reference's edges are there, and its pose."""
    if not findings:
        return findings
    logos = {(logo.brand, logo.name): logo for logo in logo_set(references).logos}
    tried = [number for number in range(len(findings)) for _ in STARTS]
    picked = [logos[findings[number].label, findings[number].reference or ""] for number in tried]
    boxes = [_grown(one.box, share) for one in findings for share in STARTS]
    evidence = verify(pyramid(image), picked, np.stack([*map(_pose, picked, boxes)]))
    quads = project(evidence.homographies, corners_of(picked))
    tight = [one.model_copy(update={"box": _inside(_grown(one.box, GROWN), image)}) for one in findings]
    likest = [LIKE] * len(findings)
    for at, number in enumerate(tried):
        hull = project(evidence.homographies[at : at + 1], picked[at].hull[None])[0]
        low, high = hull.min(axis=0), hull.max(axis=0)
        box = _inside(np.array([*low, *(high - low)], np.float32), image)
        good = evidence.plausible[at] and evidence.edges[at] > ON_EDGE and evidence.likeness[at] > likest[number]
        if good and iou(box.xywh, findings[number].box.xywh) > NEAR:
            likest[number] = float(evidence.likeness[at])
            tight[number] = findings[number].model_copy(update={"box": box, "quad": to_quad(quads[at])})
    return tight


def _grown(box: Box, share: float) -> Floats:
    """The box (4,) with its sides so large, around its middle."""
    x, y, w, h = box.xywh
    return np.array([x - w * (share - 1) / 2, y - h * (share - 1) / 2, w * share, h * share], np.float32)


def _pose(logo: Logo, box: Floats) -> NDArray[np.float64]:
    height, width = logo.grey.shape
    x, y, w, h = box.tolist()
    return np.array([[w / width, 0, x], [0, h / height, y], [0, 0, 1]], np.float64)
