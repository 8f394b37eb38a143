from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from gpu_service.errors import BadInput
from mpr_assets.automation.cache_schedule import CRON, cache_schedule, clear_caches_job
from mpr_assets.compare.scenarios import save_scenario
from mpr_assets.definitions import STAGES, definitions
from mpr_resources.storage.cache_folders import (
    CacheFolder,
    as_size,
    cache_folders,
    clear_folders,
    parse_age,
    parse_size,
    to_clear,
)
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage
from tests.world import (
    TIMELINE,
    Ran,
    World,
    listing,
)


def folder(name: str, modified_s: float, size_bytes: int = 10) -> CacheFolder:
    return CacheFolder(name, "frames", f"cache/timelines/{name}/frames/f", 1, size_bytes, modified_s)


A, B, C = folder("a", 10.0), folder("b", 20.0), folder("c", 90.0)


@pytest.mark.parametrize(
    ("folders", "asked", "cleared"),
    [
        pytest.param([], {"older_than_s": 0.0, "larger_than_bytes": 0}, "", id="nothing there"),
        pytest.param([A, B, C], {}, "", id="nothing asked for"),
        pytest.param([A, B, C], {"older_than_s": 80.0}, "a", id="older than 80 s"),
        pytest.param([A, B, C], {"older_than_s": 79.0}, "ab", id="older than 79 s"),
        pytest.param([A, B, C], {"larger_than_bytes": 30}, "", id="no larger than asked"),
        pytest.param([A, B, C], {"larger_than_bytes": 29}, "a", id="larger: the oldest"),
        pytest.param([A, B, C], {"larger_than_bytes": 0}, "abc", id="all"),
        pytest.param([A, B, C], {"larger_than_bytes": 29, "busy": {"a"}}, "b", id="larger, the oldest in use"),
        pytest.param([A, B, C], {"older_than_s": 5.0, "busy": {"b"}}, "ac", id="old, and one in use"),
        pytest.param([A, B, C], {"older_than_s": 80.0, "larger_than_bytes": 15}, "ab", id="by age, then by size"),
    ],
)
def test_to_clear(folders: list[CacheFolder], asked: dict[str, float], cleared: str) -> None:
    assert [one.timeline for one in to_clear(folders, 100.0, **asked)] == list(cleared)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *[("30d", 2_592_000.0), ("12h", 43_200.0), ("90m", 5400.0), ("2w", 1_209_600.0)],
        *[("", None), ("d", None), ("-1d", None), ("30", None), ("1.5d", None)],
    ],
)
def test_ages(text: str, seconds: float | None) -> None:
    if seconds is None:
        with pytest.raises(BadInput, match="is not an age; write a number and m, h, d or w, like 30d"):
            parse_age(text)
    else:
        assert parse_age(text) == seconds


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        *[
            ("10GB", 10**10),
            ("1.5 tb", 1_500_000_000_000),
            ("500MB", 5 * 10**8),
            ("0KB", 0),
            (" 2 GiB ", 2 * 2**30),
            ("1PB", 10**15),
        ],
        *[("", None), ("10", None), ("1.5", None), ("-1GB", None), ("GB", None), ("10XB", None)],
    ],
)
def test_sizes(text: str, size_bytes: int | None) -> None:
    if size_bytes is None:
        with pytest.raises(BadInput, match="is not a size; write a number and KB, MB, GB or TB, like 10GB"):
            parse_size(text)
    else:
        assert parse_size(text) == size_bytes


def test_sizes_are_shown_short() -> None:
    assert [as_size(size) for size in (0, 999, 1000, 12_345_678, 10**10)] == [
        "0 B",
        "999 B",
        "1.0 KB",
        "12.3 MB",
        "10.0 GB",
    ]


def test_what_is_in_the_cache(world: World, tmp_path: Path) -> None:
    assert cache_folders(Storage.open(str(tmp_path / "empty"))) == []
    found = {one.kind: one for one in cache_folders(world.storage)}
    assert set(found) == {"frames", "crops", "overlays"}
    assert found["frames"].timeline == TIMELINE
    assert found["frames"].objects == world.table("extract_frames").rows.height + 1
    assert cache_folders(world.storage, "another") == []


def cleared(world: World) -> dict[str, bytes]:
    """Clears the cache, and gives what else is stored."""
    clear_folders(world.storage, cache_folders(world.storage), busy=set)
    assert cache_folders(world.storage) == []
    return world.listing()


def test_what_was_cleared_is_made_again_and_nothing_else(world: World, finished: tuple[World, Ran]) -> None:
    before = world.listing()
    cleared(world)
    ran = world.run()
    assert ran.success
    assert {stage for stage, reused in ran.reused().items() if not reused} <= {"extract_frames", "preprocess"}
    assert "extract_frames" not in {stage for stage, reused in ran.reused().items() if reused}
    assert world.listing() == before


@pytest.mark.parametrize("stage", ["filter_scenes", "run_ocr"])
def test_a_later_stage_makes_what_it_needs_again(world: World, stage: str) -> None:
    key = f"stages/{stage}/{TIMELINE}.parquet"
    before = world.listing()
    cleared(world)
    (world.storage_folder / key).unlink()
    assert world.run(stage).success
    after = world.listing()
    assert after[key] == before[key]
    frames = {name for name in before if "/frames/" in name}
    assert {name: data for name, data in after.items() if name in frames} == {name: before[name] for name in frames}


def test_frames_that_would_be_others_now_are_refused(world: World) -> None:
    cleared(world)
    spec = world.spec().model_copy(update={"version": "another", "chunks": (world.spec().chunks[0],) * 2})
    world.storage.put(Keys.spec(TIMELINE), spec.model_dump_json().encode())
    assert world.run("timeline").success
    world.storage.delete([Keys.table("filter_scenes", TIMELINE)])
    assert world.run("filter_scenes").failures() == {
        "filter_scenes": "The pictures of extract_frames of the timeline 'match' were cleared, and their inputs have "
        "changed since; materialize extract_frames first."
    }


def test_a_scenario_keeps_what_it_needs(world: World) -> None:
    stages = {stage.name: stage for stage in STAGES}
    save_scenario(world.storage, stages["run_ocr"], TIMELINE, "good", stages=stages, saved="now", saved_by="me")
    kept = listing(world.storage_folder / "scenarios")
    cleared(world)
    assert listing(world.storage_folder / "scenarios") == kept


def test_a_run_that_begins_while_others_are_cleared_keeps_what_it_uses(tmp_path: Path) -> None:
    storage = Storage.open(str(tmp_path))
    for timeline in "abc":
        storage.put(f"cache/timelines/{timeline}/frames/f/1.jpg", b"1")
    began: Iterator[set[str]] = iter([set(), {"b", "c"}, {"b"}])
    cleared = clear_folders(storage, cache_folders(storage), lambda: next(began))
    assert [one.timeline for one in cleared] == ["a", "c"]
    assert list(storage.list("cache")) == ["cache/timelines/b/frames/f/1.jpg"]


@pytest.mark.parametrize("busy", [False, True])
def test_the_job_clears_what_is_old_and_not_in_use(world: World, busy: bool) -> None:
    if busy:
        tags = {"dagster/partition": TIMELINE}
        world.instance.add_run(dg.DagsterRun("mpr", status=dg.DagsterRunStatus.STARTED, tags=tags))
    job = definitions(world.environ).resolve_job_def("clear_caches")
    config = {"ops": {"clear": {"config": {"larger_than": "0KB"}}}}
    assert job.execute_in_process(run_config=config, instance=world.instance).success
    assert bool(cache_folders(world.storage)) is busy


@pytest.mark.parametrize(
    ("environ", "config"),
    [
        pytest.param({}, {"older_than": "30d", "larger_than": None}, id="by default"),
        pytest.param(
            {"MPR_CACHE_OLDER_THAN": "7d", "MPR_CACHE_LARGER_THAN": "2TB"},
            {"older_than": "7d", "larger_than": "2TB"},
            id="as the environment says",
        ),
    ],
)
def test_the_schedule(environ: dict[str, str], config: dict[str, str | None]) -> None:
    schedule = cache_schedule(clear_caches_job(), environ)
    assert schedule.cron_schedule == CRON
    [request] = schedule.evaluate_tick(dg.build_schedule_context()).run_requests or []
    assert request.run_config == {"ops": {"clear": {"config": config}}}
