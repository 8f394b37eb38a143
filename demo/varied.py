"""Broadcasts that differ by seed: other boards, other moves of the camera, players who run before the boards.

    draw_broadcast(path, seconds=16, seed=3, cast=Recast(3), script=varied_script(3))

Scenes: the main camera, which turns to and fro; the low camera at the pitch's edge, with groups of players who cover
boards; the crowd; and the low camera once more. All cuts are hard.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from demo.boards import Advert, Casting, row_of_boards
from demo.camera import Camera
from demo.players import NORTHGATE, RIVERBANK, Player
from demo.script import (
    BRASTOVAR,
    HASHTAG,
    MIRVANE,
    ONDELVIA,
    SKYLORN,
    SLOGAN,
    TESSARUNE,
    THRUMBLE,
    VELQUORA,
    WEXMOOR,
    ZARN,
    Entry,
    always,
    crowd_scene,
    switching,
)
from demo.stadium import StadiumScene

ADVERTS = (VELQUORA, MIRVANE, THRUMBLE, WEXMOOR, BRASTOVAR, ONDELVIA, ZARN, SKYLORN)
NOBODYS = (HASHTAG, SLOGAN)
WIDE_S, CLOSE_S = 6.0, 5.0


def varied_script(seed: int) -> tuple[Entry, ...]:
    """The script of a seed: 16 seconds are meant, other lengths are the same faster or slower."""

    def wide(size_px: tuple[int, int], rng: np.random.Generator, cast: Casting) -> StadiumScene:
        return _wide(size_px, rng, cast, np.random.default_rng([seed, 101]))

    def close(number: int) -> Callable[[tuple[int, int], np.random.Generator, Casting], StadiumScene]:
        return lambda size_px, rng, cast: _close(size_px, rng, cast, np.random.default_rng([seed, number]))

    since = float(np.random.default_rng([seed, 100]).uniform(0.1, 0.4))
    return (
        Entry(0.36, wide, corner_bug=(since, since + 0.45)),
        Entry(0.64, close(102)),
        Entry(0.72, crowd_scene),
        Entry(1.00, close(103), score_bug=False),
    )


def _path(own: np.random.Generator, stops: int, low: float, high: float) -> Callable[[float], float]:
    """A smooth way through some random places, at each of which it rests for a moment."""
    places: NDArray[np.float64] = own.uniform(low, high, stops)

    def at(share: float) -> float:
        along = share * (stops - 1)
        number = min(int(along), stops - 2)
        eased = min(1.0, (along - number) / 0.8)
        eased = eased * eased * (3 - 2 * eased)
        return float(places[number] + (places[number + 1] - places[number]) * eased)

    return at


def _faces(
    own: np.random.Generator, widths_m: tuple[float, ...]
) -> list[tuple[float, tuple[tuple[float, Advert], ...]]]:
    """Adverts on boards, neighbours unlike; every fourth board shows another one from some time on."""
    faces = []
    before: Advert | None = None
    for number, width_m in enumerate(widths_m):
        among = [one for one in (*ADVERTS, *NOBODYS) if one is not before]
        first, second = (among[int(own.integers(len(among)))] for _ in range(2))
        at = float(own.uniform(0.3, 0.7))
        faces.append((width_m, switching(first, at, second) if number % 4 == 2 else always(first)))
        before = first
    return faces


def _wide(size_px: tuple[int, int], rng: np.random.Generator, cast: Casting, own: np.random.Generator) -> StadiumScene:
    position, unit = (0.0, -60.0, 18.0), size_px[1] / 720
    aim, zoom = _path(own, 3, -24.0, 24.0), _path(own, 3, 3300.0, 3900.0)

    def camera(share: float) -> Camera:
        yaw = float(np.degrees(np.arctan2(aim(share), 97.0)))
        return Camera(position, yaw, 12.2, zoom(share) * unit, size_px)

    boards = row_of_boards(-52.5, _faces(own, (7.0, 7.0, 8.0, 9.0, 8.0, 7.0, 8.0, 7.0, 8.0, 9.0, 8.0, 7.0, 10.0)), cast)
    players = [
        Player(
            NORTHGATE if number % 2 else RIVERBANK,
            number,
            (float(own.uniform(-35, 30)), float(own.uniform(5, 34))),
            (float(own.uniform(-4, 4)), float(own.uniform(-0.5, 0.5))),
        )
        for number in range(14)
    ]
    canvas = Camera(position, 0.0, 12.2, 3500 * unit, (round(3700 * unit), round(1010 * unit)))
    return StadiumScene(canvas, camera, boards, players, WIDE_S, rng, 0.8 * unit)


def _close(size_px: tuple[int, int], rng: np.random.Generator, cast: Casting, own: np.random.Generator) -> StadiumScene:
    """Groups of players who go by before the boards cover a mark for one to three seconds each."""
    position, unit = (8.0, 4.0, 3.2), size_px[1] / 720
    yaw, zoom = _path(own, 3, 4.0, 24.0), _path(own, 2, 2500.0, 2750.0)

    def camera(share: float) -> Camera:
        return Camera(position, yaw(share), 5.6, zoom(share) * unit, size_px)

    faces = _faces(own, (6.0, 6.0, 6.0, 5.0, 9.0, 6.0, 6.0))
    faces.insert(3, (3.2, always(TESSARUNE)))
    near = []
    for group in range(3):
        pace = float(own.uniform(0.6, 2.0)) * (1.0 if own.random() < 0.5 else -1.0)
        at_s, across_m, away_m = (
            float(own.uniform(*span)) for span in ((0.5, CLOSE_S - 0.5), (9.0, 20.0), (20.0, 25.0))
        )
        for number in range(3):
            start = (across_m - pace * at_s + 0.7 * number, 4.0 + away_m + 0.4 * number)
            near.append(Player(NORTHGATE, 3 * group + number, start, (pace, 0.0), sway_m=0.1))
    far = [
        Player(
            RIVERBANK,
            4 + number,
            (float(own.uniform(15, 30)), float(own.uniform(22, 34))),
            (float(own.uniform(-4, 2)), 0.0),
        )
        for number in range(4)
    ]
    canvas = Camera(position, 15.0, 5.6, 2730 * unit, (round(3100 * unit), round(960 * unit)))
    return StadiumScene(canvas, camera, row_of_boards(-1.0, faces, cast), [*near, *far], CLOSE_S, rng, 2.2 * unit)
