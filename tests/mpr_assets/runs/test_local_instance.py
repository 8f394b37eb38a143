from __future__ import annotations

import multiprocessing
import os
import sqlite3
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from gpu_service.errors import BadInput
from mpr_assets.runs.local_instance import dagster_instance

DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")


def versions(home: Path, database: str) -> list[str]:
    with closing(sqlite3.connect(home / database)) as connection:
        return [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")]


def open_at_once(home: str, together: Barrier) -> None:
    os.environ["DAGSTER_HOME"] = home
    together.wait(60)
    with dagster_instance() as instance:
        instance.get_runs_count()


def test_commands_that_begin_at_once_share_a_new_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    processes = multiprocessing.get_context("forkserver")
    together = processes.Barrier(6)
    begun = [processes.Process(target=open_at_once, args=(str(home), together)) for _ in range(6)]
    for process in begun:
        process.start()
    for process in begun:
        process.join(120)
    assert [process.exitcode for process in begun] == [0] * 6
    assert [len(versions(home, database)) for database in DATABASES] == [1, 1, 1]
    assert len({version for database in DATABASES for version in versions(home, database)}) == 1


@pytest.mark.parametrize("database", DATABASES)
def test_a_home_with_two_versions_is_repaired(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dagster_instance() as instance:
        instance.add_dynamic_partitions("timelines", ["kept"])
    latest = versions(tmp_path, database)
    with closing(sqlite3.connect(tmp_path / database)) as connection, connection:
        connection.execute("INSERT INTO alembic_version VALUES ('5771160a95ad')")
    with dagster_instance() as instance:
        assert instance.get_dynamic_partitions("timelines") == ["kept"]
    assert versions(tmp_path, database) == latest


def test_a_home_that_is_no_home_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "runs.db").write_bytes(b"not a database" * 99)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with pytest.raises(BadInput, match=r"cannot be used .*file is not a database"):
        dagster_instance()
