"""Runs the app under uvicorn."""

from __future__ import annotations

import logging

import cv2
import uvicorn

from gpu_service.host.app import create_app
from gpu_service.host.config import ServiceConfig
from gpu_service.host.registry import ROUTINES
from gpu_service.host.slow_clients import HeadersInTime, take_all_file_descriptors

log = logging.getLogger("gpu_service")

KEEP_ALIVE_S = 75
"""Longer than clients keep an idle connection, so that the client is the one to close it."""


def serve(config: ServiceConfig) -> None:
    """Serve until SIGTERM or SIGINT; requests under way get ten seconds to end.

    Raises:
        BadInput: the configuration names a routine or settings that do not exist.
    """
    logging.basicConfig(level=config.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    cv2.setNumThreads(1)  # the service runs a picture on each core; OpenCV's own threads would only contend
    app = create_app(ROUTINES, config)
    if config.open_to_all and not config.token:
        log.warning("no INFERENCE_TOKEN is set: anyone who can reach %s:%d can use this host", config.host, config.port)
    take_all_file_descriptors()
    uvicorn.run(
        app,
        http=HeadersInTime,
        host=config.host,
        port=config.port,
        log_level=config.log_level,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=10,
    )
