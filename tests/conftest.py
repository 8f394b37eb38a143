"""What many tests share: a small clip's graph, run once, and copies of what it stored to try things on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

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
