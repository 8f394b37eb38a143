"""Names that a recogniser wrote as words it knows, and running English, in which none of them is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mpr_assets.text.sounds import TAG, SoundIndex, too_short
from mpr_resources.brands.brand_file import Brand
from mpr_resources.brands.folding import fold

ROOT = Path(__file__).parents[3]
NAMES = ("Mirvane", "Tessarune", "Heineken", "Duracell", "Wexmoor & Pike", "Skylorn Fly Further", "Betfair", "Zarn")
BRANDS = [*(Brand(name=name, tags=(TAG,)) for name in NAMES), Brand(name="Volkswagen")]
INDEX = SoundIndex(BRANDS)

HEARD = {  # what Whisper tiny.en wrote of the spoken name, or what sounds like none
    "": [],
    "tonight by mere vein": [("Mirvane", "mere vein")],
    "brought to you by Tess Arun": [("Tessarune", "tess arun")],
    "the board on high neckon": [("Heineken", "high neckon")],
    "the board of door a cell what a run": [("Duracell", "door a cell")],
    "past wexmore and pike": [("Wexmoor & Pike", "wexmore and pike")],
    "we have a skylorn flyfurther": [("Skylorn Fly Further", "skylorn flyfurther")],
    "but for that": [],
    "a siren": [],
    "folks wagon": [],
}


def found(text: str) -> list[tuple[str, str]]:
    words = [word.text for word in fold(text).words]
    nearest = sorted(INDEX.find(words), key=lambda one: one.edits)[:1]
    return [(one.name.brand, " ".join(words[one.start : one.end])) for one in nearest]


@pytest.mark.parametrize("text", HEARD)
def test_names_by_their_sound(text: str) -> None:
    assert found(text) == HEARD[text]


def test_none_in_running_english() -> None:
    pages = [path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))[:6]]
    text = " ".join(re.findall("[A-Za-z]+", " ".join(pages)))[:40_000]
    assert found(text) == []


def test_a_name_of_few_sounds_is_told() -> None:
    assert too_short(BRANDS) == ["zarn"]
    assert too_short([]) == []
