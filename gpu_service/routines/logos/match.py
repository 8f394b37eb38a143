"""Find reference logos in a picture: features and regions propose poses, a straightened comparison decides.

1. Local features (RootSIFT) of the picture are matched with those of all references at once; votes that agree propose a
   pose (`votes`). Regions whose shape is that of a silhouette or a part of it propose poses of flat logos
   (`regions`).
2. Each pose is drawn to the edges of the picture and compared with its reference (`verify`).
3. What was measured becomes a score, and of findings that overlap the surest stays.

References are read in `references`.

Why this is not a model: CLIP over the whole frame took 4.5 s a frame on a CPU, "found" brands at 0.4 on dark frames,
and gives no box. SIFT, matching and warping are OpenCV's; poses and their scores are ours.

The scores say where their weights are from. Of the other thresholds here and in the files beside this one no
measurement one by one is known; `bench.logos` and `bench.logo_photos` measure recall and precision with all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gpu_service.boxes import shared_areas
from gpu_service.pictures import Image
from gpu_service.routines import DebugPictures, Reference
from gpu_service.routines.logos import regions as shapes
from gpu_service.routines.logos import votes as votes
from gpu_service.routines.logos.logo_set import LogoSet, logo_set
from gpu_service.routines.logos.references import root_sift
from gpu_service.routines.logos.regions import Floats
from gpu_service.routines.logos.verify import (
    LEAST_LIKENESS,
    PoseEvidence,
    corners_of,
    project,
    pyramid,
    verify,
)
from gpu_service.settings import Settings
from gpu_service.wire import Box, ObjectFinding, to_quad

VERSION = "3"

REGION_SIDE_PX = 720
"""Long side to which a picture is brought to look for regions."""
MOST_PROPOSALS = 120
"""Poses of a picture that are verified, those with most votes or the likest shape: a bound on the work."""
LIKELY = -2.0
"""Log-odds, about 1 in 8, from which a pose may support those of other references of its brand."""
AGREEMENT = 0.6
"""Log-odds added for each further reference of the brand, two at most, that is likely at the same place by itself."""
MOST_SUPPORT = 100
"""Features that support a pose, at most: none with more is known that did not have the likeness too."""
DOUBT = 3.0
"""Log-odds taken off what a plain silhouette finds: in 34 photographs discs, ellipses and bars were found 14 times, 7
of them at a score over 0.88."""


class LogoMatchSettings(Settings):
    """How logos are looked for."""

    logo_threshold: float = Field(default=0.5, ge=0, le=1, description="minimum calibrated score of a logo")
    logo_min_side_px: int = Field(default=16, ge=4, le=4096, description="minimum long side of a found logo")
    logo_working_side_px: int = Field(
        default=960,
        ge=320,
        le=4096,
        description="long side to which a frame is scaled for local features, at most doubled",
    )
    logo_features: int = Field(
        default=2000, ge=100, le=20000, description="maximum number of local features per frame, strongest first"
    )


def find_logos(
    image: Image, references: Sequence[Reference], settings: LogoMatchSettings, debug: DebugPictures | None = None
) -> list[ObjectFinding]:
    """Logos in the picture with box, quad and calibrated score, sorted by brand, then best first.

    Raises:
        BadInput: a reference cannot be read.
    """
    if not references:
        return []
    logos = logo_set(references)
    owners, poses, features = _proposals(image, logos, settings, debug)
    if not len(owners):
        return []
    picked = [logos.logos[i] for i in owners]
    evidence = verify(pyramid(image), picked, poses)
    scores = _scores(evidence, logos, owners, features, settings.logo_threshold)
    quads = project(evidence.homographies, corners_of(picked))
    findings = []
    for i in _distinct(quads, scores, settings.logo_threshold):
        box = _box(project(evidence.homographies[i : i + 1], picked[i].hull[None])[0], image)
        if evidence.long_px[i] >= settings.logo_min_side_px and box.w and box.h:
            found = ObjectFinding(
                box=box,
                label=picked[i].brand,
                confidence=round(float(scores[i]), 4),
                engine="logo_match",
                quad=to_quad(quads[i]),
                reference=picked[i].name,
            )
            findings.append(found)
    return sorted(findings, key=lambda f: (f.label, -f.confidence, f.box.x, f.box.y))


def _resized(image: Image, factor: float) -> Image:
    if factor == 1:
        return image
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=how), np.uint8)


def _proposals(
    image: Image, logos: LogoSet, settings: LogoMatchSettings, debug: DebugPictures | None
) -> tuple[NDArray[np.int32], NDArray[np.float64], votes.Features]:
    """Logo indices (k,) and homographies (k, 3, 3) to pixels of the picture, the most promising first."""
    long_side = max(image.shape[:2])
    factor = min(2.0, settings.logo_working_side_px / long_side)
    grey = cv2.cvtColor(_resized(image, factor), cv2.COLOR_BGR2GRAY)
    points, sizes, angles, descriptors = root_sift(np.asarray(grey, np.uint8), 0.02, settings.logo_features)
    features = votes.Features(points / np.float32(factor), sizes / np.float32(factor), angles, descriptors)
    matches = votes.match(features, logos)
    owners, poses, count = votes.propose(features, logos, matches)
    worth = 0.5 + 0.1 * count
    if logos.flat.any():
        small = min(1.0, REGION_SIDE_PX / long_side)
        regions = shapes.regions_of(_resized(image, small))
        owners_2, poses_2, likeness = shapes.propose(regions, logos.shapes)
        poses_2 = np.diag([1 / small, 1 / small, 1.0]) @ poses_2
        owners, poses = np.concatenate([owners, owners_2]), np.concatenate([poses, poses_2])
        worth = np.concatenate([worth, likeness])
        if debug is not None:
            debug["regions"] = _drawn_boxes(image, regions.boxes / small)
    if debug is not None:
        debug["matches"] = _drawn_points(image, features.points[matches.ours])
        corners = project(poses, corners_of([logos.logos[i] for i in owners])) if len(owners) else np.empty((0, 4, 2))
        debug["candidates"] = _drawn_quads(image, corners)
    order = np.argsort(-worth, kind="stable")[:MOST_PROPOSALS]
    return owners[order], poses[order], features


def flat_score(evidence: PoseEvidence, plainness: NDArray[np.float64]) -> Floats:
    """Log-odds (k,) that a pose of a flat logo is right.

    Started from a logistic regression on a few hundred poses of symbols pasted on plain and on cluttered frames; then
    size was given less weight, so that small logos stay possible, and the constant was lowered by hand. `bench.logos`
    says what precision that gives on plain grounds; on cluttered ones it has not been measured since.
    """
    spare = ((evidence.trimmed - plainness) / (1 - plainness)).clip(-1, 1)
    size = np.log(np.maximum(evidence.long_px, 4) / 36).clip(-1.2, 0.5)
    z = 0.8 * evidence.edges + 10.8 * evidence.likeness + 4.8 * evidence.trimmed + 4.1 * spare + 5.0 * size - 18.2
    return np.asarray(z, np.float32)


def picture_score(evidence: PoseEvidence, supported: Floats) -> Floats:
    """Log-odds (k,) that a pose of a photographed logo is right.

    Weights set by hand between those of a logistic regression on some 500 poses in drawn photographs
    (`bench.logo_photos`, seeds 102 and 103) and what photographs of packs on a shelf asked for.

    `supported` is the number of local features that agree with each pose.
    """
    z = 4.5 * evidence.edges + 1.5 * evidence.likeness + 1.5 * evidence.trimmed + 3.0 * evidence.slopes
    return np.asarray(z + 0.7 * np.log1p(supported) - 9.5, np.float32)


def _scores(
    evidence: PoseEvidence, logos: LogoSet, owners: NDArray[np.int32], features: votes.Features, threshold: float
) -> Floats:
    """Calibrated scores (k,), 0 to 1; 0 where the pose is not one that a logo can have.

    Scores below the threshold may be lower than they would be if all that speaks for them was asked.
    """
    flat = logos.flat[owners]
    z = flat_score(evidence, np.array([logos.logos[i].plainness for i in owners]))
    pictures = ~flat & evidence.plausible & (evidence.likeness > LEAST_LIKENESS)
    # Not asked where no support makes the pose likely enough to be given, or to confirm another.
    most = np.full(len(owners), MOST_SUPPORT, np.float32)
    hopeful = picture_score(evidence, most) > min(LIKELY, _log_odds(threshold) - 2 * AGREEMENT)
    worth = np.flatnonzero(pictures & hopeful)
    supported = np.zeros(len(owners), np.float32)
    supported[worth] = votes.support(features, logos, owners[worth], evidence.homographies[worth])
    either = np.where(flat, z, picture_score(evidence, supported))
    odds = np.where(evidence.plausible & (flat | pictures), either, -20).clip(-20, 20)
    quads = project(evidence.homographies, corners_of([logos.logos[i] for i in owners]))
    odds = odds - DOUBT * logos.doubtful[owners]
    odds = odds + AGREEMENT * _agreement(quads, odds > LIKELY, owners, logos.brand_of).clip(0, 2)
    return np.asarray(1 / (1 + np.exp(-odds)), np.float32)


def _log_odds(score: float) -> float:
    kept = min(max(score, 1e-6), 1 - 1e-6)
    return float(np.log(kept / (1 - kept)))


def _agreement(
    quads: NDArray[np.float64], likely: NDArray[np.bool_], owners: NDArray[np.int32], brand_of: NDArray[np.int32]
) -> NDArray[np.int_]:
    """How many other references of the brand are likely at about the same place (k,); 0 for poses that are not."""
    low, high = quads.min(axis=1), quads.max(axis=1)
    area = (high - low).prod(axis=1)
    count = np.zeros(len(owners), int)
    for i in np.flatnonzero(likely):
        inner = shared_areas(low[i], high[i], low, high)
        same = likely & (brand_of[owners] == brand_of[owners[i]]) & (inner > 0.5 * np.maximum(area[i], area))
        count[i] = len(set(owners[same].tolist()) - {int(owners[i])})
    return count


def _distinct(quads: NDArray[np.float64], scores: Floats, threshold: float) -> list[int]:
    """Indices of the surest of each heap of overlapping quads, surest first."""
    low, high = quads.min(axis=1), quads.max(axis=1)
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        if scores[i] < threshold:
            break
        inner = shared_areas(low[i], high[i], low[kept], high[kept])
        smaller = np.minimum((high[i] - low[i]).prod(), (high[kept] - low[kept]).prod(axis=1))
        if not (inner > 0.4 * smaller).any():
            kept.append(int(i))
    return kept


def _box(points: NDArray[np.float64], image: Image) -> Box:
    """The bounding box of projected points (n, 2) within the picture."""
    height, width = image.shape[:2]
    x0, y0 = (max(0, round(float(v))) for v in points.min(axis=0))
    x1, y1 = (min(side, round(float(v))) for v, side in zip(points.max(axis=0), (width, height), strict=True))
    return Box(x=x0, y=y0, w=max(0, x1 - x0), h=max(0, y1 - y0))


def _drawn_points(image: Image, points: Floats) -> Image:
    canvas = image.copy()
    for x, y in points:
        cv2.circle(canvas, (round(float(x)), round(float(y))), 3, (0, 220, 0), 1, cv2.LINE_AA)
    return canvas


def _drawn_boxes(image: Image, boxes: NDArray[np.float64]) -> Image:
    canvas = image.copy()
    for x, y, w, h in boxes.round().astype(int).tolist():
        cv2.rectangle(canvas, (x, y), (x + w, y + h), (220, 160, 0), 1)
    return canvas


def _drawn_quads(image: Image, quads: NDArray[np.float64]) -> Image:
    canvas = image.copy()
    for quad in quads.clip(-9999, 9999).round().astype(np.int32):
        cv2.polylines(canvas, [quad], True, (0, 140, 255), 1, cv2.LINE_AA)
    return canvas
