"""What OpenAI and Groq have in common: chat completions with a strict JSON schema, and SDKs of one make."""

from __future__ import annotations

import base64
from typing import Any

from mpr_resources.cloud.providers import (
    Completion,
    Request,
    Usage,
    failures,
)


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
        sdk = self._sdk
        schema = {"name": "answer", "strict": True, "schema": dict(ask.schema)}
        try:
            completion = self._client.chat.completions.create(
                model=ask.model,
                messages=[
                    {"role": "system", "content": ask.system},
                    {"role": "user", "content": [_part(part) for part in ask.parts]},
                ],
                response_format={"type": "json_schema", "json_schema": schema},
                timeout=ask.timeout_s,
                **{self._longest: ask.max_output_tokens},
            )
        except sdk.APITimeoutError:
            raise failures.timed_out(self._name, ask.timeout_s) from None
        except sdk.APIStatusError as error:
            raise failures.of_status(
                self._name, ask.model, error.status_code, error.response.headers, error.body, self._key
            ) from None
        except sdk.APIConnectionError:
            raise failures.cut_off(self._name) from None
        except (sdk.APIError, ValueError):
            raise failures.unreadable(self._name, Usage()) from None
        return self._said(completion)

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
