"""The API as an ASGI app, and the app at a port. What it answers from is passed in; `serve` alone opens it."""

from __future__ import annotations

import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline

from gpu_service.distribution import VERSION
from mpr_api import editor_page
from mpr_api.access import refusals
from mpr_api.access.config import ApiConfig
from mpr_api.access.guard import Access
from mpr_api.access.refusals import ErrorAnswer
from mpr_api.routes import frames, replay_stage, session, settings, sources, tables, timelines
from mpr_api.world.backend import Backend
from mpr_assets.runs.local_instance import PATIENCE_S, dagster_instance, resources

ROUTERS: tuple[APIRouter, ...] = (
    session.router,
    sources.router,
    timelines.router,
    frames.router,
    tables.router,
    settings.router,
    replay_stage.router,
)
STOP_S = 3
"""How long requests that are being answered may take when the server is to end."""

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
    refusals.install(app)
    for prefix in PREFIXES:
        for router in ROUTERS:
            app.include_router(
                router,
                prefix=prefix,
                include_in_schema=prefix == PREFIXES[0],
                responses=FAILURES,  # type: ignore[arg-type]  # its keys may be "4XX"
            )

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


def serve(config: ApiConfig) -> None:
    """Serve until stopped.

    Raises:
        BadInput: the storage, the Dagster instance or the media store cannot be opened.
    """
    with dagster_instance() as instance:
        backend = Backend(config, instance, resources(patience_s=PATIENCE_S))
        backend.open()
        uvicorn.run(
            create_app(backend),
            host=config.host,
            port=config.port,
            log_level="warning",
            timeout_graceful_shutdown=STOP_S,
            server_header=False,
        )
