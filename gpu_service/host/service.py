"""What the endpoints share: the runner, loaded models, known references, counters, and the health report."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

import cv2
from pydantic import Field, JsonValue, ValidationError

from gpu_service.distribution import VERSION
from gpu_service.errors import BadInput
from gpu_service.host.batching import AnyRoutine, Runner, Work
from gpu_service.host.bodies import BodyBudget
from gpu_service.host.config import MB, ServiceConfig
from gpu_service.host.metrics import Metrics
from gpu_service.host.reference_store import ReferenceStore
from gpu_service.settings import Settings
from gpu_service.wire import Message

log = logging.getLogger("gpu_service")


class Health(Message):
    """`ready` is true once every chosen model is loaded. `failed` says which could not be, and why."""

    ready: bool
    loading: tuple[str, ...] = ()
    failed: dict[str, str] = Field(default_factory=dict)


class LoadedModel(Message):
    routine: str
    identity: str
    load_ms: float


class Info(Message):
    """The host: what it can do, what it holds, how busy it is."""

    version: str
    python: str
    routines: tuple[str, ...]
    models: tuple[LoadedModel, ...]
    devices: tuple[str, ...]
    threads: int
    memory_bytes: int
    device_memory_bytes: dict[str, int]
    waiting_pictures: int
    queue_pictures: int
    limits: dict[str, float]


class Service:
    """One app's state. Made anywhere; `start` and `stop` in the event loop."""

    def __init__(self, routines: Mapping[str, AnyRoutine], config: ServiceConfig) -> None:
        self.config = config
        self._routines = routines
        self._preload = {name: _chosen(routines, name, given) for name, given in config.preload.items()}
        self.budget = BodyBudget(config.bodies_mb * MB)
        self.references = ReferenceStore(config.reference_mb * MB)
        self.metrics = Metrics(lambda: self.runner.waiting_pictures, lambda: self.budget.held_bytes)
        self._loading = set(self._preload)
        self._failed: dict[str, str] = {}
        self._preloading: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.runner = Runner(
            threads=self.config.cpu_threads(),
            deadline_ms=self.config.deadline_ms,
            queue_pictures=self.config.queue_pictures,
            observe=self.metrics.picture,
        )
        self.runner.start()
        self._preloading = asyncio.get_running_loop().create_task(self._load_chosen())

    async def stop(self) -> None:
        if self._preloading:
            self._preloading.cancel()
        await self.runner.stop()

    async def identity(self, routine: AnyRoutine, settings: Settings) -> str:
        """What makes the answers under these settings. Not kept: a model's file may be replaced while the host runs.

        Raises:
            MissingEngine: the settings name an engine whose package or model is not here.
        """
        identity: str = await self.runner.call(lambda: routine.identity(settings))
        return identity

    async def _load_chosen(self) -> None:
        """Run each chosen routine once on a blank picture, or on silence."""
        for name, settings in self._preload.items():
            routine = self._routines[name]
            try:
                identity = await self.identity(routine, settings)
                await self.runner.run(Work(routine, settings, identity, [routine.takes.blank()], [routine.item()]))
            except Exception as error:
                self._failed[name] = str(error)
                log.error("%s cannot be loaded: %s", name, error)
            else:
                log.info("%s is loaded: %s", name, identity)
            self._loading.discard(name)

    def health(self) -> Health:
        return Health(
            ready=not self._loading and not self._failed, loading=tuple(sorted(self._loading)), failed=self._failed
        )

    def info(self) -> Info:
        devices, device_memory = _devices()
        limits = ("body_mb", "request_pictures", "debug_pictures", "request_references", "picture_megapixels")
        return Info(
            version=VERSION,
            python=platform.python_version(),
            routines=tuple(self._routines),
            models=tuple(
                LoadedModel(routine=name, identity=identity, load_ms=ms)
                for (name, identity), ms in self.runner.loaded.items()
            ),
            devices=devices,
            threads=self.config.cpu_threads(),
            memory_bytes=_memory_bytes(),
            device_memory_bytes=device_memory,
            waiting_pictures=self.runner.waiting_pictures,
            queue_pictures=self.config.queue_pictures,
            limits={name: getattr(self.config, name) for name in limits},
        )


def _chosen(routines: Mapping[str, AnyRoutine], name: str, given: Mapping[str, JsonValue]) -> Settings:
    if name not in routines:
        raise BadInput(f"There is no routine `{name}` to preload", f"there are {', '.join(routines)}")
    try:
        settings: Settings = routines[name].settings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadInput(f"The settings to preload `{name}` with are not usable at `{where}`: {first['msg']}.") from error
    return settings


def _memory_bytes() -> int:
    """Resident memory of this process; 0 where the system does not say."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


def _devices() -> tuple[tuple[str, ...], dict[str, int]]:
    """Names of what computes here, and bytes in use on each accelerator. torch is asked only if an engine loaded it."""
    names = [f"cpu: {os.cpu_count()} cores, OpenCV {cv2.__version__}"]
    used: dict[str, int] = {}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            names.append(f"cuda:{index}: {torch.cuda.get_device_name(index)}")
            used[f"cuda:{index}"] = int(torch.cuda.memory_reserved(index))
    return tuple(names), used
