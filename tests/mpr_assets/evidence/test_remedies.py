from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import Field

from gpu_service.settings import Settings
from mpr_assets.evidence.remedies import Remedies, Remedy


class Knobs(Settings):
    """Settings of each kind."""

    least: float = Field(0.5, ge=0, le=1)
    letters: int = Field(4, ge=1, le=20)
    on: bool = Field(False)
    word: str = Field("a")
    above: float = Field(2.0, gt=0)


CASES: dict[str, tuple[Callable[[Knobs], bool], list[tuple[str, float, float]]]] = {
    "nothing helps": (lambda _: False, []),
    "a real number downwards": (lambda s: s.least <= 0.3, [("least", 0.5, 0.3)]),
    "a real number upwards": (lambda s: s.least >= 0.62, [("least", 0.5, 0.62)]),
    "between two steps": (lambda s: s.least <= 0.4321, [("least", 0.5, 0.43)]),
    "a whole number": (lambda s: s.letters <= 2, [("letters", 4, 2)]),
    "a whole number upwards, to the end": (lambda s: s.letters == 20, [("letters", 4, 20)]),
    "a switch": (lambda s: s.on, [("on", False, True)]),
    "two that each suffice": (lambda s: s.on or s.letters > 6, [("letters", 4, 7), ("on", False, True)]),
    "two that are both needed": (lambda s: s.on and s.letters > 6, []),
    "one without an end": (lambda s: s.above > 3, []),
}
"""What lets it through, and the remedies: setting, value now, value needed."""


@pytest.mark.parametrize("case", CASES)
def test_the_nearest_value_of_one_setting_that_lets_it_through(case: str) -> None:
    lets_through, expected = CASES[case]
    found = Remedies("stage", Knobs(), lets_through).among(Knobs.model_fields)
    assert [(one.setting, one.now, one.needed) for one in found] == expected


def test_a_remedy_is_written_as_an_assignment() -> None:
    assert Remedy("stage", "least", 0.5, 0.25).assignment == "least=0.25"
    assert Remedy("stage", "on", False, True).assignment == "on=true"
    assert Remedy("stage", "letters", 4, 2).assignment == "letters=2"
