"""A run that is killed leaves nothing half-written, and the next one ends with what an undisturbed one gives."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pytest

from mpr_assets.runs.run_control import stop
from mpr_assets.runs.run_lock import refuse_at_work, runs_of
from mpr_resources.storage.keys import Keys
from tests.cloud_server import CloudServer, said, serving
from tests.faults import (
    Place,
    Point,
    copy_before_each_stage,
    die_at,
    wait_in,
    write_inputs,
)
from tests.world import NAMES, TIMELINE

IDLE = {"corrections", "evaluation", "transcribe", "visual_properties", "motion"}
"""Stages with nothing to do: nobody has said what is right, and speech, looks and motion are off."""


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing disturbed, and the storage as it was before each of its stages."""

    place: Place
    before: Path
    cloud: CloudServer


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Undisturbed]:
    folder = tmp_path_factory.mktemp("undisturbed")
    for name in ("inputs", "home"):
        (folder / name).mkdir()
    write_inputs(folder / "inputs")
    with serving() as cloud:
        cloud.answer = lambda request: said(len(request.pictures), brand="Quorzen", text="Quorzen")
        place = Place(folder / "inputs", folder / "storage", folder / "home", cloud.environ(), forgets=False)
        status, told = place.run(copy_before_each_stage, place.storage, folder / "before")
        assert status == 0, told
        yield Undisturbed(place, folder / "before", cloud)


def test_every_stage_has_work_to_do(undisturbed: Undisturbed) -> None:
    status, told = undisturbed.place.run()
    assert status == 0
    at_work = set(NAMES) - IDLE
    assert {path.name for path in undisturbed.before.iterdir()} == at_work
    assert [line for line in told.splitlines() if "skipped" in line and line.split(":")[0].strip() in at_work] == []
    assert {line.split(":")[0].strip() for line in told.splitlines() if " 0 rows" in line} == {"match_speech"}
    assert len(undisturbed.cloud.requests) == 1
    assert [word for word in ("Acme Motors", "Quorzen", "Tessarune") if word not in told] == []


POINTS = [
    Point("timeline", "before the table"),
    Point("extract_frames", "in a put", "00000003.jpg"),
    Point("filter_scenes", "in the body"),
    Point("field_segmentation", "in the body"),
    Point("detect_edges", "in the body"),
    Point("detect_objects", "in the body"),
    Point("preprocess", "in a put", "00000001.png"),
    Point("run_ocr", "in a put", Keys.table("run_ocr", TIMELINE)),
    Point("match_brands", "before the table"),
    Point("escalate_vlm", "in the body"),
    Point("escalate_cloud", "before the table"),
    Point("compile_report", "in a put", "report.html"),
]


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point.stage} {point.where} {point.put}".rstrip())
def test_killed_and_run_again(undisturbed: Undisturbed, point: Point, tmp_path: Path) -> None:
    expected = undisturbed.place.kept()
    asked = len(undisturbed.cloud.requests)
    place = replace(undisturbed.place.copy(undisturbed.before / point.stage, tmp_path), forgets=True)
    status, told = place.run(die_at, point)
    assert status == -signal.SIGKILL, told
    left = place.kept()
    assert {key: len(data) for key, data in left.items() if data != expected.get(key)} == {}, "nothing is half-written"
    assert Keys.table(point.stage, TIMELINE) not in left
    status, told = place.run()
    assert status == 0, told
    assert place.kept() == expected
    assert len(undisturbed.cloud.requests) <= asked + 1, "nothing is paid for twice"


def test_a_second_run_is_refused_and_the_first_goes_on(undisturbed: Undisturbed, tmp_path: Path) -> None:
    place = undisturbed.place.copy(undisturbed.before / "match_brands", tmp_path)
    go = tmp_path / "go"
    first = place.start(wait_in, "match_brands", go)
    await_file(go.with_suffix(".here"))
    status, told = place.second().run()
    assert (status, told) == (
        2,
        "mpr: A run of the timeline 'match' is in progress in another command line; end it with mpr stop match, or "
        "wait for it.\n",
    )
    go.touch()
    first.join(120)
    assert first.exitcode == 0, place.said()
    assert place.kept() == undisturbed.place.kept()


def test_a_run_whose_process_was_killed_holds_nothing_up(undisturbed: Undisturbed, tmp_path: Path) -> None:
    place = undisturbed.place.copy(undisturbed.before / "match_brands", tmp_path)
    assert place.run(die_at, Point("match_brands", "before the table"))[0] == -signal.SIGKILL
    with dg.DagsterInstance.from_config(str(place.home)) as instance:
        [killed] = runs_of(instance, TIMELINE, [dg.DagsterRunStatus.STARTED])
        refuse_at_work(instance, TIMELINE)
        assert runs_of(instance, TIMELINE, [dg.DagsterRunStatus.FAILURE])[0].run_id == killed.run_id


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "mpr stop"])
def test_an_interrupted_run_ends_soon_and_can_go_on(undisturbed: Undisturbed, how: str, tmp_path: Path) -> None:
    place = undisturbed.place.copy(undisturbed.before / "match_brands", tmp_path)
    place = replace(place, forgets=how != "mpr stop")  # who stops it must see it
    go = tmp_path / "go"
    process = place.start(wait_in, "match_brands", go)
    await_file(go.with_suffix(".here"))
    asked_s = time.monotonic()
    if how == "mpr stop":
        with dg.DagsterInstance.from_config(str(place.home)) as instance:
            assert [one.became for one in stop(instance, TIMELINE)] == ["canceled"]
    else:
        os.kill(process.pid, signal.Signals[how])
    process.join(60)
    assert time.monotonic() - asked_s < 10
    assert process.exitcode == 130, place.said()
    assert place.said().splitlines()[-1] == (
        "mpr: interrupted; finished stages are kept, run the same command again to continue."
    )
    assert place.run()[0] == 0
    assert place.kept() == undisturbed.place.kept()


def await_file(path: Path) -> None:
    end_s = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end_s
        time.sleep(0.02)
