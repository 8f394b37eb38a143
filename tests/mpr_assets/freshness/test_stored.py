"""What is stored is judged by its tables' headers as the event log judges it, and what changed is told."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import Field

from mpr_assets.definitions import STAGES, database, inference_resource, profiles_folder, storage_resource
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage_run import StageRun
from mpr_assets.freshness.judge import StageState
from mpr_assets.freshness.stored import judge_stored, what_changed
from mpr_assets.runs.local_instance import Resources
from mpr_resources.storage.tables import TableHeader
from tests.world import BY_NAME, NAMES, PROFILE, TIMELINE, Ran, World


class Lamp(StageSettings):
    colour: str = "red"
    watts: int = Field(40)


ON = {"enabled": True, "colour": "red", "watts": 40}
OUTSIDE = {"model": "m/1", "brands": "b", "references": "r", "prompt": "p", "spec": "s", "/videos/a.mp4": "1"}
OFF = "lamp.enabled is false in the profile"

Case = tuple[Mapping[str, Any], str | None, Mapping[str, str], str | None, list[str]]
"""Settings of the table, why it was skipped; what it depends on now, why it is skipped now, what is told."""

CHANGES: dict[str, Case] = {
    "nothing": (ON, None, OUTSIDE, None, []),
    "a setting": (ON | {"watts": 60}, None, OUTSIDE, None, ["watts 60 → 40"]),
    "two settings": (
        ON | {"watts": 60, "colour": "blue"}, None, OUTSIDE, None, ["colour blue → red", "watts 60 → 40"],
    ),
    "a setting that came since": ({"enabled": True, "colour": "red"}, None, OUTSIDE, None, []),
    "a setting that is none any more": (ON | {"volts": 3}, None, OUTSIDE, None, []),
    "a model": (ON, None, OUTSIDE | {"model": "m/2"}, None, ["model m/1 → m/2"]),
    "brands": (ON, None, OUTSIDE | {"brands": "c"}, None, ["the brand list changed"]),
    "logos and a prompt": (
        ON, None, OUTSIDE | {"references": "c", "prompt": "q"}, None,
        ["the prompt changed", "the reference pictures changed"],
    ),
    "a video": (ON, None, OUTSIDE | {"/videos/a.mp4": "2"}, None, ["the file a.mp4 changed"]),
    "another video": (
        ON, None, {**{name: OUTSIDE[name] for name in OUTSIDE if name[0] != "/"}, "spec": "t", "/videos/b.mp4": "1"},
        None, ["the chunks changed"],
    ),
    "switched off by the environment": (ON, None, {}, "SKIP_LAMP=1 is set", ["skipped now: SKIP_LAMP=1 is set"]),
    "no longer": (ON, "SKIP_LAMP=1 is set", OUTSIDE, None, ["no longer skipped: SKIP_LAMP=1 is set"]),
    "switched on in the profile": (ON | {"enabled": False}, OFF, OUTSIDE, None, ["enabled False → True"]),
    "skipped then and now": (ON, "SKIP_LAMP=1 is set", {}, "SKIP_LAMP=1 is set", []),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_what_changed(case: str) -> None:
    settings, was_skipped, outside, skipped, expected = CHANGES[case]
    stage = replace(BY_NAME["run_ocr"], settings=Lamp, inputs=("timeline",), depends_on=lambda _run: dict(outside))
    header = TableHeader(
        stage="lamp", timeline=TIMELINE, profile="board", fingerprint="f", data_version="d", code_version="1",
        settings=dict(settings), overrides={}, model="m/1", skipped=was_skipped,
        upstream={"timeline": "t"} | ({} if was_skipped else OUTSIDE),
    )  # fmt: skip
    now = cast("StageRun", SimpleNamespace(settings=Lamp(), skipped=skipped))
    assert what_changed(stage, header, now) == expected


def resources(world: World, profiles: Path | None = None) -> Resources:
    environ = world.environ | ({"MPR_PROFILES_DIR": str(profiles)} if profiles else {})
    return Resources(
        storage_resource(environ), inference_resource({}), profiles_folder(environ), None, {}, database(environ)
    )


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A folder of profiles in which `board` has another threshold."""
    (tmp_path / "board.yaml").write_text(f"{PROFILE}\nmatch_brands: {{min_confidence: 0.75}}\n")
    return tmp_path


def test_what_was_just_made_is_fresh(finished: tuple[World, Ran]) -> None:
    verdicts = judge_stored(STAGES, TIMELINE, resources(finished[0]), logging.getLogger())
    assert [(one.stage, one.state, one.causes) for one in verdicts] == [(name, StageState.FRESH, ()) for name in NAMES]


def test_a_changed_setting_makes_stale_what_depends_on_it(finished: tuple[World, Ran], changed: Path) -> None:
    verdicts = judge_stored(STAGES, TIMELINE, resources(finished[0], changed), logging.getLogger())
    causes = {one.stage: one.causes for one in verdicts if one.state is StageState.STALE}
    assert causes["match_brands"] == ("min_confidence 0.5 → 0.75",)
    assert list(causes) == [
        "match_brands",
        "escalate_vlm",
        "escalate_cloud",
        "corrections",
        "compile_report",
        "evaluation",
    ]


def test_a_table_that_is_gone_is_missing(world: World) -> None:
    (world.storage_folder / "stages" / "run_ocr" / f"{TIMELINE}.parquet").unlink()
    states = {one.stage: one.state for one in judge_stored(STAGES, TIMELINE, resources(world), logging.getLogger())}
    assert states["run_ocr"] is StageState.MISSING
    assert states["match_brands"] is StageState.STALE


def test_a_profile_that_is_gone_is_told_in_the_log(
    finished: tuple[World, Ran], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "other.yaml").write_text(PROFILE)
    assert judge_stored(STAGES, TIMELINE, resources(finished[0], tmp_path), logging.getLogger()) == []
    assert "The settings of the timeline 'match' cannot be resolved: There is no profile 'board'" in caplog.text
