"""The inference host's routines, handed on to it as they are: one path for all of them."""

from __future__ import annotations

from typing import Annotated

import httpx2
from fastapi import APIRouter, Path, Request, Response

from gpu_service.errors import HostAway
from mpr_api.access.refusals import ErrorAnswer, Refused
from mpr_api.world.backend import Shared

router = APIRouter(prefix="/gpu", tags=["inference"])

TIMEOUT = httpx2.Timeout(120.0, connect=5.0)
KEPT_HEADERS = ("content-type", "accept")
RoutineName = Annotated[
    str, Path(alias="routine", pattern="^[a-z][a-z0-9_]{0,39}$", description="of a routine", examples=["detect_edges"])
]
ANSWERS = {
    200: {"content": {"application/json": {}}, "description": "as the host answers"},
    502: {"model": ErrorAnswer, "description": "the host is away, failed, or there is none"},
}
ASKED = {"requestBody": {"required": True, "content": {"application/json": {}, "multipart/form-data": {}}}}


@router.post("/{routine}", response_class=Response, responses=ANSWERS, openapi_extra=ASKED)  # type: ignore[arg-type]
async def gpu_routine(routine: RoutineName, request: Request, backend: Shared) -> Response:
    """Run a routine on the inference host; its own /docs has the bodies."""
    return await _hand_on(routine, request, backend)


@router.post("/{routine}/debug", response_class=Response, responses=ANSWERS, openapi_extra=ASKED)  # type: ignore[arg-type]
async def gpu_routine_debug(routine: RoutineName, request: Request, backend: Shared) -> Response:
    """The same with the pictures of its steps."""
    return await _hand_on(f"{routine}/debug", request, backend)


async def _hand_on(path: str, request: Request, backend: Shared) -> Response:
    inference = backend.resources.inference
    hosts = [url.strip().rstrip("/") for url in inference.url.split(",") if url.strip()]
    if not hosts:
        raise HostAway("There is no inference host: routines run in this process", "set INFERENCE_URL")
    body = await request.body()
    headers = {name: request.headers[name] for name in KEPT_HEADERS if name in request.headers}
    if inference.token:
        headers["Authorization"] = f"Bearer {inference.token}"
    reasons = []
    async with httpx2.AsyncClient(timeout=TIMEOUT, trust_env=False) as http:
        for host in hosts:
            try:
                answer = await http.post(f"{host}/{path}", content=body, headers=headers)
            except httpx2.TransportError as error:
                reasons.append(f"{host} ({type(error).__name__})")
                continue
            return _handed_back(host, answer)
    raise HostAway(f"No inference host answers: {', '.join(reasons)}", "start it, or correct INFERENCE_URL")


def _handed_back(host: str, answer: httpx2.Response) -> Response:
    """The host's answer. What is the fault of the host, or of this server's token, is told as such."""
    if answer.status_code >= 500 or answer.status_code in (401, 403):
        try:
            told = str(answer.json()["error"])[:300].rstrip(".")
        except (ValueError, KeyError, TypeError):
            told = "without a reason"
        raise Refused(502, f"The inference host {host} answered with {answer.status_code}: {told}", "see its log")
    kind = answer.headers.get("content-type")
    return Response(answer.content, answer.status_code, media_type=kind)
