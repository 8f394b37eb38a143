"""References as templates of cells, ready to be laid on a picture's: whitened, weighed, with what they are like anyway.

How logos are found with them is in `embed`; what a cell is, in `trunk`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_service.pictures import Image
from gpu_service.routines import Reference
from gpu_service.routines.logos.references import read_logo
from gpu_service.routines.logos.trunk import CELL_PX, Floats, cells

BACKGROUNDS = Path(__file__).parent / "backgrounds.npz"
TEMPLATE_PX = 72
"""Root of the area of a reference when its templates are made."""
SHIFTS_PX = ((0, 0), (8, 0), (0, 8), (8, 8))
MARGIN_PX = 2 * CELL_PX
"""What lies around a reference is unknown: so much of its rim is repeated for the network to see."""
LEAST_COVER = 0.5
"""Share of a cell that a reference must cover for the cell to count."""
TYPICAL_SPREAD: Final = 0.0522
"""Standard deviation of a reference's likeness to background pictures: the median of 188 crops of photographs. A
reference's own, from few pictures, is trusted half: recall at precision 0.95 is 0.61 so, 0.46 with its own alone."""
QUANTUM = 254
"""Cells are stored as int8: this many times as large."""
KEPT_REFERENCES, KEPT_SETS = 512, 8


@dataclass(frozen=True)
class Backgrounds:
    """What was learned from pictures without the logos.

    Attributes:
        mean: float32 (CHANNELS,), of cells.
        whitening: float32 (CHANNELS, dimensions): the principal components, each brought to one spread.
        levels: whitened cells of some pictures at their small sizes, float32 (rows, columns, dimensions).
        picture_of: which picture each level is of.
    """

    mean: Floats
    whitening: Floats
    levels: tuple[Floats, ...]
    picture_of: NDArray[np.int32]

    def whitened(self, seen: Floats) -> Floats:
        """Cells (..., CHANNELS) as vectors (..., dimensions) of unit length."""
        vectors = (seen - self.mean) @ self.whitening
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6), np.float32)


@cache
def backgrounds() -> Backgrounds:
    """What is in `backgrounds.npz`."""
    with np.load(BACKGROUNDS) as stored:
        mean, whitening = (stored[name].astype(np.float32) for name in ("mean", "whitening"))
        vectors = (stored["cells"].astype(np.float32) / QUANTUM).reshape(-1, whitening.shape[1])
        shapes = stored["shapes"]
        pieces = np.split(vectors, np.cumsum(shapes.prod(axis=1))[:-1])
        levels = tuple(piece.reshape(*shape, -1) for piece, shape in zip(pieces, shapes, strict=True))
        return Backgrounds(mean, whitening, levels, stored["picture_of"])


@dataclass(frozen=True)
class Template:
    """A reference on the grid at one shift.

    Attributes:
        kernel: float32 (rows, columns, dimensions): unit vectors, weighted by how much of a cell the reference covers;
            the weights' sum is 1, so that the scalar product with a place is the mean cosine.
        box: left, top, width, height of the reference, pixels from the corner of the first cell.
    """

    kernel: Floats
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Prepared:
    """A reference, ready: its templates, and mean and spread of its likeness to background pictures."""

    brand: str
    name: str
    templates: tuple[Template, ...]
    mean: float
    spread: float


def prepare(references: Sequence[Reference]) -> list[Prepared | None]:
    """Make references ready, together, which takes half as long; None: nothing is drawn in one.

    Raises:
        BadInput: one cannot be read.
        MissingEngine: see `trunk`.
    """
    read = [read_logo(one) for one in references]
    templates = [
        tuple(_template(_scaled(one.pixels), shift) for shift in SHIFTS_PX) if one.ink.any() else () for one in read
    ]
    groups = grouped([(number, template) for number, some in enumerate(templates) for template in some])
    known = backgrounds()
    best = np.full((int(known.picture_of.max()) + 1, len(references)), np.nan, np.float32)
    for level, picture in zip(known.levels, known.picture_of, strict=True):
        for group in groups:
            likeness = group.likeness(level).reshape(-1, len(group.owner))
            if len(likeness):
                np.fmax.at(best[picture], group.owner, likeness.max(axis=0))
    return [
        _prepared(reference, of_it, best[:, number]) if of_it else None
        for number, (reference, of_it) in enumerate(zip(references, templates, strict=True))
    ]


def _prepared(reference: Reference, templates: tuple[Template, ...], best: Floats) -> Prepared:
    """`best`: likeness to each background picture (pictures,), NaN where that is smaller than the reference."""
    seen = best[~np.isnan(best)]
    mean, own = (float(seen.mean()), float(seen.std())) if len(seen) else (0.0, TYPICAL_SPREAD)
    return Prepared(reference.brand, reference.name, templates, mean, (own + TYPICAL_SPREAD) / 2)


def _scaled(pixels: Image) -> Image:
    height, width = pixels.shape[:2]
    factor = TEMPLATE_PX / np.sqrt(height * width)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    size = max(CELL_PX // 2, round(width * factor)), max(CELL_PX // 2, round(height * factor))
    return np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)


def _template(pixels: Image, shift_px: tuple[int, int]) -> Template:
    height, width = pixels.shape[:2]
    left, top = MARGIN_PX - shift_px[0], MARGIN_PX - shift_px[1]
    # The sheet ends where it is whole cells, a margin away from the reference.
    right, below = (MARGIN_PX + -(room + side) % CELL_PX for room, side in ((left, width), (top, height)))
    sheet = cv2.copyMakeBorder(pixels, top, below, left, right, cv2.BORDER_REPLICATE)
    cover = np.zeros(sheet.shape[:2], np.float32)
    cover[top : top + height, left : left + width] = 1
    rows, columns = cover.shape[0] // CELL_PX, cover.shape[1] // CELL_PX
    share = cover.reshape(rows, CELL_PX, columns, CELL_PX).mean(axis=(1, 3))
    share[share < min(LEAST_COVER, float(share.max()))] = 0
    y, x = np.nonzero(share)
    window = np.s_[y.min() : y.max() + 1, x.min() : x.max() + 1]
    weight = share[window] / share.sum()
    kernel = backgrounds().whitened(cells(np.asarray(sheet, np.uint8)))[window] * weight[..., None]
    box = left - CELL_PX * int(x.min()), top - CELL_PX * int(y.min()), width, height
    return Template(np.asarray(kernel, np.float32), box)


@dataclass(frozen=True)
class TemplateGroup:
    """Templates of one shape, side by side.

    Attributes:
        rows, columns: in cells.
        kernels: float32 (dimensions, rows * columns * n).
        owner: int32 (n,), which reference each is of.
        boxes: int32 (n, 4), see `Template.box`.
    """

    rows: int
    columns: int
    kernels: Floats
    owner: NDArray[np.int32]
    boxes: NDArray[np.int32]

    def likeness(self, level: Floats) -> Floats:
        """Mean cosine of each template at each place of a level: (places down, places across, n); maybe no place."""
        if level.shape[0] < self.rows or level.shape[1] < self.columns:
            return np.zeros((0, 0, len(self.owner)), np.float32)
        height, width, dimensions = level.shape
        down, across = height - self.rows + 1, width - self.columns + 1
        # Each cell of the picture with each of the templates, then those that lie on each other added: no copies of
        # windows, which would take longer than the products.
        products = (level.reshape(-1, dimensions) @ self.kernels).reshape(height, width, self.rows, self.columns, -1)
        total = np.zeros((down, across, len(self.owner)), np.float32)
        for row in range(self.rows):
            for column in range(self.columns):
                total += products[row : row + down, column : column + across, row, column]
        return total


def grouped(templates: Sequence[tuple[int, Template]]) -> list[TemplateGroup]:
    """The templates, each with the number of its reference, by shape."""
    by_shape: dict[tuple[int, int], list[tuple[int, Template]]] = {}
    for number, template in templates:
        by_shape.setdefault(template.kernel.shape[:2], []).append((number, template))
    return [
        TemplateGroup(
            rows,
            columns,
            np.stack([one.kernel for _, one in members], axis=-1)
            .transpose(2, 0, 1, 3)
            .reshape(members[0][1].kernel.shape[2], -1),
            np.array([number for number, _ in members], np.int32),
            np.array([one.box for _, one in members], np.int32),
        )
        for (rows, columns), members in sorted(by_shape.items(), key=lambda item: item[0])
    ]


@dataclass(frozen=True)
class TemplateSet:
    """All references of a call. `brand_of`: int32 (references,), the number of each one's brand in `brands`."""

    references: tuple[Prepared, ...]
    brands: tuple[str, ...]
    brand_of: NDArray[np.int32]
    groups: list[TemplateGroup]
    mean: Floats
    spread: Floats


_lock = threading.Lock()
_references: OrderedDict[tuple[str, str, str], Prepared | None] = OrderedDict()
_sets: OrderedDict[tuple[tuple[str, str, str], ...], TemplateSet] = OrderedDict()


def template_set(references: Sequence[Reference]) -> TemplateSet:
    """The references, prepared; what was prepared before comes from a bounded cache. Safe between threads.

    Raises:
        BadInput: a reference cannot be read.
        MissingEngine: see `trunk`.
    """
    keys = tuple((one.brand, one.name, one.sha256) for one in references)
    with _lock:  # one thread prepares, the others need what it prepares
        if keys not in _sets:
            fresh = {key: one for key, one in zip(keys, references, strict=True) if key not in _references}
            _references.update(zip(fresh, prepare(list(fresh.values())), strict=True))
            for key in keys:
                _references.move_to_end(key)
            ready = [one for one in (_references[key] for key in sorted(keys)) if one is not None]
            _sets[keys] = _side_by_side(tuple(ready))
        _sets.move_to_end(keys)
        while len(_references) > max(KEPT_REFERENCES, len(keys)):
            _references.popitem(last=False)
        while len(_sets) > KEPT_SETS:
            _sets.popitem(last=False)
        return _sets[keys]


def _side_by_side(ready: tuple[Prepared, ...]) -> TemplateSet:
    brands = tuple(sorted({one.brand for one in ready}))
    return TemplateSet(
        ready,
        brands,
        np.array([brands.index(one.brand) for one in ready], np.int32),
        grouped([(number, template) for number, one in enumerate(ready) for template in one.templates]),
        np.array([one.mean for one in ready], np.float32),
        np.array([one.spread for one in ready], np.float32),
    )
