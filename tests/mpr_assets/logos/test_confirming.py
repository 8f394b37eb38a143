"""What a reading near a logo is worth: nothing, where it says something else."""

from __future__ import annotations

import pytest

from gpu_service.boxes import XYWH
from mpr_assets.logos.confirming import either, reading_near
from mpr_assets.text.layout import Line
from mpr_assets.text.name_index import NameIndex
from mpr_assets.text.names import Tolerance
from mpr_resources.brands.brand_file import Brand

LOGO: XYWH = (100, 100, 80, 40)
BESIDE: XYWH = (190, 105, 90, 30)
FAR: XYWH = (400, 100, 90, 30)
BRANDS = (Brand(name="Nespresso"), Brand(name="Velquora", exclude=("velquora street",)), Brand(name="HP"))
CASES: dict[str, tuple[str, list[tuple[str, float, XYWH]], float, float]] = {
    "nothing is read": ("Nespresso", [], 0.0, 0.0),
    "its name": ("Nespresso", [("NESPRESSO", 0.97, BESIDE)], 0.9, 1.0),
    "its name on the logo": ("Nespresso", [("NESPRESSO", 0.97, LOGO)], 0.9, 1.0),
    "its name elsewhere": ("Nespresso", [("NESPRESSO", 0.97, FAR)], 0.0, 0.0),
    "another name": ("Nespresso", [("VELQUORA", 0.97, BESIDE)], 0.0, 0.1),
    "two letters misread": ("Nespresso", [("NCSPRFSSO", 0.9, BESIDE)], 0.9, 0.97),
    "half of it": ("Velquora", [("VELQ", 0.9, BESIDE)], 0.0, 0.2),
    "a common word": ("Nespresso", [("ESPRESSO BAR", 0.98, BESIDE)], 0.0, 0.0),
    "a text that does not mean it": ("Velquora", [("Velquora Street", 0.98, BESIDE)], 0.0, 0.0),
    "one letter of a short name": ("HP", [("H", 0.98, BESIDE)], 0.0, 0.0),
    "the likest of several": ("Velquora", [("VEL", 0.9, BESIDE), ("VELQUORA", 0.95, LOGO)], 0.9, 1.0),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_reading_is_worth(name: str) -> None:
    brand, texts, least, most = CASES[name]
    lines = [Line(text, confidence, (), box, None, text) for text, confidence, box in texts]
    assert least <= reading_near(LOGO, brand, lines, NameIndex(BRANDS, Tolerance())) <= most


def test_signs_add_up() -> None:
    assert [either(0.0, 0.3), either(1.0, 0.3), either(0.5, 0.5)] == pytest.approx([0.3, 1.0, 0.75])
