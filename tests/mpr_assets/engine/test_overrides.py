from __future__ import annotations

from typing import Any

import pytest

from gpu_service.errors import BadInput
from mpr_assets.definitions import SECTIONS, STAGES
from mpr_assets.engine.open_run import resolve_settings
from mpr_assets.engine.overrides import FrameChoice, Overrides, parse_overrides
from mpr_assets.orchestration.launchpad import as_config, from_config, overrides_model
from mpr_resources.profiles.profile import profile_model

BY_NAME = {stage.name: stage for stage in STAGES}
PROFILE = profile_model(SECTIONS)()

CHOICES = {
    "one": ("7", "7"),
    "several": ("10,12,40-60", "10,12,40-60"),
    "unordered, with spaces": (" 12 , 10", "10,12"),
    "that touch": ("1,2,3", "1-3"),
    "that overlap": ("5-9,0-6", "0-9"),
    "twice": ("4,4", "4"),
}


@pytest.mark.parametrize("name", CHOICES)
def test_frames_are_chosen(name: str) -> None:
    text, expected = CHOICES[name]
    assert str(FrameChoice.parse(text)) == expected


@pytest.mark.parametrize("text", ["", ",", "a", "1-", "-1", "5-3", "1.5", "1 2", "9999999999"])
def test_frames_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="are not numbers and spans; write them like 10,12,40-60"):
        FrameChoice.parse(text)


KEPT = {0: 0, 1: 0, 2: 2, 3: 3}


@pytest.mark.parametrize(
    ("text", "seqs"),
    [("0", {0}), ("1", {0}), ("1-2", {0, 2}), ("0-3", {0, 2, 3})],
    ids=["kept", "dropped", "both", "all"],
)
def test_a_dropped_frame_is_stood_for(text: str, seqs: set[int]) -> None:
    assert FrameChoice.parse(text).of(KEPT) == seqs


@pytest.mark.parametrize(
    ("kept", "said"),
    [({}, "which has no frames"), (KEPT, "which has frames 0 to 3")],
    ids=["no frames", "too late a frame"],
)
def test_frames_beyond_the_timeline_are_refused(kept: dict[int, int], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        FrameChoice.parse("2,4").of(kept)


ASSIGNMENTS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "none": ([], {}),
    "a number": (["fps=2.5"], {"fps": 2.5}),
    "true": (["straighten=true"], {"straighten": True}),
    "text that is no boolean": (["detector=on"], {"detector": "on"}),
    "nothing": (["max_height_px=null", "shot_threshold="], {"max_height_px": None, "shot_threshold": None}),
    "a list": (["engines=[logo_match, yolo]"], {"engines": ["logo_match", "yolo"]}),
    "frames": (["frames=3", "fps=2"], {"frames": "3", "fps": 2}),
    "an equals sign in the value": (["prompt='a=b'"], {"prompt": "a=b"}),
}


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_settings_of_the_command_line(name: str) -> None:
    texts, expected = ASSIGNMENTS[name]
    assert parse_overrides("a_stage", texts).record() == expected


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["fps"], "'fps' does not set anything; write it as key=value, with a setting of a_stage as key."),
        (["=2"], "'=2' does not set anything"),
        (["fps=1", "fps=2"], "fps is set twice; give it once."),
        (["fps=[1"], "the value of fps, line 1, column 3: this is not YAML"),
    ],
    ids=["no value", "no key", "twice", "no YAML"],
)
def test_settings_of_the_command_line_that_cannot_be(texts: list[str], said: str) -> None:
    with pytest.raises(BadInput) as error:
        parse_overrides("a_stage", texts)
    assert str(error.value).startswith(said)


CONFIGS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "settings": {"fps": 2.0, "allow_damage": False},
    "one that is none": {"max_height_px": None},
    "frames": {"frames": "1-3", "enabled": True},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_launchpad_and_back(name: str) -> None:
    config = as_config(Overrides.from_record(CONFIGS[name]))
    assert None not in config.values()
    assert from_config({"other": None, "set_to_none": None} | config).record() == CONFIGS[name]


def test_the_launchpad_offers_frames_and_none_where_they_mean_something() -> None:
    offers = {
        stage.name: set(overrides_model(stage).model_fields) - set(stage.settings.model_fields) for stage in STAGES
    }
    assert {name for name, fields in offers.items() if "frames" in fields} == {
        "field_segmentation",
        "detect_edges",
        "detect_objects",
        "preprocess",
        "run_ocr",
        "match_brands",
        "motion",
        "visual_properties",
    }
    assert {name for name, fields in offers.items() if "set_to_none" in fields} >= {"extract_frames", "filter_scenes"}
    assert offers["run_ocr"] == {"as_in_profile", "frames", "heat_threshold", "line_threshold", "thorough_every"}


DIFFERENT: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "nothing": ("extract_frames", {}, {}),
    "as in the profile": ("extract_frames", {"fps": 2, "max_height_px": 2160}, {}),
    "one of two": ("extract_frames", {"fps": 2, "jpeg_quality": 80}, {"jpeg_quality": 80}),
    "none": ("extract_frames", {"max_height_px": None}, {"max_height_px": None}),
    "frames": ("detect_edges", {"frames": "2,1"}, {"frames": "1-2"}),
    "a list": ("detect_objects", {"engines": ["logo_match"]}, {}),
    "under its old name": ("run_ocr", {"heat_threshold": 0.2}, {"det_threshold": 0.2}),
    "under its old name, as in the profile": ("run_ocr", {"thorough_every": 8}, {}),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_is_as_in_the_profile_is_no_override(name: str) -> None:
    stage, record, expected = DIFFERENT[name]
    overrides = Overrides.from_record(record)
    settings = resolve_settings(BY_NAME[stage], PROFILE, overrides)
    assert overrides.differing(PROFILE.section(stage), settings).record() == expected


@pytest.mark.parametrize(
    ("stage", "overrides", "said"),
    [
        ("match_brands", {"min_confidenc": 1}, "did you mean `min_confidence`?"),
        ("match_brands", {"min_confidence": 7}, "min_confidence is 7, which is out of range; give 0 to 1."),
        ("extract_frames", {"frames": "1"}, "extract_frames does not process single frames; leave its frames out."),
        ("extract_frames", {"fps": None}, "the overrides of extract_frames: fps"),
        ("run_ocr", {"line_threshold": 0.2, "det_box_threshold": 0.2}, "`line_threshold` is an old name of"),
        ("run_ocr", {"line_threshold": 7}, "det_box_threshold is 7, which is out of range"),
    ],
    ids=[
        "a key that is none",
        "out of range",
        "frames of a stage that has none",
        "none where a number must be",
        "under both its names",
        "out of range under its old name",
    ],
)
def test_overrides_that_cannot_be(stage: str, overrides: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as error:
        resolve_settings(BY_NAME[stage], PROFILE, Overrides.from_record(overrides))
    assert said in str(error.value)
