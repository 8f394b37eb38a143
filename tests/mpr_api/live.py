"""The API under uvicorn on a free port of this machine, over a real Dagster instance whose storage holds a finished
timeline.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import httpx2
import uvicorn

from mpr_api.access.config import ApiConfig
from mpr_api.app import create_app
from mpr_api.world.backend import Backend
from mpr_assets.definitions import database, profiles_folder, storage_resource
from mpr_assets.runs.local_instance import Resources
from mpr_resources.inference.resource import InferenceResource
from tests.gpu_service.live import free_port
from tests.world import World


def resources_of(world: World) -> Resources:
    """What a run of the world has."""
    environ = world.environ
    return Resources(
        storage_resource(environ), InferenceResource(), profiles_folder(environ), None, {}, database(environ)
    )


def world_at(folder: Path, finished: World, instance: dg.DagsterInstance) -> World:
    """A copy of the finished world with profiles of its own, its results in this instance's log too."""
    shutil.copytree(finished.storage_folder, folder / "storage")
    world = World(finished.inputs, folder / "storage", instance)
    world.register()
    assert world.run().success
    return world


@contextmanager
def served(backend: Backend) -> Iterator[str]:
    """The URL of the API, until the end of the block."""
    port = free_port()
    settings = uvicorn.Config(
        create_app(backend), host="127.0.0.1", port=port, log_level="error", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server ended while starting"
        time.sleep(0.01)
    url = f"http://127.0.0.1:{port}"
    httpx2.get(
        f"{url}/detect/nothing", timeout=60
    )  # all paths are made ready now: two servers of a process cannot do it at once
    try:
        yield url
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def config_of(world: World, **more: object) -> ApiConfig:
    """The API's settings for tests: media beside the storage, inputs may be registered."""
    media = world.storage_folder.parent / "media"
    uploads = str(world.storage_folder.parent / "uploads")
    roots = (str(media), str(world.inputs))
    settings = {"media_url": str(media), "upload_folder": uploads, "roots": roots, **more}
    return ApiConfig(**settings)  # type: ignore[arg-type]
