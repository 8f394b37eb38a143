"""Lines followed over frames whose readings are scripted: which texts each frame has in the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np
import pytest

from gpu_service.pictures import Image
from mpr_assets.text.quads import Quad
from mpr_assets.text.readings import Recognition
from mpr_assets.text.tracking import Follower, Row

WIDTH_PX, HEIGHT_PX = 640, 360
Found: TypeAlias = tuple[tuple[float, float, float, float], str, float]
"""A line: x, y, w, h; what it says; how sure that is."""


def rectangle(x: float, y: float, w: float, h: float, degrees: float = 0) -> Quad:
    corners = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float32)
    turn = cv2.getRotationMatrix2D((WIDTH_PX / 2, HEIGHT_PX / 2), degrees, 1)
    return np.asarray(cv2.transform(corners[None], turn)[0], np.float32)


def restless(seq: int) -> Image:
    """A background that is never alike, so that every line is read in every frame."""
    return np.random.default_rng(seq).integers(0, 255, (HEIGHT_PX, WIDTH_PX, 3), dtype=np.uint8)


def still(seq: int) -> Image:
    return restless(0)


def rows_of(frames: list[list[Found]], picture: Callable[[int], Image], degrees: float) -> list[Row]:
    follower = Follower(similarity=0.9, look_back=8)
    for seq, found in enumerate(frames):
        lines = [(rectangle(*place, degrees), text, confidence) for place, text, confidence in found]

        def read(wanted: list[Quad], lines: list[tuple[Quad, str, float]] = lines) -> list[Recognition]:
            return [
                Recognition(text, confidence, quad)
                for one in wanted
                for quad, text, confidence in lines
                if np.array_equal(quad, one)
            ]

        follower.step(seq, 0, picture(seq), [quad for quad, _, _ in lines], read)
    return follower.finish()


def followed(
    frames: list[list[Found]], picture: Callable[[int], Image] = restless, degrees: float = 0
) -> list[list[str]]:
    """The texts of each frame, in the order of their tracks."""
    rows = rows_of(frames, picture, degrees)
    return [[row.text for row in rows if row.seq == seq] for seq in range(len(frames))]


def tracks(frames: list[list[Found]]) -> int:
    return len({row.track for row in rows_of(frames, restless, 0)})


UPPER, LOWER = (60, 140, 520, 36), (60, 180, 520, 36)


@pytest.mark.parametrize("degrees", [0, 12, 25, -25, 40])
def test_words_stacked_closely_stay_at_any_slant(degrees: float) -> None:
    both = [(UPPER, "KORVAX", 0.97), (LOWER, "LUMEN", 0.97)]
    assert followed([both] * 3, degrees=degrees) == [["KORVAX", "LUMEN"]] * 3


CLOCK, CODE, HALF = (100, 40, 90, 30), (200, 40, 80, 30), (100, 40, 142, 30)
"""A score bug: a clock, a team's code beside it, and a line that was found over the clock and half of the code."""


def clocked(seq: int) -> Image:
    """The code stays, the clock changes."""
    image = still(seq)
    image[30:80, 90:195] = restless(seq + 100)[30:80, 90:195]
    return image


BESIDE: dict[str, tuple[list[list[Found]], list[list[str]]]] = {
    "nothing": ([], []),
    "found_over_the_clock_and_half_of_the_code": (
        [
            [(CLOCK, "04:56", 0.98), (CODE, "ABC", 0.98)],
            [(HALF, "04:57 AB", 0.94)],
            [(CLOCK, "04:58", 0.98)],
        ],
        [["04:56", "ABC"], ["ABC", "04:57 AB"], ["ABC", "04:58"]],
    ),
    "found_over_the_code_and_more_of_the_line": (
        [
            [(CODE, "ABC", 0.98)],
            [((100, 40, 260, 30), "04:57 ABC 1", 0.95)],
        ],
        [["ABC"], ["04:57 ABC 1"]],
    ),
    "a_code_read_badly_gives_way": (
        [
            [(CODE, "AEC", 0.6)],
            [(HALF, "04:57 AB", 0.94)],
        ],
        [["AEC"], ["04:57 AB"]],
    ),
    "a_part_found_in_the_same_frame_as_the_whole": (
        [[((100, 40, 180, 30), "GOOGLE PLAY", 0.97), ((200, 42, 82, 26), "PLAY", 0.97)]],
        [["GOOGLE PLAY"]],
    ),
}


@pytest.mark.parametrize("name", BESIDE)
def test_a_line_read_for_sure_whose_pixels_stay_is_not_pushed_out(name: str) -> None:
    frames, expected = BESIDE[name]
    assert followed(frames, picture=clocked) == expected


WHOLE = "BRASTOVAR 360"
AT_EDGE: dict[str, tuple[list[Found], list[str]]] = {
    "moves_out_to_the_right": (
        [
            ((330, 100, 260, 30), WHOLE, 0.98),
            ((440, 100, 200, 30), "BRASTOVAR 3", 0.97),
            ((500, 100, 140, 30), "BRASTOV", 0.97),
            ((560, 100, 80, 30), "BRAS", 0.97),
        ],
        [WHOLE, WHOLE, WHOLE, "BRAS"],
    ),
    "comes_in_from_the_right": (
        [
            ((560, 100, 80, 30), "BRAS", 0.97),
            ((500, 100, 140, 30), "BRASTOV", 0.97),
            ((440, 100, 200, 30), "BRASTOVAR 3", 0.97),
            ((330, 100, 260, 30), WHOLE, 0.98),
        ],
        [WHOLE] * 4,
    ),
    "moves_out_to_the_left": (
        [
            ((40, 100, 260, 30), WHOLE, 0.98),
            ((0, 100, 190, 30), "STOVAR 360", 0.97),
            ((0, 100, 80, 30), "360", 0.97),
        ],
        [WHOLE, WHOLE, "360"],
    ),
    "its_letter_at_the_edge_misread": (
        [
            ((330, 100, 260, 30), WHOLE, 0.98),
            ((490, 100, 150, 30), "BRASTOC", 0.97),
            ((490, 100, 150, 30), "BRASTOC", 0.97),
        ],
        [WHOLE] * 3,
    ),
    "never_whole": (
        [((560, 100, 80, 30), "BRAS", 0.97), ((560, 100, 80, 30), "BRAS", 0.97)],
        ["BRAS"] * 2,
    ),
    "another_word_comes_to_the_edge": (
        [((330, 100, 260, 30), WHOLE, 0.98), ((520, 100, 120, 30), "LUMEN", 0.97)],
        [WHOLE, "LUMEN"],
    ),
    "a_part_of_it_away_from_the_edge_is_another_text": (
        [((200, 100, 260, 30), WHOLE, 0.98), ((310, 100, 80, 30), "BRAS", 0.97)],
        [WHOLE, "BRAS"],
    ),
    "cut_off_at_both_edges": (
        [((10, 100, 618, 30), "THE BRASTOVAR 360 SHOW", 0.98), ((0, 100, 640, 30), "STOVAR 36", 0.97)],
        ["THE BRASTOVAR 360 SHOW", "STOVAR 36"],
    ),
}


@pytest.mark.parametrize("name", AT_EDGE)
def test_text_that_the_edge_cuts_off_is_what_it_was_before_or_after(name: str) -> None:
    lines, expected = AT_EDGE[name]
    assert followed([[line] for line in lines]) == [[text] for text in expected]


@pytest.mark.parametrize(
    ("hidden", "expected"),
    [
        pytest.param(0, 1, id="never"),
        pytest.param(1, 1, id="in one frame"),
        pytest.param(4, 1, id="for two seconds"),
        pytest.param(5, 2, id="too long"),
    ],
)
def test_a_line_that_nothing_contradicts_is_known_again_after_it_was_overlooked(hidden: int, expected: int) -> None:
    shown: list[Found] = [(UPPER, "KORVAX", 0.97)]
    frames = [shown, *[[]] * hidden, shown]
    assert followed(frames) == [[text for _, text, _ in frame] for frame in frames]
    assert tracks(frames) == expected
