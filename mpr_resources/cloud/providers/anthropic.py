"""Anthropic, by its SDK `anthropic`: the Messages API with a JSON schema for the output."""

from __future__ import annotations

import base64
from typing import Any

from mpr_resources.cloud.providers import (
    Completion,
    Request,
    Usage,
    failures,
)

NAME = "anthropic"


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
        sdk = self._sdk
        try:
            message = self._client.messages.create(
                model=ask.model,
                max_tokens=ask.max_output_tokens,
                system=ask.system,
                messages=[{"role": "user", "content": [_part(part) for part in ask.parts]}],
                output_config={"format": {"type": "json_schema", "schema": dict(ask.schema)}},
                timeout=ask.timeout_s,
            )
        except sdk.APITimeoutError:
            raise failures.timed_out(NAME, ask.timeout_s) from None
        except sdk.APIStatusError as error:
            raise failures.of_status(
                NAME, ask.model, error.status_code, error.response.headers, error.body, self._key
            ) from None
        except sdk.APIConnectionError:
            raise failures.cut_off(NAME) from None
        except (sdk.AnthropicError, ValueError):
            raise failures.unreadable(NAME, Usage()) from None
        return _said(message)

    def close(self) -> None:
        self._client.close()


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
