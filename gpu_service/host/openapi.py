"""The OpenAPI document: what FastAPI cannot know, because the bodies are read by hand.

The bodies' schemas come from the same pydantic models that read them.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from PIL import Image as PillowImage
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gpu_service.host.batching import AnyRoutine
from gpu_service.routines import SOUND
from gpu_service.wire import (
    Failure,
)

SCHEMAS = "#/components/schemas/"

DESCRIPTION = """Pixels in, findings out.

Send many pictures in one request as `multipart/form-data`: a part `request` (JSON: settings, an item for each picture,
references) and a part `picture` for each JPEG, PNG or WebP file, as it is:

    curl -F 'request={"settings": {}};type=application/json' -F picture=@1.jpg -F picture=@2.jpg HOST/detect_edges

or one picture as JSON with `image_b64`. Boxes and quads are pixels of the picture sent. With
`Accept: application/msgpack` the same answer comes as MessagePack, with pictures as plain bytes.
Any status but 200 has the body `{"error": "one sentence", "kind": "..."}`.
"""

FAILURES: dict[int | str, dict[str, object]] = {
    400: {"model": Failure, "description": "not JSON, or not multipart"},
    401: {"model": Failure, "description": "the bearer token is missing or wrong"},
    408: {"model": Failure, "description": "the body did not arrive in time"},
    413: {"model": Failure, "description": "more bytes, pixels or parts than the host takes"},
    415: {"model": Failure, "description": "the body is neither multipart/form-data nor JSON"},
    422: {"model": Failure, "description": "an invalid setting, item or picture"},
    424: {"model": Failure, "description": "references that the host does not know: send them along"},
    500: {"model": Failure, "description": "an error in the service; see its log"},
    503: {
        "model": Failure,
        "description": "the queue is full; try again after Retry-After",
        "headers": {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}},
    },
}


def small_file_b64(routine: AnyRoutine) -> str:
    """In base64, what the examples send: a grey 64 x 48 PNG, or a little silence."""
    if routine.takes is SOUND:
        return base64.b64encode(SOUND.blank()).decode()
    file = io.BytesIO()
    PillowImage.new("RGB", (64, 48), (90, 120, 90)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def call_body(routine: AnyRoutine, most_pictures: int, most_references: int) -> dict[str, object]:
    """`openapi_extra` of an endpoint that takes pictures."""
    files = {"type": "array", "items": {"type": "string", "format": "binary"}}
    single = routine.single_call
    call = routine.call
    multipart = {
        "schema": {
            "type": "object",
            "additionalProperties": False,
            "required": ["picture"],
            "properties": {
                "request": _ref(call),
                "picture": {
                    **files,
                    "minItems": 1,
                    "maxItems": most_pictures,
                    "description": "JPEG, PNG or WebP files; of sound, WAV files of one channel, 16 bits, 16 kHz",
                },
                "reference": {
                    **files,
                    "maxItems": most_references,
                    "description": "reference files that the host does not know yet",
                },
            },
        },
        "encoding": {
            "request": {"contentType": "application/json"},
            "picture": {"contentType": routine.takes.types},
            "reference": {"contentType": "application/octet-stream"},
        },
    }
    json = {"schema": _ref(single), "example": {"image_b64": small_file_b64(routine)}}
    content = {"multipart/form-data": multipart, "application/json": json}
    return {"requestBody": {"required": True, "content": content}}


def identity_body(routine: AnyRoutine) -> dict[str, object]:
    """`openapi_extra` of the endpoint that tells an identity."""
    model = routine.identity_call
    return {"requestBody": {"content": {"application/json": {"schema": _ref(model), "example": {}}}}}


def _ref(model: type[BaseModel]) -> Mapping[str, object]:
    """The reference to a model among the document's components."""
    refs, _ = models_json_schema([(model, "validation")], ref_template=SCHEMAS + "{model}")
    return refs[(model, "validation")]


def install(app: FastAPI, routines: Iterable[AnyRoutine]) -> None:
    """Make `app.openapi()` give the whole document."""
    models: list[type[BaseModel]] = []
    for routine in routines:
        models.append(routine.call)
        models.append(routine.single_call)
        models.append(routine.identity_call)

    def document() -> dict[str, object]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, tags=app.openapi_tags
            )
            _, definitions = models_json_schema(
                [(model, "validation") for model in models], ref_template=SCHEMAS + "{model}"
            )
            components = schema.setdefault("components", {}).setdefault("schemas", {})
            for name, definition in definitions.get("$defs", {}).items():
                components.setdefault(name, definition)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]
