"""An hour of stream: `python -m bench.live_hour [--minutes 60] [--speed 10]`; what grows, and what is lost.

A drawn clip is played again and again, faster than real time, with a recorder beside it; each window of 10 s is
analysed. The memory of each process of the session is sampled: told are MB at a tenth of the time that it ran, at its
end and at most, and the growth in MB an hour of stream by least squares over the second half. Windows are lost that
have no result, and doubled where a run was made twice. One JSON line; exit status 1 where one was lost or doubled.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import dagster as dg
import numpy as np

from bench.live_latency import clip_of
from bench.live_world import LiveWorld
from mpr_assets.sessions.session import timeline_of
from mpr_assets.sessions.session_store import SessionStore

SESSION = "hour"
PROCESSES = ("supervisor", "ingest", "worker")
CLIP_S, EVERY_S = 120, 2.0
MB = 10**6


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="of stream")
    parser.add_argument("--speed", type=float, default=10, help="times as fast as real time")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        world = LiveWorld(Path(name) / "world", fps=1)
        clip = clip_of(Path(name) / "clip.mp4", CLIP_S)
        store = world.store(SESSION)
        world.start(SESSION, clip, "10s", "--loop", "--speed", args.speed, "--recorder", Path(name) / "recorder")
        began_s = time.monotonic()
        samples: dict[str, list[tuple[float, float]]] = {one: [] for one in PROCESSES}
        stopped = False
        while store.state().status not in ("inactive", "error"):
            _sample(world, samples, time.monotonic() - began_s)
            if not stopped and store.ingest().recorded_ms >= args.minutes * 60_000:
                stopped = True
                world.mpr("live", "stop", SESSION)
            time.sleep(EVERY_S)
        hours = store.ingest().recorded_ms / 3_600_000
        windows = store.windows_closed()
        lost = sum((found := store.analysed(at)) is None or found.status != "analysed" for at in range(windows))
        doubled = _run_twice(world, store, windows)
        frames = len(list((Path(name) / "recorder").glob("*/frames/F*.jpg")))
        figures = {
            "minutes": round(hours * 60, 1),
            "took_minutes": round((time.monotonic() - began_s) / 60, 1),
            "windows": windows,
            "windows_lost": lost,
            "windows_doubled": doubled,
            "frames_of_the_recorder": frames,
            **{one: _growth(samples[one], hours) for one in PROCESSES},
        }
    print(json.dumps({"bench": "live_hour", **figures}))
    return int(lost + doubled > 0)


def _sample(world: LiveWorld, samples: dict[str, list[tuple[float, float]]], at_s: float) -> None:
    for name in PROCESSES:
        for process in world.processes(f"mpr_live.{name}", SESSION):
            try:
                pages = int((Path("/proc") / str(process) / "statm").read_text().split()[1])
            except OSError:  # it has ended since
                continue
            samples[name].append((at_s, pages * 4096 / MB))


def _growth(samples: list[tuple[float, float]], hours: float) -> dict[str, float]:
    at_s, mb = np.array(samples).T
    half = at_s >= at_s[-1] / 2
    of_time = float(np.polyfit(at_s[half], mb[half], 1)[0]) if half.sum() > 2 else 0.0
    return {
        "mb_after_a_tenth": round(float(mb[len(mb) // 10]), 1),
        "mb_at_the_end": round(float(mb[-1]), 1),
        "mb_at_most": round(float(mb.max()), 1),
        "mb_an_hour": round(of_time * float(at_s[-1]) / hours, 1),
    }


def _run_twice(world: LiveWorld, store: SessionStore, windows: int) -> int:
    """How many windows have more runs than one that came to its end."""
    with dg.DagsterInstance.from_config(world.environ["DAGSTER_HOME"]) as instance:
        done = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
    of_timeline = Counter(run.tags.get("dagster/partition", "") for run in done)
    return sum(of_timeline[timeline_of(store.name, at)] > 1 for at in range(windows))


if __name__ == "__main__":
    sys.exit(main())
