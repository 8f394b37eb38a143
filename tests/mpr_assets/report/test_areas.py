"""How much of a frame outlines cover."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mpr_assets.report.areas import Polygon, area, area_shares, centroid, clipped, outline, union_area, union_areas
from tests.mpr_assets.report.tables import HEIGHT, WIDTH, detection, detections

UNIONS = {
    "no box has any size": ([[0, 0, 0, 0], [5, 5, 5, 9]], 0),
    "one box": ([[0, 0, 10, 10]], 100),
    "apart": ([[0, 0, 10, 10], [20, 0, 30, 10]], 200),
    "a quarter shared": ([[0, 0, 10, 10], [5, 5, 15, 15]], 175),
    "one inside": ([[0, 0, 10, 10], [2, 2, 4, 4]], 100),
    "twice the same": ([[0, 0, 10, 10], [0, 0, 10, 10]], 100),
    "a cross": ([[4, 0, 6, 10], [0, 4, 10, 6]], 36),
    "a ring of four and its middle": ([[0, 0, 9, 3], [0, 6, 9, 9], [0, 0, 3, 9], [6, 0, 9, 9], [4, 4, 5, 5]], 73),
}


@pytest.mark.parametrize(("boxes", "area"), UNIONS.values(), ids=UNIONS.keys())
def test_union_area(boxes: list[list[int]], area: int) -> None:
    assert union_areas(np.array([boxes, boxes], np.float64)).tolist() == [area, area]


def corners_of(box: list[int]) -> Polygon:
    left, top, right, bottom = box
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


@pytest.mark.parametrize(("boxes", "area"), UNIONS.values(), ids=UNIONS.keys())
def test_polygons_that_are_boxes_cover_the_same(boxes: list[list[int]], area: int) -> None:
    assert union_area([corners_of(box) for box in boxes]) == area


DIAMOND = [(10, 0), (20, 10), (10, 20), (0, 10)]
POLYGONS: dict[str, tuple[list[Polygon], float]] = {
    "none": ([], 0),
    "one that is empty": ([[]], 0),
    "a diamond": ([DIAMOND], 200),
    "anticlockwise": ([DIAMOND[::-1]], 200),
    "twice the same": ([DIAMOND, DIAMOND], 200),
    "a diamond and the square around it": ([DIAMOND, corners_of([0, 0, 20, 20])], 400),
    "a diamond and a square that cuts a corner off": ([DIAMOND, corners_of([10, 0, 20, 10])], 250),
    "two that touch at a corner": ([DIAMOND, [(30, 0), (40, 10), (30, 20), (20, 10)]], 400),
    "a chain of three": ([DIAMOND, corners_of([15, 5, 25, 15]), corners_of([24, 0, 26, 20])], 305),
}


@pytest.mark.parametrize("case", POLYGONS)
def test_polygons_together(case: str) -> None:
    polygons, expected = POLYGONS[case]
    assert union_area(polygons) == expected
    assert union_area(polygons[::-1]) == expected


CLIPPED: dict[str, tuple[Polygon, float, tuple[float, float]]] = {
    "inside": (DIAMOND, 200, (10, 10)),
    "half out on the left": ([(x - 10, y) for x, y in DIAMOND], 100, (10 / 3, 10)),
    "a corner of the frame alone": ([(x - 10, y - 10) for x, y in DIAMOND], 50, (10 / 3, 10 / 3)),
    "all of the frame": (corners_of([-50, -50, 900, 900]), WIDTH * HEIGHT, (WIDTH / 2, HEIGHT / 2)),
    "outside": ([(x + WIDTH + 1, y) for x, y in DIAMOND], 0, (0, 0)),
}


@pytest.mark.parametrize("case", CLIPPED)
def test_what_lies_in_the_frame(case: str) -> None:
    polygon, expected, centre = CLIPPED[case]
    seen = clipped(polygon, WIDTH, HEIGHT)
    assert area(seen) == expected
    assert centroid(seen) == pytest.approx(centre)


def test_a_mark_is_its_polygon_or_its_box() -> None:
    assert outline(None, (190, 10, 220, 20), WIDTH, HEIGHT) == [(190, 10), (200, 10), (200, 20), (190, 20)]
    assert outline([10, 0, 20, 10, 10, 20, 0, 10], (0, 0, 20, 20), WIDTH, HEIGHT) == DIAMOND


def test_shares_of_groups() -> None:
    diamond = [float(value) for corner in DIAMOND for value in corner]
    rows = detections(
        detection(0, box=(0, 0, 10, 10)),
        detection(1, box=(0, 0, 20, 20), polygon=diamond),
        detection(2, box=(0, 0, 20, 20), polygon=diamond),
        detection(2, box=(10, 0, 10, 10)),
        detection(3, box=(-10, -10, 20, 20)),
        detection(3, box=(0, 0, 10, 20)),
    )
    sized = rows.with_columns(width_px=pl.lit(WIDTH), height_px=pl.lit(HEIGHT))
    assert area_shares(sized, np.array([1, 1, 2, 2])).tolist() == [0.005, 0.01, 0.0125, 0.01]
