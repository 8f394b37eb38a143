"""Poses of flat logos proposed by regions of one brightness: their shape against the shapes in the silhouettes.

Local features are scarce on a small silhouette; its parts, its holes and the whole of it still have an outline.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_service.boxes import XYWH, around
from gpu_service.pictures import Image

Floats: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]

SHAPE_PX = 16
"""A region's box is brought to this many pixels each way to be compared."""
TURNS_DEG = (-36, -27, -18, -9, 0, 9, 18, 27, 36)
"""Turns at which a shape is compared: `bench.logos` turns logos by 10 to 30 degrees."""
LEAST_PART = 0.03
"""Share of the logo's box from which a part or a hole is a shape of its own."""
PARTS = 6
"""Parts and holes of a logo that are shapes of their own, the largest."""
ASPECT_TOLERANCE = 0.4
"""Difference of the logarithms of width over height, a factor of 1.5, beyond which shapes are not compared."""
LEAST_LIKENESS = 0.72
"""Correlation of shapes from which a region proposes a pose. No measurement is known."""
A_REGION = 5
"""Poses that one region proposes, the likest."""
LARGE_PX = 8 * SHAPE_PX
MAX_REGIONS = 60
"""Regions of one threshold, the largest: a bound on the work."""
LEAST_REGION_PX = 10
"""Long side, pixels of the picture looked at. No measurement is known."""
LEAST_REGION_AREA_PX = 12
BRIGHTNESS_STEPS = (30, 55, 80, 105, 130, 155, 180, 205, 230)
"""Even steps of 25 levels of CIELAB lightness, 0 to 255."""
COLOUR_STEPS = (-40, -20, -9, 9, 20, 40)
"""Off the picture's median of CIELAB a and of b, in levels of 0 to 255. No measurement is known."""
GAPS = (0.25, 0.7)
"""Regions of one colour that are nearer than these shares of their size are also tried as one. No measurement is
known."""


@dataclass(frozen=True)
class Shapes:
    """Shapes of the logos' parts at several turns.

    Attributes:
        unit: float32 (n, SHAPE_PX ** 2), zero mean, unit length.
        aspect: float32 (n,), logarithm of width over height.
        owner: int32 (n,), which logo.
        box_from_logo: float64 (n, 3, 3), from the logo's pixels to the turned part's unit box.
    """

    unit: Floats
    aspect: Floats
    owner: NDArray[np.int32]
    box_from_logo: NDArray[np.float64]


def normalised(masks: NDArray[np.float32]) -> Floats:
    """Flattened, zero mean, unit length."""
    flat = masks.reshape(len(masks), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6), np.float32)


def shape_of(mask: Mask, x: int, y: int, w: int, h: int) -> Floats:
    """The part of the mask in the box, brought to SHAPE_PX each way."""
    window = mask[y : y + h, x : x + w].astype(np.float32)
    return np.asarray(cv2.resize(window, (SHAPE_PX, SHAPE_PX), interpolation=cv2.INTER_AREA), np.float32)


def parts_of(ink: Mask) -> list[Mask]:
    """The whole, with a quarter hidden on each side and corner; then its parts and holes, the largest first."""
    h, w = ink.shape
    found = [ink]
    windows = [np.s_[:, : w // 4], np.s_[:, w - w // 4 :], np.s_[: h // 4, :], np.s_[h - h // 4 :, :]]
    windows += [np.s_[a, b] for a in (slice(0, h // 2), slice(h // 2, h)) for b in (slice(0, w // 2), slice(w // 2, w))]
    for window in windows:
        rest = ink.copy()
        rest[window] = False
        found.append(rest)
    pieces = []
    for side, mask in ((1, ink), (0, ~np.pad(ink, 1))):
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8 if side else 4)
        for k in range(1, count):
            x, y, bw, bh, area = (int(v) for v in stats[k])
            outside = not side and (x == 0 or y == 0 or x + bw == w + 2 or y + bh == h + 2)
            if area >= LEAST_PART * max(h, w) ** 2 * 0.5 and min(bw, bh) >= 8 and not outside:
                piece = labels == k
                pieces.append((bw * bh, piece if side else piece[1:-1, 1:-1]))
    pieces.sort(key=lambda piece: -piece[0])
    if len(pieces) == 1 and pieces[0][1].sum() == ink.sum():
        pieces = []
    return found + [piece for _, piece in pieces[:PARTS]]


def shapes_of(inks: Sequence[Mask | None]) -> Shapes:
    """All shapes of the silhouettes; None stands for a logo that is not flat."""
    units, aspects, owners, places = [], [], [], []
    for index, ink in enumerate(inks):
        if ink is None:
            continue
        h, w = ink.shape
        for part in parts_of(ink):
            for turn in TURNS_DEG:
                c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
                side = int(np.ceil(np.hypot(h, w))) + 4
                turned = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
                turned[:2, 2] = side / 2 - turned[:2, :2] @ (w / 2, h / 2)
                mask = cv2.warpAffine(part.astype(np.uint8), turned[:2], (side, side), flags=cv2.INTER_NEAREST)
                x, y, bw, bh = cv2.boundingRect(np.asarray(mask, np.uint8))
                if min(bw, bh) < 4:
                    continue
                units.append(shape_of(np.asarray(mask, bool), x, y, bw, bh))
                aspects.append(np.log(bw / bh))
                owners.append(index)
                places.append(np.array([[1 / bw, 0, -x / bw], [0, 1 / bh, -y / bh], [0, 0, 1]]) @ turned)
    if not units:
        none = np.zeros(0, np.float32)
        return Shapes(np.zeros((0, SHAPE_PX**2), np.float32), none, np.zeros(0, np.int32), np.zeros((0, 3, 3)))
    return Shapes(
        normalised(np.stack(units)), np.array(aspects, np.float32), np.array(owners, np.int32), np.stack(places)
    )


@dataclass(frozen=True)
class Regions:
    """Regions of a picture: boxes int (n, 4) as x y w h, and shapes float32 (n, SHAPE_PX ** 2) as in `Shapes.unit`."""

    boxes: NDArray[np.int_]
    unit: Floats


def regions_of(image: Image) -> Regions:
    """Connected regions above and below a ladder of thresholds of brightness and two colour differences.

    A region that stays as it is from step to step counts once. Regions of one step that are near each other are also
    tried together.
    """
    lab = cv2.cvtColor(cv2.GaussianBlur(image, (0, 0), 0.8), cv2.COLOR_BGR2LAB)
    boxes: list[XYWH] = []
    shapes: list[Floats] = []
    for channel in range(3):
        plane = np.ascontiguousarray(lab[..., channel])
        middle = float(np.median(plane)) if channel else 0.0
        steps = BRIGHTNESS_STEPS if channel == 0 else tuple(middle + d for d in COLOUR_STEPS)
        known: dict[tuple[int, ...], list[tuple[int, int, int, int, int]]] = {}
        before = plane.size
        for threshold in steps:
            over = plane > threshold
            area_px = int(np.count_nonzero(over))
            # Nothing is over the threshold or all is, or just what is over the one before.
            if min(area_px, before - area_px) < LEAST_REGION_AREA_PX:
                continue
            before = area_px
            for mask in (over, ~over):
                for region, shape in _fresh(mask.view(np.uint8), known):
                    boxes.append(region)
                    shapes.append(shape)
    if not boxes:
        return Regions(np.zeros((0, 4), int), np.zeros((0, SHAPE_PX**2), np.float32))
    return Regions(np.array(boxes), normalised(np.stack(shapes)))


def _fresh(
    mask: NDArray[np.uint8], known: dict[tuple[int, ...], list[tuple[int, int, int, int, int]]]
) -> Iterator[tuple[XYWH, Floats]]:
    """Boxes and shapes of the mask's regions and groups of regions that are not among those known; they become so."""
    height, width = mask.shape
    _, labels, found, _ = cv2.connectedComponentsWithStats(mask, connectivity=4, ltype=cv2.CV_32S)
    stats = np.asarray(found, np.int32)
    w, h, area = stats[1:, 2:].T
    usable = (
        (area >= LEAST_REGION_AREA_PX) & (np.maximum(w, h) >= 4) & (w < 0.98 * width) & (area < 0.5 * height * width)
    )
    picked = np.flatnonzero(usable) + 1
    picked = picked[np.argsort(-stats[picked, 4], kind="stable")][:MAX_REGIONS]
    chosen = np.zeros(len(stats), bool)
    for members in [[int(k)] for k in picked] + [picked[group].tolist() for group in _groups(stats[picked])]:
        x, y, w, h = around([_box(stats[k]) for k in members])
        area_px = sum(int(stats[k, 4]) for k in members)
        if max(w, h) < LEAST_REGION_PX or min(w, h) < 4 or _seen((x, y, w, h, area_px), known):
            continue
        # Of a large region some rows and columns say its shape as well.
        window = labels[y : y + h : max(1, h // LARGE_PX), x : x + w : max(1, w // LARGE_PX)]
        chosen[members] = True
        inside = chosen[window] if len(members) > 1 else window == members[0]
        chosen[members] = False
        yield (x, y, w, h), shape_of(inside, 0, 0, inside.shape[1], inside.shape[0])


def _box(stats: NDArray[np.int32]) -> XYWH:
    x, y, w, h = stats[:4].tolist()
    return x, y, w, h


def _seen(
    region: tuple[int, int, int, int, int], known: dict[tuple[int, ...], list[tuple[int, int, int, int, int]]]
) -> bool:
    x, y, w, h, area = region
    key = (x + w // 2) // 16, (y + h // 2) // 16
    slack = 0.03 * max(w, h) + 0.5
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            for x1, y1, w1, h1, area1 in known.get((key[0] + i, key[1] + j), ()):
                if (
                    max(abs(x - x1), abs(y - y1), abs(x + w - x1 - w1), abs(y + h - y1 - h1)) <= slack
                    and abs(area - area1) <= 0.06 * area
                ):
                    return True
    known.setdefault(key, []).append(region)
    return False


def _groups(stats: NDArray[np.int32]) -> list[NDArray[np.intp]]:
    """Sets of two regions or more that are near each other and not of wholly different size."""
    if len(stats) < 2:
        return []
    x, y, w, h = (stats[:, k].astype(np.float32) for k in range(4))
    gap_x = np.maximum(x[:, None] - (x + w)[None], x[None] - (x + w)[:, None]).clip(0)
    gap_y = np.maximum(y[:, None] - (y + h)[None], y[None] - (y + h)[:, None]).clip(0)
    size = np.maximum(w, h)
    pair = np.minimum(size[:, None], size[None])
    comparable = pair * 8 > np.maximum(size[:, None], size[None])
    found = []
    for share in GAPS:
        label = _connected(comparable & (np.maximum(gap_x, gap_y) < share * pair + 1.5))
        members = [np.flatnonzero(label == k) for k in range(int(label.max()) + 1)]
        found += [group for group in members if 2 <= len(group) <= 24]
    return found


def _connected(near: Mask) -> NDArray[np.intp]:
    """The component of each of n nodes, from 0; near (n, n) says which are joined, each with itself."""
    label = np.arange(len(near))
    while True:
        least = np.where(near, label, len(near)).min(axis=1)
        least = least[least]
        if (least == label).all():
            return np.unique(label, return_inverse=True)[1]
        label = least


def propose(regions: Regions, shapes: Shapes) -> tuple[NDArray[np.int32], NDArray[np.float64], Floats]:
    """Poses: logo indices (k,), homographies (k, 3, 3) from the logo to the picture, and the shapes' likeness (k,)."""
    nothing = np.zeros(0, np.int32), np.zeros((0, 3, 3)), np.zeros(0, np.float32)
    if not len(regions.boxes) or not len(shapes.owner):
        return nothing
    likeness = regions.unit @ shapes.unit.T
    aspect = np.log(regions.boxes[:, 2] / regions.boxes[:, 3]).astype(np.float32)
    difference = np.abs(aspect[:, None] - shapes.aspect[None])
    likeness -= 0.15 * difference
    likeness[difference > ASPECT_TOLERANCE] = -1
    region, shape = np.nonzero(likeness >= LEAST_LIKENESS)
    order = np.argsort(-likeness[region, shape], kind="stable")
    region, shape = region[order], shape[order]
    # Of the turns and parts of one logo that fit a region, the best; of the logos, the best few.
    pairs = region.astype(np.int64) * (int(shapes.owner.max()) + 1) + shapes.owner[shape]
    first = np.sort(np.unique(pairs, return_index=True)[1])
    region, shape = region[first], shape[first]
    rank = np.zeros(len(region), int)
    seen: dict[int, int] = {}
    for i, r in enumerate(region.tolist()):
        rank[i] = seen.get(r, 0)
        seen[r] = rank[i] + 1
    region, shape = region[rank < A_REGION], shape[rank < A_REGION]
    x, y, w, h = (regions.boxes[region, k].astype(np.float64) for k in range(4))
    picture_from_box = np.zeros((len(region), 3, 3))
    picture_from_box[:, 0, 0], picture_from_box[:, 0, 2] = w, x
    picture_from_box[:, 1, 1], picture_from_box[:, 1, 2] = h, y
    picture_from_box[:, 2, 2] = 1
    return shapes.owner[shape], picture_from_box @ shapes.box_from_logo[shape], likeness[region, shape]
