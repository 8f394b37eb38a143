"""What Dagster's launchpad shows before a run, and what is refused before it is queued."""

from __future__ import annotations

import json
from typing import Any

import dagster as dg
import pytest

from gpu_service.errors import BadInput
from mpr_assets.definitions import JOB, STAGES, definitions
from mpr_assets.runs.submission import check_overrides
from tests.world import NAMES, TIMELINE, Ran, World


def of(stage: str, **config: Any) -> dict[str, Any]:
    return {"ops": {stage: {"config": config}}}


REFUSED: dict[str, tuple[dict[str, Any], str | None]] = {
    "no config": ({}, None),
    "a stage without config": ({"ops": {"run_ocr": {}}}, None),
    "within its range": (of("match_brands", min_confidence=0.7), None),
    "not given": (of("match_brands", min_confidence=None), None),
    "what the profile has is not read": (of("match_brands", as_in_profile={"min_confidence": 7}), None),
    "none": (of("extract_frames", set_to_none=["max_height_px"]), None),
    "by an old name": (of("run_ocr", thorough_every=3), None),
    "out of its range": (of("match_brands", min_confidence=1.7), "min_confidence"),
    "out of its range by an old name": (of("run_ocr", thorough_every=0), "full_scan_every"),
    "no such choice": (of("run_ocr", engine="tesseract"), "engine"),
    "of a stage behind others": (of("compile_report", max_gap_ms=-1), "max_gap_ms"),
    "frames that cannot be": (of("run_ocr", frames="9-4"), "9-4"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_overrides_are_checked_before_a_run_is_queued(case: str) -> None:
    config, refused = REFUSED[case]
    if refused is None:
        check_overrides(config)
        return
    with pytest.raises(BadInput, match=refused):
        check_overrides(config)


def job(world: World) -> dg.JobDefinition:
    return definitions(world.environ).resolve_job_def(JOB)


def test_the_launchpad_shows_the_settings_of_the_timelines_profile(world: World) -> None:
    shown = job(world).get_run_config_for_partition_key(TIMELINE)
    profile = world.profiles.load("board")
    assert shown["ops"] == {
        stage.name: {"config": {"as_in_profile": profile.section(stage.name).model_dump(mode="json")}}
        for stage in STAGES
    }
    json.dumps(shown)


def test_a_timeline_that_is_not_there_has_nothing_to_show(world: World) -> None:
    assert job(world).get_run_config_for_partition_key("nowhere") == {}


@pytest.mark.parametrize("stages", [[], ["compile_report"], ["match_brands", "compile_report"]], ids=", ".join)
def test_a_run_takes_what_the_launchpad_shows(world: World, stages: list[str]) -> None:
    """No setting is an override then, and nothing is computed anew."""
    done = job(world).execute_in_process(
        instance=world.instance,
        partition_key=TIMELINE,
        asset_selection=[dg.AssetKey(stage) for stage in stages] or None,
        raise_on_error=False,
    )
    assert "as_in_profile" in json.dumps(done.dagster_run.run_config)
    ran = Ran(done)
    assert ran.failures() == {}
    assert ran.reused() == dict.fromkeys(stages or NAMES, True)
