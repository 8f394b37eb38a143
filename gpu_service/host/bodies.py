"""Request bodies, read while they arrive under limits: multipart with many pictures, JSON with one.

Nothing is decoded here; of a picture only the header is read, to refuse what is too large before it is.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import multipart
from starlette.requests import Request

from gpu_service.errors import BadInput
from gpu_service.host.config import MB, ServiceConfig
from gpu_service.host.refusals import Refusal
from gpu_service.pictures import size_px


class BodyBudget:
    """The bytes of all request bodies held at once."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """What one request takes from the budget; given back at the end of the block."""
        lease = Lease(self)
        try:
            yield lease
        finally:
            self.held_bytes -= lease.taken_bytes


class Lease:
    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.taken_bytes = 0

    def take(self, count: int) -> None:
        """Raises Refused (503) when all bodies together would pass the limit."""
        if self._budget.held_bytes + count > self._budget.limit_bytes:
            raise Refusal(
                503, "The host holds as many request bodies as it can; try again soon.", "busy", retry_after_s=1
            )
        self._budget.held_bytes += count
        self.taken_bytes += count


@dataclass
class Parts:
    """A multipart body, taken apart."""

    request: bytes = b"{}"
    pictures: list[bytes] = field(default_factory=list)
    references: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def _arriving(request: Request, config: ServiceConfig, lease: Lease) -> AsyncIterator[AsyncIterator[bytes]]:
    """The body's chunks, under the limits of size and time."""
    too_large = Refusal(413, f"The request body is larger than the {config.body_mb} MB that this host takes.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > config.body_mb * MB:
        raise too_large
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refusal(415, "A compressed request body is not supported; send it uncompressed.")

    async def chunks() -> AsyncIterator[bytes]:
        async for chunk in request.stream():
            if lease.taken_bytes + len(chunk) > config.body_mb * MB:
                raise too_large
            lease.take(len(chunk))
            yield chunk

    try:
        async with asyncio.timeout(config.body_timeout_s):
            yield chunks()
    except TimeoutError as error:
        sentence = f"The request body did not arrive within {config.body_timeout_s:g} s."
        raise Refusal(408, sentence, "busy") from error


async def read_bytes(request: Request, config: ServiceConfig, lease: Lease) -> bytes:
    """The whole body. Raises Refused: 413, 415, 408 or 503."""
    async with _arriving(request, config, lease) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def read_parts(request: Request, config: ServiceConfig, lease: Lease) -> Parts:
    """A multipart body's parts.

    Raises:
        Refused: 400 for what is not multipart, 413, 415, 408 or 503 for what passes a limit, 422 for a foreign part.
    """
    _, options = multipart.parse_options_header(request.headers.get("content-type", ""))
    most = 1 + config.request_pictures + config.request_references
    parts = Parts()
    try:
        parser = multipart.PushMultipartParser(options.get("boundary", ""), max_segment_count=most, strict=True)
        with parser:
            async with _arriving(request, config, lease) as chunks:
                await _collect(parser, chunks, parts)
    except multipart.ParserLimitReached as error:
        raise Refusal(
            413, f"The multipart body passes a limit: {error}; a request has at most {most} parts."
        ) from error
    except (multipart.MultipartError, UnicodeError) as error:
        raise Refusal(400, f"The body is not multipart/form-data as RFC 7578 has it: {str(error)[:200]}.") from error
    return parts


async def _collect(parser: multipart.PushMultipartParser, chunks: AsyncIterator[bytes], parts: Parts) -> None:
    name, content = "", bytearray()
    async for chunk in chunks:
        for event in parser.parse(chunk):
            if isinstance(event, multipart.MultipartSegment):
                name, content = event.name or "", bytearray()
            elif event:
                content += event
            else:
                _keep(name, bytes(content), parts)


def _keep(name: str, content: bytes, parts: Parts) -> None:
    match name:
        case "request":
            parts.request = content
        case "picture":
            parts.pictures.append(content)
        case "reference":
            parts.references.append(content)
        case _:
            raise Refusal(422, f"There is a part `{name[:60]}`; parts are `request`, `picture` and `reference`.")


def from_base64(text: str, what: str) -> bytes:
    """The bytes of base64 text or of a data: URL. Raises Refused (422)."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(422, f"`{what}` is not base64.") from error


def check_picture(encoded: bytes, index: int, config: ServiceConfig) -> None:
    """Read a picture's header. Raises Refused: 422 for what is no picture, 413 for one with too many pixels."""
    try:
        size = size_px(encoded)
    except BadInput as error:
        raise Refusal(
            422, f"Picture {index} ({len(encoded)} bytes) is not a JPEG, PNG or WebP file that can be read."
        ) from error
    if size is None:
        raise _too_many_pixels(index, config)
    width, height = size
    if width * height > config.picture_megapixels * 1e6:
        raise _too_many_pixels(index, config, f"{width} x {height} pixels")


def _too_many_pixels(index: int, config: ServiceConfig, size: str = "far too many pixels") -> Refusal:
    return Refusal(
        413, f"Picture {index} has {size}; this host takes {config.picture_megapixels:g} megapixels at most."
    )
