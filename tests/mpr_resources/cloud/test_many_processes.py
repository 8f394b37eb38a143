"""Several processes that ask at once, on one storage and one database, and one of them killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpu_service.pictures import decode
from mpr_resources.cloud.answers import Look
from mpr_resources.database.connection import Database
from mpr_resources.storage.store import Storage
from tests.cloud_server import CloudServer, serving
from tests.mpr_resources.cloud.test_asking import COST, acme, ask, database_of, entered, held, plan, question

WORKER = """
import sys, json
from tests.mpr_resources.cloud.test_asking import *
options = json.loads(sys.argv[1])
first, last, limit = options["first"], options["last"], options["limit"]
limits = [] if limit is None else [Limit("day/2026-05-01", requests=limit)]
label = Label(f"from-{first}", "escalate_cloud", f"run-{first}")
storage = Storage.open(options["storage"], s3_endpoint_url=options["endpoint"])
database = Database(options["url"])
asking = Asker(storage, database, options["environ"], plan(**options["plan"]), limits, label)
questions = [question(number) for number in range(first, last)]
print("ready", flush=True)
sys.stdin.readline()
given = asking.answer(questions)
print(sum(one.why == "budget" for one in given))
"""


class Workers:
    """Processes on the storage and the database, begun together."""

    def __init__(self, storage: Storage, url: str, cloud: CloudServer) -> None:
        storing = {"storage": storage.url, "endpoint": storage.endpoint or None}
        self._shared = storing | {"url": url, "environ": cloud.environ()}
        self.started: list[subprocess.Popen[str]] = []

    def add(self, first: int, last: int, limit: int | None = None, **changes: Any) -> None:
        """One that asks about the crops from `first` to before `last`. `changes`: of the plan."""
        options = self._shared | {"first": first, "last": last, "limit": limit, "plan": changes}
        self.started.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER, json.dumps(options)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[3],
            )
        )

    def go(self) -> None:
        """Let them ask, once each is ready."""
        for one in self.started:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n", one.communicate()[1]
        for one in self.started:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()

    def end(self) -> list[int]:
        """Wait for them; how many questions of each found no money."""
        said = [one.communicate() for one in self.started]
        assert [one.returncode for one in self.started] == [0] * len(said), said
        return [int(out) for out, _ in said]

    def kill(self) -> None:
        for one in self.started:
            one.send_signal(signal.SIGKILL)
            one.communicate()


def asked(cloud: CloudServer) -> Counter[str]:
    """How often each crop was sent."""
    return Counter(Look(decode(picture)).name for request in cloud.requests for picture in request.pictures)


def share_a_budget(storage: Storage, url: str, cloud: CloudServer) -> None:
    """Two runs whose questions overlap, with money for less than all."""
    cloud.delay_s = 0.02
    workers = Workers(storage, url, cloud)
    workers.add(0, 40, limit=50)
    workers.add(20, 60, limit=50)
    workers.go()
    without = workers.end()
    assert len(cloud.requests) == 50
    assert asked(cloud).most_common(1)[0][1] == 1
    assert sum(without) >= 10, "what was not asked has the reason budget"
    assert len(entered(Database(url))) == 50
    assert held(Database(url)) == []


def share_a_rate(storage: Storage, url: str, cloud: CloudServer) -> None:
    """Three runs that want to send eighteen requests, and four a minute."""
    workers = Workers(storage, url, cloud)
    for first in (0, 6, 12):
        workers.add(first, first + 6, requests_per_minute=4)
    workers.go()
    try:
        minutes: Counter[int] = Counter()
        while not minutes or max(minutes.values()) < 4:
            time.sleep(0.1)
            minutes = Counter(row.time_ms // 60_000 for row in entered(Database(url)))
        time.sleep(1.5)
    finally:
        workers.kill()
    minutes = Counter(row.time_ms // 60_000 for row in entered(Database(url)))
    assert max(minutes.values()) == 4
    assert len(cloud.requests) == sum(minutes.values())


def kill_one(storage: Storage, url: str, cloud: CloudServer) -> None:
    """A run that is killed while four of its requests are under way, and one that goes on after it."""
    cloud.delay_s = 0.05
    workers = Workers(storage, url, cloud)
    workers.add(0, 30)
    workers.go()
    while len(cloud.answered) < 10:
        time.sleep(0.01)
    workers.kill()
    time.sleep(0.2)
    kept = {key.rpartition("/")[2].removesuffix(".json") for key in storage.list("answers")}
    before = len(cloud.requests)
    assert len(kept) >= before - 4, "all but those under way are kept"
    sent = entered(Database(url))
    assert before <= len(sent) <= before + 4, "what was sent is in the ledger, and what was about to be"
    assert {row.outcome for row in sent if row.micro_usd != COST} == {"broken_off"}
    started_s = time.monotonic()
    assert ask(storage, cloud, range(30), plan(), database=Database(url)) == [acme()] * 30
    assert time.monotonic() - started_s < 20, "claims of the dead are void"
    names = {question(number).look.name for number in range(30)}
    assert len(cloud.requests) - before == len(names - kept)
    assert held(Database(url)) == []


SCENES = {
    "two never pass a shared budget and ask nothing twice": share_a_budget,
    "requests a minute are those of all": share_a_rate,
    "killed in the middle another goes on where it stopped": kill_one,
}


@pytest.fixture
def cloud() -> Iterator[CloudServer]:
    with serving() as server:
        yield server


@pytest.mark.parametrize("scene", SCENES)
def test_many_processes(scene: str, tmp_path: Path, cloud: CloudServer) -> None:
    storage = Storage.open(str(tmp_path / "storage"))
    SCENES[scene](storage, f"sqlite:///{database_of(storage).file}", cloud)
