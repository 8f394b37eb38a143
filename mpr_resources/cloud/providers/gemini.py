"""Google's Gemini, by its SDK `google-genai`: generateContent with a JSON schema for the answer."""

from __future__ import annotations

from typing import Any

from mpr_resources.cloud.providers import (
    Completion,
    Request,
    Usage,
    failures,
)

NAME = "gemini"
REFUSALS = frozenset(
    {
        "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION", "LANGUAGE",
    }
)  # fmt: skip
"""Reasons for which an answer ends, or never begins, that are the provider's decision."""


class Gemini:
    """See `Provider`."""

    def __init__(self, key: str, base_url: str | None) -> None:
        try:
            import httpx2
            from google import genai
            from google.genai import errors, types
        except ImportError as error:
            raise failures.no_sdk(NAME) from error
        self._errors: Any = errors
        self._types: Any = types
        self._http: Any = httpx2
        self._key = key
        options = types.HttpOptions(
            base_url=base_url or "https://generativelanguage.googleapis.com",
            retry_options=types.HttpRetryOptions(attempts=1),
        )
        self._client: Any = genai.Client(api_key=key, enterprise=False, http_options=options)

    def ask(self, ask: Request) -> Completion:
        """See `Provider.ask`."""
        types = self._types
        config = types.GenerateContentConfig(
            system_instruction=ask.system,
            response_mime_type="application/json",
            response_json_schema=dict(ask.schema),
            max_output_tokens=ask.max_output_tokens,
            http_options=types.HttpOptions(timeout=round(ask.timeout_s * 1000)),
        )
        parts = [
            types.Part.from_text(text=part)
            if isinstance(part, str)
            else types.Part.from_bytes(data=part, mime_type="image/jpeg")
            for part in ask.parts
        ]
        try:
            response = self._client.models.generate_content(model=ask.model, contents=parts, config=config)
        except self._http.TimeoutException:
            raise failures.timed_out(NAME, ask.timeout_s) from None
        except self._errors.APIError as error:
            headers = getattr(error.response, "headers", None) or {}
            raise failures.of_status(NAME, ask.model, error.code, headers, error.details, self._key) from None
        except self._http.HTTPError:
            raise failures.cut_off(NAME) from None
        except ValueError:
            raise failures.unreadable(NAME, Usage()) from None
        return _said(response)

    def close(self) -> None:
        self._client.close()


def _said(response: Any) -> Completion:
    used = response.usage_metadata
    usage = Usage()
    if used is not None:
        out = (used.candidates_token_count or 0) + (used.thoughts_token_count or 0)
        usage = Usage(used.prompt_token_count or 0, out, used.cached_content_token_count or 0)
    blocked = getattr(response.prompt_feedback, "block_reason", None)
    if blocked is not None:
        raise failures.refused(NAME, usage)
    if not response.candidates:
        raise failures.unreadable(NAME, usage)
    first = response.candidates[0]
    reason = getattr(first.finish_reason, "value", first.finish_reason)
    if reason in REFUSALS:
        raise failures.refused(NAME, usage)
    if reason == "MAX_TOKENS":
        raise failures.truncated(NAME, usage)
    parts = first.content.parts if first.content is not None else None
    texts = [part.text for part in parts or () if part.text and not part.thought]
    return Completion("".join(texts), usage)


open_ = Gemini
