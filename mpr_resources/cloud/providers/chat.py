"""What OpenAI and Groq have in common: chat completions with a strict JSON schema, and SDKs of one make."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Mapping
from types import SimpleNamespace
from typing import Any, TypeVar

from mpr_resources.cloud.providers import (
    Completion,
    Request,
    Usage,
    failures,
)

ENDPOINT = "/v1/chat/completions"
BATCH_TIMEOUT_S = 300.0
"""Of a request that sends or fetches a batch: some hundred pictures."""
ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
T = TypeVar("T")


class _Body(SimpleNamespace):
    """A completion in a batch's file, which the SDK does not read; what it has not is None, as in the SDK's own."""

    def __getattr__(self, name: str) -> None:
        return None


class ChatProvider:
    """See `Provider`. `sdk`: the module; `client`: its client, made without retries of its own."""

    def __init__(self, name: str, sdk: Any, client: Any, key: str, longest: str) -> None:
        self._name = name
        self._sdk = sdk
        self._client = client
        self._key = key
        self._longest = longest

    def ask(self, ask: Request) -> Completion:
        """See `Provider.ask`."""
        create = self._client.chat.completions.create
        send = lambda: create(**self._body(ask), timeout=ask.timeout_s)  # noqa: E731
        return self._said(self._sent(send, ask.model, ask.timeout_s))

    def submit(self, asks: Mapping[str, Request]) -> str:
        """See `batches.BatchProvider.submit`."""
        lines = [
            json.dumps({"custom_id": name, "method": "POST", "url": ENDPOINT, "body": self._body(ask)})
            for name, ask in asks.items()
        ]
        content = ("requests.jsonl", "\n".join(lines).encode())

        def send() -> str:
            file = self._client.files.create(file=content, purpose="batch", timeout=BATCH_TIMEOUT_S)
            batch = self._client.batches.create(
                input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h", timeout=BATCH_TIMEOUT_S
            )
            return str(batch.id)

        return self._sent(send, next(ask.model for ask in asks.values()), BATCH_TIMEOUT_S)

    def collect(self, batch: str, asks: Collection[str]) -> Mapping[str, Completion | failures.ProviderError] | None:
        """See `batches.BatchProvider.collect`. One that expired or was cancelled has what was answered until then."""

        def fetch() -> tuple[str, dict[str, Any]] | None:
            told = self._client.batches.retrieve(batch, timeout=BATCH_TIMEOUT_S)
            if told.status not in ENDED:
                return None
            files = [file for file in (told.output_file_id, told.error_file_id) if file]
            texts = [self._client.files.content(file, timeout=BATCH_TIMEOUT_S).read() for file in files]
            lines = [json.loads(line) for text in texts for line in text.splitlines() if line.strip()]
            return told.status, {line["custom_id"]: line for line in lines}

        found = self._sent(fetch, f"batch {batch}", BATCH_TIMEOUT_S)
        return None if found is None else {name: self._ended(found[1].get(name), found[0]) for name in asks}

    def _ended(self, line: Any, status: str) -> Completion | failures.ProviderError:
        """What became of one request of a batch: its line of the file. None: it has none."""
        if line is None:
            return failures.not_in_batch(self._name, "missing" if status == "completed" else status)
        response = line.get("response") or {}
        if line.get("error") or response.get("status_code") != 200:
            return failures.not_in_batch(self._name, "errored")
        try:
            return self._said(json.loads(json.dumps(response["body"]), object_hook=lambda one: _Body(**one)))
        except failures.ProviderError as error:
            return error
        except (KeyError, TypeError, AttributeError):
            return failures.unreadable(self._name, Usage())

    def _body(self, ask: Request) -> dict[str, Any]:
        schema = {"name": "answer", "strict": True, "schema": dict(ask.schema)}
        return {
            "model": ask.model,
            "messages": [
                {"role": "system", "content": ask.system},
                {"role": "user", "content": [_part(part) for part in ask.parts]},
            ],
            "response_format": {"type": "json_schema", "json_schema": schema},
            self._longest: ask.max_output_tokens,
        }

    def _sent(self, send: Callable[[], T], model: str, timeout_s: float) -> T:
        sdk = self._sdk
        try:
            return send()
        except sdk.APITimeoutError:
            raise failures.timed_out(self._name, timeout_s) from None
        except sdk.APIStatusError as error:
            raise failures.of_status(
                self._name, model, error.status_code, error.response.headers, error.body, self._key
            ) from None
        except sdk.APIConnectionError:
            raise failures.cut_off(self._name) from None
        except (sdk.APIError, ValueError):
            raise failures.unreadable(self._name, Usage()) from None

    def close(self) -> None:
        self._client.close()

    def _said(self, completion: Any) -> Completion:
        used = getattr(completion, "usage", None)
        details = getattr(used, "prompt_tokens_details", None)
        usage = Usage(
            getattr(used, "prompt_tokens", None) or 0,
            getattr(used, "completion_tokens", None) or 0,
            getattr(details, "cached_tokens", None) or 0,
        )
        choices = getattr(completion, "choices", None)
        if not choices:
            raise failures.unreadable(self._name, usage)
        if choices[0].finish_reason == "content_filter" or getattr(choices[0].message, "refusal", None):
            raise failures.refused(self._name, usage)
        if choices[0].finish_reason == "length":
            raise failures.truncated(self._name, usage)
        return Completion(choices[0].message.content or "", usage)


def _part(part: str | bytes) -> dict[str, object]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    data = base64.b64encode(part).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}
