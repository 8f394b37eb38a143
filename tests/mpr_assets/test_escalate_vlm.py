from __future__ import annotations

import pytest

from gpu_service.errors import BadInput
from mpr_assets.stages import escalate_vlm
from mpr_assets.stages.match_brands import DETECTION_SCHEMA
from mpr_resources.yaml_files import load_model
from tests.world import Ran, World


def test_it_is_off_unless_asked_for() -> None:
    assert not escalate_vlm.EscalateVlmSettings().enabled


def test_a_profile_that_asks_for_it_is_refused() -> None:
    said = "p: enabled: this version of MPR cannot run escalate_vlm yet; set enabled: false."
    with pytest.raises(BadInput) as error:
        load_model("p", "enabled: true", escalate_vlm.EscalateVlmSettings)
    assert str(error.value) == said


def test_it_is_empty_and_says_why(finished: tuple[World, Ran]) -> None:
    world, ran = finished
    table = world.table("escalate_vlm")
    assert table.rows.is_empty()
    assert dict(table.rows.schema) == DETECTION_SCHEMA
    assert ran.metadata("escalate_vlm")["skipped"] == "escalate_vlm.enabled is false in the profile"
