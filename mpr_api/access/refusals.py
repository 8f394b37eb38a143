"""How the API says no: `{"error", "kind"}` with one sentence, for every error that can reach a client.

What an exception says that MPR does not raise on purpose goes to the log alone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import ExceptionHandler

from gpu_service.errors import BadInput, HostAway, MprError, NotThere, TransientError
from mpr_assets.runs.run_lock import AtWork
from mpr_live.control import TooMany
from mpr_resources.storage.store import MissingObject

LOG = logging.getLogger("mpr.api")
RETRY_AFTER_S = 5


class ErrorAnswer(BaseModel):
    """Every answer with a status from 400 on."""

    error: str = Field(description="one sentence: what is wrong, and what to do", examples=["There is no frame 99."])
    kind: str = Field(description="one word for programs", examples=["bad_input"])


class Refused(MprError):
    """An answer of another status than its error's class would have."""

    kind = "refused"

    def __init__(self, status: int, what: str, remedy: str = "", retry_after_s: int | None = None) -> None:
        super().__init__(what, remedy)
        self.status = status
        self.retry_after_s = retry_after_s


def answer(status: int, sentence: str, kind: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer of an error."""
    return JSONResponse({"error": sentence, "kind": kind}, status, headers)


def install(app: FastAPI) -> None:
    """Have the app answer so."""
    handlers: Sequence[tuple[type[Exception], ExceptionHandler]] = (
        (MprError, _of_mpr),
        (RequestValidationError, _of_validation),
        (HTTPException, _of_http),
        (Exception, _of_bug),
    )
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)


def status_of_error(error: MprError) -> int:
    """The HTTP status for an error of MPR."""
    match error:
        case Refused():
            return error.status
        case NotThere() | MissingObject():
            return 404
        case AtWork() | TooMany():
            return 409
        case BadInput():
            return 400
        case HostAway():
            return 502
        case TransientError():
            return 503
    return 422


async def _of_mpr(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, MprError)
    status = status_of_error(error)
    after_s = error.retry_after_s if isinstance(error, Refused) else RETRY_AFTER_S if status == 503 else None
    return JSONResponse(error.body(), status, None if after_s is None else {"Retry-After": str(after_s)})


async def _of_validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return answer(422, validation_sentence(error), "bad_input")


def validation_sentence(error: RequestValidationError) -> str:
    """The first thing that is wrong with a request."""
    first = error.errors()[0]
    place = ".".join(str(part)[:60] for part in first["loc"])[:200]
    return f"The request cannot be used at `{place}`: {str(first['msg'])[:300]}."


async def _of_http(_: Request, error: Exception) -> JSONResponse:
    """What the framework refuses by itself."""
    assert isinstance(error, HTTPException)
    told = {
        404: "There is nothing at this path; /docs lists the paths.",
        405: "This path does not take this method; /docs lists the paths.",
    }
    kind = "bad_input" if error.status_code in (400, 404, 405, 413, 415, 422) else "refused"
    return answer(error.status_code, told.get(error.status_code, str(error.detail)), kind, error.headers)


async def _of_bug(request: Request, error: Exception) -> JSONResponse:
    LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return answer(500, f"The API failed ({type(error).__name__}); its log says more.", "internal")
