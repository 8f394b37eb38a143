from __future__ import annotations

import pytest

from mpr_assets.logos.searching import Searching
from tests.mpr_assets.text.test_scanning import FRAMES


@pytest.mark.parametrize("name", FRAMES)
def test_frames_are_searched_as_they_are_scanned_in_full(name: str) -> None:
    frames, expected = FRAMES[name]
    searching = Searching(every=4, new_detail=0.5)
    assert [number for number, frame in enumerate(frames) if searching.next(*frame)] == expected


def test_every_frame_where_that_is_set() -> None:
    searching = Searching(every=1, new_detail=1.0)
    frames, _ = FRAMES["one view: every fourth"]
    assert [searching.next(*frame) for frame in frames] == [True] * 6
