"""Web servers on this machine, for tests: that answer as they are told, or hand out files."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


@contextmanager
def listening(
    handler: type[BaseHTTPRequestHandler], kind: type[ThreadingHTTPServer] = ThreadingHTTPServer
) -> Iterator[int]:
    """The port at which it answers."""
    with kind(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def handing_out(folder: Path) -> Iterator[str]:
    """Its address. It answers no range requests."""
    serve = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class Guard(BaseHTTPRequestHandler):
    """Hands out one file, in ranges, to who knows user, password and address; `closed`: to nobody."""

    content = b""
    authorization = ""
    needs = ""
    closed = False

    def do_GET(self) -> None:
        if self.closed or self.headers["Authorization"] != self.authorization or self.needs not in self.path:
            self.send_response(403)
            self.end_headers()
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"])
        assert asked is not None
        first, last = int(asked[1]), min(int(asked[2]), len(self.content) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(self.content)}")
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Sun, 01 Nov 2026 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(self.content[first : last + 1])

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def guarded(content: bytes, *, user: str, password: str, needs: str = "") -> Iterator[tuple[str, type[Guard]]]:
    """The server's `host:port`, and who guards the file."""
    authorization = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
    guard: type[Guard] = type("", (Guard,), {"content": content, "authorization": authorization, "needs": needs})
    with ThreadingHTTPServer(("127.0.0.1", 0), guard) as server:
        Thread(target=server.serve_forever).start()
        try:
            yield f"127.0.0.1:{server.server_port}", guard
        finally:
            server.shutdown()
