"""What is measured on the pixels of some frames: on which, and how frames of one exposure are taken together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
import pytest

from gpu_service.pictures import Image, Picture
from mpr_assets.report.pixel_measures import PIXEL_SCHEMA, pixel_measures
from mpr_assets.report.presence import PRESENCE_SCHEMA
from tests.mpr_assets.report.tables import DETECTIONS, detection, detections

BOX = (20, 10, 60, 40)


def half_dark(low: int = 0, high: int = 255) -> Image:
    """Black, but for a place that is dark on its left, light on its right."""
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[10:50, 20:50], pixels[10:50, 50:80] = low, high
    return pixels


def seen(*rows: tuple[str, int, int], confidence: float = 0.9) -> pl.DataFrame:
    """Rows of presence by brand, exposure and frame, with the mark at BOX."""
    plain = dict.fromkeys(PRESENCE_SCHEMA) | {"x": 20, "y": 10, "w": 60, "h": 40, "confidence": confidence}
    full = [{**plain, "brand": brand, "exposure": number, "found_on": seq, "seq": seq} for brand, number, seq in rows]
    return pl.DataFrame(full, PRESENCE_SCHEMA)


CHOSEN: dict[str, tuple[list[tuple[str, int, int]], int, list[int]]] = {
    "nothing": ([], 3, []),
    "none wanted": ([("A", 0, 4)], 0, []),
    "fewer than wanted": ([("A", 0, 4), ("A", 0, 5)], 3, [4, 5]),
    "spread evenly": ([("A", 0, seq) for seq in range(9)], 3, [1, 4, 7]),
    "spread evenly, as far as it goes": ([("A", 0, seq) for seq in range(10)], 3, [1, 5, 8]),
    "nearly all": ([("A", 0, seq) for seq in range(12)], 10, [0, 1, 3, 4, 5, 6, 7, 9, 10, 11]),
    "one": ([("A", 0, seq) for seq in range(5)], 1, [2]),
    "of each exposure": ([("A", 0, 1), ("A", 1, 7), ("A", 1, 8)], 1, [1, 8]),
    "a frame of two brands is asked for once": ([("A", 0, 1), ("B", 0, 1)], 3, [1]),
    "a frame that stands for others counts once": ([("A", 0, 1), ("A", 0, 1), ("A", 0, 2)], 2, [1, 2]),
}


@pytest.mark.parametrize("case", CHOSEN)
def test_frames_that_are_looked_at(case: str) -> None:
    rows, count, expected = CHOSEN[case]
    asked: list[int] = []

    def pictures(seqs: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        asked.extend(seqs)
        return ((seq, Picture(pixels=half_dark())) for seq in seqs)

    table = pixel_measures(seen(*rows), pl.DataFrame(schema=DETECTIONS), count, pictures)
    assert asked == expected
    assert table.schema == pl.Schema(PIXEL_SCHEMA)
    assert table["found_on"].unique().sort().to_list() == expected


def test_clarity_is_the_geometric_mean_of_the_three() -> None:
    pictures = {4: Picture(pixels=half_dark(55, 106)), 5: None}
    rows = seen(("A", 0, 4), ("A", 0, 5), confidence=0.5)
    table = pixel_measures(rows, detections(detection(4, "A")), 3, lambda seqs: ((seq, pictures[seq]) for seq in seqs))
    [row] = table.rows(named=True)
    assert (row["found_on"], row["contrast"]) == (4, 0.2)
    assert row["clarity"] == pytest.approx((8 / 9 * 0.2 * 0.5) ** (1 / 3))


OUTLINE = [10.0, 10.0, 110.0, 10.0, 110.0, 40.0, 10.0, 40.0]
LETTERS = range(20, 100, 10)
"""Left edges of eight letters, each 6 x 14 px at y 18: together 76 x 14 px, of 200 x 100."""
WHOLE = 76 * 14 / (200 * 100)


SMALL = 76 * 12 / (200 * 100)


def written(*letters: int, high: int = 14) -> Image:
    pixels = np.full((100, 200, 3), 40, np.uint8)
    for left in letters:
        pixels[18 : 18 + high, left : left + 6] = 220
    return pixels


def text(seq: int, **changes: object) -> dict[str, object]:
    plain = dict(zip(DETECTIONS, detection(seq, "A", box=(10, 10, 100, 30), legibility=1.0), strict=True))
    return plain | {"polygon": OUTLINE, "track": 7} | changes


SIZES: dict[str, tuple[list[dict[str, object]], dict[int, Image], list[float | None]]] = {
    "letters, not the outline around them": ([text(0)], {0: written(*LETTERS)}, [WHOLE]),
    "a logo is its outline": ([text(0, legibility=None)], {0: written(*LETTERS)}, [100 * 30 / 20_000]),
    "letters and a logo apart from them": (
        [text(0), text(0, legibility=None, polygon=None, track=None, x=150, y=60, w=20, h=10)],
        {0: written(*LETTERS)},
        [WHOLE + 200 / 20_000],
    ),
    "no letters to be seen": ([text(0)], {0: written()}, [None]),
    "letters that are hidden on one frame": (
        [text(0), text(1), text(2)],
        {0: written(*LETTERS), 1: written(*LETTERS[2:]), 2: written(*LETTERS)},
        [WHOLE, WHOLE, WHOLE],
    ),
    "letters that are hidden, of a track that is larger before": (
        [text(0), text(2), text(1), text(3)],
        {0: written(*LETTERS), 1: written(*LETTERS[3:]), 2: written(*LETTERS[2:]), 3: written(*LETTERS, high=12)},
        [WHOLE, (WHOLE + SMALL + WHOLE) / 3, (WHOLE + SMALL + SMALL) / 3, SMALL],
    ),
    "letters that no frame of the track has whole are as those of the brand": (
        [text(0), text(1, track=8)],
        {0: written(*LETTERS), 1: written(*LETTERS[:3])},
        [WHOLE, WHOLE],
    ),
    "another text is measured by itself": (
        [text(0), text(1, track=8), text(2)],
        {0: written(*LETTERS), 1: written(*LETTERS[1:7]), 2: written(*LETTERS)},
        [WHOLE, 56 * 14 / 20_000, WHOLE],
    ),
}


@pytest.mark.parametrize("case", SIZES)
def test_sizes(case: str) -> None:
    rows, frames, expected = SIZES[case]
    table = pixel_measures(
        seen(*(("A", 0, seq) for seq in frames)),
        pl.DataFrame(rows, DETECTIONS),
        5,
        lambda seqs: ((seq, Picture(pixels=frames[seq])) for seq in seqs),
    )
    for share, wanted in zip(table["ink_share"], expected, strict=True):
        assert share == (None if wanted is None else pytest.approx(wanted, rel=0.04))
