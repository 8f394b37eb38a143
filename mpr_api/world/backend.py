"""What all requests share: the storage and the Dagster instance, the resources that stay warm, and bounded caches.

Nothing is remembered here that another process would have to know: what is true stands in the storage and in Dagster.
"""

from __future__ import annotations

import logging
import os
import threading
import uuid
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import dagster as dg
from fastapi import Depends, Header, Path, Request

from gpu_service.errors import NotThere
from mpr_api.access.config import ApiConfig
from mpr_api.access.rates import Rate
from mpr_api.world.frame_pictures import FramePictures
from mpr_api.world.turns import Turns
from mpr_assets.definitions import BY_NAME, JOB, STAGES, definitions
from mpr_assets.engine.resources import RunResources
from mpr_assets.engine.stage import Stage
from mpr_assets.freshness.config_versions import ConfigWatch
from mpr_assets.freshness.status import TimelineStatus, status_of_many
from mpr_assets.timelines.spec import TimelineSpec
from mpr_assets.timelines.spec_store import load_spec
from mpr_resources.brands.registry import Registry
from mpr_resources.storage.store import Storage
from mpr_resources.storage.table_cache import TableCache
from mpr_resources.storage.tables import StageTable

LOG = logging.getLogger("mpr.api")
AT_ONCE = 60
"""So many requests of a client may come without a pause."""


class Backend:
    """The world that requests are answered from. Thread-safe."""

    def __init__(self, config: ApiConfig, instance: dg.DagsterInstance, resources: RunResources) -> None:
        """`resources`: those of a run; kept, they stay warm."""
        self.config = config
        self.instance = instance
        self.resources = resources
        self.turns = Turns()
        self.replays = Rate("replays", config.replays_per_s, AT_ONCE)
        self.uploads = Rate("uploads", config.uploads_per_s, AT_ONCE)
        self._watch = ConfigWatch(STAGES)
        self._watch_lock = threading.Lock()

    def open(self) -> None:
        """Open what is opened at first use otherwise, so that a wrong address is told at the start.

        Raises:
            BadInput: the storage or the media store cannot be opened.
        """
        self.storage  # noqa: B018
        self.media  # noqa: B018

    @property
    def storage(self) -> Storage:
        return self.resources.storage.storage

    @cached_property
    def media(self) -> Storage:
        """Where uploads go and new media come from."""
        return Storage.open(self.config.media_url, s3_endpoint_url=self.resources.storage.s3_endpoint_url)

    @property
    def registry(self) -> Registry:
        """Of the brands that all timelines share."""
        registry = self.resources.profiles.registry
        assert registry is not None, "the folder of profiles of a run has one"
        return registry

    @cached_property
    def tables(self) -> TableCache:
        return TableCache(self.storage)

    @cached_property
    def frames(self) -> FramePictures:
        return FramePictures(self.storage)

    @cached_property
    def job(self) -> dg.JobDefinition:
        """The job of all stages, as runs are asked for by it."""
        return definitions(os.environ).resolve_job_def(JOB)

    def table(self, stage: str, timeline: str) -> StageTable:
        """What is stored of a stage; see `TableCache.read`."""
        return self.tables.read(stage, timeline)

    def spec(self, timeline: str) -> TimelineSpec:
        """The timeline as it was registered; see `load_spec`."""
        return load_spec(self.storage, timeline)

    def statuses(self, timelines: list[str]) -> list[TimelineStatus]:
        """The states of many timelines' stages; what did not change since the last look is not read again."""
        with self._watch_lock:
            return status_of_many(self.instance, STAGES, timelines, self.resources, LOG, self._watch)


def _backend(request: Request) -> Backend:
    backend: Backend = request.app.state.backend
    return backend


Shared = Annotated[Backend, Depends(_backend)]
"""A handler's argument: the backend."""


def _client(
    request: Request,
    mpr_client: Annotated[
        str | None,
        Header(max_length=100, description="a name of one's own: of requests with it the newest alone is answered"),
    ] = None,
) -> Client:
    return Client(mpr_client or uuid.uuid4().hex, request.client.host if request.client else "")


@dataclass(frozen=True)
class Client:
    """Who asks. `name`: as it calls itself, else one of this request alone; `host`: its address."""

    name: str
    host: str


Asking = Annotated[Client, Depends(_client)]
"""A handler's argument: who asks."""

TimelineId = Annotated[
    str, Path(alias="timeline", max_length=400, description="name of a timeline", examples=["match"])
]


def _stage_of_path(
    stage: Annotated[str, Path(max_length=100, description="name of a stage", examples=["detect_edges"])],
) -> Stage:
    return stage_named(stage)


def stage_named(name: str) -> Stage:
    """The stage of this name.

    Raises:
        NotThere: there is none.
    """
    if name not in BY_NAME:
        raise NotThere(f"There is no stage {name[:60]!r}", f"choose one of {', '.join(BY_NAME)}")
    return BY_NAME[name]


StageOfPath = Annotated[Stage, Depends(_stage_of_path)]
"""A handler's argument: the stage that the path names."""
