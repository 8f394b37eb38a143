"""A drawn mark on a still ground that moves, grows, hides, changes; what a search says is given, following is real."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from gpu_service.boxes import iou
from gpu_service.pictures import Image
from gpu_service.wire import Box, ObjectFinding
from mpr_assets.logos.following import LogoFollower
from tests.gpu_service.test_detect import comb, kite, put
from tests.stills import seen, still

GROUND = still(4, (1000, 300))
SIZE = (320, 180)


@dataclass(frozen=True)
class Shown:
    """A frame: where the kite's centre is, None: nowhere; its size, how far the camera has panned, and the search."""

    at: tuple[int, int] | None = (160, 90)
    searched: bool | None = False
    size: int = 60
    pan: int = 0
    shot: int = 0
    other: bool = False


def picture(shown: Shown) -> tuple[Image, Box]:
    image = seen(GROUND, 200 + shown.pan, 40, SIZE)
    if shown.at is None:
        return image, Box(x=0, y=0, w=0, h=0)
    return image, put(image, comb() if shown.other else kite(), shown.at, shown.size, (240, 240, 240))


STAYS, FOUND, GONE = Shown(), Shown(searched=True), Shown(at=None)
MISSED = Shown(searched=None)
"""Searched, and nothing found."""

CASES: dict[str, tuple[list[Shown], list[int]]] = {
    "no frames": ([], []),
    "found in no search": ([MISSED, STAYS, MISSED], []),
    "found in each": ([FOUND, FOUND], [0, 1]),
    "followed on": ([FOUND, STAYS, STAYS], [0, 1, 2]),
    "followed back to where it came": ([GONE, STAYS, STAYS, FOUND], [1, 2, 3]),
    "both ways, past a search that missed it": ([MISSED, STAYS, FOUND, FOUND, STAYS], [0, 1, 2, 3, 4]),
    "gone": ([FOUND, GONE, GONE], [0]),
    "back after it was hidden": ([FOUND, GONE, STAYS], [0, 2]),
    "not into another shot": ([FOUND, Shown(shot=1), Shown(shot=2, searched=True)], [0, 2]),
    "with the camera": ([FOUND, Shown(at=(130, 90), pan=30), Shown(at=(70, 90), pan=90)], [0, 1, 2]),
    "by itself": ([FOUND, Shown(at=(168, 94)), Shown(at=(176, 98))], [0, 1, 2]),
    "grown": ([FOUND, Shown(size=64), Shown(size=70)], [0, 1, 2]),
    "another mark in its place": ([FOUND, Shown(other=True)], [0]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mark_is_followed_while_it_is_there(name: str) -> None:
    frames, expected = CASES[name]
    follower, boxes = LogoFollower(0.5, 0.8), []
    for seq, shown in enumerate(frames):
        image, box = picture(shown)
        boxes.append(box)
        found = [ObjectFinding(box=box, label="Kite", confidence=0.9, engine="logo_match")] if shown.searched else []
        follower.step(seq, shown.shot, image, None if shown.searched is False else found)
    seen_at = follower.finish()
    assert sorted(one.seq for one in seen_at) == expected
    assert {one.seq for one in seen_at if not one.followed} == {n for n, one in enumerate(frames) if one.searched}
    assert all(iou(one.finding.box.xywh, boxes[one.seq].xywh) > 0.7 for one in seen_at)


def test_two_marks_of_one_brand_are_two() -> None:
    image = seen(GROUND, 200, 40, SIZE)
    boxes = [put(image, kite(), at, 60, (240, 240, 240)) for at in ((70, 90), (250, 90))]
    found = [ObjectFinding(box=box, label="Kite", confidence=0.9, engine="logo_match") for box in boxes]
    follower = LogoFollower(0.5, 0.8)
    follower.step(0, 0, image, found)
    follower.step(1, 0, np.asarray(image), None)
    assert [(one.seq, one.followed) for one in follower.finish()] == [(0, False), (1, True)] * 2


VOTES: dict[str, tuple[list[float | None], list[tuple[int, float, bool]]]] = {
    "the searches agree": ([0.9, None, 0.7], [(0, 0.9, False), (1, 0.8, True), (2, 0.7, False)]),
    "an unsure one goes with it": ([0.2, 0.9, 0.7], [(0, 0.6, True), (1, 0.9, False), (2, 0.7, False)]),
    "one is against a sure one": ([0.9, None, 0.0], [(0, 0.9, False), (1, 0.45, True), (2, 0.45, True)]),
    "one is against a doubtful one": ([0.6, None, 0.0], [(0, 0.6, False)]),
    "one of three is against it": ([0.9, 0.0, 0.9], [(0, 0.9, False), (1, 0.6, True), (2, 0.9, False)]),
    "it is outvoted": ([0.0, 0.8, 0.0], []),
}


@pytest.mark.parametrize("name", VOTES)
def test_searches_vote(name: str) -> None:
    searches, expected = VOTES[name]
    image, box = picture(FOUND)
    follower = LogoFollower(0.5, 0.8)
    for seq, confidence in enumerate(searches):
        finding = ObjectFinding(box=box, label="Kite", confidence=confidence or 0.0, engine="logo_match")
        follower.step(seq, 0, image, None if confidence is None else [finding] if confidence else [])
    assert [(one.seq, one.finding.confidence, one.followed) for one in follower.finish()] == expected


def test_what_is_unsure_begins_nothing() -> None:
    image, box = picture(FOUND)
    follower = LogoFollower(0.5, 0.8)
    follower.step(0, 0, image, [ObjectFinding(box=box, label="Kite", confidence=0.2, engine="logo_match")])
    follower.step(1, 0, image, None)
    assert [(one.seq, one.hint) for one in follower.finish()] == [(0, True)]
