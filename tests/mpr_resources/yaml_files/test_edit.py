from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gpu_service.errors import BadInput
from mpr_assets.definitions import ROOT, SECTIONS
from mpr_resources.profiles.folder import Profiles
from mpr_resources.yaml_files.edit import with_values

EDITS: dict[str, tuple[str, dict[str, Any], str]] = {
    "an empty file": ("", {"x": 1}, "s:\n  x: 1\n"),
    "nothing to set": ("s:\n  x: 1  # one\n", {}, "s:\n  x: 1  # one\n"),
    "a value": ("# head\ns:\n  x: 1  # one\n  y: 'a'\n", {"x": 2}, "# head\ns:\n  x: 2  # one\n  y: 'a'\n"),
    "a new key before the next section": (
        "s:\n  x: 1  # one\n\n# next\nt:\n  z: 1\n",
        {"y": 2},
        "s:\n  x: 1  # one\n  y: 2\n\n# next\nt:\n  z: 1\n",
    ),
    "a new section": ("t:\n  z: 1\n", {"y": 2}, "t:\n  z: 1\n\ns:\n  y: 2\n"),
    "a section in braces": ("s: {x: 1} # one\n", {"y": True}, "s: {x: 1, y: true} # one\n"),
    "an empty section": ("s:\nt: 1\n", {"y": 2}, "s:\n  y: 2\nt: 1\n"),
    "four spaces": ("t:\n    z: 1\ns:\n    x: 1\n", {"y": 2}, "t:\n    z: 1\ns:\n    x: 1\n    y: 2\n"),
    "text that looks like something else": (
        "s:\n  x: 1\n",
        {"y": "true", "z": "1"},
        "s:\n  x: 1\n  y: 'true'\n  z: '1'\n",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_values_are_written_and_all_else_stays(name: str) -> None:
    text, values, expected = EDITS[name]
    assert with_values(text, "s", values) == expected
    assert yaml.safe_load(expected)["s"].items() >= values.items()


@pytest.fixture
def profiles(tmp_path: Path) -> Profiles:
    for path in (ROOT / "profiles").glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return Profiles(tmp_path, SECTIONS)


@pytest.mark.parametrize("name", ["generic", "soccer_broadcast", "tv_ads"])
@pytest.mark.parametrize(
    ("stage", "settings"),
    [
        ("extract_frames", {"fps": 1.5, "max_height_px": None}),
        ("match_brands", {"min_confidence": 0.75}),
        ("detect_objects", {"engines": ["yolo", "logo_match"]}),
        ("detect_edges", {"edge_canny_low": 30}),
    ],
    ids=["a section that is there", "one that may not be", "a list", "one that may be off"],
)
def test_a_profile_is_duplicated_with_other_settings(
    profiles: Profiles, name: str, stage: str, settings: dict[str, Any]
) -> None:
    path = profiles.duplicate_with(name, "mine", {stage: settings})
    before, after = profiles.load(name), profiles.load("mine")
    section = type(before.section(stage)).model_validate({**before.section(stage).model_dump(), **settings})
    assert after == before.model_copy(update={stage: section})
    comments = [line for line in profiles.path(name).read_text().splitlines() if line.startswith("#")]
    assert comments == [line for line in path.read_text().splitlines() if line.startswith("#")]


REFUSED = {
    "a name that is taken": ("tv_ads", {"fps": 1}, "There is already a profile 'tv_ads'"),
    "a name that cannot be": ("../mine", {"fps": 1}, "The profile name '../mine' holds '.', '/'; use letters"),
    "a setting that cannot be": ("mine", {"fps": -1}, "fps is -1, which is out of range"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_duplicate_that_cannot_be_is_not_written(profiles: Profiles, name: str) -> None:
    new_name, settings, said = REFUSED[name]
    names = profiles.names()
    with pytest.raises(BadInput) as error:
        profiles.duplicate_with("generic", new_name, {"extract_frames": settings})
    assert said in str(error.value)
    assert profiles.names() == names


def test_settings_are_saved_into_a_profile(profiles: Profiles) -> None:
    before, text = profiles.load("generic"), profiles.path("generic").read_text()
    profiles.edit("generic", {"extract_frames": {"fps": 7}, "match_brands": {"min_confidence": 0.9}})
    after = profiles.load("generic")
    sections = {
        "extract_frames": before.section("extract_frames").model_copy(update={"fps": 7.0}),
        "match_brands": before.section("match_brands").model_copy(update={"min_confidence": 0.9}),
    }
    assert after == before.model_copy(update=sections)
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert comments == [line for line in profiles.path("generic").read_text().splitlines() if line.startswith("#")]
    with pytest.raises(BadInput, match="fps is -1"):
        profiles.edit("generic", {"extract_frames": {"fps": -1}})
    assert (profiles.load("generic"), sorted(path.suffix for path in profiles.folder.iterdir())) == (
        after,
        [".yaml"] * len(profiles.names()),
    )


def test_a_profile_that_was_edited_is_read_again(profiles: Profiles) -> None:
    assert profiles.load("generic") is profiles.load("generic")
    profiles.path("generic").write_text("extract_frames: {fps: 7}\n")
    assert profiles.load("generic").section("extract_frames").model_dump()["fps"] == 7
