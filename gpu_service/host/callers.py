"""Which callers are answered, by what a browser says of itself: the names `Host` and `Origin`. All services ask this.

A page of the web can have its visitor's browser ask this machine. What it asks under a name of its own that leads here
(DNS rebinding) is told by `Host`, what it sends without reading the answer by `Origin`. Tokens are not checked here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def names_this_machine(host: str) -> bool:
    """Whether a `Host` header, `name:port` or `[address]:port`, is a loopback name."""
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def is_foreign_page(method: str, origin: str | None, host: str, allowed: Collection[str] = ()) -> bool:
    """Whether a page of another server would change or start something. `allowed`: origins that may."""
    if method in SAFE_METHODS or origin is None or origin in allowed:
        return False
    try:
        return urlsplit(origin).netloc != host
    except ValueError:
        return True


class NoForeignPages:
    """Middleware that refuses pages of other servers; `to`: what asks, for the sentences.

    `loopback_only`: also all that comes under another name than this machine's, which a service without a token needs.
    """

    def __init__(self, app: ASGIApp, to: str, *, loopback_only: bool) -> None:
        self._app = app
        self._to = to
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on."""
        sentence = self._refusal(scope) if scope["type"] == "http" else None
        if sentence is None:
            await self._app(scope, receive, send)
            return
        await JSONResponse({"error": sentence, "kind": "refused"}, 403)(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._loopback_only and not names_this_machine(host):
            return f"Without a token {self._to} answers to localhost and 127.0.0.1 only; set its token to open it."
        if is_foreign_page(scope["method"], headers.get("origin"), host):
            return f"Pages of other servers may ask nothing of {self._to}."
        return None
