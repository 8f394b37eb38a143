"""A local server that speaks to the SDKs of the four providers as their own do, with scripted answers and faults."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.web_server import listening

KEY = "canary-4c1d-key"
KEY_VARIABLES = {
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "openai": "OPENAI_API_KEY",
    "groq": "GROQ_API_KEY",
}
BASES = {"anthropic": "", "gemini": "", "openai": "/v1", "groq": ""}
NAMES = tuple(KEY_VARIABLES)
Fault = str
"""What goes wrong with a request: a word of `CloudServer._answer`, or "success"."""


def said(count: int, outcome: str = "brand", brand: str = "Acme", confidence: float = 0.9, text: str = "ACME") -> str:
    one = {"outcome": outcome, "brand": brand, "confidence": confidence, "text": text}
    return json.dumps({"answers": [{"picture": number, **one} for number in range(1, count + 1)]})


@dataclass
class Request:
    """`pictures`: those with a number; the others are context."""

    provider: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    pictures: list[bytes]
    key: str


@dataclass
class CloudServer:
    """`script(request, number)` gives the fault of a request; `answer(request)` the JSON that a model would write."""

    script: Callable[[Request, int], Fault] = lambda request, number: "success"
    answer: Callable[[Request], str] = lambda request: said(len(request.pictures))
    delay_s: float = 0.0
    requests: list[Request] = field(default_factory=list)
    answered: list[Request] = field(default_factory=list)
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def environ(self) -> dict[str, str]:
        found = {}
        for name, variable in KEY_VARIABLES.items():
            found[variable] = f"{KEY}-{name}"
            found[variable.replace("_API_KEY", "_BASE_URL")] = f"http://127.0.0.1:{self.port}{BASES[name]}"
        return found

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        request = as_request(handler.path, {k.lower(): v for k, v in handler.headers.items()}, body)
        with self.lock:
            self.requests.append(request)
            number = len(self.requests)
        fault = self.script(request, number)
        time.sleep(self.delay_s)
        if fault == "slow":
            time.sleep(0.7)
        status, headers, answer = self._answer(request, fault)
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        try:
            handler.send_response(status)
            for name, value in {"content-type": "application/json", **headers}.items():
                handler.send_header(name, value)
            handler.send_header("content-length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data[: len(data) // 2] if fault == "cut" else data)
            handler.wfile.flush()
        except OSError:
            return
        if fault == "cut":
            handler.close_connection = True
        elif status == 200:
            with self.lock:
                self.answered.append(request)

    def _answer(self, request: Request, fault: Fault) -> tuple[int, dict[str, str], Any]:
        refusal = {"error": {"message": f"bad: your key is {request.key}", "type": "x", "code": fault}}
        if fault in ("401", "402", "403", "404", "400", "500", "503", "529"):
            return int(fault), {}, refusal
        if fault == "429":
            return 429, {"retry-after": "1"}, refusal
        if fault == "garbage":
            return 200, {}, b"<html>a proxy's page</html>"
        if fault == "nothing":
            return 200, {}, {}
        text = {
            "malformed": "Sure! It shows Acme.",
            "short": said(0),
            "unknown": said(len(request.pictures), "unknown", "", 0.2, ""),
            "other_shape": json.dumps({"answers": [{"picture": 1}]}),
        }.get(fault) or self.answer(request)
        return 200, {}, ENVELOPES[request.provider](text, fault)


def as_request(path: str, headers: dict[str, str], body: dict[str, Any]) -> Request:
    if path == "/v1/messages":
        provider, content = "anthropic", body["messages"][0]["content"]
        parts = [p.get("text") or base64.b64decode(p["source"]["data"]) for p in content]
        key = headers.get("authorization", headers.get("x-api-key", ""))
    elif path.endswith(":generateContent"):
        provider, key = "gemini", headers.get("x-goog-api-key", "")
        parts = [
            p.get("text") or base64.urlsafe_b64decode(p["inlineData"]["data"]) for p in body["contents"][0]["parts"]
        ]
    else:
        provider = "groq" if path.startswith("/openai/") else "openai"
        assert path in ("/openai/v1/chat/completions", "/v1/chat/completions"), path
        key, content = headers.get("authorization", ""), body["messages"][1]["content"]
        parts = [p.get("text") or base64.b64decode(p["image_url"]["url"].partition(",")[2]) for p in content]
    pictures = [parts[i + 1] for i, part in enumerate(parts) if isinstance(part, str) and part.startswith("Picture ")]
    return Request(provider, path, headers, body, pictures, key.removeprefix("Bearer "))


def _anthropic(text: str, fault: Fault) -> dict[str, Any]:
    reason = {"refusal": "refusal", "truncated": "max_tokens"}.get(fault, "end_turn")
    content = [] if fault == "refusal" else [{"type": "text", "text": text[:9] if fault == "truncated" else text}]
    usage = {"input_tokens": 900, "output_tokens": 50, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 0}
    return {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": content,
            "stop_reason": reason, "stop_sequence": None, "usage": usage}  # fmt: skip


def _chat(text: str, fault: Fault) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text[:9] if fault == "truncated" else text}
    if fault == "refusal":
        message |= {"content": None, "refusal": "I cannot help with that."}
    reason = {"truncated": "length"}.get(fault, "stop")
    usage = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050,
             "prompt_tokens_details": {"cached_tokens": 100}}  # fmt: skip
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
            "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}]}  # fmt: skip


def _gemini(text: str, fault: Fault) -> dict[str, Any]:
    reason = {"refusal": "SAFETY", "truncated": "MAX_TOKENS"}.get(fault, "STOP")
    candidate: dict[str, Any] = {"finishReason": reason, "index": 0}
    if fault != "refusal":
        candidate["content"] = {"role": "model", "parts": [{"text": text[:9] if fault == "truncated" else text}]}
    usage = {"promptTokenCount": 1000, "candidatesTokenCount": 40, "thoughtsTokenCount": 10,
             "cachedContentTokenCount": 100, "totalTokenCount": 1050}  # fmt: skip
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "r"}


ENVELOPES = {"anthropic": _anthropic, "openai": _chat, "groq": _chat, "gemini": _gemini}


@contextmanager
def serving(server: CloudServer | None = None) -> Iterator[CloudServer]:
    cloud = server or CloudServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            cloud.handle(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    with listening(Handler, Quiet) as cloud.port:
        yield cloud
