from __future__ import annotations

from typing import Any

import pytest
from pydantic import AliasChoices, Field

from gpu_service.settings import Settings
from mpr_assets.definitions import STAGES
from mpr_assets.engine.first_settings import FIRST_SETTINGS
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.versions import config_version, fingerprint, hashed_settings


class Empty(Settings):
    pass


class Size(Settings):
    width_px: int = 64
    height_px: int = 48


class Later(StageSettings):
    """Of a stage that came after the rule."""

    speed: float = 1.0
    size: Size = Size()
    named_anew: int = Field(3, validation_alias=AliasChoices("named_anew", "second", "first"))


class Grown(StageSettings):
    """Of `timeline`, whose `enabled` is older than the rule."""

    speed: float = 1.0


SETTINGS: dict[str, tuple[str, Settings, dict[str, Any]]] = {
    "no settings": ("later", Empty(), {}),
    "all have their defaults": ("later", Later(), {}),
    "a default written out": ("later", Later(speed=1), {}),
    "one has not": ("later", Later(speed=2), {"speed": 2.0}),
    "a part of one has not": ("later", Later(size=Size(width_px=32)), {"size": {"width_px": 32}}),
    "one that was renamed twice": ("later", Later.model_validate({"named_anew": 4}), {"first": 4}),
    "one under an old name": ("later", Later.model_validate({"second": 4}), {"first": 4}),
    "an old name with the default": ("later", Later.model_validate({"first": 3}), {}),
    "older than the rule": ("timeline", Grown(), {"enabled": True}),
    "older and newer": ("timeline", Grown(enabled=False, speed=2), {"enabled": False, "speed": 2.0}),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_as_they_are_hashed(case: str) -> None:
    stage, settings, expected = SETTINGS[case]
    assert hashed_settings(stage, settings) == expected


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_settings_older_than_the_rule_are_still_there_under_their_first_names(stage: Any) -> None:
    assert FIRST_SETTINGS.get(stage.name, frozenset()) <= hashed_settings(stage.name, stage.settings()).keys()


VERSIONS = {
    "nothing": (({}, {}), "d827049039f82a8b65a9b0f52e637cf3bc5d1e0dec7d6198edf901a5e3dcae7d"),
    "settings and a model": (
        ({"fps": 2.0}, {"model": "m"}),
        "9ea447bbf1c0f159771905164283d69e7538a3fc7d485b83326e23dad60df7f7",
    ),
    "switched off, whatever else": (
        ({"enabled": False, "fps": 2.0}, {"model": "m"}),
        "5acf3ff77b4420677b5923071f303facaba7a9273a346284a667a275df325146",
    ),
}


@pytest.mark.parametrize("case", VERSIONS)
def test_config_version_of(case: str) -> None:
    """Written down, so that it stays what installations have observed."""
    arguments, expected = VERSIONS[case]
    assert config_version(*arguments) == expected


BASE: dict[str, Any] = {
    "stage": "a", "code_version": "1", "settings": {"x": 1}, "upstream": {"b": "v"}, "skipped": None, "only": None
}  # fmt: skip
OTHER: dict[str, dict[str, Any]] = {
    "stage": {"stage": "b"},
    "code version": {"code_version": "2"},
    "settings": {"settings": {"x": 2}},
    "an input": {"upstream": {"b": "w"}},
    "switched off": {"skipped": "why"},
    "some frames": {"only": {1, 2}},
    "no frames": {"only": set()},
}


def test_fingerprint_is_what_stored_results_have() -> None:
    assert fingerprint(**BASE) == "d142142cff16cbf958ac675c0355e3717c10c74c2163bd0623d78255b2afa744"
    assert fingerprint(**BASE | {"only": {2, 1}}) == fingerprint(**BASE | {"only": [1, 2]})


@pytest.mark.parametrize("case", OTHER)
def test_fingerprint_follows(case: str) -> None:
    assert fingerprint(**BASE | OTHER[case]) != fingerprint(**BASE)
