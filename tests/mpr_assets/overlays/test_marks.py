"""Marks on pictures: seen where they should be, nothing else touched."""

from __future__ import annotations

import numpy as np
import pytest

from gpu_service.pictures import Image
from mpr_assets.overlays.marks import (
    Mark,
    colour_of_hue,
    colours_of,
    contact_sheet,
    draw,
    hue_of,
)

GREY = 128


def picture(width: int = 320, height: int = 180) -> Image:
    return np.full((height, width, 3), GREY, np.uint8)


def changed(drawn: Image) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom (inclusive) of what is no longer grey."""
    rows, columns = np.nonzero((drawn != GREY).any(axis=2))
    return (columns.min(), rows.min(), columns.max(), rows.max()) if len(rows) else None


def test_no_mark_changes_nothing() -> None:
    assert changed(draw(picture(), [])) is None


def test_the_given_picture_is_left_alone() -> None:
    given = picture()
    draw(given, [Mark.box(10, 10, 50, 50, "Acme")])
    assert changed(given) is None


def test_an_outline_lies_on_the_box() -> None:
    drawn = draw(picture(), [Mark.box(100, 60, 80, 40, key="Acme")])
    left, top, right, bottom = changed(drawn) or (0, 0, 0, 0)
    assert abs(left - 100) <= 3
    assert abs(top - 60) <= 3
    assert abs(right - 180) <= 3
    assert abs(bottom - 100) <= 3
    assert tuple(drawn[60, 140]) == colour_of_hue(hue_of("Acme"))
    assert tuple(drawn[80, 140]) == (GREY, GREY, GREY)


def test_a_label_stands_above_its_box() -> None:
    drawn = draw(picture(), [Mark.box(100, 60, 80, 40, "Acme")])
    plate = drawn[44:57, 102:120].reshape(-1, 3)
    assert (plate == colour_of_hue(hue_of("Acme"))).all(axis=1).mean() > 0.4
    assert (plate.sum(axis=1) < 150).any()


def test_marks_follow_when_the_picture_is_made_smaller() -> None:
    drawn = draw(picture(640, 360), [Mark.box(200, 120, 160, 80, key="Acme")], width_px=320)
    assert drawn.shape == (180, 320, 3)
    assert tuple(drawn[60, 140]) == colour_of_hue(hue_of("Acme"))


def test_a_filled_mark_tints_its_inside() -> None:
    drawn = draw(picture(), [Mark(((50, 50), (150, 50), (150, 150), (50, 150)), key="field", filled=True)])
    assert tuple(drawn[100, 100]) != (GREY, GREY, GREY)
    assert tuple(drawn[100, 200]) == (GREY, GREY, GREY)


AWKWARD = {
    "no outline": Mark((), "Acme"),
    "no size": Mark.box(50, 50, 0, 0, "Acme"),
    "outside the picture": Mark.box(900, 900, 50, 50, "Acme"),
    "larger than the picture": Mark.box(-100, -100, 900, 900, "Acme"),
    "a fraction of a pixel": Mark.box(10.3, 10.7, 0.2, 0.1, "Acme"),
    "a very long label": Mark.box(50, 50, 20, 20, "Acme " * 200),
    "a label of blanks": Mark.box(50, 50, 20, 20, "  \n "),
    "line breaks and controls": Mark.box(50, 50, 20, 20, "Ac\nme\t\x00\x07"),
    "letters of many scripts": Mark.box(50, 50, 20, 20, "Žižka 日本 العربية हिन्दी 🎉"),
}


@pytest.mark.parametrize("mark", AWKWARD.values(), ids=AWKWARD.keys())
@pytest.mark.parametrize("size", [(320, 180), (1, 1), (3, 400)], ids=["usual", "one pixel", "a sliver"])
def test_awkward_marks_are_drawn_as_far_as_they_can_be(mark: Mark, size: tuple[int, int]) -> None:
    assert draw(picture(*size), [mark, mark]).shape == (size[1], size[0], 3)


def test_plates_that_would_cover_each_other_are_moved() -> None:
    both = draw(picture(), [Mark.box(100, 60, 80, 40, "Acme"), Mark.box(102, 60, 80, 40, "Bolt Energy")])
    for name in ("Acme", "Bolt Energy"):
        assert (both == colour_of_hue(hue_of(name))).all(axis=2).sum() > 150


def test_colours_are_stable() -> None:
    assert [hue_of(name) for name in ("Acme", "Bolt", "Bolt Energy")] == [195, 300, 15]
    assert hue_of("Caf\u00e9") == hue_of("Cafe\u0301")
    assert len({colour_of_hue(hue_of(f"Brand {number}")) for number in range(200)}) == 24


SHEETS = {
    "none": ([], (282, 492, 3)),
    "one": ([(1920, 1080)], (282, 492, 3)),
    "four in rows of three": ([(1920, 1080)] * 4, (558, 1464, 3)),
    "upright and tiny": ([(1080, 1920), (1, 1)], (282, 978, 3)),
}


@pytest.mark.parametrize(("sizes", "shape"), SHEETS.values(), ids=SHEETS.keys())
def test_contact_sheet(sizes: list[tuple[int, int]], shape: tuple[int, int, int]) -> None:
    assert contact_sheet([picture(*size) for size in sizes]).shape == shape


@pytest.mark.parametrize(
    "names", [[], ["Acme"], [f"Brand {number}" for number in range(11)]], ids=["none", "one", "11"]
)
def test_names_on_one_picture_differ(names: list[str]) -> None:
    colours = np.array(list(colours_of(names).values()), np.int64).reshape(-1, 3)
    apart = [np.abs(one - other).max() for at, one in enumerate(colours) for other in colours[:at]]
    assert len(colours) == len(names)
    assert all(distance >= 25 for distance in apart)


def test_a_name_alone_has_its_own_colour() -> None:
    assert colours_of(["Acme"]) == {"Acme": colour_of_hue(hue_of("Acme"))}
