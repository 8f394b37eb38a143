"""Which single setting, set to which value nearest to what it is, would let something through.

What is to be let through is tried with the function that decides it in a run, so that what is said here holds there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from gpu_service.settings import Settings

SettingsOf = TypeVar("SettingsOf", bound=Settings)

FLOAT_STEPS = 200
"""A range of real numbers is looked at in so many steps, and then for a number that one would write."""
DECIMALS = 4


@dataclass(frozen=True)
class Remedy:
    """A setting of a stage that would let it through: `now` as it is, `needed` as it would have to be."""

    stage: str
    setting: str
    now: float | bool
    needed: float | bool

    @property
    def assignment(self) -> str:
        needed = str(self.needed).lower() if isinstance(self.needed, bool) else f"{self.needed:g}"
        return f"{self.setting}={needed}"


@dataclass(frozen=True)
class Remedies(Generic[SettingsOf]):
    """Looks for remedies. `lets_through`: whether these settings would."""

    stage: str
    settings: SettingsOf
    lets_through: Callable[[SettingsOf], bool]

    def among(self, names: Iterable[str]) -> list[Remedy]:
        """A remedy for each of these settings that has one, alone."""
        return [one for name in names if (one := self._of(name)) is not None]

    def _of(self, name: str) -> Remedy | None:
        now = getattr(self.settings, name)
        info = type(self.settings).model_fields[name]
        if isinstance(now, bool):
            return Remedy(self.stage, name, now, not now) if self._works(name, not now) else None
        if not isinstance(now, int | float):
            return None
        needed = [
            value
            for end in _ends(info)
            if end != now and self._works(name, end)
            for value in [self._nearest(name, now, end)]
        ]
        best = min(needed, key=lambda value: abs(value - now), default=None)
        return None if best is None else Remedy(self.stage, name, now, best)

    def _nearest(self, name: str, now: float, end: float) -> float:
        """The value nearest to `now` that works, of real numbers one with few decimals; `end` works."""
        whole = isinstance(now, int) and isinstance(end, int)
        steps = abs(end - now) if whole else FLOAT_STEPS
        step = (end - now) / steps
        low, high = 0, int(steps)  # low does not work, high does
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._works(name, _at(now, step, middle, whole)) else (middle, high)
        return _at(now, step, high, whole) if whole else self._round(name, now + step * low, now + step * high, end)

    def _round(self, name: str, low: float, high: float, end: float) -> float:
        """The number with fewest decimals beyond `low`, not beyond `high`, that works."""
        towards_low: Callable[[float], int] = math.floor if high > low else math.ceil
        for decimals in range(DECIMALS + 1):
            scale = float(10**decimals)
            value = towards_low(high * scale) / scale
            if abs(value - high) < abs(low - high) and self._works(name, value):
                return value
        return high if self._works(name, high) else end

    def _works(self, name: str, value: float | bool) -> bool:
        try:
            changed = type(self.settings).model_validate({**self.settings.model_dump(), name: value})
        except ValidationError:  # not with the other settings as they are
            return False
        return self.lets_through(changed)


def _at(now: float, step: float, number: int, whole: bool) -> float:
    """`number` steps from `now`."""
    return round(now + step * number) if whole else now + step * number


def _ends(info: FieldInfo) -> Iterator[float]:
    """The ends of a setting's range, as far as it has any."""
    for one in info.metadata:
        for end in ("ge", "le"):
            value = getattr(one, end, None)
            if isinstance(value, int | float):
                yield value
