"""Stale means stale, through a real daemon: every setting of every stage, two profiles with three timelines each.

    python -m tests.replay_matrix [--stages run_ocr match_brands]

The test of `tests/mpr_assets/test_freshness.py` again, with `dagster dev`: a profile's file is edited, the daemon's
sensor observes it, and GraphQL and `mpr status` are asked what is stale: exactly the stage in the three timelines of
that profile, and what depends on it. For each stage the stale ones are then materialized by GraphQL and everything is
asked to be fresh. Last come edits without meaning, another brand, and a profile that says `replay: automatic`. Prints
one JSON line; the first case that is not as expected ends it with exit status 1. Takes most of an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.daemon import Daemon, dagster_dev, wait_until
from mpr_assets.config_assets import config_versions, usable_timelines
from mpr_assets.definitions import STAGES
from mpr_assets.freshness import read_observed, same_config
from tests.clips import write_numbered
from tests.mpr_assets.settings_matrix import ALL, INPUTS, LOG, NODES, PROFILES, TIMELINES, Matrix, another, below
from tests.mpr_assets.test_freshness import CASES, MEANINGLESS

OBSERVED_S = 60.0
CODE = """
from mpr_assets import sensors
sensors.INTERVAL_S = 1  # the daemon looks every 5 s; what is shown is not how long 30 s last
from mpr_assets.definitions import defs
"""
STALE = """
query Stale($partitions: [String!]) {
  assetNodes {
    assetKey { path }
    partitionDefinition { name }
    staleStatusByPartition(partitions: $partitions)
    staleCausesByPartition(partitions: $partitions) { key { path } reason }
  }
}
"""
RUNS = "{ runsOrError(limit: 1000) { ... on Runs { results { runId status tags { key value } } } } }"


class Drive:
    """The six timelines in the daemon's world. `changes`: what the profile `one` has by now."""

    def __init__(self, matrix: Matrix, daemon: Daemon) -> None:
        self.matrix, self.daemon = matrix, daemon
        self.changes: dict[str, dict[str, Any]] = {}

    def edit(self, stage: str, name: str) -> None:
        """Another value of the setting, and of no other of its stage."""
        self.matrix.write("one", {**self.changes, stage: {name: another(stage, name)}})

    def versions(self) -> dict[str, dict[str, str]]:
        """Of the settings as they are, by timeline, then stage."""
        resources = self.matrix.resources
        return config_versions(STAGES, usable_timelines(ALL, resources, LOG), resources, LOG)

    def wait_for_observation(self) -> None:
        """Until the daemon has observed the settings as they are."""
        now = self.versions()

        def observed() -> bool | None:
            seen = read_observed(self.matrix.instance, NODES)
            all_seen = (
                same_config(seen[stage].get(timeline, ""), version)
                for timeline, versions in now.items()
                for stage, version in versions.items()
            )
            return True if all(all_seen) else None

        wait_until("the observation", OBSERVED_S, observed)

    def stale(self) -> dict[str, dict[str, list[str]]]:
        """The root causes of what is stale as GraphQL and the UI say, by timeline, then stage."""
        found: dict[str, dict[str, list[str]]] = {}
        for node in self.daemon.ask(STALE, partitions=ALL)["assetNodes"]:
            states = zip(ALL, node["staleStatusByPartition"], node["staleCausesByPartition"], strict=True)
            for timeline, state, causes in states:
                if len(node["assetKey"]["path"]) == 1 and state != "FRESH":
                    told = [f"{'/'.join(one['key']['path'])} {one['reason']}" for one in causes]
                    found.setdefault(timeline, {})[node["assetKey"]["path"][0]] = told
        return found

    def status(self, timeline: str) -> set[str]:
        """The stages that `mpr status` calls stale or missing."""
        rows = (line.split() for line in self.daemon.mpr("status", timeline).splitlines())
        return {row[0] for row in rows if row[0] in INPUTS and row[1] != "fresh"}

    def expect(self, case: str, *stages: str) -> None:
        """Exactly these stages of the timelines of `one` are stale by their settings, and nothing else."""
        causes = {stage: [f"config/{stage} has a new data version"] for stage in stages}
        expected = dict.fromkeys(TIMELINES["one"], causes) if stages else {}
        if (found := self.stale()) != expected:
            raise SystemExit(f"replay_matrix: {case}: stale is {found}, not {expected}")

    def expect_status(self, case: str, stages: set[str]) -> None:
        """`mpr status` says the same, and of what depends on it too."""
        for timeline, expected in {"one-0": stages, "two-0": set[str]()}.items():
            if (found := self.status(timeline)) != expected:
                raise SystemExit(f"replay_matrix: {case}: mpr status {timeline} says {found}, not {expected}")

    def make(self, stages: set[str]) -> None:
        """Materialize them of the timelines of `one`, as the UI does."""
        runs = [self.daemon.launch(timeline, [*stages]) for timeline in TIMELINES["one"]]
        for run in runs:
            self.daemon.succeed(run)

    def ticks(self) -> int:
        """How many ticks the sensor that observes has ended."""
        states = self.matrix.instance.all_instigator_state()
        [state] = [one for one in states if one.instigator_name == "observe_settings"]
        ticks = self.matrix.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1000)
        return sum(tick.is_completed for tick in ticks)


def materialize_all(drive: Drive) -> None:
    runs = [drive.daemon.launch(timeline) for timeline in ALL]
    for run in runs:
        drive.daemon.succeed(run)
    drive.wait_for_observation()
    drive.expect("after the first runs")


def settings(drive: Drive, stages: list[str]) -> int:
    """Every setting of these stages; gives the number of cases."""
    number = 0
    for stage in stages:
        # The first is materialized at the end: neither the switch, nor what this installation may lack.
        names = sorted(
            (name for of, name in CASES if of == stage), key=lambda name: (name == "enabled", name[:6] == "engine")
        )
        for name in names:
            drive.edit(stage, name)
            if stage not in drive.versions()["one-0"]:
                print(f"{stage}.{name}: needs an engine that is not installed", file=sys.stderr, flush=True)
                continue
            drive.wait_for_observation()
            drive.expect(f"{stage}.{name}", stage)
            number += 1
            print(f"{stage}.{name}: as expected", file=sys.stderr, flush=True)
        if not names:
            continue
        drive.edit(stage, names[0])
        drive.wait_for_observation()
        drive.expect_status(f"{stage}.{names[0]}", below(stage))
        drive.make(below(stage))
        drive.expect(f"after the run of {stage}")
        drive.expect_status(f"after the run of {stage}", set())
        drive.changes[stage] = {names[0]: another(stage, names[0])}
        print(f"{stage} and what depends on it: made, all fresh", file=sys.stderr, flush=True)
    return number


def meaningless(drive: Drive) -> int:
    """Edits without meaning; gives their number."""
    path = drive.matrix.path("one")
    as_it_is = path.read_text()
    for name, change in MEANINGLESS.items():
        if name == "replay":  # of its own, below
            continue
        path.write_text(change(as_it_is))
        before = drive.ticks()
        wait_until("two ticks", OBSERVED_S, lambda before=before: drive.ticks() >= before + 2 or None)
        drive.expect(name)
        print(f"{name}: nothing is stale", file=sys.stderr, flush=True)
    path.write_text(as_it_is)
    drive.expect_status("edits without meaning", set())
    return len(MEANINGLESS) - 1


def brands(drive: Drive) -> None:
    """Another brand makes `match_brands` stale, and its re-run everything fresh."""
    path = drive.matrix.folder / "profiles" / "one.brands.yaml"
    path.write_text("brands: [Acme, Beta, Gamma]\n")
    drive.wait_for_observation()
    drive.expect("another brand", "match_brands", "compile_report")
    drive.expect_status("another brand", below("match_brands"))
    drive.make(below("match_brands"))
    drive.expect("after the run for another brand")


def automatic(drive: Drive) -> int:
    """With `replay: automatic` the daemon makes what a change made stale, once; gives the number of its runs."""
    before = {run["runId"] for run in drive.daemon.ask(RUNS)["runsOrError"]["results"]}
    changed = {**drive.changes, "run_ocr": {**drive.changes.get("run_ocr", {}), "min_confidence": 0.77}}
    drive.matrix.write("one", changed, replay="automatic")
    started_s = time.monotonic()

    def done() -> bool | None:
        runs = [run for run in drive.daemon.ask(RUNS)["runsOrError"]["results"] if run["runId"] not in before]
        return True if len(runs) >= 3 and {run["status"] for run in runs} == {"SUCCESS"} else None

    wait_until("the daemon's replay", 300, done)
    ended = drive.ticks()
    print(f"replayed by the daemon in {time.monotonic() - started_s:.0f} s", file=sys.stderr, flush=True)
    wait_until("three ticks more", OBSERVED_S, lambda: drive.ticks() >= ended + 3 or None)
    drive.expect("after the daemon's replay")
    drive.expect_status("after the daemon's replay", set())
    new = [run for run in drive.daemon.ask(RUNS)["runsOrError"]["results"] if run["runId"] not in before]
    if len(new) != 3:
        raise SystemExit(f"replay_matrix: the daemon made {len(new)} runs of 3 timelines")
    return len(new)


def run(stages: list[str]) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        environ = {
            "DAGSTER_HOME": f"{scratch}/home",
            "MPR_STORAGE_URL": f"{scratch}/storage",
            "MPR_PROFILES_DIR": f"{scratch}/profiles",
        }
        os.environ.update(environ)
        (folder / "profiles").mkdir()
        (folder / "code.py").write_text(CODE)
        from mpr_assets.cli_world import dagster_instance, resources

        with dagster_instance() as instance:
            matrix = Matrix(folder, instance, host=resources().inference)  # type: ignore[arg-type]
            for profile in PROFILES:
                matrix.write(profile)
                (folder / "profiles" / f"{profile}.brands.yaml").write_text("brands: [Acme, Beta]\n")
                (folder / f"{profile}-logos").mkdir()
            write_numbered(folder / "clip.mp4", 10, fps=10)
            with dagster_dev(environ, ["--python-file", str(folder / "code.py")]) as daemon:
                for profile, names in TIMELINES.items():
                    for name in names:
                        clip = str(folder / "clip.mp4")
                        daemon.mpr("timeline", "create", clip, "--name", name, "--profile", profile)
                drive = Drive(matrix, daemon)
                materialize_all(drive)
                number = settings(drive, stages)
                edits = meaningless(drive)
                brands(drive)
                runs = automatic(drive)
    return {"settings": number, "edits_without_meaning": edits, "automatic_runs": runs}


def main() -> int:
    parser = argparse.ArgumentParser(description="What is stale, through a daemon and GraphQL.")
    names = [stage.name for stage in STAGES]
    parser.add_argument("--stages", nargs="+", choices=names, default=names)
    started_s = time.monotonic()
    found = run(parser.parse_args().stages)
    print(json.dumps({"test": "replay_matrix", **found, "seconds": round(time.monotonic() - started_s)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
