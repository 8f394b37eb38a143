"""Results of the history, compared as far as they are still known."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import dagster as dg
import pytest

from gpu_service.errors import BadInput
from mpr_assets.compare.scenarios import save_scenario
from mpr_assets.compare.snapshots import Comparison, Snapshot, compare_snapshots, find_snapshot
from mpr_assets.report.page.diff import diff_page
from mpr_assets.runs.history_snapshots import find_entry, is_entry
from mpr_assets.runs.run_control import clear
from tests.world import BRAND, BY_NAME, TIMELINE, Ran, World


@pytest.fixture(scope="module")
def tried(finished: tuple[World, Ran], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world with two reports: one as the profile has it, kept as a scenario; one that finds no brand. Then the run's
    text is deleted."""
    folder = tmp_path_factory.mktemp("tried") / "storage"
    shutil.copytree(finished[0].storage_folder, folder)
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(finished[0].inputs, folder, instance)
        world.register()
        assert world.run().success
        save_scenario(world.storage, BY_NAME["run_ocr"], TIMELINE, "read", stages=BY_NAME, saved="", saved_by="")
        nothing = {"min_confidence": 1.0, "min_confidence_short": 1.0, "min_object_confidence": 1.0}
        stages = ("match_brands", "escalate_vlm", "escalate_cloud", "compile_report")
        assert world.run(*stages, overrides={"match_brands": nothing}).success
        clear(instance, world.storage, TIMELINE, [BY_NAME["run_ocr"]])
        yield world


def found(world: World, reference: str) -> Snapshot:
    if is_entry(reference):
        return find_entry(world.instance, world.storage, reference, BY_NAME)
    return find_snapshot(world.storage, reference, BY_NAME)


def compared(world: World, before: str, after: str) -> Comparison:
    return compare_snapshots(found(world, before), found(world, after))


def test_two_reports_of_the_history(tried: World) -> None:
    both = compared(tried, f"{TIMELINE}@1", f"{TIMELINE}@2")
    assert both.settings["match_brands.min_confidence"][1] == 1.0
    assert both.seconds == {BRAND: (2.0, 0.0)}
    assert both.counts == {"compile_report: rows": (1, 0)}
    assert both.facts == ["read other results of match_brands"]
    assert both.sections == []
    assert both.not_compared == [
        "The rows of match_brands, compile_report in match@1 are not compared: a stage's next result replaces its "
        "table, and no scenario has this one."
    ]
    page = diff_page(both)
    assert "Seconds by brand" in page
    assert "-2.00" in page


def test_a_result_that_is_stored_is_compared_in_full(tried: World) -> None:
    both = compared(tried, f"{TIMELINE}@2", TIMELINE)
    assert [one.title for one in both.sections] == ["exposures", "detections"]
    assert (both.settings, both.seconds, both.facts) == ({}, {}, [])
    assert both.not_compared == ["How run_ocr was made for match is not compared: nothing tells it any more."]


def test_a_result_that_a_scenario_has_is_compared_in_full(tried: World) -> None:
    both = compared(tried, f"{TIMELINE}:run_ocr@1", "scenario:read")
    (section,) = both.sections
    assert (section.difference.changes, both.not_compared) == ((), [])


REFUSED = {
    "no number": (f"{TIMELINE}@", "'match@' names no result; write TIMELINE, "),
    "no whole number": (f"{TIMELINE}@1.5", "'match@1.5' names no result"),
    "none of that number": (
        f"{TIMELINE}@7",
        "has compile_report #1 to #2, and no #7; see mpr history match compile_report",
    ),
    "no such stage": (f"{TIMELINE}:nothing@1", "'match:nothing' names no stage"),
    "no such timeline": ("nobody@1", "The timeline 'nobody' is not registered"),
    "a deletion": (f"{TIMELINE}:run_ocr@2", "match:run_ocr@2 is the deletion of run_ocr, and no result"),
    "a scenario": ("scenario:read@1", "The timeline 'scenario' is not registered"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_references_that_name_no_result(tried: World, case: str) -> None:
    reference, said = REFUSED[case]
    with pytest.raises(BadInput, match=re.escape(said)):
        found(tried, reference)
