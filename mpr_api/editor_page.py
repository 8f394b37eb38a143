"""The editor's page, served at `/` from the files that `make editor` builds. What it shows it asks of the API.

Its files are open to all who reach the server: they hold nothing of the user's, and the page has to ask for the token.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

BUILT = Path(__file__).parent / "editor" / "dist"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
"""Nothing comes from elsewhere, no script stands in the page; `wasm-unsafe-eval` is what WebAssembly needs."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
NOT_BUILT = (
    "The editor's page is not built: run `make editor` in the clone. The API is at /detect, its paths at /docs.\n"
)


class Assets(StaticFiles):
    """Files whose names hold a hash of what is in them: kept by browsers for good."""

    def file_response(self, *arguments: object, **named: object) -> Response:
        response = super().file_response(*arguments, **named)  # type: ignore[arg-type]
        response.headers.update({**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"})
        return response


def install(app: FastAPI, built: Path = BUILT) -> None:
    """Answer `/` and the files beside it. Where the page is not built, `/` says so with status 503."""

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        if not (built / "index.html").is_file():
            return PlainTextResponse(NOT_BUILT, status_code=503)
        return FileResponse(built / "index.html", headers={**HEADERS, "Cache-Control": "no-cache"})

    @app.get("/icon.svg", include_in_schema=False)
    def icon() -> Response:
        return FileResponse(built / "icon.svg", headers=HEADERS)

    app.mount("/assets", Assets(directory=built / "assets", check_dir=False))
