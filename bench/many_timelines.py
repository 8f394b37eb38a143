"""The sensors and `mpr status` with 100 and with 1,000 timelines: seconds of a tick, and how they grow.

    MPR_TEST_POSTGRES_URL=postgresql+psycopg2://user@host/database python -m bench.many_timelines [--counts 100 1000]

In a database of its own, dropped at the end. Nothing is computed: what Dagster would have written of finished timelines
is written, then settings change. Prints one JSON line: seconds by count, and the largest growth of one beside that of
the count. Exit status 1 where one takes over 10 s or grows faster than the count.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import yaml
from dagster._core.definitions.partitions.context import partition_loading_context
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from bench.try_stage import write_video
from mpr_assets.automation.sensors import config_sensor, replay_sensor, state_sensor
from mpr_assets.definitions import (
    JOB,
    ROOT,
    SECTIONS,
    STAGES,
    definitions,
)
from mpr_assets.freshness.config_versions import config_versions, usable_timelines
from mpr_assets.orchestration.columns import column_schema
from mpr_assets.runs.local_instance import LOG
from mpr_assets.timelines.partitions import register
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec
from mpr_resources.dagster_internals import write_events
from mpr_resources.database.connection import Database
from mpr_resources.inference.resource import InferenceResource
from mpr_resources.profiles.folder import Profiles
from mpr_resources.storage.io_manager import StorageResource

SERVER = "MPR_TEST_POSTGRES_URL"
MOST_S = 10.0
PREVIEW = dg.MetadataValue.md(f"![preview](data:image/jpeg;base64,{'A' * 35_000})")
"""As large as those of real stages: what is read from the event log is mostly this."""
EDIT = "match_brands: {min_confidence: 0.6}\n"


@contextmanager
def database(server: str) -> Iterator[str]:
    """The URL of a new database on the server; dropped at the end."""
    name = f"bench_{uuid.uuid4().hex[:12]}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


class Team:
    """Timelines of one profile, as finished. `database`: URL of a PostgreSQL; None: SQLite."""

    def __init__(self, folder: Path, database: str | None) -> None:
        self.folder = folder
        (folder / "home").mkdir()
        settings = yaml.safe_load((ROOT / "dagster.yaml").read_text())
        if database is not None:
            settings["storage"] = {"postgres": {"postgres_url": database}}
        (folder / "home" / "dagster.yaml").write_text(yaml.safe_dump(settings))
        (folder / "profiles").mkdir()
        self.write("")
        write_video(folder / "clip.mp4")
        self.instance = dg.DagsterInstance.from_config(str(folder / "home"))
        self.resources: dict[str, Any] = {
            "storage": StorageResource(url=str(folder / "storage"), s3_endpoint_url=None),
            "inference": InferenceResource(),
            "profiles": Profiles(folder / "profiles", SECTIONS),
            "progress": None,
            "switches": {},
            "database": Database(f"sqlite:///{folder}/registry.sqlite"),
        }
        graph = definitions({}, storage=self.resources["storage"], profiles=self.resources["profiles"])
        self.repository = graph.get_repository_def()
        self.names: list[str] = []

    def write(self, settings: str) -> None:
        """The profile, with these settings."""
        (self.folder / "profiles" / "generic.yaml").write_text(f"replay: automatic\n{settings}")

    def grow(self, count: int) -> None:
        """Register timelines until there are so many."""
        chunk = ChunkSpec(source=str(self.folder / "clip.mp4"), start_ms=None, end_ms=None)
        new = [f"t{number:05}" for number in range(len(self.names), count)]
        for name in new:
            spec = TimelineSpec(name=name, profile="generic", chunks=(chunk,))
            register(self.instance, self.resources["storage"].storage, spec)
        self.names += new

    def finish(self) -> None:
        """Say that every stage of every timeline was materialized with the settings as they are."""
        world = SimpleNamespace(**self.resources)
        config = config_versions(STAGES, usable_timelines(self.names, world, LOG), world, LOG)
        for stage in STAGES:
            made = [
                dg.AssetMaterialization(
                    stage.name,
                    partition=name,
                    tags={"dagster/data_version": "d", "dagster/code_version": stage.code_version},
                    metadata={
                        "upstream": dg.MetadataValue.json(dict.fromkeys(stage.inputs, "d")),
                        "overrides": dg.MetadataValue.json({}),
                        "config_version": config[name][stage.name],
                        "settings": dg.MetadataValue.json(stage.settings().model_dump(mode="json")),
                        "dagster/column_schema": column_schema(stage),
                        "dagster/row_count": 1000,
                        **({"preview": PREVIEW} if stage.draw is not None else {}),
                    },
                )
                for name in self.names
            ]
            write_events(self.instance, made)

    def tick(self, sensor: dg.SensorDefinition) -> str:
        """What a tick says or asks for."""
        with (
            partition_loading_context(dynamic_partitions_store=self.instance),
            dg.build_sensor_context(self.instance, repository_def=self.repository, resources=self.resources) as context,
        ):
            found = sensor.evaluate_tick(context)
        return found.skip_message or f"{len(found.run_requests or ())} runs"

    def status(self, *arguments: str) -> str:
        environ = {
            "DAGSTER_HOME": str(self.folder / "home"),
            "MPR_STORAGE_URL": str(self.folder / "storage"),
            "MPR_PROFILES_DIR": str(self.folder / "profiles"),
        }
        command = [str(Path(sys.executable).parent / "mpr"), "status", *arguments]
        done = subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, check=True)
        return f"{len(done.stdout.splitlines()) - 1} lines"


def measure(team: Team, count: int) -> dict[str, float]:
    """Seconds of each tick and command with so many timelines."""
    team.write("")
    team.grow(count)
    observing, showing, replaying = config_sensor(STAGES), state_sensor(STAGES), replay_sensor(STAGES, JOB)
    spent: dict[str, float] = {}

    def timed(name: str, job: Callable[[], str]) -> None:
        started_s = time.perf_counter()
        said = job()
        spent[name] = round(time.perf_counter() - started_s, 2)
        print(f"{count} timelines, {name}: {spent[name]} s: {said}", file=sys.stderr, flush=True)

    timed("observe: all is new", lambda: team.tick(observing))
    team.finish()
    timed("observe: nothing changed", lambda: team.tick(observing))
    timed("show: all is fresh", lambda: team.tick(showing))
    timed("replay: all is fresh", lambda: team.tick(replaying))
    timed("status", team.status)
    timed("status of one", lambda: team.status(team.names[0]))
    team.write(EDIT)
    timed("observe: a setting changed", lambda: team.tick(observing))
    timed("show: a setting changed", lambda: team.tick(showing))
    timed("show: told already", lambda: team.tick(showing))
    timed("replay: a setting changed", lambda: team.tick(replaying))
    timed("replay: asked for already", lambda: team.tick(replaying))
    return spent


def growth(by_count: Mapping[int, Mapping[str, float]]) -> tuple[str, float]:
    """What grew most from the smallest to the largest count, and how much."""
    few, many = by_count[min(by_count)], by_count[max(by_count)]
    grown = {name: round(many[name] / max(few[name], 0.01), 1) for name in few}
    name = max(grown, key=lambda name: grown[name])
    return name, grown[name]


def run(counts: Sequence[int], server: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, database(server) as url:
        team = Team(Path(folder), url)
        by_count = {count: measure(team, count) for count in sorted(counts)}
        team.instance.dispose()
    name, factor = growth(by_count)
    return {
        "seconds": by_count,
        "most_grown": name,
        "growth": factor,
        "growth_of_count": max(counts) / min(counts),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="The sensors and `mpr status` with many timelines.")
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 1000])
    server = os.environ.get(SERVER)
    if not server:
        parser.error(f"{SERVER} names no PostgreSQL server; set it to postgresql+psycopg2://user@host/database.")
    found = run(parser.parse_args().counts, server)
    print(json.dumps({"bench": "many_timelines", **found}))
    slow = any(seconds > MOST_S for of_count in found["seconds"].values() for seconds in of_count.values())
    return 1 if slow or found["growth"] > found["growth_of_count"] else 0


if __name__ == "__main__":
    sys.exit(main())
