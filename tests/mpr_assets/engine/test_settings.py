from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import AliasChoices, Field

from gpu_service.settings import Settings
from mpr_assets.definitions import SECTIONS, STAGES
from mpr_assets.engine.settings import differing_settings, limits, without_effect
from mpr_resources.profiles.folder import Profiles
from tests.test_architecture import ROOT

RANGES = {
    "none": ("timeline", "enabled", []),
    "both ends": ("extract_frames", "jpeg_quality", ["1 to 100"]),
    "an open end": ("extract_frames", "fps", ["more than 0 and at most 60"]),
    "one end": ("escalate_cloud", "max_usd_day", ["at least 0"]),
    "steps": ("detect_objects", "object_side_px", ["32 to 4096 and a multiple of 32"]),
    "choices": ("filter_scenes", "detector", ["one of content, adaptive, hash, histogram"]),
    "choices of a list": (
        "detect_objects",
        "engines",
        ["one of logo_match, logo_embed, owlv2, grounding_dino, yolo, onnx, clip, siglip, dinov2"],
    ),
}


@pytest.mark.parametrize("case", RANGES)
def test_what_a_setting_may_be(case: str) -> None:
    stage, name, said = RANGES[case]
    assert limits(SECTIONS[stage].model_fields[name]) == said


IDLE: dict[str, tuple[str, Mapping[str, Any], str | None, list[str]]] = {
    "nothing given": ("run_ocr", {}, "it is off", []),
    "all have one": ("extract_frames", {"fps": 1}, None, []),
    "the stage is off": (
        "run_ocr",
        {"enabled": False, "extend": 0, "threads": 1},
        "it is off",
        ["run_ocr.extend, run_ocr.threads have no effect: it is off."],
    ),
    "off and nothing else": ("run_ocr", {"enabled": False}, "it is off", []),
    "another engine's model": (
        "run_ocr",
        {"paddle_reader": "r"},
        None,
        ["run_ocr.paddle_reader has no effect: engine is rapidocr."],
    ),
    "the engine's own": ("run_ocr", {"paddle_reader": "r", "engine": "paddleocr"}, None, []),
    "no quick scans": (
        "run_ocr",
        {"quick_share": 1, "warm_threshold": 0.1},
        None,
        ["run_ocr.warm_threshold has no effect: quick_share is 1: there are no quick scans."],
    ),
    "engines that are not run": (
        "detect_objects",
        {"logo_threshold": 0.4, "clip_threshold": 0.7, "object_overlap": 0.4},
        None,
        ["detect_objects.clip_threshold, detect_objects.object_overlap have no effect: engines is logo_match."],
    ),
    "what two engines share": ("detect_objects", {"engines": ["onnx"], "object_overlap": 0.4}, None, []),
    "no next model": (
        "escalate_cloud",
        {"next_below": 0.4},
        None,
        ["escalate_cloud.next_below has no effect: models names one model alone."],
    ),
    "an answer that is chosen": (
        "escalate_vlm",
        {"choose": True, "max_tokens": 9},
        None,
        ["escalate_vlm.max_tokens has no effect: choose is true."],
    ),
}


@pytest.mark.parametrize("case", IDLE)
def test_settings_without_effect_are_named(case: str) -> None:
    stage, settings, off, said = IDLE[case]
    section = SECTIONS[stage].model_validate(settings)
    assert without_effect(stage, section, section.model_fields_set, off) == said


@pytest.mark.parametrize("stage", SECTIONS)
def test_what_has_no_effect_is_a_setting(stage: str) -> None:
    for settings in ({}, {"choose": True}, {"engines": []}, {"quick_share": 1}):
        known = {name: value for name, value in settings.items() if name in SECTIONS[stage].model_fields}
        assert SECTIONS[stage].model_validate(known).without_effect().keys() <= SECTIONS[stage].model_fields.keys()


def test_the_profiles_that_come_with_mpr_set_nothing_in_vain() -> None:
    folder = Profiles(ROOT / "profiles", SECTIONS)
    for name in folder.names():
        profile = folder.load(name)
        for stage in STAGES:
            section = stage.section(profile)
            off = None if section.enabled else "it is off"
            assert without_effect(stage.name, section, section.model_fields_set, off) == [], name


class Lamp(Settings):
    brightness: float = Field(1.0, validation_alias=AliasChoices("brightness", "glow"))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, {}),
        ({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 3, "d": 4}, {"b": (2, 3), "c": (3, None), "d": (None, 4)}),
        ({"glow": 1}, {"brightness": 1}, {}),
        ({"glow": 1}, {"brightness": 2}, {"brightness": (1, 2)}),
    ],
    ids=["none", "each way", "renamed", "renamed and changed"],
)
def test_differing_settings(
    before: dict[str, int], after: dict[str, int], expected: dict[str, tuple[int | None, int | None]]
) -> None:
    assert differing_settings(Lamp, before, after) == expected
