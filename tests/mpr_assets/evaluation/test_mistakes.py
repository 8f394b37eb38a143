from __future__ import annotations

import pytest

from mpr_assets.evaluation.mistakes import MistakenSpan, confusions, mistakes
from mpr_assets.evaluation.spans import FoundSpan, TruthSpan

TRUTH = {"acme": [TruthSpan(2000, 6000)], "bolt": [TruthSpan(0, 1000, optional=True)]}
Found = dict[str, list[FoundSpan]]
MISTAKES: dict[str, tuple[Found, list[MistakenSpan]]] = {
    "nothing found": ({}, [MistakenSpan("acme", "missed", 2500, 5500)]),
    "all found": ({"acme": [FoundSpan(2000, 6000)], "bolt": [FoundSpan(0, 1000)]}, []),
    "a gap, and a false one before it": (
        {"acme": [FoundSpan(0, 3000), FoundSpan(4000, 6000)]},
        [MistakenSpan("acme", "false", 0, 1500), MistakenSpan("acme", "missed", 3000, 4000)],
    ),
    "another brand, to the end": (
        {"acme": [FoundSpan(2000, 6000)], "zarn": [FoundSpan(8000, 8960)]},
        [MistakenSpan("zarn", "false", 8000, 8960)],
    ),
}


@pytest.mark.parametrize(("found", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes(found: Found, expected: list[MistakenSpan]) -> None:
    assert mistakes(TRUTH, found, 8960, tolerance_ms=500) == expected


def test_a_brand_that_is_claimed_while_another_is_missed_may_be_taken_for_it() -> None:
    assert confusions([]) == []
    wrong = [
        MistakenSpan("acme", "missed", 0, 3000),
        MistakenSpan("zarn", "false", 2000, 4000),
        MistakenSpan("bolt", "false", 0, 1000),
        MistakenSpan("zarn", "false", 0, 500),
        MistakenSpan("bolt", "missed", 5000, 6000),
    ]
    assert confusions(wrong) == [("acme", "zarn", 1500), ("acme", "bolt", 1000)]
