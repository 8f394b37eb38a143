"""Ticks of the sensors over many idle timelines on SQLite: seconds of the first, and of one that finds nothing new.

    python -m bench.idle_ticks [--count 1000]

Nothing is computed: what Dagster would have written of finished timelines is written. Prints one JSON line. Exit
status 1 where an idle tick takes over 0.5 s.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import dagster as dg

from bench.many_timelines import EDIT, Team
from mpr_assets.automation.sensors import config_sensor, replay_sensor, state_sensor
from mpr_assets.definitions import JOB, STAGES

MOST_S = 0.5
IDLE_TICKS = 5


def run(count: int) -> dict[str, object]:
    """Seconds of ticks by sensor: the first, the slowest of those that find nothing, the one that sees an edit."""
    with tempfile.TemporaryDirectory() as folder:
        team = Team(Path(folder), None)
        team.grow(count)
        team.finish()
        sensors = {"observe": config_sensor(STAGES), "show": state_sensor(STAGES), "replay": replay_sensor(STAGES, JOB)}

        def tick(sensor: dg.SensorDefinition) -> tuple[float, str]:
            started_s = time.perf_counter()
            said = team.tick(sensor)
            return round(time.perf_counter() - started_s, 3), said

        first = {}
        for name, sensor in sensors.items():
            first[name], said = tick(sensor)
            while not said.startswith("0 ") and name == "observe":  # the rest of what is to be reported
                _, said = tick(sensor)
        for sensor in sensors.values():  # what was just written is read once
            for _ in range(2):
                tick(sensor)
        idle = {name: max(tick(sensor)[0] for _ in range(IDLE_TICKS)) for name, sensor in sensors.items()}
        team.write(EDIT)
        edited = {name: tick(sensor)[0] for name, sensor in sensors.items()}
        team.instance.dispose()
    return {"timelines": count, "first_s": first, "idle_s": idle, "edit_s": edited}


def main() -> int:
    parser = argparse.ArgumentParser(description="Ticks of the sensors over many idle timelines.")
    parser.add_argument("--count", type=int, default=1000)
    found = run(parser.parse_args().count)
    print(json.dumps({"bench": "idle_ticks", **found, "most_s": MOST_S}))
    idle = found["idle_s"]
    assert isinstance(idle, dict)
    return 1 if max(idle.values()) > MOST_S else 0


if __name__ == "__main__":
    sys.exit(main())
