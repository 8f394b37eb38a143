"""What many tests share: a small clip's graph, run once, and copies of what it stored to try things on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.legacy.installation import Installation
from tests.world import Ran, World, write_inputs


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clip, a brand file and a profile. Not to be changed."""
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    return folder


@pytest.fixture(scope="session")
def finished(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Ran]]:
    """The whole graph run once, and the run. Not to be changed: take `world`."""
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(inputs, tmp_path_factory.mktemp("finished") / "storage", instance)
        world.register()
        yield world, world.run()


@pytest.fixture
def empty_world(inputs: Path, tmp_path: Path) -> Iterator[World]:
    """A world whose timeline is registered and nothing else."""
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(inputs, tmp_path / "storage", instance)
        world.register()
        yield world


@pytest.fixture
def world(finished: tuple[World, Ran], tmp_path: Path) -> Iterator[World]:
    """A copy of what the whole graph stored, with an instance that has seen no run."""
    original, _ = finished
    shutil.copytree(original.storage_folder, tmp_path / "storage")
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(original.inputs, tmp_path / "storage", instance)
        world.register()
        yield world


@pytest.fixture
def legacy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """An installation of the commit before this package had rooms; the current folder and the environment are its."""
    installation = Installation.unpacked(tmp_path)
    monkeypatch.chdir(tmp_path)
    unset = ("MPR_DATABASE_URL", "INFERENCE_URL", "INFERENCE_TOKEN", "SKIP_VLM", "SKIP_CLOUD", "ANTHROPIC_API_KEY")
    for variable in unset:
        monkeypatch.delenv(variable, raising=False)
    with monkeypatch.context() as zone:
        for name, value in installation.environ.items():
            zone.setenv(name, value)
        time.tzset()
        yield installation
    time.tzset()
