"""The endpoint to which object stores report new media: `python -m mpr_api.webhook --port 8080`.

It accepts S3's event JSON, as MinIO and Ceph send it, and stores notices for the sensor `new_media`, which decides what
becomes of a file and takes no file twice.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import os
from collections.abc import Sequence
from urllib.parse import unquote_plus

import uvicorn
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gpu_service.errors import BadInput, MprError
from gpu_service.host.callers import NoForeignPages
from gpu_service.host.slow_clients import HeadersInTime, take_all_file_descriptors
from mpr_assets.automation.new_media import SIDECAR, is_media
from mpr_assets.definitions import media_resource, storage_resource
from mpr_resources.storage.notices import leave
from mpr_resources.storage.store import Storage

TOKEN = "MPR_WEBHOOK_TOKEN"
MOST_BYTES = 1_000_000
MOST_KEY_BYTES = 1024
BODY_TIMEOUT_S = 30.0
CREATED = ("ObjectCreated:", "s3:ObjectCreated:")


class _EventPart(BaseModel):
    """Ignores the other fields of an event."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Bucket(_EventPart):
    name: str


class _Object(_EventPart):
    key: str


class _S3(_EventPart):
    bucket: _Bucket
    object: _Object


class EventRecord(_EventPart):
    """One thing that happened to an object."""

    event_name: str = Field(alias="eventName")
    s3: _S3


class BucketEvent(_EventPart):
    """What a store posts."""

    records: tuple[EventRecord, ...] = Field(alias="Records")


def noticed_keys(event: BucketEvent, bucket: str, prefix: str) -> list[str]:
    """Keys, below the prefix, of the media files that were created or whose sidecars were, each once."""
    keys: dict[str, None] = {}
    for record in event.records:
        # Form-encoded: a space is a plus.
        key = unquote_plus(record.s3.object.key)
        if not record.event_name.startswith(CREATED) or record.s3.bucket.name != bucket or not key.startswith(prefix):
            continue
        media = key.removeprefix(prefix).removesuffix(SIDECAR)
        if _is_key(media) and is_media(media):
            keys[media] = None
    return list(keys)


def _is_key(key: str) -> bool:
    """Whether it can name an object below a prefix: no longer than S3 lets it be, without `..`, and printable."""
    try:
        size_bytes = len(key.encode())
    except UnicodeEncodeError:  # half of a character's pair
        return False
    parts = key.split("/")
    return size_bytes <= MOST_KEY_BYTES and key.isprintable() and not {"", ".", ".."}.intersection(parts)


def bucket_of(media_url: str) -> tuple[str, str]:
    """Bucket and prefix, which is empty or ends with a slash, of `MPR_MEDIA_URL`.

    Raises:
        BadInput: it is no bucket.
    """
    if not media_url.startswith("s3://"):
        raise BadInput("MPR_MEDIA_URL is not a bucket", "only buckets report new objects: set it to s3://bucket/prefix")
    bucket, _, prefix = media_url.removeprefix("s3://").partition("/")
    return bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""


def webhook_app(storage: Storage, media_url: str, token: str) -> Starlette:
    """The endpoint: `POST /` with `Authorization: Bearer TOKEN`.

    Raises:
        BadInput: there is no token, or the media are in no bucket.
    """
    if not token:
        raise BadInput("The webhook needs a token", f"set {TOKEN}")
    bucket, prefix = bucket_of(media_url)

    async def take(request: Request) -> JSONResponse:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return _said(401, "The bearer token is missing or wrong.", "refused")
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        return _said(413, f"The event is larger than {MOST_BYTES} bytes.", "bad_input")
        except TimeoutError:
            return _said(408, f"The event did not arrive within {BODY_TIMEOUT_S:g} s.", "busy")
        try:
            event = BucketEvent.model_validate_json(bytes(body))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "the body"
            return _said(400, f"This is not an S3 event: {place}: {first['msg']}.", "bad_input")
        keys = noticed_keys(event, bucket, prefix)
        try:
            for key in keys:
                await run_in_threadpool(leave, storage, key)
        except MprError as error:
            return JSONResponse(error.body(), 503)
        return JSONResponse({"noticed": len(keys), "ignored": len(event.records) - len(keys)}, 202)

    # Its token is asked for under whatever name it is reached.
    guard = Middleware(NoForeignPages, to="the webhook", loopback_only=False)
    return Starlette(routes=[Route("/", take, methods=["POST"])], middleware=[guard])


def _said(status: int, sentence: str, kind: str) -> JSONResponse:
    return JSONResponse({"error": sentence, "kind": kind}, status)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m mpr_api.webhook", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    asked = parser.parse_args(arguments)
    media = media_resource(os.environ)
    try:
        app = webhook_app(storage_resource(os.environ).storage, media.url if media else "", os.environ.get(TOKEN, ""))
    except MprError as error:
        parser.exit(2, f"mpr: {error}\n")
    take_all_file_descriptors()
    uvicorn.run(app, host=asked.host, port=asked.port, http=HeadersInTime)


if __name__ == "__main__":
    main()
