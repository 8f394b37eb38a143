"""Who may ask what: host names, tokens, the cookie of a page, origins, and how large a body may be.

Without a token only loopback names are answered, so that no page of the web reaches the API by a name of its own that
leads here (DNS rebinding). With one, the bearer token or the cookie of a login is asked for on every path of the API.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Literal

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gpu_service.host.callers import SAFE_METHODS, is_foreign_page, names_this_machine
from mpr_api.access.config import ApiConfig
from mpr_api.access.refusals import answer

COOKIE = "mpr_login"
COOKIE_S = 7 * 24 * 3600
GUARDED = ("/detect", "/api")
OPEN = frozenset({"/detect/login", "/detect/logout", "/detect/session"})
"""Paths of the API that are answered without a token."""
UPLOADS = "/detect/uploads"
"""Below it, bodies are as long as they are: what takes them has a limit of its own."""

Role = Literal["write", "read"]


def cookie_value(config: ApiConfig, role: Role, now_s: float) -> str:
    """A cookie that proves a login until it expires, to every process that has the same token."""
    claim = f"{role}.{int(now_s) + COOKIE_S}"
    return f"{claim}.{_signature(config, claim)}"


def _signature(config: ApiConfig, claim: str) -> str:
    return hmac.new(f"mpr {config.token} {config.read_token}".encode(), claim.encode(), hashlib.sha256).hexdigest()


def role_of_token(config: ApiConfig, token: str) -> Role | None:
    """What a token opens; None: it is none. Takes as long whatever the token is."""
    given = hashlib.sha256(token.encode(errors="surrogateescape")).digest()
    write = hmac.compare_digest(given, hashlib.sha256(config.token.encode()).digest())
    read = hmac.compare_digest(given, hashlib.sha256(config.read_token.encode()).digest())
    return "write" if write and config.token else "read" if read and config.read_token else None


def role_of_cookie(config: ApiConfig, value: str, now_s: float) -> Role | None:
    """What a cookie opens; None: it is none, or has expired."""
    claim, _, signature = value.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(config, claim).encode()):
        return None
    role, _, until = claim.partition(".")
    if not until.isdecimal() or int(until) < now_s:
        return None
    return "write" if role == "write" else "read"


def role_of(config: ApiConfig, request: HTTPConnection) -> Role | None:
    """What the request may do: change things, read, or nothing."""
    if not config.token:
        return "write"
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return role_of_token(config, token.strip())
    return role_of_cookie(config, request.cookies.get(COOKIE, ""), time.time())


def short_path(path: str) -> str:
    """The path as it is below /detect, where it is written with /api before it."""
    return path.removeprefix("/api") if path.startswith("/api/detect") else path


class Access:
    """Middleware that lets through what may be answered."""

    def __init__(self, app: ASGIApp, config: ApiConfig) -> None:
        self._app = app
        self._config = config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        if scope["type"] == "websocket":
            if self._may_connect(HTTPConnection(scope)):
                await self._app(scope, receive, send)
            else:  # told before it is accepted, which is answered with 403
                await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        refused = self._refusal(request)
        if refused is not None:
            status, sentence = refused
            headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
            kind = "bad_input" if status == 413 else "refused"
            await answer(status, sentence, kind, headers)(scope, receive, send)
            return
        unlimited = short_path(request.url.path).startswith(UPLOADS)
        await self._app(scope, receive if unlimited else _limited(receive, self._config.body_bytes), send)

    def _refusal(self, request: Request) -> tuple[int, str] | None:
        """Status and sentence; None: it may be answered."""
        config, path = self._config, short_path(request.url.path)
        host = request.headers.get("host", "")
        if not config.token and not names_this_machine(host):
            return 403, "Without a token the API answers to localhost and 127.0.0.1 only; set MPR_API_TOKEN to open it."
        if is_foreign_page(request.method, request.headers.get("origin"), host, config.origins):
            return 403, "Pages of other servers may change nothing here; MPR_API_ORIGINS lists those that may."
        size = request.headers.get("content-length", "")
        if size.isdecimal() and int(size) > config.body_bytes and not path.startswith(UPLOADS):
            return 413, f"The body is larger than {config.body_bytes} bytes."
        if not path.startswith(GUARDED) or path in OPEN:
            return None
        role = role_of(config, request)
        if role is None:
            return 401, "This API requires its token: log in, or send it as Authorization: Bearer TOKEN."
        if role == "read" and request.method not in SAFE_METHODS:
            return 403, "The read-only token changes nothing; use the other one."
        return None

    def _may_connect(self, asking: HTTPConnection) -> bool:
        """Whether a WebSocket may be opened. A page could read what is told over it, so none of another server may."""
        host, origin = asking.headers.get("host", ""), asking.headers.get("origin")
        if not self._config.token and not names_this_machine(host):
            return False
        if is_foreign_page("CONNECT", origin, host, self._config.origins):
            return False
        return role_of(self._config, asking) is not None


def _limited(receive: Receive, most: int) -> Receive:
    """The body's pieces, until they are more bytes than that."""
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise HTTPException(413, f"The body is larger than {most} bytes.")
        return message

    return limited
