"""A local server that speaks to the SDKs of Anthropic, Gemini, OpenAI and Groq as their batch endpoints do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.cloud_server import BASES, ENVELOPES, KEY, KEY_VARIABLES, Request, as_request, said
from tests.web_server import listening

PATHS = {
    "anthropic": "/v1/messages",
    "gemini": "/v1/models/m:generateContent",
    "openai": "/v1/chat/completions",
    "groq": "/openai/v1/chat/completions",
}


@dataclass
class BatchServer:
    """`fate(request)` gives what becomes of a request: "succeeded", a fault of `ENVELOPES`, "errored" or "expired".

    Attributes:
        polls: how often a batch is asked after before it has ended.
        expires: whether Gemini's batches end by that.
        nameless: whether Gemini's answers come without their metadata.
        refuses: the status with which batches are not taken; 0: they are.
        batches: the requests of each batch, by their names.
        direct: requests that were sent at once.
    """

    fate: Callable[[Request], str] = lambda request: "succeeded"
    polls: int = 1
    expires: bool = False
    nameless: bool = False
    refuses: int = 0
    batches: dict[str, dict[str, Request]] = field(default_factory=dict)
    asked_after: dict[str, int] = field(default_factory=dict)
    direct: list[Request] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    port: int = 0

    def environ(self) -> dict[str, str]:
        found = {}
        for name in PATHS:
            variable = KEY_VARIABLES[name]
            found[variable] = f"{KEY}-{name}"
            found[variable.replace("_API_KEY", "_BASE_URL")] = f"http://127.0.0.1:{self.port}{BASES[name]}"
        return found

    def handle(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        """Status, and JSON or text."""
        told = {"/v1/messages": "anthropic", "/v1/models": "gemini", "/v1beta": "gemini", "/openai": "groq"}
        provider = next((name for start, name in told.items() if path.startswith(start)), "openai")
        if path in PATHS.values():
            self.direct.append(as_request(path, dict(headers), json.loads(body)))
            return 200, ENVELOPES[provider](said(len(self.direct[-1].pictures)), "success")
        if body and self.refuses:
            return self.refuses, {"error": {"message": "no"}}
        if path == "/v1/messages/batches":
            return 200, self._taken({one["custom_id"]: one["params"] for one in json.loads(body)["requests"]}, provider)
        if path == "/v1beta/models/m:batchGenerateContent":
            asked = json.loads(body)["batch"]["inputConfig"]["requests"]["requests"]
            return 200, self._taken({one["metadata"]["key"]: one["request"] for one in asked}, provider)
        if path.endswith("/files"):
            text = re.split(rb"\r\n\r\n", body)[-1] if b"requests.jsonl" not in body else body
            lines = [line for line in text.decode().splitlines() if line.startswith('{"custom_id"')]
            self.files[f"file-{len(self.files)}"] = "\n".join(lines)
            return 200, {"id": f"file-{len(self.files) - 1}", "object": "file", "bytes": len(body), "created_at": 1,
                         "filename": "requests.jsonl", "purpose": "batch", "status": "processed"}  # fmt: skip
        if path.endswith("/batches"):
            asked = json.loads(body)
            assert (asked["endpoint"], asked["completion_window"]) == ("/v1/chat/completions", "24h")
            lines = self.files[asked["input_file_id"]].splitlines()
            bodies = {line["custom_id"]: line["body"] for line in map(json.loads, lines)}
            return 200, self._taken(bodies, provider)
        name = re.search(r"batch-\d+", path)
        assert name is not None, path
        if name[0] not in self.batches:
            return 404, {"error": {"message": "no such batch"}}
        if path.endswith(("/results", "/content")):
            return 200, "\n".join(json.dumps(line) for line in self._results(name[0], provider))
        self.asked_after[name[0]] += 1
        return 200, self._state(name[0], provider)

    def _taken(self, bodies: Mapping[str, Any], provider: str) -> dict[str, Any]:
        name = f"batch-{len(self.batches)}"
        self.batches[name] = {key: as_request(PATHS[provider], {}, body) for key, body in bodies.items()}
        self.asked_after[name] = 0
        return self._state(name, provider)

    def _state(self, name: str, provider: str) -> dict[str, Any]:
        ended = self.asked_after[name] > self.polls
        if provider == "anthropic":
            url = f"http://127.0.0.1:{self.port}/v1/messages/batches/{name}/results"
            counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
            times = {"created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z"}
            return {"id": name, "type": "message_batch", "processing_status": "ended" if ended else "in_progress",
                    "request_counts": counts, "results_url": url if ended else None, "ended_at": None,
                    "archived_at": None, "cancel_initiated_at": None, **times}  # fmt: skip
        if provider == "gemini":
            state = f"BATCH_STATE_{'EXPIRED' if self.expires else 'SUCCEEDED' if ended else 'RUNNING'}"
            output = {"inlinedResponses": {"inlinedResponses": [*self._results(name, provider)]}}
            more = {"output": output} if ended and not self.expires else {}
            return {"name": f"batches/{name}", "done": ended, "metadata": {"state": state, **more}}
        return {"id": name, "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": "file-0",
                "completion_window": "24h", "status": "completed" if ended else "in_progress", "created_at": 1,
                "output_file_id": f"out-{name}" if ended else None, "error_file_id": None}  # fmt: skip

    def _results(self, name: str, provider: str) -> Iterator[dict[str, Any]]:
        for key, request in reversed(self.batches[name].items()):  # in any order
            fate = self.fate(request)
            done = fate not in ("errored", "expired")
            body = ENVELOPES[provider](said(len(request.pictures)), fate) if done else {}
            if provider == "anthropic":
                error = {"error": {"type": "error", "error": {"type": "api_error", "message": "no"}}}
                yield {
                    "custom_id": key,
                    "result": {"type": "succeeded", "message": body} if done else {"type": fate, **error},
                }
            elif provider == "gemini":
                answer = {"response": body} if done else {"error": {"code": 13, "message": "no"}}
                if fate != "expired":
                    yield answer if self.nameless else {"metadata": {"key": key}, **answer}
            elif fate != "expired":
                response = {"status_code": 200 if done else 500, "request_id": "r", "body": body}
                yield {"id": "l", "custom_id": key, "response": response, "error": None}


@contextmanager
def serving(server: BatchServer | None = None) -> Iterator[BatchServer]:
    cloud = server or BatchServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["content-length"])))

        def do_GET(self) -> None:
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            status, answer = cloud.handle(self.path.partition("?")[0], dict(self.headers.items()), body)
            data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/x-jsonl" if isinstance(answer, str) else "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with listening(Handler) as cloud.port:
        yield cloud
