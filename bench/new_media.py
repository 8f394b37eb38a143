"""The sensor `new_media` under a real Dagster daemon: many files at once, the daemon killed on the way.

    python -m bench.new_media [--files 10000] [--kills 3] [--folder FOLDER]

Files lie in three folders under equal names. The daemon watches them with the project's own definitions, on SQLite; its
whole process group is killed with SIGKILL after equal parts of the runs, and started again. Runs are asked for and
queued as ever, and none is started: the queue's limit is 0. Dagster stores some thirty events of each run, one by one,
which takes a second or so of a disk; a folder in memory, such as /dev/shm, is several times as quick. A tick over
Dagster's limit for its evaluation is a failed one; `longest_tick_s` is with the submission of its runs, for which there
is no limit. Prints one JSON line. Exit status 1 where a timeline has no run or more than one, or a tick failed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus

from mpr_assets.automation.new_media import timeline_name
from mpr_assets.automation.new_media_sensor import LOOK_EVERY_S
from mpr_assets.definitions import ROOT
from mpr_assets.timelines.partitions import registered

DAEMON = [str(Path(sys.executable).parent / "dagster-daemon"), "run", "--workspace", str(ROOT / "workspace.yaml")]
FOLDERS = ("", "tv_ads/", "soccer_broadcast/")
LIMIT_S = 60.0
"""For which Dagster waits for a tick's evaluation: without a new run for longer, there will be none."""
POLL_S = 3.0
QUIET_LOOKS = 3
"""Looks without a new run after which there will be none."""


def write_files(folder: Path, count: int) -> list[str]:
    """So many files, their keys."""
    keys = [f"{FOLDERS[number % len(FOLDERS)]}{number // len(FOLDERS):05}.mp4" for number in range(count)]
    for key in keys:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return keys


def set_up(folder: Path) -> None:
    """A Dagster home as the project has it, in which no run is started."""
    settings = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    settings["concurrency"]["runs"]["max_concurrent_runs"] = 0
    (folder / "dagster").mkdir(parents=True)
    (folder / "dagster" / "dagster.yaml").write_text(yaml.safe_dump(settings))


@contextmanager
def daemon(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The daemon, killed with all that it started at the end of the block."""
    environ = os.environ | {
        "DAGSTER_HOME": str(folder / "dagster"),
        "MPR_STORAGE_URL": str(folder / "storage"),
        "MPR_MEDIA_URL": str(folder / "media"),
    }
    with (folder / "daemon.log").open("ab") as log:
        process = subprocess.Popen(DAEMON, env=environ, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(instance: dg.DagsterInstance, process: subprocess.Popen[bytes], runs: int) -> None:
    """Wait for so many runs, or until no more come."""
    before, since_s = -1, time.monotonic()
    while (count := instance.get_runs_count()) < runs:
        if process.poll() is not None:
            raise RuntimeError(f"The daemon ended by itself, with status {process.returncode}; see its log.")
        if count != before:
            before, since_s = count, time.monotonic()
        if time.monotonic() - since_s > LIMIT_S + QUIET_LOOKS * LOOK_EVERY_S:
            return
        time.sleep(POLL_S)


def ticks(instance: dg.DagsterInstance) -> list[InstigatorTick]:
    """Those of the sensor that took files or failed."""
    [state] = [one for one in instance.all_instigator_state() if one.instigator_name == "new_media"]
    wanted = [TickStatus.SUCCESS, TickStatus.FAILURE, TickStatus.STARTED]
    return list(instance.get_ticks(state.instigator_origin_id, state.selector_id, statuses=wanted))


def intake(folder: Path, count: int, kills: int) -> dict[str, Any]:
    """The figure."""
    set_up(folder)
    keys = write_files(folder / "media", count)
    with dg.DagsterInstance.from_config(str(folder / "dagster")) as instance:
        began_s = time.monotonic()
        for leg in range(1, kills + 1):
            with daemon(folder) as process:
                until(instance, process, count * leg // (kills + 1))
        with daemon(folder) as process:
            until(instance, process, count)
            took_s = time.monotonic() - began_s
            time.sleep(QUIET_LOOKS * LOOK_EVERY_S)
        runs = Counter(run.tags["dagster/partition"] for run in instance.get_runs())
        made = ticks(instance)
        timelines = registered(instance)
    expected = {timeline_name(key) for key in keys}
    ended = [tick for tick in made if tick.status == TickStatus.SUCCESS and tick.end_timestamp]
    return {
        "figure": "new_media",
        "files": count,
        "daemon_killed": kills,
        "timelines": len(timelines),
        "timelines_as_expected": set(timelines) == expected,
        "runs": runs.total(),
        "timelines_with_one_run": sum(number == 1 for number in runs.values()),
        "ticks_that_took_files": len(ended),
        "most_runs_a_tick": max((len(tick.run_ids) for tick in ended), default=0),
        "ticks_failed": sum(tick.status == TickStatus.FAILURE for tick in made),
        "longest_tick_s": round(max((tick.end_timestamp or 0) - tick.timestamp for tick in ended), 1),
        "seconds": round(took_s),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 where each file led to one run and no tick failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.new_media", description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where all is kept; by default a folder that is deleted")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        figure = intake(asked.folder or Path(scratch), asked.files, asked.kills)
    print(json.dumps(figure), flush=True)
    once = figure["runs"] == figure["timelines_with_one_run"] == asked.files
    return 0 if once and figure["timelines_as_expected"] and not figure["ticks_failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
