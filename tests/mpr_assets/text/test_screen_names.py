"""Which texts on screen are names to be told to who hears what is said at that time."""

from __future__ import annotations

import polars as pl
import pytest

from mpr_assets.text.screen_names import MOST_NAMES, ScreenNames

SECONDS = 10
FRAMES = pl.DataFrame({"seq": range(SECONDS), "timeline_ms": [1000 * seq for seq in range(SECONDS)]})
EVERY = pl.DataFrame({"seq": range(SECONDS), "kept_seq": range(SECONDS)})
LINES = {"seq": pl.Int64, "text": pl.Utf8, "confidence": pl.Float64}
Line = tuple[int, str, float]


def names(lines: list[Line], start_s: int = 0, end_s: int = SECONDS, scenes: pl.DataFrame = EVERY) -> tuple[str, ...]:
    table = pl.DataFrame(lines, schema=LINES, orient="row")
    return ScreenNames(table, FRAMES, scenes, ("en",)).between(1000 * start_s, 1000 * end_s)


def twice(*texts: str) -> list[Line]:
    return [(seq, text, 0.9) for seq in (2, 3) for text in texts]


READ: dict[str, tuple[list[Line], tuple[str, ...]]] = {
    "nothing": ([], ()),
    "a name": (twice("Zubrowka Lager"), ("Zubrowka Lager",)),
    "a name in common words": (twice("fly Zubrowka"), ("fly Zubrowka",)),
    "common words": (twice("welcome back", "GOAL", "The best game"), ()),
    "a sentence": (twice("Zubrowka is what we all drink"), ()),
    "figures": (twice("12:45", "0-2", "45678ab"), ()),
    "two letters": (twice("ZX"), ()),
    "once": ([(2, "Zubrowka", 0.9)], ()),
    "twice on one frame": ([(2, "Zubrowka", 0.9), (2, "Zubrowka", 0.9)], ()),
    "unsure": ([(2, "Zubrowka", 0.9), (3, "Zubrowka", 0.7)], ()),
    "with what is at its ends": (twice("- Zubrowka, Lager! "), ("Zubrowka Lager",)),
    "spelt as most often": (
        [(1, "Zubrowka", 0.9), (2, "ZUBROWKA", 0.9), (3, "ZUBROWKA", 0.9)],
        ("ZUBROWKA",),
    ),
    "most frames first": ([*twice("Kwikfit", "Zubrowka"), (4, "Zubrowka", 0.9)], ("Zubrowka", "Kwikfit")),
}


@pytest.mark.parametrize("case", READ)
def test_names_on_screen(case: str) -> None:
    lines, expected = READ[case]
    assert names(lines) == expected


def test_only_what_is_on_screen_then() -> None:
    lines = twice("Zubrowka")
    assert [names(lines, start, end) for start, end in [(0, 3), (2, 4), (3, 9), (4, 9)]] == [(), ("Zubrowka",), (), ()]


def test_a_kept_frame_stands_for_others() -> None:
    scenes = pl.DataFrame({"seq": range(SECONDS), "kept_seq": [2 if 2 <= seq < 6 else seq for seq in range(SECONDS)]})
    assert names([(2, "Zubrowka", 0.9)], 4, 6, scenes) == ("Zubrowka",)
    assert names(twice("Zubrowka"), scenes=scenes.clear()) == ("Zubrowka",), "filter_scenes is off"


def test_no_more_than_are_heard() -> None:
    texts = [f"Zubrowka{chr(97 + number)}" for number in range(MOST_NAMES + 1)]
    assert names(twice(*reversed(texts))) == tuple(texts[:-1])
