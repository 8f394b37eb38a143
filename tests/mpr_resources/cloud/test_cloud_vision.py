"""Google Cloud Vision through its own client, against a local server that speaks its REST protocol."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from mpr_resources.cloud.prompt import SCHEMA, SYSTEM, Answer, parts, read_answers
from mpr_resources.cloud.providers import Request, Usage, failures, open_provider

KEY = "canary-4c1d-key"
LOGO = {"logoAnnotations": [{"description": "Bolt", "score": 0.4}, {"description": "Acme", "score": 0.75}]}
TEXT = {"textAnnotations": [{"description": "FLY FURTHER"}, {"description": "FLY"}]}


@contextmanager
def vision(status: int, answer: Any, asked: list[tuple[str, str, Any]]) -> Iterator[str]:
    """A server that gives one answer to all; `asked` gets path, key and body of each request."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append((self.path.partition("?")[0], self.headers["x-goog-api-key"], body))
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(url: str, pictures: int = 1) -> tuple[list[Answer], Usage]:
    provider = open_provider("cloud_vision", {"GOOGLE_VISION_API_KEY": KEY, "GOOGLE_VISION_BASE_URL": url})
    try:
        shown = parts([(b"\xff\xd8 a picture", [b"\xff\xd8 context"])] * pictures)
        said = provider.ask(Request("annotate", SYSTEM, shown, SCHEMA, 500, 20.0))
        return read_answers(said.text, pictures), said.usage
    finally:
        provider.close()


def test_logos_and_text_become_answers_and_context_is_not_sent() -> None:
    asked: list[tuple[str, str, Any]] = []
    with vision(200, {"responses": [LOGO | TEXT, TEXT, {}]}, asked) as url:
        answers, usage = ask(url, 3)
    assert answers == [
        Answer(outcome="brand", brand="Acme", confidence=0.75, text="FLY FURTHER"),
        Answer(outcome="unknown", confidence=0.5, text="FLY FURTHER"),
        Answer(outcome="none", confidence=0.5),
    ]
    assert usage == Usage(6)
    [(path, key, body)] = asked
    assert (path, key) == ("/v1/images:annotate", KEY)
    assert [base64.b64decode(one["image"]["content"]) for one in body["requests"]] == [b"\xff\xd8 a picture"] * 3
    assert [len(one["features"]) for one in body["requests"]] == [2, 2, 2]


BROKEN = {
    "wrong key": (401, {"error": {"message": "no"}}, failures.RequestRejection, "refuses the key in GOOGLE_VISION_API"),
    "bad request": (400, {"error": {"message": f"bad: {KEY}"}}, failures.RequestRejection, r"\(HTTP 400\): .*bad: \*+"),
    "busy": (429, {"error": {"message": "slow down"}}, failures.ProviderUnavailable, "accepts no more requests"),
    "down": (503, {"error": {"message": "later"}}, failures.ProviderUnavailable, r"has an error \(HTTP 503\)"),
    "a proxy's page": (200, b"<html>", failures.UnreadableAnswer, "did not answer with the requested JSON"),
    "too few": (200, {"responses": []}, failures.UnreadableAnswer, "did not answer with the requested JSON"),
    "one failed": (200, {"responses": [{"error": {"code": 3}}]}, failures.UnreadableAnswer, "did not answer with the"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_goes_wrong_is_one_sentence(case: str) -> None:
    status, answer, kind, sentence = BROKEN[case]
    asked: list[tuple[str, str, Any]] = []
    with vision(status, answer, asked) as url, pytest.raises(kind, match=sentence) as raised:
        ask(url)
    assert len(asked) == 1, "each request is paid for: the SDK does not try again by itself"
    assert KEY not in str(raised.value)


def test_nobody_listens() -> None:
    with vision(200, {}, []) as gone:
        pass
    with pytest.raises(failures.ProviderUnavailable, match="The connection to cloud_vision failed"):
        ask(gone)
