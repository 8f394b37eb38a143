"""Prepares reference logos for matching: reads them, crops them to their content, computes their local features once.

How a logo is found in a picture is in `match`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_service.errors import BadInput
from gpu_service.pictures import Image, rasterise, refuse_large
from gpu_service.routines import Reference
from gpu_service.routines.logos.regions import (
    Floats,
    Mask,
)

MAX_SIDE_PX = 256
"""References are scaled down to this long side; a logo in a frame is rarely larger."""
SIFT_SIDES_PX = (64, 128, 256)
"""Long sides at which features are taken, so that a small logo in a frame meets a small reference."""
FLAT_SPREAD = 30.0
"""Standard deviation of the ink's colour, in grey levels, up to which a logo counts as of one colour."""
BORDER_SPREAD = 14.0
"""Grey levels by which a border of one colour may vary. No measurement is known."""
INK_CONTRAST = 48.0
LEAST_INK = 0.02
"""On a border of one colour, what differs from it by `INK_CONTRAST` grey levels is the logo, if it is this share of the
picture. No measurement is known."""
MIN_INK_PX = 12
"""Long side of the ink below which a reference has no shape to look for, and is left out. No measurement is known."""
OUTLINE_POINTS = 144
"""Places on a logo's edges that a pose is drawn to; its verification takes time in proportion."""
FACE_SIDE_PX, FACE_MARGIN_PX = 56, 5
"""Long side, and margin on all sides, of the small picture that poses are compared with. `LEVEL_LONG_SIDE_PX` of
`verify` is the same: on its level a logo is at least as large."""
SLOPE_REACH_PX = 5.0
"""Standard deviation of the neighbourhood that slopes of brightness are weighed in, pixels of a face. No measurement is
known."""


@dataclass(frozen=True)
class Logo:
    """One reference, ready.

    Attributes:
        grey: uint8 (h, w); of a flat logo the silhouette, ink black on white.
        ink: bool (h, w): what belongs to the logo.
        flat: a silhouette of one colour, to be found in any colour and either polarity.
        long_px: long side of the ink as the picture has it; 0: nothing is drawn in it.
        points: float32 (n, 2), features' places in pixels of `grey`.
        sizes, angles: float32 (n,): pixels and degrees.
        descriptors: float32 (n, 128), RootSIFT, of unit length.
    """

    brand: str
    name: str
    grey: NDArray[np.uint8]
    ink: Mask
    flat: bool
    long_px: int
    points: Floats
    sizes: Floats
    angles: Floats
    descriptors: Floats

    @property
    def unused(self) -> bool:
        """Whether too little is drawn for a shape to look for."""
        return self.long_px < MIN_INK_PX

    @cached_property
    def _outline(self) -> tuple[Floats, Floats]:
        return outline_of(self.ink if self.flat else None, self.grey)

    @property
    def outline(self) -> Floats:
        """Places (OUTLINE_POINTS, 2) spread over the logo's edges, pixels of `grey`."""
        return self._outline[0]

    @property
    def normals(self) -> Floats:
        """Unit vectors (OUTLINE_POINTS, 2) at these places: out of the ink of a flat logo, else towards the dark."""
        return self._outline[1]

    @cached_property
    def hull(self) -> Floats:
        """Corners (n, 2) of the ink's convex hull, pixels of `grey`: what a box has to hold."""
        places = np.argwhere(self.ink)[:, ::-1].astype(np.int32)
        corners = np.asarray(cv2.convexHull(places), np.float32).reshape(-1, 2)
        return np.where(corners > corners.mean(axis=0), corners + 1, corners).astype(np.float32)

    @property
    def face_scale(self) -> float:
        """Pixels of `face` to a pixel of `grey`."""
        return FACE_SIDE_PX / float(max(self.grey.shape))

    @cached_property
    def face(self) -> Floats:
        """The logo small, 0 to 1, with a margin: what a straightened patch of a picture is compared with."""
        scale = self.face_scale
        size = (max(4, round(self.grey.shape[1] * scale)), max(4, round(self.grey.shape[0] * scale)))
        small = cv2.resize(self.grey, size, interpolation=cv2.INTER_AREA)
        how = cv2.BORDER_CONSTANT if self.flat else cv2.BORDER_REPLICATE
        margin = FACE_MARGIN_PX
        padded = cv2.copyMakeBorder(small, margin, margin, margin, margin, how, value=255)
        return (np.asarray(cv2.GaussianBlur(padded, (0, 0), 0.8), np.float32) / 255).astype(np.float32)

    @cached_property
    def face_slopes(self) -> Floats:
        """Slopes (2, h, w) of `face`, see `slopes_of`."""
        return slopes_of(self.face)

    @cached_property
    def face_ink(self) -> Mask:
        """Where `face` is rather ink than ground; its darkest pixel at least."""
        return np.asarray(self.face <= max(0.5, float(self.face.min())))

    @cached_property
    def plainness(self) -> float:
        """How well a blob already correlates with `face`: its hull, its box or its ellipse, whichever does best.

        A silhouette that is hardly more than a blob needs a better likeness than one with many parts.
        """
        ink = (self.face < 0.5).astype(np.uint8)
        moments = cv2.moments(ink, binaryImage=True)
        if not self.flat or moments["m00"] < 4:
            return 0.3
        places = np.argwhere(ink)[:, ::-1].astype(np.int32)
        hull, box, ellipse = np.zeros_like(ink), np.zeros_like(ink), np.zeros_like(ink)
        cv2.fillConvexPoly(hull, cv2.convexHull(places), 1)
        x, y, w, h = cv2.boundingRect(places)
        box[y : y + h, x : x + w] = 1
        spread = np.array([[moments["mu20"], moments["mu11"]], [moments["mu11"], moments["mu02"]]]) / moments["m00"]
        rows, columns = np.mgrid[0 : ink.shape[0], 0 : ink.shape[1]]
        off = np.stack([columns - moments["m10"] / moments["m00"], rows - moments["m01"] / moments["m00"]], axis=-1)
        spread += 0.1 * np.eye(2)
        ellipse[np.einsum("yxi,ij,yxj->yx", off, np.linalg.inv(spread), off) < 4] = 1
        counted = self.face_weight > 0
        blobs = [np.asarray(cv2.GaussianBlur(blob.astype(np.float32), (0, 0), 1.0)) for blob in (hull, box, ellipse)]
        likeness = [np.corrcoef(1 - blob[counted], self.face[counted])[0, 1] for blob in blobs]
        return float(np.clip(np.nanmax([0.3, *likeness]), 0.3, 0.95))

    @cached_property
    def face_weight(self) -> Floats:
        """Which pixels of `face` count: the ink and a rim around it."""
        shape, margin = self.face.shape, FACE_MARGIN_PX
        inner = cv2.resize(self.ink.astype(np.float32), (shape[1] - 2 * margin, shape[0] - 2 * margin))
        inner = cv2.resize(inner, (shape[1] - 2 * margin, shape[0] - 2 * margin), interpolation=cv2.INTER_AREA)
        padded = cv2.copyMakeBorder(inner, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=0)
        rim = 2 * 3 + 1 if self.flat else 1
        return np.asarray(cv2.dilate((np.asarray(padded) > 0.2).astype(np.float32), np.ones((rim, rim))), np.float32)


def slopes_of(plane: Floats) -> Floats:
    """Brightness slopes (2, h, w) across and down, brought to one strength over the neighbourhood.

    Light that falls unevenly, shine and shadow change a picture's brightness much and these little.
    """
    across, down = (np.asarray(cv2.Sobel(plane, cv2.CV_32F, dx, 1 - dx)) for dx in (1, 0))
    power = np.asarray(cv2.GaussianBlur(across**2 + down**2, (0, 0), SLOPE_REACH_PX))
    strength = np.sqrt(power + 1e-4 * power.max() + 1e-12)
    return np.asarray(np.stack([across, down]) / strength, np.float32)


def outline_of(ink: Mask | None, grey: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """Edge places (OUTLINE_POINTS, 2) and unit normals (OUTLINE_POINTS, 2) of a silhouette or of a picture."""
    source = np.where(ink, 0, 255).astype(np.uint8) if ink is not None else grey
    pad = 8
    padded = cv2.copyMakeBorder(
        source, pad, pad, pad, pad, cv2.BORDER_CONSTANT if ink is not None else cv2.BORDER_REPLICATE, value=255
    )
    smooth = np.asarray(cv2.GaussianBlur(padded, (0, 0), max(source.shape) / 110), np.float32)
    gx, gy = np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 1, 0)), np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    height = np.hypot(gx, gy)
    # Ridge of the gradient: no neighbour along the gradient is higher.
    rows, columns = np.mgrid[0 : height.shape[0], 0 : height.shape[1]].astype(np.float32)
    ux, uy = gx / np.maximum(height, 1e-6), gy / np.maximum(height, 1e-6)
    before = cv2.remap(height, columns - ux, rows - uy, cv2.INTER_LINEAR)
    after = cv2.remap(height, columns + ux, rows + uy, cv2.INTER_LINEAR)
    floor = 0.25 * float(np.quantile(height, 0.98))
    y, x = np.nonzero((height >= before) & (height > after) & (height > max(floor, 1e-3)))
    if len(x) == 0:
        y, x = np.nonzero(height >= height.max())
    picked = spread_out(np.stack([x, y], axis=1).astype(np.float32), OUTLINE_POINTS)
    y, x = y[picked], x[picked]
    places = np.stack([x, y], axis=1).astype(np.float32) - pad + 0.5
    sign = 1.0 if ink is not None else -1.0
    return places.astype(np.float32), (sign * np.stack([ux[y, x], uy[y, x]], axis=1)).astype(np.float32)


def spread_out(points: Floats, count: int) -> NDArray[np.intp]:
    """Indices of `count` points, evenly spread; some more than once where there are fewer."""
    if len(points) <= count:
        return np.resize(np.arange(len(points)), count)
    # Grid cells are halved until there are enough, then taken in turn.
    order = np.random.default_rng(0).permutation(len(points))
    low, high = 0.5, float(points.max()) + 1
    for _ in range(20):
        cell = (low + high) / 2
        _, first = np.unique((points[order] // cell) @ np.array([1.0, 100003.0]), return_index=True)
        low, high = (cell, high) if len(first) > count else (low, cell)
    _, first = np.unique((points[order] // low) @ np.array([1.0, 100003.0]), return_index=True)
    kept = order[np.sort(first)]
    return np.asarray(kept[np.linspace(0, len(kept) - 1, count).round().astype(int)])


class ReadLogo(NamedTuple):
    """A reference as `read_logo` reads it; see `Logo`. Where nothing is drawn, no pixel is ink."""

    pixels: Image
    ink: Mask
    flat: bool
    long_px: int


def read_logo(reference: Reference) -> ReadLogo:
    """Pixels, ink and whether the ink is of one colour, cut to the ink's box, long side at most `MAX_SIDE_PX`.

    A picture with transparency, or on a border of one colour, is its ink alone; any other is ink all over.

    Raises:
        BadInput: the file cannot be read.
    """
    what = f"The logo {reference.name} of {reference.brand}"
    head = reference.encoded[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    encoded = reference.encoded
    if head.startswith((b"<svg", b"<?xml", b"<!--", b"<!DOCTYPE svg")):
        try:
            encoded = rasterise(reference.encoded, 2 * MAX_SIDE_PX)
        except ValueError as error:
            raise BadInput(
                f"{what} is not an SVG picture that can be drawn ({error})", "give PNG, JPEG or SVG"
            ) from error
    try:
        refuse_large(encoded)
        raw: Any = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    except BadInput:
        raw = None
    except ValueError as error:
        raise BadInput(f"{what} is too large: {error}", "give a smaller picture") from error
    if raw is None or raw.dtype.kind != "u":
        raise BadInput(f"{what} cannot be read", "give a PNG, JPEG, WebP or SVG picture")
    bytes_a_pixel = raw.dtype.itemsize
    return _inked(np.asarray(raw if bytes_a_pixel == 1 else raw >> 8, np.uint8))


def _inked(raw: NDArray[np.uint8]) -> ReadLogo:
    if raw.ndim == 2:
        raw = np.repeat(raw[..., None], 3, axis=2)
    pixels = np.ascontiguousarray(raw[..., :3])
    if raw.shape[2] == 4 and (raw[..., 3] < 128).mean() > 0.005:
        ink = raw[..., 3] >= 128
        cut_out = True
    else:
        border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).astype(np.float32)
        ground = np.median(border, axis=0)
        cut_out = bool((np.abs(border - ground).max(axis=1) < BORDER_SPREAD).mean() > 0.97)
        apart = np.abs(pixels.astype(np.float32) - ground).max(axis=2)
        ink = apart > INK_CONTRAST
        cut_out = cut_out and bool(ink.mean() > LEAST_INK)
        if not cut_out:
            ink = np.full(ink.shape, bool(apart.max() > BORDER_SPREAD))
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if len(rows) == 0:
        return ReadLogo(pixels, ink, False, 0)
    long_px = int(max(np.ptp(rows), np.ptp(columns))) + 1
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    pixels, ink = pixels[window], ink[window]
    flat = cut_out and bool(pixels[ink].astype(np.float32).std(axis=0).max() < FLAT_SPREAD)
    factor = MAX_SIDE_PX / max(ink.shape)
    if factor < 1 or flat:
        size = (max(1, round(ink.shape[1] * factor)), max(1, round(ink.shape[0] * factor)))
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)
        ink = cv2.resize(ink.astype(np.uint8) * 255, size, interpolation=how) > 127
    if cut_out:
        # What lies around the ink is unknown: take the end of the scale that stands out from it.
        pixels = np.where(ink[..., None], pixels, 255 if pixels[ink].mean() < 128 else 0).astype(np.uint8)
    return ReadLogo(pixels, ink, flat, long_px)


def root_sift(grey: NDArray[np.uint8], contrast: float, limit: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Places (n, 2), sizes (n,), angles (n,) and RootSIFT descriptors (n, 128) of the strongest features.

    RootSIFT: Arandjelovic and Zisserman, "Three things everyone should know to improve object retrieval", 2012.
    """
    sift = cv2.SIFT.create(nfeatures=limit, contrastThreshold=contrast, edgeThreshold=16)
    keys, found = sift.detectAndCompute(grey, None)
    if found is None or not len(keys):
        none = np.zeros(0, np.float32)
        return np.zeros((0, 2), np.float32), none, none, np.zeros((0, 128), np.float32)
    descriptors = np.sqrt(found / np.maximum(found.sum(axis=1, keepdims=True), 1e-6)).astype(np.float32)
    points = np.array([key.pt for key in keys], np.float32)
    sizes = np.array([key.size for key in keys], np.float32)
    return points, sizes, np.array([key.angle for key in keys], np.float32), descriptors


def prepare(reference: Reference) -> Logo:
    """Read a reference and compute its features at several scales, and of a flat one in both polarities."""
    pixels, ink, flat, long_px = read_logo(reference)
    if long_px < MIN_INK_PX:
        return _never_found(reference, pixels, long_px)
    grey = np.where(ink, 0, 255).astype(np.uint8) if flat else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    long_side = max(grey.shape)
    parts = []
    for side in [s for s in SIFT_SIDES_PX if s < long_side * 1.5] or [long_side]:
        factor = side / long_side
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        scaled = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=how)
        pad = side // 4 if flat else 0
        for face in (scaled, 255 - scaled) if flat else (scaled,):
            ground = int(face[0, 0]) if not flat else (255 if face is scaled else 0)
            padded = cv2.copyMakeBorder(face, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=ground)
            padded = cv2.GaussianBlur(padded, (0, 0), 0.7) if flat else padded
            points, sizes, angles, descriptors = root_sift(np.asarray(padded, np.uint8), 0.02, 400)
            scale = np.float32(1 / factor)
            parts.append(((points - pad) * scale, sizes * scale, angles, descriptors))
    joined = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
    return Logo(reference.brand, reference.name, np.asarray(grey, np.uint8), ink, flat, long_px, *joined)


def _never_found(reference: Reference, pixels: Image, long_px: int) -> Logo:
    """A reference that has no shape to look for: without features no pose of it is proposed."""
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
    none = np.zeros(0, np.float32)
    no_points, no_descriptors = np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32)
    no_ink = np.zeros(grey.shape, bool)
    return Logo(reference.brand, reference.name, grey, no_ink, False, long_px, no_points, none, none, no_descriptors)
