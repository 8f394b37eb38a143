"""Anthropic, by its SDK `anthropic`: the Messages API with a JSON schema for the output."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from mpr_resources.cloud.providers import (
    Completion,
    Request,
    Usage,
    failures,
)

NAME = "anthropic"
BATCH_TIMEOUT_S = 300.0
"""Of a request that sends or fetches a batch: some hundred pictures."""
T = TypeVar("T")


class Anthropic:
    """See `Provider`."""

    def __init__(self, key: str, base_url: str | None) -> None:
        try:
            import anthropic
        except ImportError as error:
            raise failures.no_sdk(NAME) from error
        self._sdk: Any = anthropic
        self._key = key
        self._client: Any = anthropic.Anthropic(
            api_key=key, base_url=base_url or "https://api.anthropic.com", max_retries=0
        )

    def ask(self, ask: Request) -> Completion:
        """See `Provider.ask`."""
        return _said(
            self._sent(
                lambda: self._client.messages.create(**_body(ask), timeout=ask.timeout_s), ask.model, ask.timeout_s
            )
        )

    def submit(self, asks: Mapping[str, Request]) -> str:
        """See `batches.BatchProvider.submit`."""
        requests = [{"custom_id": name, "params": _body(ask)} for name, ask in asks.items()]
        model = next(ask.model for ask in asks.values())
        create = self._client.messages.batches.create
        batch = self._sent(lambda: create(requests=requests, timeout=BATCH_TIMEOUT_S), model, BATCH_TIMEOUT_S)
        return str(batch.id)

    def collect(self, batch: str, asks: Collection[str]) -> Mapping[str, Completion | failures.ProviderError] | None:
        """See `batches.BatchProvider.collect`."""
        batches = self._client.messages.batches

        def fetch() -> dict[str, Any] | None:
            if batches.retrieve(batch, timeout=BATCH_TIMEOUT_S).processing_status != "ended":
                return None
            return {one.custom_id: one.result for one in batches.results(batch, timeout=BATCH_TIMEOUT_S)}

        found = self._sent(fetch, f"batch {batch}", BATCH_TIMEOUT_S)
        return None if found is None else {name: _ended(found.get(name)) for name in asks}

    def _sent(self, send: Callable[[], T], model: str, timeout_s: float) -> T:
        sdk = self._sdk
        try:
            return send()
        except sdk.APITimeoutError:
            raise failures.timed_out(NAME, timeout_s) from None
        except sdk.APIStatusError as error:
            raise failures.of_status(
                NAME, model, error.status_code, error.response.headers, error.body, self._key
            ) from None
        except sdk.APIConnectionError:
            raise failures.cut_off(NAME) from None
        except (sdk.AnthropicError, ValueError):
            raise failures.unreadable(NAME, Usage()) from None

    def close(self) -> None:
        self._client.close()


def _body(ask: Request) -> dict[str, Any]:
    return {
        "model": ask.model,
        "max_tokens": ask.max_output_tokens,
        "system": ask.system,
        "messages": [{"role": "user", "content": [_part(part) for part in ask.parts]}],
        "output_config": {"format": {"type": "json_schema", "schema": dict(ask.schema)}},
    }


def _ended(result: Any) -> Completion | failures.ProviderError:
    """What became of one request of a batch; None: its answer is missing."""
    if result is None or result.type != "succeeded":
        return failures.not_in_batch(NAME, "missing" if result is None else str(result.type))
    try:
        return _said(result.message)
    except failures.ProviderError as error:
        return error


def _part(part: str | bytes) -> dict[str, object]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    data = base64.b64encode(part).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": data}}


def _said(message: Any) -> Completion:
    used = getattr(message, "usage", None)
    if used is None or not isinstance(getattr(message, "content", None), list):
        raise failures.unreadable(NAME, Usage())
    cached = used.cache_read_input_tokens or 0
    usage = Usage(used.input_tokens + cached + (used.cache_creation_input_tokens or 0), used.output_tokens, cached)
    if message.stop_reason == "refusal":
        raise failures.refused(NAME, usage)
    if message.stop_reason in ("max_tokens", "model_context_window_exceeded"):
        raise failures.truncated(NAME, usage)
    return Completion("".join(block.text for block in message.content if block.type == "text"), usage)


open_ = Anthropic
