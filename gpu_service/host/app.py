"""The service as an ASGI app: its endpoints, and what becomes an answer or a refusal.

How bodies are read is in bodies.py, how pictures are run in batching.py. `create_app` takes the routines as an
argument: which ones there are is said in registry.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgpack
import pydantic_core
from fastapi import Depends, FastAPI, Request, Response, params
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from gpu_service.distribution import VERSION
from gpu_service.host import openapi
from gpu_service.host.batching import AnyRoutine, BatchResult, Work
from gpu_service.host.bodies import (
    Lease,
    check_picture,
    from_base64,
    read_bytes,
    read_parts,
)
from gpu_service.host.callers import NoForeignPages
from gpu_service.host.config import ServiceConfig
from gpu_service.host.refusals import Refusal, from_error, from_validation
from gpu_service.host.service import (
    Health,
    Info,
    Service,
)
from gpu_service.pictures import encode_png
from gpu_service.routines import PICTURE, Reference
from gpu_service.settings import Settings
from gpu_service.wire import (
    DebugResponse,
    Failure,
    IdentityAnswer,
    InlineReference,
    Message,
    Phases,
    ReferenceKey,
    RoutineResponse,
)

MSGPACK = "application/msgpack"

M = TypeVar("M", bound=BaseModel)

log = logging.getLogger("gpu_service")


def create_app(routines: Mapping[str, AnyRoutine], config: ServiceConfig) -> FastAPI:
    """The app that serves these routines.

    Raises:
        BadInput: a routine to preload does not exist, or its settings are not usable.
    """
    service = Service(routines, config)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await service.stop()

    # The page at /docs with its scripts from here: by itself FastAPI has the browser fetch them from the Internet.
    app = FastAPIOffline(title="MPR inference", version=VERSION, lifespan=lifespan, redoc_url=None)
    app.add_exception_handler(HTTPException, _http_error)
    guarded = [Depends(_token_check(config.token))] if config.token else []
    _add_status(app, service, guarded)
    for routine in routines.values():
        _add_routine(app, service, routine, guarded)
    openapi.install(app, routines.values())
    app.add_middleware(
        NoForeignPages, to="the inference host", loopback_only=not config.token and not config.open_to_all
    )
    return app


def _token_check(token: str) -> Callable[..., None]:
    def check(
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))],
    ) -> None:
        given = credentials.credentials if credentials else ""
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise HTTPException(
                401,
                "This host requires its bearer token: set INFERENCE_TOKEN to the one it was started with.",
                {"WWW-Authenticate": "Bearer"},
            )

    return check


def _add_status(app: FastAPI, service: Service, guarded: Sequence[params.Depends]) -> None:
    @app.get("/health", response_model=Health, responses={503: {"model": Health}}, tags=["status"])
    async def health() -> Response:
        """200 once the chosen models are loaded; open to all."""
        state = service.health()
        headers = {} if state.ready else {"Retry-After": "2"}
        return _json(state, 200 if state.ready else 503, headers)

    @app.get("/info", response_model=Info, responses=_failures(401), dependencies=guarded, tags=["status"])
    async def info() -> Response:
        """Models and their identities, devices, memory, queue, limits."""
        return _json(service.info())

    @app.get("/metrics", responses=_failures(401), dependencies=guarded, tags=["status"], response_class=Response)
    async def metrics() -> Response:
        """Counters and times, for Prometheus."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")


def _add_routine(app: FastAPI, service: Service, routine: AnyRoutine, guarded: Sequence[params.Depends]) -> None:
    async def run(request: Request) -> Response:
        return await _answer(service, routine, request, lambda: _run(service, routine, request, debug=False))

    async def debug(request: Request) -> Response:
        return await _answer(service, routine, request, lambda: _run(service, routine, request, debug=True))

    async def identity(request: Request) -> Response:
        return await _answer(service, routine, request, lambda: _identity(service, routine, request))

    limits = service.config
    calls = openapi.call_body(routine, limits.request_pictures, limits.request_references)
    debug_calls = openapi.call_body(routine, limits.debug_pictures, limits.request_references)
    failures = _failures(*openapi.FAILURES)
    name = routine.name
    for path, endpoint, model, body, summary in (
        (f"/{name}", run, routine.response, calls, "answers"),
        (f"/{name}/debug", debug, routine.debug_response, debug_calls, "answers with intermediate pictures"),
        (f"/{name}/identity", identity, IdentityAnswer, openapi.identity_body(routine), "what would make the answers"),
    ):
        app.add_api_route(
            path,
            endpoint,
            methods=["POST"],
            response_model=model,
            responses=failures,
            openapi_extra=body,
            dependencies=guarded,
            tags=[name],
            summary=f"{name}: {summary}",
            operation_id=path.strip("/").replace("/", "_"),
        )


def _failures(*statuses: int | str) -> dict[int | str, dict[str, object]]:
    return {status: openapi.FAILURES[status] for status in statuses}


async def _answer(
    service: Service, routine: AnyRoutine, request: Request, work: Callable[[], Awaitable[Callable[[], Message]]]
) -> Response:
    """The message as the client wants it, or the refusal; counted. Nothing escapes from here."""
    began = time.monotonic()
    try:
        message = await work()
        response = await service.runner.call(lambda: _encoded(message(), request))
    except ClientDisconnect:
        response = Response(status_code=400)
    except Exception as error:
        response = _refusal(from_error(error) or _fault(routine, error))
    service.metrics.request(routine.name, response.status_code, time.monotonic() - began)
    return response


def _fault(routine: AnyRoutine, error: Exception) -> Refusal:
    log.exception("the routine %s failed", routine.name)
    sentence = f"The routine {routine.name} failed on the host ({type(error).__name__}); see its log."
    return Refusal(500, sentence, "internal")


def _encoded(message: Message, request: Request) -> Response:
    if request.headers.get("accept") == MSGPACK:
        return Response(msgpack.packb(message.model_dump()), media_type=MSGPACK)
    return _json(message)


def _json(message: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(message.model_dump_json(), status, headers, "application/json")


def _refusal(refused: Refusal) -> Response:
    headers = {} if refused.retry_after_s is None else {"Retry-After": str(refused.retry_after_s)}
    body = Failure(error=refused.sentence, kind=refused.kind, missing=refused.missing)
    return _json(body, refused.status, headers)


async def _http_error(_: Request, error: Exception) -> Response:
    """What the framework refuses by itself (no such path, wrong method, no token), in the same form."""
    assert isinstance(error, HTTPException)
    sentence = {404: "There is nothing at this path; /docs lists the paths."}.get(error.status_code, error.detail)
    return _json(Failure(error=sentence, kind="refused"), error.status_code, error.headers)


@dataclass(frozen=True)
class _ParsedRequest:
    """What a request asks, however it was written."""

    settings: Settings | None
    items: tuple[Message, ...]
    pictures: list[bytes]
    keys: tuple[ReferenceKey, ...] = ()
    sent: tuple[bytes, ...] = ()
    inline: tuple[Reference, ...] = ()


async def _read(service: Service, routine: AnyRoutine, request: Request, lease: Lease) -> _ParsedRequest:
    match request.headers.get("content-type", "").partition(";")[0].strip().lower():
        case "multipart/form-data":
            parts = await read_parts(request, service.config, lease)
            call = _parse(routine.call, parts.request, "part `request`")
            return _ParsedRequest(call.settings, call.items, parts.pictures, call.references, tuple(parts.references))
        case "application/json":
            body = await read_bytes(request, service.config, lease)
            single = _parse(routine.single_call, body, "body")
            picture = from_base64(single.image_b64, "image_b64")
            items = () if single.item is None else (single.item,)
            return _ParsedRequest(single.settings, items, [picture], inline=_inline_references(single.references))
        case other:
            raise Refusal(415, f"A body of type `{other[:60]}` is not understood; send multipart/form-data or JSON.")


async def _run(service: Service, routine: AnyRoutine, request: Request, *, debug: bool) -> Callable[[], Message]:
    """Read, check and run a request; gives what makes its answer."""
    with service.budget.lease() as lease:
        asked = await _read(service, routine, request, lease)
        _check_pictures(asked.pictures, routine, service.config, debug=debug)
        items = _items(asked.items, len(asked.pictures), routine)
        settings = _or_default(asked.settings, routine.settings, "settings")
        work = Work(
            routine=routine,
            settings=settings,
            identity=await service.identity(routine, settings),
            pictures=asked.pictures,
            items=items,
            references=asked.inline or service.references.resolve(asked.keys, asked.sent),
            debug=debug,
        )
        done = await _unless_gone(request, service.runner.run(work))
    return lambda: _message(work, done)


async def _identity(service: Service, routine: AnyRoutine, request: Request) -> Callable[[], Message]:
    with service.budget.lease() as lease:
        body = await read_bytes(request, service.config, lease)
    call = _parse(routine.identity_call, body or b"{}", "body")
    settings = _or_default(call.settings, routine.settings, "settings")
    identity = await service.identity(routine, settings)
    return lambda: IdentityAnswer(routine=routine.name, identity=identity)


def _parse(model: type[M], body: bytes, what: str) -> M:
    """The message in a body, as its JSON schema has it: `false` is no number, though `4.0` is an integer."""
    with contextlib.suppress(ValidationError):
        return model.model_validate_json(body, strict=True)
    try:
        plain = pydantic_core.to_json(_integers(pydantic_core.from_json(body)), inf_nan_mode="constants")
    except ValueError as error:
        raise Refusal(400, f"The {what} is not JSON: {str(error)[:200]}.") from error
    try:
        return model.model_validate_json(plain, strict=True)
    except ValidationError as error:
        raise from_validation(what, error) from error


def _integers(value: object) -> object:
    """The same value with whole floats as integers."""
    match value:
        case dict():
            return {key: _integers(inner) for key, inner in value.items()}
        case list():
            return [_integers(inner) for inner in value]
        case float() if value.is_integer() and abs(value) < 2**53:
            return int(value)
    return value


def _or_default(given: M | None, model: type[M], what: str) -> M:
    try:
        return model() if given is None else given
    except ValidationError as error:
        raise from_validation(what, error) from error


def _items(items: tuple[Message, ...], count: int, routine: AnyRoutine) -> tuple[Message, ...]:
    if not items:
        return (_or_default(None, routine.item, "item"),) * count
    if len(items) != count:
        raise Refusal(422, f"There are {len(items)} items for {count} pictures; send one for each, or none.")
    return items


def _inline_references(references: Iterable[InlineReference]) -> tuple[Reference, ...]:
    return tuple(
        Reference(reference.brand, reference.name, from_base64(reference.image_b64, f"references.{i}.image_b64"))
        for i, reference in enumerate(references)
    )


def _check_pictures(pictures: list[bytes], routine: AnyRoutine, config: ServiceConfig, *, debug: bool) -> None:
    most = config.debug_pictures if debug else config.request_pictures
    if not pictures:
        raise Refusal(422, "There is no picture in the request; send at least one part `picture`.")
    if len(pictures) > most:
        raise Refusal(413, f"There are {len(pictures)} pictures in the request; this host takes {most} at a time.")
    for index, picture in enumerate(pictures if routine.takes is PICTURE else ()):
        check_picture(picture, index, config)


async def _unless_gone(request: Request, running: Coroutine[object, None, list[BatchResult]]) -> list[BatchResult]:
    """The result of `running`, which is cancelled when the client goes away."""
    task: asyncio.Task[list[BatchResult]] = asyncio.ensure_future(running)
    gone = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()


def _message(work: Work, done: list[BatchResult]) -> Message:
    ms = Phases(
        queue_ms=max(one.ms.queue_ms for one in done),
        decode_ms=sum(one.ms.decode_ms for one in done),
        run_ms=sum(one.ms.run_ms for one in done),
    )
    answers = tuple(one.answer for one in done)
    name = work.routine.name
    if not work.debug:
        return RoutineResponse[Any](routine=name, identity=work.identity, ms=ms, answers=answers)
    pictures = tuple({key: encode_png(image) for key, image in one.pictures.items()} for one in done)
    return DebugResponse[Any](routine=name, identity=work.identity, ms=ms, answers=answers, pictures=pictures)
