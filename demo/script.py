"""The broadcast's script: which scenes there are, what is written on which board, and when it changes.

All brands are invented. "#NorthgateFCForever" and "ZARNFIELD STAND" are traps for a reader that does not look for
whole words: neither is an exposure of "Northgate FC" or of "Zarn".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from demo.boards import Advert, Casting, row_of_boards
from demo.camera import Camera
from demo.players import NORTHGATE, REFEREE, RIVERBANK, Kit, Player
from demo.stadium import Shot, StadiumScene
from demo.stills import CrowdScene, EndCardScene

VELQUORA = Advert(("VELQUORA",), "Velquora", "#0b2a5b", "#ffffff", "#35b6e6", weight=800)
MIRVANE = Advert(("Mirvane",), "Mirvane", "#f3f1ea", "#8a1538", "#8a1538", "italic", 800)
THRUMBLE = Advert(("Thrumble Oats",), "Thrumble Oats", "#ffcf33", "#4a2a12", "#b5651d", weight=800)
WEXMOOR = Advert(("Wexmoor & Pike",), "Wexmoor & Pike", "#12382e", "#f0e3b8", "#c7a64b", weight=600)
BRASTOVAR = Advert(("BRASTOVAR",), "Brastovar", "#d7261e", "#ffffff", "#ffffff", "italic", 800)
ONDELVIA = Advert(("Ondélvia",), "Ondélvia", "#5b2a86", "#ffffff", "#f28ac0", weight=700)
ZARN = Advert(("ZARN",), "Zarn", "#101114", "#c8f031", "#c8f031", weight=900)
SKYLORN = Advert(("SKYLORN", "Fly Further"), "Skylorn Fly Further", "#ffffff", "#0a4a8f", "#f0562b", weight=800)
TESSARUNE = Advert((), "Tessarune", "#dfe9ee", "#10243f", "#1d6f6a", kind="logo")
HASHTAG = Advert(("#NorthgateFCForever",), None, "#c8202f", "#ffffff", "#ffffff", weight=700)
SLOGAN = Advert(("ONE CITY, ONE CLUB",), None, "#c8202f", "#ffffff", "#ffffff", weight=600)

TILES = (
    Advert(THRUMBLE.lines, THRUMBLE.brand, "#fff4cf", "#4a2a12", "#b5651d", weight=800),
    TESSARUNE,
    SKYLORN,
    Advert(("Wexmoor", "& Pike"), "Wexmoor & Pike", "#12382e", "#f0e3b8", "#c7a64b", weight=600),
)


class Scene(Protocol):
    def shot(self, share: float) -> Shot:
        """The frame at a share of the scene, 0 to 1. Shares must ascend."""
        ...


@dataclass(frozen=True)
class Entry:
    """A scene in its place.

    Attributes:
        make: the scene of a size, with what is random in it, and what stands in each advert's place.
        until: share of the whole broadcast at which it ends.
        wiped_in: share of the whole broadcast that a wipe into it takes; 0 is a hard cut.
        score_bug: whether the running score is shown.
        corner_bug: shares of the scene between which the sponsor's logo stands in the corner; None for never.
    """

    until: float
    make: Callable[[tuple[int, int], np.random.Generator, Casting], Scene]
    wiped_in: float = 0.0
    score_bug: bool = True
    corner_bug: tuple[float, float] | None = None


def as_scripted(advert: Advert) -> Advert:
    """The script's own brands."""
    return advert


def always(advert: Advert) -> tuple[tuple[float, Advert], ...]:
    return ((0.0, advert),)


def switching(first: Advert, at: float, second: Advert) -> tuple[tuple[float, Advert], ...]:
    return ((0.0, first), (at, second))


def wide_scene(size_px: tuple[int, int], rng: np.random.Generator, cast: Casting) -> StadiumScene:
    """The main camera, high up: a pan of 38 m along the far touchline with a slight zoom in."""
    position, unit = (0.0, -60.0, 18.0), size_px[1] / 720

    def camera(share: float) -> Camera:
        eased = share * share * (3 - 2 * share)
        aim_m = -22 + 38 * eased
        yaw = float(np.degrees(np.arctan2(aim_m, 97.0)))
        return Camera(position, yaw, 12.1 + 0.3 * eased, (3250 + 330 * eased) * unit, size_px)

    boards = row_of_boards(
        -52.5,
        [
            (7.0, always(ONDELVIA)),
            (7.0, always(VELQUORA)),
            (6.0, always(MIRVANE)),
            (10.0, always(HASHTAG)),
            (8.0, always(THRUMBLE)),
            (7.0, switching(VELQUORA, 0.5, ZARN)),
            (8.0, always(WEXMOOR)),
            (7.0, switching(BRASTOVAR, 0.5, ONDELVIA)),
            (6.0, switching(MIRVANE, 0.5, VELQUORA)),
            (8.0, always(THRUMBLE)),
            (8.0, switching(SLOGAN, 0.5, BRASTOVAR)),
            (7.0, always(ZARN)),
            (10.0, always(HASHTAG)),
        ],
        cast,
    )
    players = [
        _player(NORTHGATE, 0, (-30.0, 20.0), (4.2, 0.4)),
        _player(NORTHGATE, 1, (-22.0, 28.5), (4.6, 0.1)),
        _player(NORTHGATE, 2, (-9.0, 9.0), (3.1, 0.5)),
        _player(NORTHGATE, 3, (2.0, 24.0), (3.3, 0.3)),
        _player(NORTHGATE, 5, (8.0, 13.0), (1.8, -0.2)),
        _player(NORTHGATE, 6, (14.0, 31.5), (0.4, 0.0)),
        _player(NORTHGATE, 9, (-36.0, 3.0), (3.9, 0.2)),
        _player(RIVERBANK, 4, (-27.0, 23.5), (4.4, 0.5)),
        _player(RIVERBANK, 7, (-16.0, 31.0), (3.6, 0.1)),
        _player(RIVERBANK, 8, (-4.0, 15.0), (2.9, -0.1)),
        _player(RIVERBANK, 10, (6.0, 27.0), (1.9, 0.3)),
        _player(RIVERBANK, 11, (17.0, 19.0), (-1.2, 0.2)),
        _player(RIVERBANK, 13, (22.0, 30.5), (-2.8, 0.0)),
        _player(REFEREE, 12, (-15.0, 17.0), (3.4, 0.1)),
        _player(REFEREE, 14, (-24.0, 34.8), (4.0, 0.0)),
    ]
    canvas = Camera(position, 0.0, 12.2, 3500 * unit, (round(3500 * unit), round(1010 * unit)))
    return StadiumScene(canvas, camera, boards, players, 8.0, rng, 0.8 * unit)


def close_scene(size_px: tuple[int, int], rng: np.random.Generator, cast: Casting) -> StadiumScene:
    """A camera at the pitch's edge, low and oblique: larger boards, players who run before them."""
    position, unit = (8.0, 4.0, 3.2), size_px[1] / 720

    def camera(share: float) -> Camera:
        eased = share * share * (3 - 2 * share)
        return Camera(position, 25.0 - 20.0 * eased, 5.6, (2600 + 130 * eased) * unit, size_px)

    boards = row_of_boards(
        -1.0,
        [
            (6.0, always(VELQUORA)),
            (6.0, always(SKYLORN)),
            (3.2, always(TESSARUNE)),
            (6.0, switching(ONDELVIA, 0.55, BRASTOVAR)),
            (5.0, switching(ZARN, 0.55, MIRVANE)),
            (9.0, always(HASHTAG)),
            (6.0, always(BRASTOVAR)),
        ],
        cast,
    )
    players = [
        _player(NORTHGATE, 1, (17.0, 25.0), (-1.9, 0.3)),
        _player(RIVERBANK, 4, (18.6, 26.5), (-2.2, 0.1)),
        _player(NORTHGATE, 2, (27.0, 33.0), (-4.1, 0.0)),
        _player(RIVERBANK, 7, (29.5, 31.5), (-4.3, -0.1)),
        _player(RIVERBANK, 8, (8.0, 30.0), (1.2, 0.1)),
        _player(REFEREE, 14, (24.0, 34.9), (-1.7, 0.0)),
    ]
    canvas = Camera(position, 15.0, 5.6, 2730 * unit, (round(2900 * unit), round(920 * unit)))
    return StadiumScene(canvas, camera, boards, players, 5.0, rng, 2.2 * unit)


def _player(kit: Kit, look: int, start: tuple[float, float], speed: tuple[float, float]) -> Player:
    return Player(kit, look, start, speed, sway_m=0.3 if kit is REFEREE else 0.6, sway_s=4.0 + 0.3 * look)


def crowd_scene(size_px: tuple[int, int], rng: np.random.Generator, cast: Casting) -> CrowdScene:
    del cast
    return CrowdScene(size_px, rng, 3.0)


def end_card(size_px: tuple[int, int], rng: np.random.Generator, cast: Casting) -> EndCardScene:
    del rng
    return EndCardScene(size_px, tuple(cast(tile) for tile in TILES))


SCRIPT = (
    Entry(0.40, wide_scene, corner_bug=(0.30, 0.85)),
    Entry(0.65, close_scene),
    Entry(0.80, crowd_scene),
    Entry(1.00, end_card, wiped_in=0.03, score_bug=False),
)
