from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from gpu_service.errors import BadInput, PermanentError
from mpr_assets.compare.scenarios import ScenarioResult, check_scenario, save_scenario
from mpr_assets.definitions import database, inference_resource, storage_resource
from mpr_assets.engine.compatibility import refuse_incompatible
from mpr_assets.engine.open_run import run_of
from mpr_assets.engine.overrides import Overrides
from mpr_assets.runs.local_instance import Resources
from mpr_assets.stages import preprocess
from mpr_assets.timelines.spec_store import load_spec
from mpr_resources.storage import scenario_store as kept
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject
from mpr_resources.storage.tables import StageTable, TableHeader, to_parquet
from tests.world import (
    BY_NAME,
    NAMES,
    TIMELINE,
    Ran,
    World,
)


def save(world: World, stage: str, label: str = "one", **options: Any) -> kept.Scenario:
    told = {"stages": BY_NAME, "saved": "2026-01-01T00:00:00+00:00", "saved_by": "me"}
    return save_scenario(world.storage, BY_NAME[stage], TIMELINE, label, **told, **options)


def check(world: World, label: str = "one", **overrides: Any) -> ScenarioResult:
    scenario = kept.load(world.storage, label)
    resources = Resources(
        storage_resource(world.environ), inference_resource({}), world.profiles, None, {}, database(world.environ)
    )
    spec = load_spec(kept.opened(world.storage, label), scenario.timeline)
    stage = BY_NAME[scenario.stage]
    run = run_of(stage, spec, world.profiles.load(spec.profile), Overrides(overrides), resources, logging.getLogger())
    return check_scenario(world.storage, scenario, run, BY_NAME)


@pytest.fixture
def bare(world: World) -> World:
    """A world with a scenario of each stage and nothing else stored: all caches and tables are gone."""
    for stage in NAMES:
        save(world, stage, stage)
    for folder in ("cache", "stages", "reports", "timelines"):
        world.storage.delete_below(folder)
    return world


def test_scenarios_outlive_what_they_were_made_from(bare: World) -> None:
    before = bare.listing()
    assert {label: check(bare, label).sentence() for label in NAMES} == {
        label: f"{kept.load(bare.storage, label).rows} the same" for label in NAMES
    }
    assert bare.listing() == before, "a check stores nothing"


def test_another_setting_is_another_result(world: World) -> None:
    save(world, "match_brands")
    checked = check(world, min_confidence=1.0, min_confidence_short=1.0)
    assert not checked.same
    assert checked.settings["min_confidence"][1] == 1.0
    assert checked.difference is not None
    assert checked.difference.count("changed") + checked.difference.count("gained") > 0


def test_other_pixels_are_another_result(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    save(world, "preprocess")
    as_it_is = preprocess.preprocess

    def other(*arguments: Any) -> pl.DataFrame:
        *others, store = arguments
        return as_it_is(*others, lambda crop, png: store(crop, png + b"other pixels"))

    monkeypatch.setattr(preprocess, "preprocess", other)
    checked = check(world)
    assert not checked.same
    assert checked.sentence() == "the same rows, but different pictures or files"


def test_a_stage_that_cannot_be_run_differs(world: World) -> None:
    save(world, "match_brands")
    world.storage.put(f"{Keys.scenario('one')}/{Keys.table('run_ocr', TIMELINE)}", b"broken")
    checked = check(world)
    assert not checked.same
    assert checked.sentence().startswith("it could not be run: ")


LABELS = {"empty": "", "a slash": "a/b", "dots": "..", "begins with a dash": "-a", "too long": "x" * 101}


@pytest.mark.parametrize("case", LABELS)
def test_labels_that_cannot_be_folders(finished: tuple[World, Ran], case: str) -> None:
    with pytest.raises(BadInput, match=r"^The scenario label"):
        save(finished[0], "match_brands", LABELS[case])


def test_a_label_is_taken_once(world: World) -> None:
    assert kept.labels(world.storage) == []
    first = save(world, "match_brands")
    with pytest.raises(BadInput, match="already exists"):
        save(world, "run_ocr")
    assert kept.scenarios(world.storage) == [first]
    second = save(world, "run_ocr", replace=True)
    assert kept.scenarios(world.storage) == [second]
    assert not world.storage.exists(f"{Keys.scenario('one')}/{Keys.table('match_brands', TIMELINE)}")
    kept.delete(world.storage, "one")
    assert kept.labels(world.storage) == []
    assert list(world.storage.list("scenarios")) == []
    with pytest.raises(BadInput, match="There is no scenario 'one'"):
        kept.load(world.storage, "one")


def test_a_scenario_half_written_is_not_seen(world: World) -> None:
    next((world.storage_folder / "cache").rglob("frames/*/00000000.jpg")).unlink()
    with pytest.raises(MissingObject, match=r"00000000\.jpg"):
        save(world, "run_ocr")
    assert kept.labels(world.storage) == []
    assert list(world.storage.list("scenarios")) != []
    save(world, "match_brands")
    assert kept.labels(world.storage) == ["one"]


def test_a_scenario_that_somebody_saves_at_this_moment_is_left_alone(world: World) -> None:
    world.storage.create("scenarios/one/saving", b"")
    with pytest.raises(BadInput, match="is being saved by another process, or saving it was interrupted"):
        save(world, "run_ocr")
    assert kept.labels(world.storage) == []
    save(world, "run_ocr", replace=True)
    assert kept.labels(world.storage) == ["one"]
    assert not world.storage.exists("scenarios/one/saving")


def test_a_stage_that_is_not_stored_cannot_be_kept(empty_world: World) -> None:
    with pytest.raises(MissingObject, match="materialize match_brands first"):
        save(empty_world, "match_brands")


def verdicts(ran: Ran) -> dict[str, tuple[bool, str | None]]:
    """What `matches_scenario` says of each stage."""
    events = (event for event in ran.result.all_events if event.event_type_value == "ASSET_CHECK_EVALUATION")
    checks = [event.asset_check_evaluation_data for event in events]
    mine = [one for one in checks if one.check_name == "matches_scenario"]
    return {one.asset_key.path[-1]: (one.passed, one.description) for one in mine}


def test_the_asset_check_warns_and_lets_the_run_go_on(world: World) -> None:
    save(world, "match_brands")
    assert verdicts(world.run("run_ocr", "match_brands")) == {"match_brands": (True, None)}
    tried = world.run("match_brands", "escalate_vlm", overrides={"match_brands": {"min_confidence": 1.0}})
    assert tried.success
    passed, said = verdicts(tried)["match_brands"]
    assert not passed
    assert said is not None
    assert said.startswith("one: ")
    assert "min_confidence" in said


def table(stage: str, code_version: str = "1", drop: tuple[str, ...] = ()) -> StageTable:
    rows = pl.DataFrame(schema=dict(BY_NAME[stage].schema)).drop(drop)
    return StageTable(rows, header(stage).model_copy(update={"code_version": code_version}))


def header(stage: str) -> TableHeader:
    return TableHeader(
        stage=stage, timeline=TIMELINE, profile="board", fingerprint="", data_version="", code_version="1",
        settings={}, overrides={}, model="", upstream={}, skipped=None,
    )  # fmt: skip


READABLE = {
    "made by this version": ("1", "1", ()),
    "a minor version later": ("1", "1.2", ()),
    "a minor version before": ("1.3", "1", ()),
}


@pytest.mark.parametrize("case", READABLE)
def test_tables_that_are_read(case: str) -> None:
    was, now, drop = READABLE[case]
    refuse_incompatible(
        {"run_ocr": table("run_ocr", was, drop)}, {"run_ocr": replace(BY_NAME["run_ocr"], code_version=now)}
    )


REFUSED = {
    "made by an older version": (
        "1",
        "2",
        (),
        "was made by version 1 of run_ocr, and the current version 2 cannot read it",
    ),
    "made by a newer version": (
        "2",
        "1",
        (),
        "was made by version 2 of run_ocr, and the current version 1 cannot read it",
    ),
    "a column is missing": ("1", "1", ("track",), r"has other columns than version 1 of run_ocr makes \(track\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_tables_that_are_refused(case: str) -> None:
    was, now, drop, said = REFUSED[case]
    stages = {"run_ocr": replace(BY_NAME["run_ocr"], code_version=now)}
    with pytest.raises(PermanentError, match=f"^What is stored of run_ocr for .* {said}; materialize run_ocr again.$"):
        refuse_incompatible({"run_ocr": table("run_ocr", was, drop)}, stages)


def test_a_run_refuses_what_an_incompatible_version_made(world: World) -> None:
    old = world.table("run_ocr")
    old = StageTable(old.rows.drop("track"), old.header)
    (world.storage_folder / Keys.table("run_ocr", TIMELINE)).write_bytes(to_parquet(old))
    ran = world.run("match_brands")
    assert "materialize run_ocr again" in ran.failures()["match_brands"]
    assert ran.attempts_again() == 0
    again = world.run("run_ocr", "match_brands")
    assert again.success
    assert again.reused() == {"run_ocr": False, "match_brands": True}


def test_two_runs_over_the_same_inputs_give_equal_bytes(finished: tuple[World, Ran], empty_world: World) -> None:
    assert empty_world.run().success
    assert empty_world.listing("stages") == finished[0].listing("stages")
    assert empty_world.listing("cache") == finished[0].listing("cache")
