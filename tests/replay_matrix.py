"""Stale means stale, through a real daemon: every setting of every stage, two profiles with three timelines each.

    python -m tests.replay_matrix [--only code model] [--stages run_ocr match_brands]

The test of `tests/mpr_assets/freshness/test_freshness.py` again, with `dagster dev`: a profile's file is edited, the
daemon's sensor observes it, and GraphQL and `mpr status` are asked what is stale: exactly the stage in the three
timelines of that profile, and what depends on it. For each stage the stale ones are then materialized by GraphQL and
everything is asked to be fresh. Then come edits without meaning, another brand, another version of a stage's code, a
profile that says `replay: automatic`, and another model file on an inference host. Prints one JSON line; the first
case that is not as expected ends it with exit status 1. Takes most of an hour, of which the settings take all but
some minutes."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.daemon import Daemon, dagster_dev, wait_until
from bench.service import service
from mpr_assets.definitions import ROOT, STAGES
from mpr_assets.freshness.config_versions import config_versions, usable_timelines
from mpr_assets.freshness.event_log import read_observed
from mpr_assets.freshness.judge import same_config
from mpr_resources.inference.resource import InferenceResource
from tests.clips import write_numbered
from tests.mpr_assets.freshness.test_freshness import CASES, MEANINGLESS
from tests.mpr_assets.settings_matrix import (
    ALL,
    INPUTS,
    LOG,
    NODES,
    PROFILES,
    TIMELINES,
    Matrix,
    another,
    below,
)
from tests.onnx_file import write_detector

KINDS = ("settings", "edits", "brands", "code", "automatic", "model")
"""What may change, in the order in which it does."""
OBSERVED_S = 60.0
CODE = """
from dataclasses import replace
from mpr_assets import definitions
from mpr_assets.automation import sensors
sensors.INTERVAL_S = 1  # the daemon looks every 5 s; what is shown is not how long 30 s last
definitions.STAGES = tuple(
    replace(stage, code_version="newer") if stage.name in {newer} else stage for stage in definitions.STAGES
)
defs = definitions.defs
"""
MPR = "import runpy, sys; runpy.run_path(sys.argv.pop(1)); from mpr_cli.app import main; main()"
"""The command line with the stages of such a file."""
RELOAD = """
mutation Reload($name: String!) {
  reloadRepositoryLocation(repositoryLocationName: $name) {
    __typename
    ... on WorkspaceLocationEntry { locationOrLoadError { __typename } }
  }
}
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

    @property
    def code(self) -> Path:
        """The file that the daemon loads."""
        return self.matrix.folder / "code.py"

    def load_code(self, newer: Collection[str]) -> None:
        """Reload the code location with these stages in a newer version."""
        write_code(self.code, newer)
        location = self.daemon.location() or {}
        answer = self.daemon.ask(RELOAD, name=location["location"]["name"])["reloadRepositoryLocation"]
        if answer.get("locationOrLoadError") != {"__typename": "RepositoryLocation"}:
            raise SystemExit(f"replay_matrix: the code cannot be reloaded: {answer}")

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
        command = [sys.executable, "-c", MPR, self.code, "status", timeline]
        done = subprocess.run(command, env=self.daemon.environ, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"replay_matrix: mpr status {timeline}: {done.stderr}")
        rows = (line.split() for line in done.stdout.splitlines())
        return {row[0] for row in rows if row[0] in INPUTS and row[1] != "fresh"}

    def expect(self, case: str, *stages: str) -> None:
        """Exactly these stages of the timelines of `one` are stale by their settings, and nothing else."""
        causes = {stage: [f"config/{stage} has a new data version"] for stage in stages}
        self.expect_causes(case, dict.fromkeys(TIMELINES["one"], causes) if stages else {})

    def expect_causes(self, case: str, expected: Mapping[str, Mapping[str, list[str]]]) -> None:
        """What is stale, and its causes, by timeline, then stage."""
        if (found := self.stale()) != expected:
            raise SystemExit(f"replay_matrix: {case}: stale is {found}, not {expected}")

    def expect_status(self, case: str, stages: set[str], profiles: Sequence[str] = ("one",)) -> None:
        """`mpr status` says the same, and of what depends on it too; of another profile's nothing is stale."""
        for profile in PROFILES:
            timeline, expected = TIMELINES[profile][0], stages if profile in profiles else set[str]()
            if (found := self.status(timeline)) != expected:
                raise SystemExit(f"replay_matrix: {case}: mpr status {timeline} says {found}, not {expected}")

    def make(self, stages: Collection[str] = (), timelines: Sequence[str] = TIMELINES["one"]) -> None:
        """Materialize them, all when none is named, of the timelines of `one` or of others, as the UI does."""
        runs = [self.daemon.launch(timeline, [*stages]) for timeline in timelines]
        for run in runs:
            self.daemon.succeed(run)

    def ticks(self) -> int:
        """How many ticks the sensor that observes has ended."""
        states = self.matrix.instance.all_instigator_state()
        [state] = [one for one in states if one.instigator_name == "observe_settings"]
        ticks = self.matrix.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1000)
        return sum(tick.is_completed for tick in ticks)


def write_code(path: Path, newer: Collection[str] = ()) -> None:
    """What the daemon is to load: MPR as it is, but for the stages that have a newer version of the code."""
    path.write_text(CODE.format(newer=[*newer]))


def materialize_all(drive: Drive) -> None:
    drive.make(timelines=ALL)
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
    drive.expect("another brand", "match_brands", "compile_report", "evaluation")
    drive.expect_status("another brand", below("match_brands"))
    drive.make(below("match_brands"))
    drive.expect("after the run for another brand")


def code(drive: Drive) -> None:
    """Another version of a stage's code makes it stale in every timeline; made again with an equal result, it leaves
    what depends on it fresh. So does the version that was before."""
    stage = "run_ocr"
    causes = {stage: [f"{stage} has a new code version"]}
    for case, newer in {"a newer version of the code": [stage], "the version before": []}.items():
        drive.load_code(newer)
        drive.expect_causes(case, dict.fromkeys(ALL, causes))
        drive.expect_status(case, below(stage), PROFILES)
        drive.make([stage], ALL)
        drive.expect(f"after the run for {case}")
        drive.expect_status(f"after the run for {case}", set())
        print(f"{case} of {stage}: as expected", file=sys.stderr, flush=True)


def model(drive: Drive, path: Path) -> None:
    """Another model file on the inference host makes the stage stale that uses it, in the timelines that use it."""
    drive.matrix.write("one", {"detect_objects": {"engines": ["onnx"], "onnx_model": "boards"}})
    drive.wait_for_observation()
    drive.make()
    drive.expect("after the runs with a model of the host")
    write_detector(path, confidence=0.8)
    drive.wait_for_observation()
    drive.expect("another model file", "detect_objects")
    drive.expect_status("another model file", below("detect_objects"))
    drive.make(below("detect_objects"))
    drive.expect("after the run for another model file")
    drive.expect_status("after the run for another model file", set())
    print("another model file on the host: as expected", file=sys.stderr, flush=True)


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


def run(kinds: Collection[str], stages: list[str]) -> Mapping[str, Any]:
    """The cases of these kinds, the settings those of these stages; gives how many cases of a kind there were."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        environ = {
            "DAGSTER_HOME": f"{scratch}/home",
            "MPR_STORAGE_URL": f"{scratch}/storage",
            "MPR_PROFILES_DIR": f"{scratch}/profiles",
        }
        os.environ.update(environ)
        (folder / "profiles").mkdir()
        write_code(folder / "code.py")
        load = ["--python-file", str(folder / "code.py")]
        from mpr_assets.runs.local_instance import dagster_instance, resources

        found: dict[str, Any] = {}
        with dagster_instance() as instance:
            matrix = Matrix(folder, instance, host=resources().inference)  # type: ignore[arg-type]
            for profile in PROFILES:
                matrix.write(profile)
                (folder / "profiles" / f"{profile}.brands.yaml").write_text("brands: [Acme, Beta]\n")
                (folder / f"{profile}-logos").mkdir()
            write_numbered(folder / "clip.mp4", 10, fps=10)
            with dagster_dev(environ, load) as daemon:
                for profile, names in TIMELINES.items():
                    for name in names:
                        clip = str(folder / "clip.mp4")
                        daemon.mpr("timeline", "create", clip, "--name", name, "--profile", profile)
                drive = Drive(matrix, daemon)
                materialize_all(drive)
                if "settings" in kinds:
                    found["settings"] = settings(drive, stages)
                if "edits" in kinds:
                    found["edits_without_meaning"] = meaningless(drive)
                if "brands" in kinds:
                    brands(drive)
                if "code" in kinds:
                    code(drive)
                if "automatic" in kinds:
                    found["automatic_runs"] = automatic(drive)
            if "model" in kinds:
                write_detector(folder / "boards.onnx", confidence=0.9)
                with (
                    service("--models", f"boards={folder / 'boards.onnx'}") as url,
                    dagster_dev(environ | {"INFERENCE_URL": url}, load) as daemon,
                ):
                    matrix.host = InferenceResource(url=url)  # type: ignore[assignment]
                    model(Drive(matrix, daemon), folder / "boards.onnx")
    return {"kinds": [kind for kind in KINDS if kind in kinds], **found}


def main() -> int:
    parser = argparse.ArgumentParser(description="What is stale, through a daemon and GraphQL.")
    names = [stage.name for stage in STAGES]
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS, help="what is changed")
    parser.add_argument("--stages", nargs="+", choices=names, default=names, help="whose settings are changed")
    started_s, asked = time.monotonic(), parser.parse_args()
    found = run(asked.only, asked.stages)
    print(json.dumps({"test": "replay_matrix", **found, "seconds": round(time.monotonic() - started_s)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
