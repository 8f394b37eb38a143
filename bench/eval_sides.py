"""Both sides of `make eval`, each in a process of its own: started here, their answers read."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from bench.eval_clips import Clip
from mpr_assets.definitions import ROOT


class SideFailed(Exception):
    """The process has ended with another status than 0, after it has said why."""


@dataclass(frozen=True)
class Result:
    """What a side made of a clip.

    Attributes:
        user_s: CPU seconds in user mode, start-up left out.
        exposures: a CSV file that `bench.score_exposures` reads.
        detections: brand, time in ms, confidence; the graph's alone.
    """

    user_s: float
    exposures: Path
    detections: tuple[tuple[str, int, float], ...] = ()


@dataclass(frozen=True)
class Side:
    """All that a side has made. `startup_user_s`: of its one process, before the first clip."""

    startup_user_s: float
    results: Mapping[str, Result]

    @property
    def user_s(self) -> float:
        return sum(one.user_s for one in self.results.values())

    @property
    def user_with_startup_s(self) -> float:
        """As if each clip had been run by itself."""
        return self.user_s + len(self.results) * self.startup_user_s


def run_graph(
    clips: Sequence[Clip], profile: str, config: Mapping[str, Mapping[str, JsonValue]], keep: Path | None, scratch: Path
) -> Side:
    """MPR's whole graph on every clip, with storage and Dagster's folder in `scratch`.

    Raises:
        SideFailed: a clip could not be run.
    """
    folder = scratch / "graph"
    folder.mkdir()
    jobs = []
    for clip in clips:
        brands = folder / f"{clip.name}.yaml"
        brands.write_text(clip.brand_file())
        files = {"brands": str(brands), "exposures": str(folder / f"{clip.name}.csv")}
        jobs.append({"name": clip.name, "video": str(clip.video.absolute()), **files})
    asked = {"profile": profile, "config": config, "keep": str(keep.absolute()) if keep else None, "jobs": jobs}
    environ = os.environ | {"MPR_STORAGE_URL": str(folder / "storage"), "DAGSTER_HOME": str(folder / "dagster")}
    startup_s, said = _answers("bench.graph_side", asked, environ)
    return Side(
        startup_s,
        {
            one["name"]: Result(
                one["user_s"], folder / f"{one['name']}.csv", tuple((b, t, c) for b, t, c in one["detections"])
            )
            for one in said
        },
    )


def run_plain(clips: Sequence[Clip], scratch: Path) -> Side:
    """The plain script on every clip.

    Raises:
        SideFailed: a clip could not be read.
    """
    folder = scratch / "plain"
    folder.mkdir()
    jobs = [{"name": clip.name, "video": str(clip.video.absolute()), "brands": clip.brands()} for clip in clips]
    startup_s, said = _answers("bench.plain_script", jobs, os.environ)
    results = {}
    for one in said:
        exposures = folder / f"{one['name']}.csv"
        with exposures.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("brand", "start_s", "end_s"), *one["stays"]])
        results[one["name"]] = Result(one["user_s"], exposures)
    return Side(startup_s, results)


def _answers(module: str, asked: object, environ: Mapping[str, str]) -> tuple[float, list[dict[str, Any]]]:
    """Seconds of start-up, and what the process says of each clip, as it does."""
    with subprocess.Popen(
        [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asked))
        process.stdin.close()
        said = []
        for line in process.stdout:
            said.append(json.loads(line))
            if "name" in said[-1]:
                print(f"{module}: {said[-1]['name']}: {said[-1]['user_s']:.1f} s", file=sys.stderr, flush=True)
    if process.returncode:
        raise SideFailed
    return said[0]["startup_user_s"], said[1:]
