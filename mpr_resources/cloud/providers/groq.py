"""Groq, by its SDK `groq`: chat completions."""

from __future__ import annotations

from mpr_resources.cloud.providers import failures
from mpr_resources.cloud.providers.chat import ChatProvider

NAME = "groq"


def open_(key: str, base_url: str | None) -> ChatProvider:
    """Groq, or a gateway that speaks as it does, at `base_url`, without `/openai/v1`, which the SDK adds."""
    try:
        import groq
    except ImportError as error:
        raise failures.no_sdk(NAME) from error
    client = groq.Groq(api_key=key, base_url=base_url or "https://api.groq.com", max_retries=0)
    return ChatProvider(NAME, groq, client, key, longest="max_completion_tokens")
