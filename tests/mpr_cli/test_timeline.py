"""`mpr timeline delete` and `rename`: everything goes, or goes with it; nothing under a run."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import dagster as dg
import pytest

from mpr_assets.definitions import STAGES
from mpr_assets.runs.delete_rename import delete_timeline
from mpr_assets.runs.local_instance import dagster_instance
from mpr_assets.runs.run_lock import run_lock
from mpr_cli.exit_status import FAILED, UNUSABLE
from mpr_resources.brands.registry import Registry
from mpr_resources.cloud import budget, ledger
from mpr_resources.dagster_internals import PARTITION_NAME_TAG
from mpr_resources.run_queue import held_by
from mpr_resources.storage.store import Storage
from mpr_resources.storage.tables import from_parquet
from tests.mpr_cli.conftest import Mpr
from tests.world import BRAND


def stored(home: Path, word: str) -> list[str]:
    """Files of the storage in whose path the name stands."""
    files = (path.relative_to(home / "storage") for path in (home / "storage").rglob("*") if path.is_file())
    return sorted(str(path) for path in files if word in path.parts or word == path.stem)


@pytest.fixture
def registry(home: Path) -> Registry:
    return Registry(f"sqlite:///{home / 'dagster' / 'registry.sqlite'}")


def test_a_new_timeline_is_renamed_and_deleted(mpr: Mpr, inputs: Path, home: Path) -> None:
    mpr("timeline", "create", str(inputs / "clip.mp4"), "--name", "empty")
    assert mpr("timeline", "rename", "empty", "still-empty", "--yes") == "empty is now still-empty.\n"
    assert mpr("timeline", "list") == "still-empty\n"
    assert mpr("timeline", "delete", "still-empty", "--yes") == "still-empty is deleted, 1 objects.\n"
    assert mpr("timeline", "list") == ""
    assert stored(home, "empty") == stored(home, "still-empty") == []


def test_results_states_costs_and_hold_go_with_the_name(mpr: Mpr, inputs: Path, home: Path, registry: Registry) -> None:
    mpr("run", str(inputs / "clip.mp4"), "--brands", str(inputs / "brands.yaml"))
    mpr("replay", "clip", "compile_report", "--set", "evidence_per_brand=2")
    mpr("scenario", "save", "clip", "run_ocr", "good")
    mpr("pause", "clip")
    row = ledger.LedgerRow("1", 1, "clip", "escalate_cloud", "groq", "m", 1, 1, 1, 0, 5, 1, ledger.ANSWERED, "r")
    registry.database.write(lambda connection: ledger.enter(connection, [row]))
    registry.database.write(lambda connection: budget.add(connection, ["timeline/clip"], 1, 5, 1))
    status = mpr("status", "clip")
    table = from_parquet((home / "storage/stages/run_ocr/clip.parquet").read_bytes(), "")
    kept = [path for path in stored(home, "clip") if path.startswith("cache") and "overlays" not in path]

    mpr("timeline", "rename", "clip", "試合", "--yes")
    assert mpr("status", "試合") == status.replace("clip", "試合")
    assert mpr("timeline", "list") == "試合\n"
    again = from_parquet((home / "storage/stages/run_ocr/試合.parquet").read_bytes(), "")
    assert again.rows.equals(table.rows)
    assert again.header == table.header.model_copy(update={"timeline": "試合"})
    moved = [path for path in stored(home, "試合") if path.startswith("cache") and "overlays" not in path]
    assert moved == [path.replace("/clip/", "/試合/") for path in kept]
    assert json.loads((home / "storage/reports/試合/report.json").read_text())["timeline"] == "試合"
    assert [path for path in stored(home, "clip") if not path.startswith("scenarios")] == []
    assert list(registry.entry(BRAND).airings) == ["試合"]
    assert [row.of for row in ledger.sums(registry.database, "timeline")] == ["試合", "all"]
    assert registry.database.read(lambda connection: budget.spent(connection, "timeline/試合")) == budget.Totals(1, 5)
    with dagster_instance() as instance:
        assert held_by(instance, ["clip", "試合"]) == {"試合": "timeline"}


REFUSED = {
    "no such timeline": (("delete", "ghost", "--yes"), UNUSABLE, "'ghost' is not registered in"),
    "rename no such timeline": (("rename", "ghost", "x", "--yes"), UNUSABLE, "'ghost' is not registered in"),
    "a name that is taken": (("rename", "試合", "試合", "--yes"), UNUSABLE, "'試合' is already registered; choose"),
    "a name that cannot be": (("rename", "試合", "a b", "--yes"), UNUSABLE, "The timeline name 'a b' holds ' '"),
    "delete without a yes": (("delete", "試合"), FAILED, "nothing was changed; --yes skips the question"),
    "rename without a yes": (("rename", "試合", "x"), FAILED, "nothing was changed; --yes skips the question"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_changes_nothing(case: str, mpr: Mpr, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    argv, exit_status, says = REFUSED[case]
    before = stored(home, "試合")
    said = mpr.said("timeline", *argv)
    assert (said.status, says in said.err) == (exit_status, True), said.err
    assert stored(home, "試合") == before != []


@pytest.mark.parametrize("argv", [("delete", "試合"), ("rename", "試合", "x")], ids=" ".join)
def test_a_timeline_under_a_run_is_left_alone(argv: tuple[str, ...], mpr: Mpr, home: Path) -> None:
    before = stored(home, "試合")
    with dagster_instance() as instance:
        with run_lock(instance, "試合"):
            said = mpr.said("timeline", *argv, "--yes")
        assert (said.status, "is in progress in another command line" in said.err) == (UNUSABLE, True)
        queued = instance.add_run(dg.DagsterRun("mpr", tags={PARTITION_NAME_TAG: "試合"}))
        said = mpr.said("timeline", *argv, "--yes")
        assert (said.status, "waits in the queue; end it with mpr stop 試合" in said.err) == (UNUSABLE, True)
        instance.delete_run(queued.run_id)
    assert stored(home, "試合") == before != []


def test_all_that_is_stored_is_deleted(mpr: Mpr, home: Path, registry: Registry) -> None:
    objects = len(stored(home, "試合"))
    assert mpr("timeline", "delete", "試合", "--yes") == f"試合 is deleted, {objects} objects.\n"
    assert (stored(home, "試合"), mpr("timeline", "list")) == ([], "")
    assert registry.entry(BRAND).airings == {}
    assert "good" in mpr("scenario", "list")


def test_a_deletion_that_was_broken_off_is_finished(mpr: Mpr, inputs: Path, home: Path, registry: Registry) -> None:
    mpr("timeline", "create", str(inputs / "clip.mp4"), "--name", "half")
    (home / "storage" / "timelines" / "half.json").write_text("{")
    with dagster_instance() as instance:
        instance.delete_dynamic_partition("timelines", "half")
        delete_timeline(instance, Storage.open(str(home / "storage")), registry, "half", STAGES)
    assert stored(home, "half") == []
