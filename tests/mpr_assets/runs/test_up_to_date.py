"""A run that would make nothing is not made; whatever is not as it was, a run finds."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from mpr_assets.compare.scenarios import save_scenario
from mpr_assets.definitions import STAGES, database, inference_resource, profiles_folder, storage_resource
from mpr_assets.engine.stage import Stage
from mpr_assets.freshness.config_versions import node
from mpr_assets.freshness.event_log import read_observed, report
from mpr_assets.runs.local_instance import Resources
from mpr_assets.runs.up_to_date import StoredRun, up_to_date
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.tables import StageTable, to_parquet
from tests.gpu_service.live import free_port
from tests.world import BRAND, BY_NAME, NAMES, PROFILE, TIMELINE, Ran, World


@pytest.fixture(scope="module")
def made(finished: tuple[World, Ran], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world in which all is up to date. Not to be changed: take `done`."""
    folder = tmp_path_factory.mktemp("made") / "storage"
    shutil.copytree(finished[0].storage_folder, folder)
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(finished[0].inputs, folder, instance)
        world.register()
        assert world.run().success
        yield world


@pytest.fixture
def done(made: World, tmp_path: Path) -> World:
    """The same with a storage of its own; the event log is that of `made`."""
    shutil.copytree(made.storage_folder, tmp_path / "storage")
    return World(made.inputs, tmp_path / "storage", made.instance)


def looked_at(
    world: World, environ: dict[str, str] | None = None, stages: tuple[Stage, ...] = STAGES
) -> StoredRun | None:
    environ = world.environ | (environ or {})
    inference = inference_resource(environ).model_copy(update={"give_up_after_s": 0.0})
    world_of_run = Resources(
        storage_resource(environ), inference, profiles_folder(environ), None, {}, database(environ)
    )
    return up_to_date(world.instance, stages, TIMELINE, world_of_run, logging.getLogger())


def last_event(world: World) -> int | None:
    return world.instance.event_log_storage.get_maximum_record_id()


def test_what_is_up_to_date_is_given_back(done: World) -> None:
    before, events = done.listing("stages"), last_event(done)
    stored = looked_at(done)
    assert stored is not None
    assert list(stored.outcomes) == NAMES
    assert {outcome.summary(0.0) for outcome in stored.outcomes.values() if not outcome.table.header.skipped} <= {
        f"{rows} row{'' if rows == 1 else 's'} as stored" for rows in range(100)
    }
    assert stored.doubts == ()
    assert (done.listing("stages"), last_event(done)) == (before, events)


def test_the_registry_is_told_as_by_a_run(done: World) -> None:
    registry = profiles_folder(done.environ).registry
    assert registry is not None
    assert registry.entries() == []
    assert looked_at(done) is not None
    assert list(registry.entry(BRAND).airings) == [TIMELINE]


def another_setting(world: World) -> dict[str, str]:
    folder = world.storage_folder.parent / "profiles"
    folder.mkdir()
    (folder / "board.yaml").write_text(f"{PROFILE}match_brands: {{min_confidence: 0.7}}\n")
    return {"MPR_PROFILES_DIR": str(folder)}


def deleted(*parts: str) -> Callable[[World], None]:
    key = "/".join(parts)
    return lambda world: world.storage.delete([*world.storage.list(key)] or [key])


def another_profile(world: World) -> None:
    world.storage.put(Keys.spec(TIMELINE), world.spec(profile="generic").model_dump_json().encode())


def other_chunks(world: World) -> None:
    [chunk] = world.spec().chunks
    spec = world.spec().model_copy(update={"chunks": (chunk.model_copy(update={"end_ms": 1000}),)})
    world.storage.put(Keys.spec(TIMELINE), spec.model_dump_json().encode())


def a_scenario(world: World) -> None:
    save_scenario(world.storage, BY_NAME["run_ocr"], TIMELINE, "one", stages=BY_NAME, saved="", saved_by="")


def another_result(world: World) -> None:
    table = world.table("run_ocr")
    header = table.header.model_copy(update={"data_version": "other"})
    world.storage.put(Keys.table("run_ocr", TIMELINE), to_parquet(StageTable(table.rows, header)))


STALE: dict[str, Callable[[World], dict[str, str] | None]] = {
    "another setting": another_setting,
    "a table is gone": deleted(Keys.table("run_ocr", TIMELINE)),
    "a table is none": lambda world: world.storage.put(Keys.table("run_ocr", TIMELINE), b"broken"),
    "another result is stored than the log has": another_result,
    "the frames are gone": deleted("cache", "timelines", TIMELINE, "frames"),
    "a file of the report is gone": deleted(Keys.report(TIMELINE, "exposures.csv")),
    "another profile with the same settings": another_profile,
    "other chunks": other_chunks,
    "a scenario to compare with": a_scenario,
    "a profile that is gone": lambda world: {"MPR_PROFILES_DIR": str(world.storage_folder)},
    "a host that is away": lambda _world: {"INFERENCE_URL": f"http://127.0.0.1:{free_port()}"},
}


@pytest.mark.parametrize("case", STALE)
def test_whatever_is_not_as_it_was_is_left_to_a_run(done: World, case: str) -> None:
    environ = STALE[case](done)
    assert looked_at(done, environ) is None


def test_another_code_version_is_left_to_a_run(done: World) -> None:
    stages = tuple(replace(one, code_version="0") if one.name == "run_ocr" else one for one in STAGES)
    assert looked_at(done, stages=stages) is None


def test_what_no_event_log_has_is_left_to_a_run(world: World) -> None:
    assert looked_at(world) is None


def test_what_was_overridden_is_left_to_a_run(world: World) -> None:
    assert world.run().success
    assert looked_at(world) is not None
    overrides = {"match_brands": {"min_object_confidence": 0.99}}
    assert world.run("match_brands", "compile_report", overrides=overrides).success
    assert looked_at(world) is None


def test_a_check_that_fails_is_told_again(done: World) -> None:
    table = done.table("run_ocr")
    rows = table.rows.with_columns(x=pl.lit(5000, table.rows.schema["x"]))
    done.storage.put(Keys.table("run_ocr", TIMELINE), to_parquet(StageTable(rows, table.header)))
    stored = looked_at(done)
    assert stored is not None
    assert [one.partition(": ")[0] for one in stored.doubts] == ["the check boxes_in_frame of run_ocr failed"]


def test_the_settings_are_observed_as_by_a_run(done: World) -> None:
    report(done.instance, [("run_ocr", TIMELINE, "of another time")])
    assert looked_at(done) is not None
    [version] = read_observed(done.instance, [node(BY_NAME["run_ocr"])], [TIMELINE])["run_ocr"].values()
    assert version != "of another time"
