"""The look of frames, as a table."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from gpu_service.client.local import LocalInference
from gpu_service.pictures import Picture
from mpr_assets.overlays.preview_sheet import swatches
from mpr_assets.stages.visual_properties import SCHEMA, VisualPropertiesSettings, visual_properties
from mpr_resources.storage.pictures import Frame

BLUE, GREY = (200, 0, 0), (102, 102, 102)
"""BGR."""


def frame(seq: int, upper: tuple[int, int, int], lower: tuple[int, int, int]) -> Frame:
    pixels = np.full((128, 320, 3), upper, np.uint8)
    pixels[64:] = lower
    return Frame(seq, seq * 500, Picture(pixels=pixels))


ROWS: dict[str, tuple[list[Frame], list[tuple[int, list[list[int]], list[float]]]]] = {
    "no frames": ([], []),
    "in the order of seq, red first": (
        [frame(4, BLUE, BLUE), frame(1, GREY, BLUE)],
        [(1, [[102, 102, 102], [0, 0, 200]], [0.5, 0.5]), (4, [[0, 0, 200]], [1.0])],
    ),
}


@pytest.mark.parametrize("case", ROWS)
def test_a_row_for_each_frame(case: str) -> None:
    frames, expected = ROWS[case]
    table = visual_properties(iter(frames), LocalInference(), VisualPropertiesSettings())
    assert table.schema == pl.Schema(SCHEMA)
    told = [(seq, sorted(colours, reverse=True), shares) for seq, colours, shares, *_ in table.rows()]
    assert told == expected


def test_off_unless_a_profile_enables_it() -> None:
    assert not VisualPropertiesSettings().enabled


def test_colours_are_drawn_as_wide_as_their_shares() -> None:
    row = (0, [[0, 0, 200], [255, 255, 255]], [0.75, 0.25], 0.4, 0.1, 0.5)
    before = np.zeros((100, 400, 3), np.uint8)
    drawn = swatches(before, pl.DataFrame([row], schema=SCHEMA, orient="row"))
    assert [drawn[95, x].tolist() for x in (150, 290, 310, 390)] == [[200, 0, 0]] * 2 + [[255, 255, 255]] * 2
    assert not before.any()
