"""The API as an ASGI app, and the app at a port. What it answers from is passed in; `serve` alone opens it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import dagster as dg
import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline

from gpu_service.distribution import VERSION
from gpu_service.host.slow_clients import HeadersInTime
from mpr_api import editor_page
from mpr_api.access import refusals
from mpr_api.access.config import ApiConfig
from mpr_api.access.guard import Access
from mpr_api.access.refusals import ErrorAnswer
from mpr_api.routes import (
    brands,
    corrections,
    events,
    evidence,
    exports,
    frames,
    gpu,
    history,
    jobs,
    live,
    old_live,
    overlays,
    replay_stage,
    run_control,
    scenarios,
    session,
    settings,
    sources,
    tables,
    timelines,
    uploads,
)
from mpr_api.world.backend import Backend
from mpr_api.world.event_feed import EventFeed
from mpr_api.world.live_feed import LiveFeed
from mpr_assets.runs.local_instance import PATIENCE_S, dagster_instance, resources
from mpr_resources.dagster_internals import daemon_is_alive
from mpr_resources.environment import GRAPH

ROUTERS: tuple[APIRouter, ...] = (
    session.router,
    sources.router,
    timelines.router,
    frames.router,
    tables.router,
    settings.router,
    replay_stage.router,
    jobs.router,
    run_control.router,
    events.router,
    scenarios.router,
    overlays.router,
    corrections.router,
    history.router,
    evidence.router,
    exports.router,
    exports.upkeep,
    brands.router,
    uploads.router,
    gpu.router,
    live.router,
)
STOP_S = 3
"""How long requests that are being answered may take when the server is to end."""
DAEMON_STOP_S = 20
"""And Dagster's daemon, until it is killed."""

PREFIXES = ("/detect", "/api/detect")
"""The paths are below each; the document tells those below the first."""

DESCRIPTION = """REST for timelines, frames, results, settings and runs of MPR.

Every error is `{"error", "kind"}`: one sentence, and one word for programs. `docs/api.md` has examples."""

FAILURES = {
    status: {"model": ErrorAnswer, "description": description}
    for status, description in {
        "4XX": "What was asked cannot be done: the sentence says why.",
        "5XX": "A host or the storage is away, or the API failed.",
    }.items()
}


def create_app(backend: Backend) -> FastAPI:
    """The app that answers from this backend."""
    # The page at /docs with its scripts from here: by itself FastAPI has the browser fetch them from the Internet.
    app = FastAPIOffline(
        title="MPR",
        version=VERSION,
        description=DESCRIPTION,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    app.state.backend = backend
    app.state.feed = EventFeed(backend)
    app.state.live_feed = LiveFeed(backend)
    refusals.install(app)
    for prefix in PREFIXES:
        for router in ROUTERS:
            app.include_router(
                router,
                prefix=prefix,
                include_in_schema=prefix == PREFIXES[0],
                responses=FAILURES,  # type: ignore[arg-type]  # its keys may be "4XX"
            )

    app.include_router(old_live.router)

    @app.get("/health", tags=["session"])
    def health() -> dict[str, str]:
        """That the server answers; open to all."""
        return {"status": "ok"}

    editor_page.install(app)

    app.add_middleware(Access, config=backend.config)
    if backend.config.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(backend.config.origins),
            allow_credentials=True,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["ETag"],
        )
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def serve(config: ApiConfig, *, daemon: bool = False) -> None:
    """Serve until stopped. `daemon`: also run Dagster's, where none is at work.

    Raises:
        BadInput: the storage, the Dagster instance or the media store cannot be opened.
    """
    with dagster_instance() as instance, _daemon(instance, wanted=daemon):
        backend = Backend(config, instance, resources(patience_s=PATIENCE_S))
        backend.open()
        server_of(
            create_app(backend), host=config.host, port=config.port, log_level="warning", server_header=False
        ).run()


@contextmanager
def _daemon(instance: dg.DagsterInstance, *, wanted: bool) -> Iterator[None]:
    """While the block runs, a daemon is at work that starts queued runs, where it is wanted and none is already."""
    if not wanted or daemon_is_alive(instance):
        yield
        return
    process = subprocess.Popen([sys.executable, "-m", "dagster._daemon", "run", "-m", GRAPH, "--log-level", "warning"])
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(DAEMON_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()


def server_of(app: FastAPI, **settings: Any) -> uvicorn.Server:
    """The server of the app, which ends the streams of events when it is to end. `settings`: of uvicorn."""

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            app.state.feed.close()
            app.state.live_feed.close()
            super().handle_exit(sig, frame)

    return Server(uvicorn.Config(app, http=HeadersInTime, timeout_graceful_shutdown=STOP_S, **settings))
