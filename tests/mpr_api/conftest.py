from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import httpx2
import pytest

from mpr_api.world.backend import Backend
from mpr_resources.environment import dagster_settings
from tests.mpr_api.live import config_of, resources_of, served, world_at
from tests.world import Ran, World

NO_LOGS = """
compute_logs: {module: dagster._core.storage.noop_compute_log_manager, class: NoOpComputeLogManager}
"""
"""What steps print is not kept: two processes for each step would follow it."""


@pytest.fixture(scope="package")
def api_world(finished: tuple[World, Ran], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A finished timeline on a Dagster instance on disk. Tests of the package share it: what one adds it takes away."""
    folder = tmp_path_factory.mktemp("api")
    home = folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(dagster_settings().read_text() + NO_LOGS)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield world_at(folder, finished[0], instance)


@pytest.fixture(scope="package")
def api_url(api_world: World) -> Iterator[str]:
    with served(Backend(config_of(api_world), api_world.instance, resources_of(api_world))) as url:
        yield url


@pytest.fixture
def api(api_url: str) -> Iterator[httpx2.Client]:
    """A client of the live API."""
    with httpx2.Client(base_url=api_url, timeout=30) as client:
        yield client
