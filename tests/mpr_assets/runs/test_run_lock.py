from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from gpu_service.errors import BadInput
from mpr_assets.runs.run_lock import refuse_at_work, run_lock

HOLD = """
import sys
import dagster as dg
from mpr_assets.runs.run_lock import run_lock
with dg.DagsterInstance.local_temp(sys.argv[1]) as instance, run_lock(instance, "match"):
    print("held", flush=True)
    sys.stdin.read()
"""
REFUSED = (
    "A run of the timeline 'match' is in progress in another command line; end it with mpr stop match, or wait for it."
)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def test_a_timeline_is_locked_across_processes_until_the_holder_is_gone(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(BadInput) as refused:
                refuse_at_work(instance, "match")
            assert str(refused.value) == REFUSED
            refuse_at_work(instance, "other")
        finally:
            holder.kill()
    refuse_at_work(instance, "match")


def test_a_timeline_is_locked_within_a_process_and_free_after_an_error(instance: dg.DagsterInstance) -> None:
    with contextlib.suppress(KeyError), run_lock(instance, "match"):
        with pytest.raises(BadInput) as refused:
            refuse_at_work(instance, "match")
        assert str(refused.value) == REFUSED
        raise KeyError
    refuse_at_work(instance, "match")


def test_a_folder_that_cannot_be_written_is_named(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    (tmp_path / "locks").write_bytes(b"in the way")
    with pytest.raises(BadInput) as refused:
        refuse_at_work(instance, "match")
    assert (
        str(refused.value)
        == f"Dagster's folder {tmp_path} cannot be written (File exists); set DAGSTER_HOME to a writable one."
    )
