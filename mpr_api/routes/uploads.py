"""Videos sent into the media store: in one piece or in parts, and continued where one was broken off.

A part is `PUT` with `Content-Range: bytes FIRST-LAST/TOTAL`; how far an upload is says `GET`. A file is in the media
store once it is whole, never half of it.

Why this is not a library: tuspyserver (4.4) takes the method from a header, `X-HTTP-Method-Override`, behind the back
of what guards this API: who may only read could delete.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from filelock import FileLock, Timeout
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from gpu_service.errors import BadInput
from mpr_api.access.refusals import ErrorAnswer, Refused
from mpr_api.world.backend import Asking, Backend, Shared
from mpr_api.world.media_library import source_id
from mpr_assets.automation.new_media import is_media
from mpr_resources.environment import make_private

router = APIRouter(prefix="/uploads", tags=["sources"])

RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
UploadName = Annotated[
    str, Path(alias="name", pattern=r"^[^/\\\x00-\x1f]{1,200}$", description="of the file", examples=["match.mp4"])
]
REFUSED = {
    409: {"model": ErrorAnswer, "description": "another place is to be sent, or the file is there already"},
    413: {"model": ErrorAnswer},
    429: {"model": ErrorAnswer},
}


class UploadState(BaseModel):
    """How far an upload is. `offset`: bytes that were received, from which it goes on."""

    name: str
    offset: int
    complete: bool
    source_id: str | None = Field(description="of the whole file in the media store")


@router.get("/{name}")
def show_upload(name: UploadName, backend: Shared) -> UploadState:
    """How far an upload is."""
    part = _part(backend, name)
    if part.exists():
        return UploadState(name=name, offset=part.stat().st_size, complete=False, source_id=None)
    return _whole(backend, name) or UploadState(name=name, offset=0, complete=False, source_id=None)


@router.put(
    "/{name}",
    responses=REFUSED,  # type: ignore[arg-type]
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": {}}}},
)
async def upload(
    name: UploadName,
    request: Request,
    backend: Shared,
    client: Asking,
    content_range: Annotated[
        str | None, Header(max_length=100, description="of a part: bytes FIRST-LAST/TOTAL", examples=["bytes 0-99/200"])
    ] = None,
    replace: Annotated[bool, Query(description="whether a file of this name is replaced")] = False,
) -> UploadState:
    """Send a video, whole or a part of it; where it is broken off, what was received stays."""
    backend.uploads.take(client.host)
    first, total = _place(content_range, request.headers.get("content-length"))
    if not is_media(name):
        raise BadInput(f"{name[:60]!r} is not named as a video file", "name it like match.mp4")
    if total is not None and total > backend.config.upload_bytes:
        raise Refused(413, f"The file is larger than {backend.config.upload_bytes} bytes")
    if not replace and await run_in_threadpool(_whole, backend, name) is not None:
        raise Refused(409, f"There is a file {name[:60]!r} in the media store already", "send it with ?replace=true")
    part = _part(backend, name)
    with _alone(part):
        there = part.stat().st_size if part.exists() and first else 0
        if first != there:
            raise Refused(409, f"{there} bytes were received, and the part begins at {first}", f"go on from {there}")
        try:
            received = await _receive(request, part, first, min(total or 2**63, backend.config.upload_bytes))
        except ClientDisconnect:
            received = part.stat().st_size
            return UploadState(name=name, offset=received, complete=False, source_id=None)
        if total is not None and received < total:
            return UploadState(name=name, offset=received, complete=False, source_id=None)
        await run_in_threadpool(backend.media.put_file, name, part)
        part.unlink()
    return UploadState(name=name, offset=received, complete=True, source_id=source_id(backend.media.where(name)))


@router.delete("/{name}", status_code=204)
def discard_upload(name: UploadName, backend: Shared) -> None:
    """Forget what was received of an upload that is not whole."""
    part = _part(backend, name)
    with _alone(part):
        part.unlink(missing_ok=True)


async def _receive(request: Request, part: FilePath, first: int, most: int) -> int:
    """Write what comes behind what is there; gives how much there is then."""
    with part.open("r+b" if first else "wb") as file:
        file.seek(first)
        async for chunk in request.stream():
            if file.tell() + len(chunk) > most:
                raise Refused(413, f"More than the {most} bytes that were announced, or are allowed, were sent")
            await asyncio.to_thread(file.write, chunk)
        return file.tell()


def _place(content_range: str | None, length: str | None) -> tuple[int, int | None]:
    """Where the body begins, and how long the whole file is where that is known."""
    if content_range is None:
        return 0, int(length) if length is not None and length.isdecimal() else None
    form = RANGE.fullmatch(content_range)
    if form is None or not int(form[1]) <= int(form[2]) < int(form[3]):
        raise BadInput("Content-Range is none of a part", "send it like bytes 0-1048575/20000000")
    return int(form[1]), int(form[3])


def _part(backend: Backend, name: str) -> FilePath:
    folder = FilePath(backend.config.upload_folder)
    make_private(folder)
    return folder / f"{hashlib.sha256(f'{backend.config.media_url} {name}'.encode()).hexdigest()[:32]}.part"


def _whole(backend: Backend, name: str) -> UploadState | None:
    """The file as it lies in the media store; None: it does not."""
    if not backend.media.exists(name):
        return None
    size = backend.media.entry(name).size_bytes
    return UploadState(name=name, offset=size, complete=True, source_id=source_id(backend.media.where(name)))


@contextmanager
def _alone(part: FilePath) -> Iterator[None]:
    """For the block nobody else sends this file."""
    lock = FileLock(part.with_suffix(".lock"), timeout=0, thread_local=False)
    try:
        with lock:
            yield
    except Timeout as error:
        raise Refused(409, "The file is being sent by another request", "wait for it", 5) from error
