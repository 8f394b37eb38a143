"""A local server that speaks to Google's own clients over REST, as Cloud Vision and Speech-to-Text do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.web_server import listening

KEY = "canary-4c1d-google"


@dataclass
class Asked:
    """A request. `path`: without what follows a question mark."""

    path: str
    key: str
    body: dict[str, Any]


@dataclass
class GoogleServer:
    """`answer(request)` gives status and body: JSON, or bytes as they are."""

    answer: Callable[[Asked], tuple[int, Any]]
    asked: list[Asked] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(answer: Callable[[Asked], tuple[int, Any]]) -> Iterator[GoogleServer]:
    google = GoogleServer(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            request = Asked(self.path.partition("?")[0], self.headers["x-goog-api-key"], body)
            google.asked.append(request)
            status, said = google.answer(request)
            data = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with listening(Handler) as port:
        google.url = f"http://127.0.0.1:{port}"
        yield google
