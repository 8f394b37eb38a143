"""What must be found, by the truth and by corrections."""

from __future__ import annotations

from typing import Any

import pytest

from mpr_assets.annotations.corrections import Correction
from mpr_assets.annotations.truth import Truth, TruthRow
from mpr_assets.evaluation.expected import expected_spans

BOX = {"x": 1, "y": 2, "w": 30, "h": 40}


def told(action: str, start_ms: int, end_ms: int, **more: Any) -> Correction:
    return Correction.model_validate(
        {"action": action, "brand": "Acme", "start_ms": start_ms, "end_ms": end_ms, **more}
    )


def truth(*rows: dict[str, Any]) -> Truth:
    made = [TruthRow.model_validate({"brand": "Acme", "start_ms": 2000, "end_ms": 6000, **row}) for row in rows]
    return Truth(file="t.csv", rows=tuple(made))


Spans = dict[str, list[tuple[int, int, bool]]]
EXPECTED: dict[str, tuple[Truth | None, list[Correction], Spans]] = {
    "nothing is known": (None, [], {}),
    "nothing is there": (truth(), [], {}),
    "a truth": (truth({}), [], {"acme": [(2000, 6000, False)]}),
    "of another kind": (truth({"kind": "logo"}), [], {"acme": [(2000, 6000, True)]}),
    "of either kind": (truth({"kind": None}), [], {"acme": [(2000, 6000, False)]}),
    "optional": (truth({"optional": True}), [], {"acme": [(2000, 6000, True)]}),
    "added to a truth": (
        truth({}),
        [told("add", 7000, 8000, box=BOX)],
        {"acme": [(2000, 6000, False), (7000, 8000, False)]},
    ),
    "rejected against a truth": (
        truth({}),
        [told("reject", 3000, 4000)],
        {"acme": [(2000, 3000, False), (4000, 6000, False)]},
    ),
    "rejected at one place": (truth({}), [told("reject", 3000, 4000, box=BOX)], {"acme": [(2000, 6000, False)]}),
    "relabelled against a truth": (
        truth({}),
        [told("relabel", 2000, 4000, to="Bolt")],
        {"acme": [(4000, 6000, False)], "bolt": [(2000, 4000, False)]},
    ),
    "added, without a truth": (
        None,
        [told("add", 7000, 8000, box=BOX)],
        {"acme": [(0, 9000, True), (7000, 8000, False)]},
    ),
    "rejected, without a truth": (
        None,
        [told("reject", 7000, 8000)],
        {"acme": [(0, 7000, True), (8000, 9000, True)]},
    ),
}


@pytest.mark.parametrize(("known", "corrections", "expected"), EXPECTED.values(), ids=EXPECTED.keys())
def test_what_must_be_found(known: Truth | None, corrections: list[Correction], expected: Spans) -> None:
    assert expected_spans(known, corrections, ("text",), 9000, str.casefold) == expected
