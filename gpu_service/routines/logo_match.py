"""Find reference logos in a picture: local features propose places, geometry and a warped comparison decide.

How references are read is in `logo_references`.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gpu_service.pictures import Image
from gpu_service.routines import DebugPictures, Reference
from gpu_service.routines.logo_references import Floats, LogoSet, logo_set, root_sift
from gpu_service.settings import Settings
from gpu_service.wire import Box, ObjectFinding, Quad

VERSION = "1"


class LogoMatchSettings(Settings):
    """How logos are looked for."""

    logo_threshold: float = Field(
        default=0.5, ge=0, le=1, description="calibrated score from which a logo counts as found"
    )
    logo_working_side_px: int = Field(
        default=1280,
        ge=320,
        le=4096,
        description="long side that a frame is scaled to (up at most twice) before matching",
    )
    logo_features: int = Field(
        default=3000, ge=100, le=20000, description="strongest local features of a frame that are used"
    )


def _matches(frame: Floats, logos: LogoSet) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs (feature of the frame, feature of a logo): nearest over all logos, clearly nearer than another brand's."""
    likeness = frame @ logos.descriptors.T
    best = likeness.argmax(axis=1)
    rows = np.arange(len(frame))
    top = likeness[rows, best]
    brand = logos.brand_of[logos.owner]
    likeness[brand[None, :] == brand[best][:, None]] = -1.0
    other = np.maximum(likeness.max(axis=1), 0.0)
    near = np.sqrt(np.maximum(2 - 2 * top, 0)) < 0.9 * np.sqrt(np.maximum(2 - 2 * other, 0))
    return rows[near], best[near]


def find_logos(
    image: Image, references: Sequence[Reference], settings: LogoMatchSettings, debug: DebugPictures | None = None
) -> list[ObjectFinding]:
    """Logos in the picture with box, quad and calibrated score, best first within a brand.

    Raises:
        BadInput: a reference cannot be read.
    """
    if not references:
        return []
    logos = logo_set(references)
    height, width = image.shape[:2]
    factor = min(2.0, settings.logo_working_side_px / max(height, width))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    full = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    grey = np.asarray(cv2.resize(full, None, fx=factor, fy=factor, interpolation=how), np.uint8)
    points, _, _, descriptors = root_sift(grey, 0.02, settings.logo_features)
    if len(points) < 4 or not len(logos.points):
        return []
    ours, theirs = _matches(descriptors, logos)
    found = []
    if debug is not None:
        shown = [cv2.KeyPoint(float(x), float(y), 6.0) for x, y in points[ours] / factor]
        debug["matches"] = np.asarray(cv2.drawKeypoints(image, shown, image.copy(), (0, 220, 0)), np.uint8)
    for index, logo in enumerate(logos.logos):
        mine = logos.owner[theirs] == index
        if mine.sum() < 5:
            continue
        source, target = logos.points[theirs[mine]], points[ours[mine]] / factor
        homography, inliers = cv2.findHomography(source, target, cv2.USAC_MAGSAC, 4.0)
        if homography is None or inliers.sum() < 6:
            continue
        h, w = logo.grey.shape
        corners = cv2.perspectiveTransform(np.array([[[0, 0], [w, 0], [w, h], [0, h]]], np.float32), homography)[0]
        a, b, c, d = [(float(x), float(y)) for x, y in corners]
        quad = (a, b, c, d)
        if not cv2.isContourConvex(corners.astype(np.float32)):
            continue
        score = float(1 / (1 + np.exp(-(float(inliers.sum()) - 8) / 2)))
        box = _box(quad, width, height)
        if score >= settings.logo_threshold and box.w and box.h:
            found.append(
                ObjectFinding(
                    box=box,
                    label=logo.brand,
                    confidence=score,
                    engine="logo_match",
                    quad=quad,
                    reference=logo.name,
                )
            )
    return found


def _box(quad: Quad, width: int, height: int) -> Box:
    """The quad's bounding box within the picture."""
    xs, ys = [x for x, _ in quad], [y for _, y in quad]
    x0, y0 = max(0, round(min(xs))), max(0, round(min(ys)))
    x1, y1 = min(width, round(max(xs))), min(height, round(max(ys)))
    return Box(x=x0, y=y0, w=max(0, x1 - x0), h=max(0, y1 - y0))
