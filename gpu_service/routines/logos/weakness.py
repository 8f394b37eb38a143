"""What is wrong with a reference picture that would be found where it is not, or nowhere: noticed once it is read.

`logo_match` leaves out references in which nothing is drawn, and trusts plain silhouettes less. How a reference is read
is in `references`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import cv2
import numpy as np
from cv2.typing import MatLike

from gpu_service.routines.logos.references import Logo

SMALL_PX = 32
"""Long side below which a reference has too little detail: one of some 30 px gives 4 or 5 local features."""
FEW_FEATURES = 8
"""Local features, over all scales, below which a picture has too little detail. No measurement is known."""
CONVEX = 0.95
"""Share of its convex hull's area from which a shape counts as convex."""
LEAST_PART_PX = 8
"""Short side, pixels of a logo of `MAX_SIDE_PX`, of a part or a hole that counts."""
LARGE_HOLE = 0.25
"""Share of a shape's area from which its hole makes a ring or a frame of it, which many things are too."""

Contour: TypeAlias = MatLike


class Effect(StrEnum):
    """What a weakness does to a reference."""

    UNUSED = "it is not used"
    DOUBTED = "what it finds counts less"
    MISSED = "it will often be missed"


@dataclass(frozen=True)
class Weakness:
    """What is wrong with a reference: as the end of a sentence that begins with its name. `remedy`: what to give
    instead."""

    effect: Effect
    what: str
    remedy: str

    def sentence(self, brand: str, name: str) -> str:
        """What a user is told."""
        return f"The logo {name} of {brand} {self.what}, so {self.effect}: {self.remedy}."


def weakness(logo: Logo) -> Weakness | None:
    """What is wrong with a reference that was read; None: nothing is.

    Small pictures and those with little detail are missed rather than mistaken: of 13 such crops of photographs none
    was found where it was not, and one where it was, in `bench.leave_one_out`. A small silhouette is a mere blob.
    """
    if logo.long_px == 0:
        return Weakness(Effect.UNUSED, "is blank", "give a picture on which the logo stands out from its ground")
    if logo.long_px < SMALL_PX:
        small = Effect.DOUBTED if logo.flat else Effect.MISSED
        larger = f"give one whose long side has at least {2 * SMALL_PX} px"
        return Weakness(Effect.UNUSED if logo.unused else small, f"is only {logo.long_px} px large", larger)
    if logo.flat and _is_plain(logo):
        whole = "give the logo with its lettering, or crops of photographs with what is around it"
        return Weakness(Effect.DOUBTED, "is a plain shape that many things have", whole)
    if len(logo.points) < FEW_FEATURES:
        return Weakness(
            Effect.MISSED, "has hardly any detail", "give a sharper or larger one, or a drawing of the logo"
        )
    return None


def _is_plain(logo: Logo) -> bool:
    """Whether a silhouette is one convex shape, with at most a large convex hole in it: a disc, a bar, a ring."""
    contours, tree = cv2.findContours(logo.ink.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    around = [(contour, parent) for contour, (*_, parent) in zip(contours, tree[0], strict=True) if _counts(contour)]
    parts = [contour for contour, parent in around if parent < 0]
    holes = [contour for contour, parent in around if parent >= 0]
    if len(parts) != 1 or len(holes) > 1 or not all(_is_convex(contour) for contour in (*parts, *holes)):
        return False
    return not holes or cv2.contourArea(holes[0]) >= LARGE_HOLE * cv2.contourArea(parts[0])


def _counts(contour: Contour) -> bool:
    return min(cv2.boundingRect(contour)[2:]) >= LEAST_PART_PX


def _is_convex(contour: Contour) -> bool:
    return cv2.contourArea(contour) >= CONVEX * max(1.0, cv2.contourArea(cv2.convexHull(contour)))
