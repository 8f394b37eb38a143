"""What one run has that its profile has not: settings laid over a stage's section, and the frames it is limited to.

How they are written on the command line, checked, and told apart from the profile. How the launchpad shows them is in
`mpr_assets.orchestration.launchpad`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gpu_service.errors import BadInput
from gpu_service.settings import Settings, current_names
from mpr_assets.engine.stage import Stage
from mpr_resources.profiles.profile import Profile
from mpr_resources.yaml_files.load import validate
from mpr_resources.yaml_files.syntax import parse

FRAMES = "frames"
"""The override that limits a stage to some frames."""


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

    def __contains__(self, seq: int) -> bool:
        return any(first <= seq <= last for first, last in self.spans)

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
        return frozenset(kept for seq, kept in kept_seqs.items() if seq in self)


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted spans with those that touch made one."""
    joined: list[tuple[int, int]] = []
    for first, last in spans:
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def parse_settings(stage: str, assignments: Iterable[str]) -> dict[str, Any]:
    """`key=value` of the command line, the values as YAML reads them.

    Raises:
        BadInput: one is not of that form, or a key is there twice.
    """
    settings: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise BadInput(
                f"{text!r} does not set anything", f"write it as key=value, with a setting of {stage} as key"
            )
        if key in settings:
            raise BadInput(f"{key} is set twice", "give it once")
        settings[key] = parse(f"the value of {key}", value)
    return settings


def resolve_settings(stage: Stage, profile: Profile, overrides: Mapping[str, Any]) -> Settings:
    """The profile's section with the overrides laid over it.

    Raises:
        BadInput: an override is unknown, out of its range, or there under its old name too; or frames are given to a
            stage that does not go by frames.
    """
    section = profile.section(stage.name)
    if FRAMES in overrides and not stage.per_frame:
        raise BadInput(f"{stage.name} does not go frame by frame", "leave its frames out")
    settings = current_names(stage.settings, {name: value for name, value in overrides.items() if name != FRAMES})
    if not settings:
        return section
    return validate(f"the overrides of {stage.name}", {**section.model_dump(), **settings}, stage.settings)


def differing(section: Settings, settings: Settings, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides that are not as the profile's section has it anyway, as their models spell them."""
    before, after = section.model_dump(mode="json"), settings.model_dump(mode="json")
    names = current_names(type(settings), overrides)
    different = {name: after[name] for name in names if name != FRAMES and after[name] != before[name]}
    return different | ({FRAMES: str(FrameChoice.parse(overrides[FRAMES]))} if FRAMES in overrides else {})
