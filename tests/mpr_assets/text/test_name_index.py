"""The index at work on many brands; what it takes for a name is in `tests/mpr_assets/stages/test_match_brands.py`."""

from __future__ import annotations

import itertools

from mpr_assets.text.name_index import NameIndex
from mpr_assets.text.names import Tolerance
from mpr_resources.brands.brand_file import Brand

SYLLABLES = ("za", "ko", "li", "mer", "tun", "vax", "ro", "bel")
BRANDS = [
    *(Brand(name="".join(parts).capitalize()) for parts in itertools.product(SYLLABLES, repeat=3)),
    *(Brand(name=" ".join(parts).title()) for parts in itertools.product(SYLLABLES, repeat=3)),
    Brand(name="Bank of Tunzako"),
]
TEXTS = [
    "",
    "Zakoli",
    "ZAKOIJ",
    "belvaxro tun",
    "za ko li mer",
    "xxBankofTunzako",
    "Bank of Tunza",
    "42",
    "tunlibel arena",
]


def test_texts_give_the_same_one_by_one_as_all_at_once() -> None:
    at_once, alone = (NameIndex(BRANDS, Tolerance()) for _ in range(2))
    at_once.read(TEXTS)
    assert [at_once[text] for text in TEXTS] == [alone[text] for text in reversed(TEXTS)][::-1]


def test_names_of_several_words_are_found_glued_to_other_text() -> None:
    index = NameIndex(BRANDS, Tolerance())
    assert ("Bank of Tunzako", 0.0) in [(hit.name.brand, hit.cost) for hit in index["xxBank of Tunzako"].hits]
