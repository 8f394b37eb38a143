"""OpenAI, by its SDK `openai`: chat completions."""

from __future__ import annotations

from mpr_resources.cloud.providers import failures
from mpr_resources.cloud.providers.chat import ChatProvider

NAME = "openai"


def open_(key: str, base_url: str | None) -> ChatProvider:
    """OpenAI, or a gateway that speaks as it does, at `base_url`, which ends in `/v1`."""
    try:
        import openai
    except ImportError as error:
        raise failures.no_sdk(NAME) from error
    client = openai.OpenAI(api_key=key, base_url=base_url or "https://api.openai.com/v1", max_retries=0)
    return ChatProvider(NAME, openai, client, key, longest="max_completion_tokens")
