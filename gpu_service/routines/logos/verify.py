"""Proposed poses of logos are drawn to the edges of the picture and compared with it: what decides, and how surely.

Where the proposals come from does not matter here. All proposals are worked on together as arrays; the first axis is
the proposal (k), the second the outline point (n).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_service.pictures import Image
from gpu_service.routines.logos.references import FACE_MARGIN_PX, Logo, slopes_of
from gpu_service.routines.logos.regions import Floats

REACHES_PX = (7, 6, 5, 4, 3, 3)
"""How far along its normal an outline point looks for its edge, in pixels of the level, one round after the other."""
LEAST_NEAR = {1: (3, 0.36), 2: (2, 0.34), 3: (2, 0.38)}
"""After these rounds, from 0, a pose is given up unless so large a share of its outline points had an edge within so
many pixels. So were 48 % of 17,400 poses on photographs and pasted silhouettes, among them 1 of 2,110 that came to a
score of 0.5, and 4 of 2,484 that came to 0.13."""
LEVEL_LONG_SIDE_PX = 56
"""A logo is compared on the level of the pyramid where its long side is from this to twice this."""
EDGE = 0.3
"""Height of a step, see `_edge_profiles`, from which there is an edge."""
BLOCK_PX = 8
LEAST_LIKENESS = 0.2
COVERED_SHARE = 0.25
"""Share of a logo that may be hidden: that many of the worst blocks, `BLOCK_PX` each way, are left out of the trimmed
comparison. `bench.logos` has logos that are covered in part."""


def pyramid(image: Image) -> list[Image]:
    """The picture, lightly smoothed, and its halves down to 64 pixels."""
    levels = [np.asarray(cv2.GaussianBlur(image, (0, 0), 0.8), np.uint8)]
    while min(levels[-1].shape[:2]) > 64 and len(levels) < 6:
        levels.append(np.asarray(cv2.pyrDown(levels[-1]), np.uint8))
    return levels


@dataclass(frozen=True)
class PoseEvidence:
    """What the comparison of proposals says, arrays of length k (homographies (k, 3, 3) to the pyramid's first level).

    Attributes:
        edges: share of the outline points that lie on an edge of the right direction.
        likeness: correlation of the straightened patch with the reference, -1 to 1.
        trimmed: the same without the worst quarter of the patch.
        slopes: correlation of the brightness slopes of both, -1 to 1; 0 for flat logos, for which it is not asked.
        long_px: the longer side of the quad, in pixels.
        plausible: the quad is convex, not mirrored and not squashed.
    """

    homographies: NDArray[np.float64]
    edges: Floats
    likeness: Floats
    trimmed: Floats
    slopes: Floats
    long_px: Floats
    plausible: NDArray[np.bool_]


def project(homographies: NDArray[np.float64], points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Points (k, n, 2) through homographies (k, 3, 3)."""
    moved = points @ homographies[:, :2, :2].transpose(0, 2, 1) + homographies[:, None, :2, 2]
    weight = (points @ homographies[:, 2, :2, None])[..., 0] + homographies[:, 2, 2, None]
    return np.asarray(moved / np.where(np.abs(weight) < 1e-6, 1e-6, weight)[..., None])


def corners_of(logos: list[Logo]) -> NDArray[np.float64]:
    """Corners of each logo (k, 4, 2) clockwise from top left."""
    sides = [logo.grey.shape for logo in logos]
    return np.array([[(0, 0), (w, 0), (w, h), (0, h)] for h, w in sides], np.float64)


def sample(level: Image, at: NDArray[np.float64]) -> Floats:
    """The picture at places (..., 2): (..., 3), of a grey one (...). Linear between pixels; beyond the rim as at it."""
    rows = at.reshape(at.shape[0], -1, 2).astype(np.float32)
    found = cv2.remap(level, rows[..., 0], rows[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32).reshape(*at.shape[:-1], *level.shape[2:])


def _level_of(quads: NDArray[np.float64], levels: int) -> NDArray[np.int_]:
    long_side = np.maximum(np.ptp(quads[..., 0], axis=1), np.ptp(quads[..., 1], axis=1))
    octave = np.floor(np.log2(np.maximum(long_side, 1) / LEVEL_LONG_SIDE_PX))
    return np.asarray(octave.clip(0, levels - 1), np.int_)


def _edge_profiles(
    level: Image, at: NDArray[np.float64], normals: NDArray[np.float64], flat: bool, reach: int
) -> Floats:
    """Step heights (k, n, 2 reach + 1) along the normals, 1 where ink ends and ground begins, below 0 the other way.

    `level` is in colour for flat logos, whose ink may have any; else grey.
    """
    steps = np.arange(-reach - 1, reach + 2)
    values = sample(level, at[:, :, None] + steps[:, None] * normals[:, :, None])
    if not flat:
        rise = values[..., :-2] - values[..., 2:]
        height = np.quantile(np.abs(rise).max(axis=2), 0.6, axis=1)
    else:
        inner = np.median(values[:, :, reach - 1], axis=1)
        outer = np.median(values[:, :, reach + 4 if reach > 2 else reach + 3], axis=1)
        along = np.einsum("knsc,kc->kns", values, inner - outer)
        rise = along[..., :-2] - along[..., 2:]
        height = np.maximum(((inner - outer) ** 2).sum(axis=1), 100.0)
    return np.asarray(rise / np.maximum(height, 6.0)[:, None, None])


def _geometry(
    homographies: NDArray[np.float64], points: Floats, normals: Floats
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    at = project(homographies, points)
    along = np.stack([-normals[..., 1], normals[..., 0]], axis=-1)
    ahead = project(homographies, points + along) - at
    across = np.stack([ahead[..., 1], -ahead[..., 0]], axis=-1)
    length = np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-6)
    return at, across / length


def _updates(
    at: NDArray[np.float64],
    normals: NDArray[np.float64],
    shift: NDArray[np.floating],
    weight: NDArray[np.floating],
    bend: bool,
) -> NDArray[np.float64]:
    """Small homographies (k, 3, 3) that move the points along their normals by `shift`, by weighted least squares."""
    centre = at.mean(axis=1, keepdims=True)
    spread = np.maximum(np.sqrt(((at - centre) ** 2).sum(axis=2).mean(axis=1)), 1.0)[:, None, None]
    x, y = np.moveaxis((at - centre) / spread, 2, 0)
    nx, ny = normals[..., 0], normals[..., 1]
    columns = [nx, nx * x, nx * y, ny, ny * x, ny * y]
    if bend:
        columns += [nx * x * x + ny * x * y, nx * x * y + ny * y * y]
    jacobian = np.stack(columns, axis=2)
    weighted = jacobian * weight[..., None]
    damping = np.diag([0.01, 0.06, 0.06, 0.01, 0.06, 0.06, 0.3, 0.3][: len(columns)]) * at.shape[1] * 0.3
    normal_matrix = np.einsum("kni,knj->kij", weighted, jacobian) + damping
    right = np.einsum("kni,kn->ki", weighted, shift)
    a = np.linalg.solve(normal_matrix, right[..., None])[..., 0] / spread[:, 0]
    moves = np.tile(np.eye(3), (len(at), 1, 1))
    moves[:, 0] += a[:, [1, 2, 0]]
    moves[:, 1] += a[:, [4, 5, 3]]
    if bend:
        moves[:, 2, :2] = -a[:, 6:]
    to_unit = np.tile(np.eye(3), (len(at), 1, 1))
    to_unit[:, 0, 0] = to_unit[:, 1, 1] = 1 / spread[:, 0, 0]
    to_unit[:, :2, 2] = -centre[:, 0] / spread[:, 0]
    return np.asarray(np.linalg.inv(to_unit) @ moves @ to_unit)


def _refine(
    level: Image, homographies: NDArray[np.float64], points: Floats, normals: Floats, flat: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Poses drawn to the edges around them, and which outline points (k, n) lie on one in the end.

    A pose that finds too few edges on the way stays where it then is, and none of its points lies on an edge.
    """
    found, on_edge = homographies.copy(), np.zeros(points.shape[:2], bool)
    rest = np.arange(len(homographies))
    for turn, reach in enumerate(REACHES_PX):
        at, across = _geometry(found[rest], points[rest], normals[rest])
        steps = _edge_profiles(level, at, across, flat, reach)
        offsets = np.arange(-reach, reach + 1)
        near = steps * (1 - 0.5 * (offsets / (reach + 1)) ** 2)
        best = near.argmax(axis=2)
        height = np.take_along_axis(steps, best[..., None], axis=2)[..., 0].clip(0, 1)
        weight = height**2 / (height**2 + 0.09)
        moves = _updates(at, across, offsets[best], weight, bend=turn >= 3)
        found[rest] = moves @ found[rest]
        if turn in LEAST_NEAR:
            within, share = LEAST_NEAR[turn]
            rest = rest[((height > EDGE) & (np.abs(offsets[best]) <= within)).mean(axis=1) >= share]
            if not len(rest):
                return found, on_edge
    at, across = _geometry(found[rest], points[rest], normals[rest])
    steps = _edge_profiles(level, at, across, flat, 3)
    close = steps[:, :, 2:5].max(axis=2)
    on_edge[rest] = (close > EDGE) & (close >= 0.75 * steps.max(axis=2))
    return found, on_edge


def _correlation(a: Floats, b: Floats, weight: Floats) -> float:
    total = weight.sum() + 1e-6
    a = a - (a * weight).sum() / total
    b = b - (b * weight).sum() / total
    power = (a * a * weight).sum() * (b * b * weight).sum()
    return float((a * b * weight).sum() / np.sqrt(power + 1e-9))


def _compare(level: Image, homography: NDArray[np.float64], logo: Logo) -> tuple[float, float, float]:
    """Likeness of the straightened patch to the reference: `likeness`, `trimmed` and `slopes` of `PoseEvidence`.

    Of an unlike patch the others are not asked.
    """
    face, weight = logo.face, logo.face_weight
    h, w = face.shape
    rows, columns = np.mgrid[0:h, 0:w].astype(np.float64)
    grid = np.stack([(columns - FACE_MARGIN_PX + 0.5), (rows - FACE_MARGIN_PX + 0.5)], axis=-1) / logo.face_scale
    patch = sample(level, project(homography[None], grid.reshape(1, -1, 2)))[0].reshape(h, w, 3)
    if logo.flat:
        # Medians and clipping: what covers a part of the logo has neither the ink's colour nor the ground's.
        inner, outer = (np.median(patch[side & (weight > 0)], axis=0) for side in (logo.face_ink, ~logo.face_ink))
        axis = outer - inner
        values = ((patch - inner) @ (axis / max(float(axis @ axis), 1.0))).clip(-0.3, 1.3)
    else:
        values = patch @ np.array([0.114, 0.587, 0.299], np.float32)
    whole = _correlation(values, face, weight)
    if whole < LEAST_LIKENESS:
        return whole, whole, 0.0
    scale = np.sqrt(np.average((values - values.mean()) ** 2) + 1e-6)
    ground = np.average(values, weights=weight)
    # Where the patch departs most from the best linear fit, something may lie over the logo.
    spread_face = np.sqrt(np.average((face - np.average(face, weights=weight)) ** 2, weights=weight) + 1e-6)
    fitted = ground + max(whole, 0.3) * scale * (face - np.average(face, weights=weight)) / spread_face
    misfit = (values - fitted) ** 2 * weight
    blocks = cv2.resize(misfit.astype(np.float32), (-(-w // BLOCK_PX), -(-h // BLOCK_PX)), interpolation=cv2.INTER_AREA)
    limit = np.quantile(blocks, 1 - COVERED_SHARE)
    kept = cv2.resize((blocks <= limit).astype(np.float32), (w, h), interpolation=cv2.INTER_NEAREST)
    trimmed = _correlation(values, face, weight * np.asarray(kept))
    return whole, trimmed, 0.0 if logo.flat else _slope_likeness(np.asarray(values, np.float32), logo)


def _slope_likeness(values: Floats, logo: Logo) -> float:
    ours, theirs = slopes_of(values), logo.face_slopes
    power = (ours**2 * logo.face_weight).sum() * (theirs**2 * logo.face_weight).sum()
    return float((ours * theirs * logo.face_weight).sum() / np.sqrt(power + 1e-9))


def _plausible(quads: NDArray[np.float64], sides: NDArray[np.floating]) -> NDArray[np.bool_]:
    edges = np.roll(quads, -1, axis=1) - quads
    after = np.roll(edges, -1, axis=1)
    turn = edges[..., 0] * after[..., 1] - edges[..., 1] * after[..., 0]
    lengths = np.linalg.norm(edges, axis=2) / sides[:, [1, 0, 1, 0]]
    stretch = lengths.max(axis=1) / np.maximum(lengths.min(axis=1), 1e-6)
    squash = np.abs(turn).max(axis=1) / np.maximum(np.abs(turn).min(axis=1), 1e-6)
    sheared = (
        turn / np.maximum(np.prod([np.linalg.norm(edges, axis=2), np.linalg.norm(after, axis=2)], axis=0), 1e-6)
    ).min(axis=1)
    return np.asarray((turn > 0).all(axis=1) & (stretch < 2.6) & (squash < 4) & (sheared > 0.5))


def verify(levels: list[Image], logos: list[Logo], homographies: NDArray[np.float64]) -> PoseEvidence:
    """Refine poses (k, 3, 3), from pixels of each logo to pixels of the pyramid's first level, and weigh them.

    The poses are drawn to the edges by iterated weighted least squares along the outline's normals (active contours in
    the manner of Drummond and Cipolla, "Real-time visual tracking of complex structures", 2002).
    """
    count = len(logos)
    corners = corners_of(logos)
    sides = np.array([logo.grey.shape for logo in logos])
    flat = np.array([logo.flat for logo in logos])
    points = np.stack([logo.outline for logo in logos])
    normals = np.stack([logo.normals for logo in logos])
    refined, on_edge = homographies.copy(), np.zeros(points.shape[:2], bool)
    level_of = _level_of(project(homographies, corners), len(levels))
    shrink = np.array([np.diag([0.5**k, 0.5**k, 1.0]) for k in range(len(levels))])
    for k, kind in sorted({*zip(level_of.tolist(), flat.tolist(), strict=True)}):
        mine = (level_of == k) & (flat == kind)
        level = levels[k] if kind else np.asarray(cv2.cvtColor(levels[k], cv2.COLOR_BGR2GRAY), np.uint8)
        local = shrink[k] @ homographies[mine]
        local, on_edge[mine] = _refine(level, local, points[mine], normals[mine], kind)
        refined[mine] = np.linalg.inv(shrink[k]) @ local
    refined /= refined[:, 2:, 2:]
    quads = project(refined, corners)
    plausible = _plausible(quads, sides)
    long_px = np.linalg.norm(np.roll(quads, -1, axis=1) - quads, axis=2).max(axis=1)
    edges = on_edge.mean(axis=1).astype(np.float32)
    likeness, trimmed, slopes = np.zeros((3, count), np.float32)
    for i in np.flatnonzero(plausible & (edges > 0.35)):
        local = shrink[level_of[i]] @ refined[i]
        likeness[i], trimmed[i], slopes[i] = _compare(levels[level_of[i]], local, logos[i])
    return PoseEvidence(refined, edges, likeness, trimmed, slopes, long_px.astype(np.float32), plausible)
