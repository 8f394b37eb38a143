from __future__ import annotations

from typing import Any

import pytest
from pydantic import AliasChoices, Field, ValidationError

from gpu_service.errors import BadInput
from gpu_service.host.registry import ROUTINES
from gpu_service.routines.ocr.engine import OcrSettings
from gpu_service.settings import Settings, current_names, old_names
from gpu_service.wire import OcrItem
from mpr_assets.definitions import SECTIONS


class Lamp(Settings):
    brightness: float = Field(1.0, gt=0, validation_alias=AliasChoices("brightness", "glow", "shine"))
    colour: str = "white"


NAMES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing": ({}, {}),
    "a present name": ({"brightness": 2.0}, {"brightness": 2.0}),
    "its last name": ({"glow": 2.0}, {"brightness": 2.0}),
    "the one before": ({"colour": "red", "shine": 2.0}, {"colour": "red", "brightness": 2.0}),
    "a name of none": ({"heat": 2.0}, {"heat": 2.0}),
}


@pytest.mark.parametrize("name", NAMES)
def test_old_names_become_present_ones(name: str) -> None:
    given, expected = NAMES[name]
    assert current_names(Lamp, given) == expected


@pytest.mark.parametrize("name", [name for name in NAMES if name != "a name of none"])
def test_a_setting_may_be_given_under_any_of_its_names(name: str) -> None:
    given, expected = NAMES[name]
    assert Lamp.model_validate(given) == Lamp(**expected)
    assert Lamp.model_validate(given).model_dump() == {"brightness": 1.0, "colour": "white"} | expected


DOUBLES: dict[str, tuple[dict[str, Any], str]] = {
    "new and old": (
        {"brightness": 2.0, "glow": 2.0},
        "`glow` is an old name of `brightness`, which is set twice that way; remove one of the two",
    ),
    "old and new": (
        {"glow": 2.0, "brightness": 2.0},
        "`glow` is an old name of `brightness`, which is set twice that way; remove one of the two",
    ),
    "two old ones": (
        {"glow": 2.0, "shine": 3.0},
        "`shine` is an old name of `brightness`, which is set twice that way; remove one of the two",
    ),
}


@pytest.mark.parametrize("name", DOUBLES)
def test_one_setting_under_two_names_is_refused(name: str) -> None:
    given, said = DOUBLES[name]
    with pytest.raises(BadInput) as error:
        current_names(Lamp, given)
    assert str(error.value) == said
    with pytest.raises(ValidationError) as refused:
        Lamp.model_validate(given)
    assert [str(one["ctx"]["error"]) for one in refused.value.errors()] == [said]


def test_the_settings_that_were_renamed() -> None:
    assert {
        f"{section}.{old}": name
        for section, model in SECTIONS.items()
        for name, field in model.model_fields.items()
        for old in old_names(field)
    } == {
        "run_ocr.heat_threshold": "det_threshold",
        "run_ocr.line_threshold": "det_box_threshold",
        "run_ocr.thorough_every": "full_scan_every",
    }


def test_what_an_older_client_sends_is_understood() -> None:
    assert OcrItem.model_validate_json('{"thorough": false}') == OcrItem(full_scan=False)
    sent = OcrSettings.model_validate_json('{"heat_threshold": 0.2, "line_threshold": 0.4}')
    assert sent == OcrSettings(det_threshold=0.2, det_box_threshold=0.4)


@pytest.mark.parametrize("name", ROUTINES)
def test_settings_of_a_routine_travel_as_strict_json(name: str) -> None:
    settings = ROUTINES[name].settings
    given = {"model": "any"} if name == "vlm" else {}
    made = settings.model_validate(given)
    assert settings.model_validate_json(made.model_dump_json(), strict=True) == made
