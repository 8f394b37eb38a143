"""The defaults of all settings, as they were at each stage's code version.

A setting that has its default is in no hash (see `mpr_assets.engine.versions`), so that a default cannot be changed
without a new code version: what is stored would be taken for what the new default makes. `defaults.json` is written
anew by `python -m tests.mpr_assets.engine.test_defaults`, after the versions are right.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from mpr_assets.definitions import STAGES

FILE = Path(__file__).with_name("defaults.json")
WRITE = "python -m tests.mpr_assets.engine.test_defaults"

Defaults: TypeAlias = Mapping[str, Mapping[str, Any]]
"""By stage: its code version, and its settings' defaults."""


def defaults() -> dict[str, dict[str, Any]]:
    """As they are now."""
    return {
        stage.name: {"code_version": stage.code_version, "settings": stage.settings().model_dump(mode="json")}
        for stage in STAGES
    }


def complaints(recorded: Defaults, now: Defaults) -> list[str]:
    """What is to be done, a sentence for each thing."""
    said = [f"{stage} is not in {FILE.name}; run {WRITE}." for stage in sorted({*recorded} ^ {*now})]
    for stage in sorted({*recorded} & {*now}):
        version, before, after = now[stage]["code_version"], recorded[stage]["settings"], now[stage]["settings"]
        if version != recorded[stage]["code_version"]:
            said.append(f"{stage} has the code version {version}; run {WRITE}.")
            continue
        said += [
            f"{stage}.{name} had the default {before[name]!r} and now has {after.get(name, 'none')!r}, but the code "
            f"version is still {version}: count CODE_VERSION of {stage} up, then run {WRITE}."
            for name in sorted(before)
            if name not in after or before[name] != after[name]
        ]
        said += [
            f"{stage}.{name} is new: see that its default means what was done before (if not, count CODE_VERSION up), "
            f"then run {WRITE}."
            for name in sorted(after.keys() - before.keys())
        ]
    return said


def of(version: str, **settings: Any) -> dict[str, dict[str, Any]]:
    return {"a": {"code_version": version, "settings": settings}}


RUN = f"run {WRITE}."
COMPLAINTS: dict[str, tuple[Defaults, Defaults, list[str]]] = {
    "no stages": ({}, {}, []),
    "as recorded": (of("1", x=1), of("1", x=1), []),
    "a new stage": ({}, of("1", x=1), [f"a is not in defaults.json; {RUN}"]),
    "a stage less": (of("1", x=1), {}, [f"a is not in defaults.json; {RUN}"]),
    "another default": (
        of("1", x=1),
        of("1", x=2),
        [
            "a.x had the default 1 and now has 2, but the code version is still 1: count CODE_VERSION of a up, "
            f"then {RUN}"
        ],
    ),
    "another default and another version": (of("1", x=1), of("1.1", x=2), [f"a has the code version 1.1; {RUN}"]),
    "a setting less": (
        of("1", x=1),
        of("1"),
        [
            "a.x had the default 1 and now has 'none', but the code version is still 1: count CODE_VERSION of a up, "
            f"then {RUN}"
        ],
    ),
    "a setting more": (
        of("1"),
        of("1", x=1),
        [f"a.x is new: see that its default means what was done before (if not, count CODE_VERSION up), then {RUN}"],
    ),
}


@pytest.mark.parametrize("case", COMPLAINTS)
def test_complaints(case: str) -> None:
    recorded, now, expected = COMPLAINTS[case]
    assert complaints(recorded, now) == expected


def test_no_default_changed_without_a_new_code_version() -> None:
    found = complaints(json.loads(FILE.read_text()), defaults())
    assert not found, "\n".join(found)


if __name__ == "__main__":
    FILE.write_text(json.dumps(defaults(), indent=1, ensure_ascii=False) + "\n")
