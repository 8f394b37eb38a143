"""What the person who runs the service decides: address, token, limits, what to load at the start.

A value comes from a flag of `python -m gpu_service`, else from the environment, else from here. The environment is
read in `from_arguments`, which only the command calls.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence

from pydantic import Field, JsonValue, ValidationError

from gpu_service.errors import BadInput
from gpu_service.host.callers import is_loopback
from gpu_service.models import parse_files
from gpu_service.settings import Settings

PREFIX = "INFERENCE_"

MB = 1_000_000


class ServiceConfig(Settings):
    """Every field is a flag (`--queue-pictures 64`) and a variable (`INFERENCE_QUEUE_PICTURES=64`)."""

    host: str = Field(
        "127.0.0.1", description="address to listen on; 0.0.0.0: all addresses of this machine, which needs a token"
    )
    port: int = Field(8000, ge=0, le=65535, description="TCP port; 0: any free port")
    token: str = Field("", description="when set, required as bearer token, except for /health and the documentation")
    open_to_all: bool = Field(False, description="true: serve other machines without a token")
    preload: dict[str, dict[str, JsonValue]] = Field(
        {name: {} for name in ("segment_field", "detect_edges", "detect", "preprocess", "ocr")},
        description='routines to load at the start: names, or JSON with their settings, {"ocr": {}}; none: nothing',
    )
    models: dict[str, str] = Field(
        {},
        description="models that settings may name: NAME=PATH,NAME=PATH, or JSON; hub:OWNER/NAME for a hub model",
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="device that runs the models; auto: the GPU if there is one",
    )
    threads: int = Field(0, ge=0, le=256, description="pictures that CPU routines process in parallel; 0: one per core")
    deadline_ms: float = Field(10.0, ge=0, le=1000, description="maximum wait for an accelerator's batch to fill")
    queue_pictures: int = Field(512, ge=1, description="maximum pictures accepted and not yet answered; beyond: 503")
    bodies_mb: int = Field(
        1024, ge=1, description="maximum size of request bodies in memory, all clients together, in MB"
    )
    body_mb: int = Field(128, ge=1, description="maximum size of a request body, in MB")
    body_timeout_s: float = Field(60.0, gt=0, description="time limit to receive a request body, in seconds")
    request_pictures: int = Field(64, ge=1, description="maximum pictures in one request")
    debug_pictures: int = Field(4, ge=1, description="maximum pictures in one debug request")
    request_references: int = Field(4096, ge=0, description="maximum reference pictures in one request")
    reference_mb: int = Field(256, ge=1, description="size of the cache of reference pictures, in MB")
    picture_megapixels: float = Field(50.0, gt=0, description="maximum size of a picture, in millions of pixels")
    log_level: str = Field("info", pattern="^(critical|error|warning|info|debug)$", description="log level")

    def cpu_threads(self) -> int:
        return self.threads or os.cpu_count() or 1


def from_arguments(arguments: Sequence[str], environment: Mapping[str, str]) -> ServiceConfig:
    """The configuration that flags and environment give.

    Raises:
        BadInput: a value is out of range; the message names the flag.
        SystemExit: --help, or a flag that does not exist.
    """
    parser = argparse.ArgumentParser(
        prog="python -m gpu_service", description="Serves the routines that analyse pictures over HTTP."
    )
    for name, field in ServiceConfig.model_fields.items():
        variable = PREFIX + name.upper()
        shown = ",".join(field.default) if name == "preload" else "none" if field.default in ("", {}) else field.default
        parser.add_argument(
            "--" + name.replace("_", "-"),
            default=environment.get(variable),
            metavar="VALUE",
            help=f"{field.description} [{variable}; default {shown}]".replace("%", "%%"),
        )
    given: dict[str, object] = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value}
    if "preload" in given:
        given["preload"] = _preload(str(given["preload"]))
    if "models" in given:
        given["models"] = parse_files(str(given["models"]))
    try:
        config = ServiceConfig.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise BadInput(
            f"--{name.replace('_', '-')} (or {PREFIX}{name.upper()}) is not usable: {first['msg']}."
        ) from error
    if not config.token and not config.open_to_all and not is_loopback(config.host):
        raise BadInput(
            f"Without a token, whoever reaches {config.host} could use this host",
            f"set {PREFIX}TOKEN, listen on 127.0.0.1, or allow it with --open-to-all true",
        )
    return config


def _preload(text: str) -> dict[str, dict[str, JsonValue]]:
    """`ocr,detect`, or `none`, or JSON: `{"detect": {"engines": ["yolo"]}}`."""
    if text.strip() == "none":
        return {}
    if not text.strip().startswith("{"):
        return {name.strip(): {} for name in text.split(",") if name.strip()}
    try:
        chosen: dict[str, dict[str, JsonValue]] = json.loads(text)
    except ValueError as error:
        raise BadInput(f"--preload (or {PREFIX}PRELOAD) is not JSON: {error}.") from error
    return chosen
