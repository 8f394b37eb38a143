"""The pictures that go with a question: the candidate with its surroundings, clear and large enough to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from gpu_service.boxes import XYWH
from gpu_service.pictures import Image
from gpu_service.routines.preprocess import sharpness
from mpr_assets.escalation.candidates import (
    EscalationSettings,
    Group,
    Place,
)
from mpr_resources.cloud.answers import Look
from mpr_resources.storage.pictures import Frame

SMALLEST_SIDE_PX = 64
LARGEST_SIDE_PX = 768


@dataclass(frozen=True)
class CropView:
    """A group with its picture, and what it looked like a moment before or after where that is not the same.

    `place`: whose picture it is; `area`: what of its frame the picture shows, px.
    """

    group: Group
    picture: Image
    look: Look
    context: tuple[Image, ...]
    place: Place
    area: XYWH


def to_look_at(groups: Sequence[Group]) -> dict[int, list[tuple[int, Place]]]:
    """By frame, the places that are cut out: of each group the surest and largest, the one before and the one after."""
    wanted: dict[int, list[tuple[int, Place]]] = {}
    for number, group in enumerate(groups):
        places = sorted({place.seq: place for place in group.places}.values(), key=lambda place: place.seq)
        best = max(range(len(places)), key=lambda i: (places[i].confidence, places[i].w * places[i].h, -i))
        for place in places[max(0, best - 1) : best + 2]:
            wanted.setdefault(place.seq, []).append((number, place))
    return wanted


def render_crops(
    groups: Sequence[Group], frames: Iterable[Frame], settings: EscalationSettings, context: int
) -> tuple[list[CropView], Counter[str]]:
    """The groups with their clearest pictures, and how many are left out because all are blurred.

    Args:
        groups: as chosen.
        frames: those that `to_look_at` names, in any order.
        context: most pictures of a moment before or after.
    """
    wanted = to_look_at(groups)
    cuts: dict[int, list[_Cut]] = {}
    for frame in frames:
        for number, place in wanted.get(frame.seq, ()):
            crop, area = cut(frame.picture.pixels, place, settings.margin)
            gray = np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), np.uint8)
            cuts.setdefault(number, []).append(_Cut(sharpness(gray), place, crop, area))
    shown, left = [], Counter[str]()
    for number, group in enumerate(groups):
        found = sorted(cuts.get(number, ()), key=lambda one: (-one.sharpness * one.crop.size, one.place.seq))
        if not found or found[0].sharpness < settings.min_sharpness:
            left["blurred"] += 1
            continue
        best = found[0]
        picture = sized(best.crop)
        seen = Look(picture)
        others = [sized(one.crop) for one in sorted(found[1:], key=lambda one: one.place.seq)]
        unlike = [other for other in others if not seen.near(Look(other), settings.likeness)]
        shown.append(CropView(group, picture, seen, tuple(unlike[:context]), best.place, best.area))
    return shown, left


@dataclass(frozen=True)
class _Cut:
    """A place cut out of its frame."""

    sharpness: float
    place: Place
    crop: Image
    area: XYWH


def cut(image: Image, place: Place, margin: float) -> tuple[Image, XYWH]:
    """The box with its surroundings, as far as the frame goes, and where that lies in the frame."""
    height, width = image.shape[:2]
    around = round(place.h * margin)
    left, top = min(max(0, place.x - around), width - 1), min(max(0, place.y - around), height - 1)
    right, bottom = max(left + 1, place.x + place.w + around), max(top + 1, place.y + place.h + around)
    crop = np.ascontiguousarray(image[top:bottom, left:right])
    return crop, (left, top, crop.shape[1], crop.shape[0])


def sized(crop: Image) -> Image:
    """The crop, enlarged or reduced so that a model can read it and is not sent more than it uses."""
    scale = max(1.0, SMALLEST_SIDE_PX / min(crop.shape[:2]))
    scale = min(scale, LARGEST_SIDE_PX / max(crop.shape[:2]))
    if scale == 1.0:
        return crop
    size = (max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale)))
    way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(crop, size, interpolation=way), np.uint8)
