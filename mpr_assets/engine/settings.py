"""What every stage's section of a profile has; what a setting may be, which differ, and which have no effect.

The settings of one stage are in its file in `mpr_assets.stages`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import Field, JsonValue
from pydantic.fields import FieldInfo
from typing_extensions import TypeVar

from gpu_service.settings import Settings, current_names

ENDS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most", "multiple_of": "a multiple of"}
"""How the limits that a setting's model has are told."""


class StageSettings(Settings):
    """What every stage's section of a profile has."""

    enabled: bool = Field(True, description="false: the stage is skipped and materializes an empty table")


SettingsT = TypeVar("SettingsT", bound=StageSettings, default=StageSettings, covariant=True)
"""The settings of one stage. `Stage` and `StageRun` without it are of any stage, whose own settings are not known."""


def limits(info: FieldInfo) -> list[str]:
    """What a setting may be: its choices, the ends of its range."""
    options = [one for kind in _kinds(info.annotation) if get_origin(kind) is Literal for one in get_args(kind)]
    choices = [f"one of {', '.join(map(str, options))}"] if len(options) > 1 else []
    ends = {name: getattr(one, name) for one in info.metadata for name in ENDS if getattr(one, name, None) is not None}
    told = [f"{ends.pop('ge')} to {ends.pop('le')}"] if {"ge", "le"} <= ends.keys() else []
    told += [f"{ENDS[name]} {end}" for name, end in ends.items()]
    return choices + ([" and ".join(told)] if told else [])


def _kinds(annotation: Any) -> Iterator[Any]:
    """The type itself, or those of a union and of a tuple's items."""
    yield annotation
    if get_origin(annotation) is not Literal:
        for one in get_args(annotation):
            yield from _kinds(one)


def differing_settings(
    model: type[Settings], before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]
) -> dict[str, tuple[JsonValue, JsonValue]]:
    """Settings that are not the same, as (before, after); None where one has none.

    `model`: of these settings; it knows their old names.
    """
    before, after = current_names(model, before), current_names(model, after)
    names = sorted({*before, *after})
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def without_effect(stage: str, section: Settings, names: Collection[str], off: str | None) -> list[str]:
    """A sentence for each reason for which some of these settings of a stage have no effect.

    Args:
        section: the settings as they are resolved.
        names: those that somebody has given.
        off: why the stage is switched off; None: it is not.
    """
    if off is not None:
        reasons = dict.fromkeys(names, off)
        reasons.pop("enabled", None)
    else:
        reasons = {name: reason for name, reason in section.without_effect().items() if name in names}
    return [_sentence(stage, reasons, reason) for reason in dict.fromkeys(reasons.values())]


def _sentence(stage: str, reasons: Mapping[str, str], reason: str) -> str:
    idle = sorted(name for name, why in reasons.items() if why == reason)
    verb = "has" if len(idle) == 1 else "have"
    return f"{', '.join(f'{stage}.{name}' for name in idle)} {verb} no effect: {reason}."
