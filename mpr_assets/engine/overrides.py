"""What one run has that its profile has not: settings laid over a stage's section, and the frames it is limited to.

How they are written on the command line and stored, and told apart from the profile. How they are laid over a stage's
section is in `mpr_assets.engine.open_run`; how the launchpad shows them, in `mpr_assets.orchestration.launchpad`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue, create_model

from gpu_service.errors import BadInput
from gpu_service.settings import Settings, current_names
from mpr_resources.yaml_files.load import validate
from mpr_resources.yaml_files.syntax import parse

FRAMES = "frames"
"""Where a record, the launchpad and `--set` have the frames, beside the settings."""


@dataclass(frozen=True)
class FrameChoice:
    """Some frames by their `seq`, as spans of first and last."""

    spans: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, text: str) -> FrameChoice:
        """`10,12,40-60` as a choice.

        Raises:
            BadInput: it is not of that form.
        """
        spans = []
        for part in text.split(","):
            form = re.fullmatch(r"\s*([0-9]{1,9})\s*(?:-\s*([0-9]{1,9})\s*)?", part)
            if form is None or int(form[2] or form[1]) < int(form[1]):
                raise BadInput(f"The frames {text!r} are not numbers and spans", "write them like 10,12,40-60")
            spans.append((int(form[1]), int(form[2] or form[1])))
        return cls(tuple(_joined(sorted(spans))))

    def __str__(self) -> str:
        return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in self.spans)

    def of(self, kept_seqs: Mapping[int, int]) -> frozenset[int]:
        """The kept frames that stand for the chosen ones.

        Args:
            kept_seqs: for every frame of the timeline the kept frame that stands for it.

        Raises:
            BadInput: a frame is not in the timeline.
        """
        last = max(kept_seqs, default=-1)
        if self.spans[-1][1] > last:
            there = f"has frames 0 to {last}" if kept_seqs else "has no frames"
            raise BadInput(f"The frames {self} are not all in the timeline, which {there}", "choose among those")
        chosen = itertools.chain.from_iterable(range(first, last + 1) for first, last in self.spans)
        return frozenset(kept_seqs[seq] for seq in chosen if seq in kept_seqs)


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted spans with those that touch made one."""
    joined: list[tuple[int, int]] = []
    for first, last in spans:
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


@dataclass(frozen=True)
class Overrides:
    """What one run has that its profile has not.

    Attributes:
        settings: laid over the stage's section of the profile.
        frames: the only ones that the stage goes over; None: all.
    """

    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    frames: FrameChoice | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, JsonValue]) -> Overrides:
        """Of what `record` gives.

        Raises:
            BadInput: the frames cannot be.
        """
        settings = {name: value for name, value in record.items() if name != FRAMES}
        return cls(settings, FrameChoice.parse(str(record[FRAMES])) if FRAMES in record else None)

    def record(self) -> dict[str, JsonValue]:
        """In one mapping, as tables, metadata and reports have them: the settings, and beside them `frames`."""
        return {**self.settings, **({} if self.frames is None else {FRAMES: str(self.frames)})}

    def __bool__(self) -> bool:
        return bool(self.settings) or self.frames is not None

    def __or__(self, other: Overrides) -> Overrides:
        """Both, where they differ as `other` has it."""
        return Overrides({**self.settings, **other.settings}, other.frames or self.frames)

    def under_current_names(self, model: type[Settings]) -> Overrides:
        """The same, settings that are given under an old name under the one that the model has now.

        Raises:
            BadInput: a setting is given under two of its names.
        """
        return Overrides(current_names(model, self.settings), self.frames)

    def differing(self, section: Settings, settings: Settings) -> Overrides:
        """Without those that are as the profile's section has them anyway, spelled as the stage's model does.

        `settings`: the section with these overrides laid over it.
        """
        before, after = section.model_dump(mode="json"), settings.model_dump(mode="json")
        return Overrides({name: value for name, value in after.items() if value != before[name]}, self.frames)


NO_OVERRIDES = Overrides()


def check_alone(stage: str, model: type[Settings], overrides: Overrides) -> None:
    """Check each setting of overrides by itself, where the profile that they are laid over is not at hand.

    Raises:
        BadInput: one is unknown, of another type or out of its range.
    """
    settings = overrides.under_current_names(model).settings
    fields: dict[str, Any] = {
        name: (info.annotation, info) for name, info in model.model_fields.items() if name in settings
    }
    validate(f"the overrides of {stage}", dict(settings), create_model(model.__name__, __base__=Settings, **fields))


def parse_overrides(stage: str, assignments: Iterable[str]) -> Overrides:
    """`key=value` of the command line, the values as YAML reads them.

    Raises:
        BadInput: one is not of that form, or a key is there twice.
    """
    record: dict[str, JsonValue] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise BadInput(
                f"{text!r} does not set anything", f"write it as key=value, with a setting of {stage} as key"
            )
        if key in record:
            raise BadInput(f"{key} is set twice", "give it once")
        record[key] = parse(f"the value of {key}", value)
    return Overrides.from_record(record)
