"""Poses proposed by local features: each match votes for a place, a size and a turn; votes that agree propose one."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_service.routines.logos.logo_set import LogoSet
from gpu_service.routines.logos.regions import Floats

FLAT_RATIO = 0.95
PICTURE_RATIO = 0.95
"""A match counts when it is nearer than this share of the distance to the nearest feature of any other brand. The ratio
test of Lowe (2004) has 0.8; here a pose is verified afterwards."""
LEAST_LIKENESS = 0.6
"""Scalar product of RootSIFT descriptors below which features are unlike, whatever the ratio. No measurement is
known."""
ABOUT_AS_NEAR = 1.35
"""Another reference of the nearest brand is matched too when its nearest is not farther by more than this factor. No
measurement is known."""
ROWS_AT_ONCE = 256
"""Features compared with all references in one product: a bound on memory."""
SCALE_SLACK, TURN_SLACK_DEG, PLACE_SLACK = 0.45, 25.0, 0.22
"""Votes agree within these: the logarithm of size (a factor of 1.6), the turn, the centre as a share of the logo's long
side. A little narrower than the bins of pose clustering in Lowe (2004): 2 in size, 30 degrees, a quarter of the
side."""
LEAST_VOTES = 2
"""Two features fix a similarity."""
SUPPORT_SLACK = 0.06
"""How far from its place a supporting feature may lie, as a share of the logo's long side. No measurement is known."""
SUPPORT_LIKENESS = 0.8
"""Scalar product of RootSIFT descriptors from which a feature supports a pose. No measurement is known."""
A_LOGO = 12
"""Proposals of one reference in a picture: a bound on the work."""


@dataclass(frozen=True)
class Features:
    """Local features of a picture: places (n, 2) and sizes (n,) in pixels, angles (n,) in degrees, 128 numbers each."""

    points: Floats
    sizes: Floats
    angles: Floats
    descriptors: Floats


@dataclass(frozen=True)
class Matches:
    """Pairs (k,): a feature of the picture, a feature of the logo set, and how much nearer than another brand's."""

    ours: NDArray[np.intp]
    theirs: NDArray[np.intp]


def match(features: Features, logos: LogoSet) -> Matches:
    """The nearest features of the brand that a feature of the picture is like, where no other brand has one as near.

    Every reference of that brand that has a feature about as near gets its match: references of one brand look alike,
    and were only the nearest asked, none of them might gather the votes that a pose needs.
    """
    ours: list[NDArray[np.intp]] = [np.zeros(0, np.intp)]
    theirs: list[NDArray[np.intp]] = [np.zeros(0, np.intp)]
    if len(logos.points):
        for start in range(0, len(features.points), ROWS_AT_ONCE):
            rows, found = _match_rows(features.descriptors[start : start + ROWS_AT_ONCE], logos)
            ours.append(rows + start)
            theirs.append(found)
    return Matches(np.concatenate(ours), np.concatenate(theirs))


def _match_rows(descriptors: Floats, logos: LogoSet) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    likeness = descriptors @ logos.descriptors.T
    starts, owners = np.unique(logos.owner, return_index=True)[1], np.unique(logos.owner)
    brands, brand_starts = np.unique(logos.brand_of[owners], return_index=True)
    by_logo = np.maximum.reduceat(likeness, starts, axis=1)
    by_brand = np.maximum.reduceat(by_logo, brand_starts, axis=1)
    rows = np.arange(len(descriptors))
    brand = by_brand.argmax(axis=1)
    top = by_brand[rows, brand]
    by_brand[rows, brand] = 0.0
    second = by_brand.max(axis=1) if len(brands) > 1 else np.full(len(rows), 0.6, np.float32)
    flat = logos.flat[owners[by_logo.argmax(axis=1)]]
    ratio = np.sqrt((2 - 2 * top).clip(0) / (2 - 2 * second).clip(1e-6))
    near = (ratio < np.where(flat, FLAT_RATIO, PICTURE_RATIO)) & (top > LEAST_LIKENESS)
    # Distances on the unit sphere: 2 - 2 * likeness is their square.
    reach = 1 - (1 - top) * ABOUT_AS_NEAR**2
    same = (logos.brand_of[owners][None] == brands[brand][:, None]) & (by_logo >= np.minimum(top, reach)[:, None])
    row, logo = np.nonzero(same & near[:, None] & (by_logo > LEAST_LIKENESS))
    ends = np.append(starts[1:], len(logos.owner))
    found = np.zeros(len(row), np.intp)
    for k in np.unique(logo):
        mine = logo == k
        found[mine] = starts[k] + likeness[row[mine], starts[k] : ends[k]].argmax(axis=1)
    return row, found


def propose(
    features: Features, logos: LogoSet, matches: Matches
) -> tuple[NDArray[np.int32], NDArray[np.float64], Floats]:
    """Poses: logo indices (k,), homographies (k, 3, 3) from the logo to the picture, and the number of votes (k,)."""
    owners: list[int] = []
    poses: list[NDArray[np.float64]] = []
    votes: list[int] = []
    owner = logos.owner[matches.theirs]
    for index in np.unique(owner):
        mine = owner == index
        ours, theirs = matches.ours[mine], matches.theirs[mine]
        if len(ours) < LEAST_VOTES:
            continue
        size = np.array(logos.logos[index].grey.shape[::-1], np.float64)
        for members in _agreeing(features, logos, ours, theirs, size):
            source, target = logos.points[theirs[members]], features.points[ours[members]]
            pose = _similarity(source.astype(np.float64), target.astype(np.float64))
            if len(members) >= 8 and not logos.logos[index].flat:
                found, inliers = cv2.findHomography(source, target, cv2.USAC_MAGSAC, 4.0)
                pose = found if found is not None and int(inliers.sum()) >= 7 else pose
            owners.append(int(index))
            poses.append(np.asarray(pose, np.float64))
            votes.append(len(members))
    if not owners:
        return np.zeros(0, np.int32), np.zeros((0, 3, 3)), np.zeros(0, np.float32)
    return np.array(owners, np.int32), np.stack(poses), np.array(votes, np.float32)


def _agreeing(
    features: Features,
    logos: LogoSet,
    ours: NDArray[np.intp],
    theirs: NDArray[np.intp],
    size: NDArray[np.float64],
) -> list[NDArray[np.intp]]:
    """Sets of matches of one logo that vote for about one pose, the largest first, each match in one set."""
    scale = features.sizes[ours] / logos.sizes[theirs]
    turn = np.radians(features.angles[ours] - logos.angles[theirs])
    arm = (size / 2 - logos.points[theirs]) * scale[:, None]
    c, s = np.cos(turn), np.sin(turn)
    centre = features.points[ours] + np.stack([c * arm[:, 0] - s * arm[:, 1], s * arm[:, 0] + c * arm[:, 1]], axis=1)
    apart = np.linalg.norm(centre[:, None] - centre[None], axis=2) / (
        float(size.max()) * np.sqrt(np.outer(scale, scale))
    )
    turned = np.abs((turn[:, None] - turn[None] + np.pi) % (2 * np.pi) - np.pi)
    agree = (apart < PLACE_SLACK) & (turned < np.radians(TURN_SLACK_DEG))
    agree &= np.abs(np.log(scale[:, None] / scale[None])) < SCALE_SLACK
    free = np.ones(len(ours), bool)
    found: list[NDArray[np.intp]] = []
    while len(found) < A_LOGO:
        support = (agree & free[None]).sum(axis=1) * free
        seed = int(support.argmax())
        if support[seed] < LEAST_VOTES:
            break
        members = np.flatnonzero(agree[seed] & free)
        free[members] = False
        places = np.unique(np.round(features.points[ours[members]] / 2), axis=0)
        anchors = np.unique(np.round(logos.points[theirs[members]] / 6), axis=0)
        if min(len(places), len(anchors)) >= LEAST_VOTES:
            found.append(members)
    return found


def support(features: Features, logos: LogoSet, owners: NDArray[np.int32], homographies: NDArray[np.float64]) -> Floats:
    """How many features of the picture agree with each pose in place, size and descriptor (k,).

    With the pose known a match need not beat those of other logos, so that more are found than had voted for it.
    """
    count = np.zeros(len(owners), np.float32)
    ends = np.searchsorted(logos.owner, np.arange(len(logos.logos) + 1))
    places = features.points.astype(np.float64)
    for k, (owner, homography) in enumerate(zip(owners, homographies, strict=True)):
        h, w = logos.logos[owner].grey.shape
        back = _moved(np.linalg.inv(homography), places)
        inside = np.flatnonzero((back > -0.05 * max(h, w)).all(axis=1) & (back < (1.05 * w, 1.05 * h)).all(axis=1))
        theirs = np.arange(ends[owner], ends[owner + 1])
        if not len(inside) or not len(theirs):
            continue
        scale = np.sqrt(abs(np.linalg.det(homography[:2, :2])))
        apart = np.linalg.norm(back[inside][:, None] - logos.points[theirs][None], axis=2)
        sizes = np.abs(np.log(features.sizes[inside][:, None] / (logos.sizes[theirs][None] * scale)))
        likeness = features.descriptors[inside] @ logos.descriptors[theirs].T
        likeness[(apart > SUPPORT_SLACK * max(h, w)) | (sizes > SCALE_SLACK)] = 0
        agree = likeness.max(axis=1) > SUPPORT_LIKENESS
        anchors = np.round(logos.points[theirs][likeness.argmax(axis=1)[agree]] / (0.04 * max(h, w)))
        count[k] = len(np.unique(anchors, axis=0))
    return count


def _moved(homography: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    moved = points @ homography[:2, :2].T + homography[:2, 2]
    weight = points @ homography[2, :2] + homography[2, 2]
    return np.asarray(moved / np.where(weight > 1e-6, weight, np.nan)[:, None])


def _similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares turn, scale and shift of points (n, 2) onto others (Umeyama, 1991), as a homography."""
    from_mean, to_mean = source.mean(axis=0), target.mean(axis=0)
    a, b = source - from_mean, target - to_mean
    power = max(float((a**2).sum()), 1e-6)
    c = float((a * b).sum()) / power
    s = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / power
    linear = np.array([[c, -s], [s, c]])
    return np.vstack([np.column_stack([linear, to_mean - linear @ from_mean]), [0, 0, 1]])
