"""Whatever of a team's installation is killed while a run is at work: what is stored in the end is what one undisturbed
process stores, nothing is half-written, and nobody has to mend anything.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage
from tests.services.conftest import Bucket, database
from tests.services.servers import (
    KEY,
    POSTGRES_URL,
    SECRET,
    PostgresServer,
    S3Server,
)
from tests.services.team import RUNS, Team, team_environ
from tests.services.test_team import (
    OF_RETRY,
    alone,
    create,
    kept,
)

AWAY_S = 5.0
"""For which what was killed is away."""


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server of these tests' own, so that it can be killed."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        server.set_up()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[PostgresServer]:
    # Not in pytest's folders, into which PostgreSQL's user may not look.
    with tempfile.TemporaryDirectory(prefix="mpr-services-") as folder:
        Path(folder).chmod(0o755)
        server = PostgresServer(Path(folder) / "postgres")
        try:
            server.set_up()
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="module")
def undisturbed(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return alone(inputs, tmp_path_factory.mktemp("alone"), "one")


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    made = Bucket(f"test-{uuid.uuid4().hex[:12]}", s3_server.url, KEY, SECRET)
    made.client.create_bucket(Bucket=made.name)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def team(bucket: Bucket, postgres_server: PostgresServer, inputs: Path, tmp_path: Path) -> Iterator[Team]:
    with (
        database({POSTGRES_URL: postgres_server.url}) as url,
        Team(tmp_path / "team", team_environ(bucket, url, inputs)) as running,
    ):
        yield running


def service(name: str) -> Callable[[Team, S3Server, PostgresServer], None]:
    """Kill a process of the installation and all that it started, and start it again."""

    def kill(team: Team, *_: object) -> None:
        team.kill(name)
        time.sleep(AWAY_S)
        team.start(name)

    return kill


def code_server_alone(team: Team, *_: object) -> None:
    process = team.processes.pop("code")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(AWAY_S)
    team.start("code")


def database_server(_team: Team, _s3: S3Server, postgres: PostgresServer) -> None:
    postgres.kill()
    time.sleep(AWAY_S)
    postgres.start()


def s3_front_end(_team: Team, s3: S3Server, _postgres: PostgresServer) -> None:
    s3.kill()
    time.sleep(AWAY_S)
    s3.start()


@pytest.mark.parametrize(
    ("kill", "ends"),
    [
        pytest.param(service("code"), {("FAILURE", "SUCCESS")}, id="the code server with its run"),
        pytest.param(code_server_alone, {("SUCCESS",)}, id="the code server alone: its run goes on"),
        pytest.param(service("daemon"), {("SUCCESS",)}, id="the daemon"),
        pytest.param(database_server, {("SUCCESS",), ("FAILURE", "SUCCESS")}, id="the database"),
        pytest.param(s3_front_end, {("SUCCESS",)}, id="the S3 server"),
    ],
)
def test_what_is_killed_in_mid_run(
    kill: Callable[[Team, S3Server, PostgresServer], None],
    ends: set[tuple[str, ...]],
    team: Team,
    bucket: Bucket,
    s3_server: S3Server,
    postgres_server: PostgresServer,
    inputs: Path,
    undisturbed: dict[str, bytes],
) -> None:
    create(team, inputs, "one")
    storage = Storage.open(bucket.url, s3_endpoint_url=bucket.endpoint_url)
    first = team.launch("one")
    team.wait("the first stages", 90, lambda: storage.exists(Keys.table("extract_frames", "one")) or None)

    kill(team, s3_server, postgres_server)

    def how_it_ended() -> tuple[str, ...] | None:
        """The status of the run, and of those that were made in its place; None until one has ended well."""
        [own] = team.ask(RUNS, ids=[first])["runsOrError"]["results"]
        others = [run for run in team.ask(OF_RETRY, root=first)["runsOrError"]["results"] if run["runId"] != first]
        found = (own["status"], *(run["status"] for run in reversed(others)))
        return found if found[-1] == "SUCCESS" else None

    assert team.wait("a run that ends well", 300, how_it_ended) in ends
    assert kept(bucket.listing()) == undisturbed
