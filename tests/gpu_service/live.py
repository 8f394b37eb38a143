"""A live server for tests: the real app under uvicorn on a free port of this machine, and routines made for tests."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import uvicorn
from pydantic import Field

from gpu_service.errors import BadInput, MissingEngine, TransientError
from gpu_service.host.app import create_app
from gpu_service.host.batching import AnyRoutine
from gpu_service.host.config import ServiceConfig
from gpu_service.host.slow_clients import HeadersInTime
from gpu_service.routines import Batch, DebugPictures, Routine
from gpu_service.settings import Settings
from gpu_service.wire import Message


class MeanSettings(Settings):
    """`fail` makes the routine raise, `sleep_ms` makes it slow."""

    scale: float = Field(1.0, ge=0, le=10)
    sleep_ms: float = Field(0.0, ge=0, le=1000)
    fail: str = Field("", pattern="^(|bad_input|missing|transient|bug)$")
    batch: int = Field(1, ge=1, le=64)


class MeanItem(Message):
    add: float = Field(0.0, ge=-1000, le=1000)


class MeanAnswer(Message):
    """Mean of the picture; how many pictures were in its batch; names of the references."""

    mean: float
    batch: int
    references: tuple[str, ...] = ()
    raw: bytes = b"\x00\xff"


FAILURES: dict[str, Exception] = {
    "bad_input": BadInput("The picture is upside down."),
    "missing": MissingEngine("The engine `yolo` needs the extra `yolo`."),
    "transient": TransientError("The model is busy."),
    "bug": ZeroDivisionError("division by zero"),
}


def _run(batch: Batch[MeanSettings, MeanItem]) -> list[MeanAnswer]:
    settings = batch.settings
    time.sleep(settings.sleep_ms / 1000)
    marked = any(item.add == 666 for item in batch.items)
    if settings.fail and (marked or settings.batch == 1):
        raise FAILURES[settings.fail]
    names = tuple(f"{reference.brand}/{reference.name}/{len(reference.encoded)}" for reference in batch.references)
    return [
        MeanAnswer(mean=float(image.mean()) * settings.scale + item.add, batch=len(batch.images), references=names)
        for image, item in zip(batch.images, batch.items, strict=True)
    ]


def _debug(batch: Batch[MeanSettings, MeanItem]) -> list[tuple[MeanAnswer, DebugPictures]]:
    return [
        (answer, {"grey": np.ascontiguousarray(image[..., :1].repeat(3, axis=2)), "half": image[::2, ::2]})
        for answer, image in zip(_run(batch), batch.images, strict=True)
    ]


def _identity(settings: MeanSettings) -> str:
    if settings.fail == "missing":
        raise FAILURES["missing"]
    return "mean/1"


MEAN: Routine[MeanSettings, MeanItem, MeanAnswer] = Routine(
    name="mean",
    settings=MeanSettings,
    item=MeanItem,
    answer=MeanAnswer,
    run=_run,
    debug=_debug,
    identity=_identity,
    max_batch=lambda settings: settings.batch,
)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def live_server(
    config: ServiceConfig | None = None, routines: Mapping[str, AnyRoutine] | None = None, port: int = 0
) -> Iterator[str]:
    """The URL of a service that runs until the end of the block."""
    config = config or ServiceConfig(preload={})
    app = create_app(routines or {"mean": MEAN}, config)
    port = port or free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            app, host="127.0.0.1", port=port, http=HeadersInTime, log_level="error", timeout_graceful_shutdown=1
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server ended while starting"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
