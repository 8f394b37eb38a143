"""Google's Gemini, by its SDK `google-genai`: generateContent with a JSON schema for the answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from mpr_resources.cloud.providers import (
    Completion,
    Request,
    Usage,
    failures,
)

NAME = "gemini"
BATCH_TIMEOUT_S = 300.0
"""Of a request that sends or fetches a batch: some hundred pictures."""
BATCH_KEY = "key"
"""What a request's name is called in its metadata, which comes back with its answer."""
BATCH_API = "v1beta"
"""The only version whose documentation has batches."""
T = TypeVar("T")
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
        generate = self._client.models.generate_content
        config = self._config(ask, ask.timeout_s)
        send = lambda: generate(model=ask.model, contents=self._parts(ask), config=config)  # noqa: E731
        return _said(self._sent(send, ask.model, ask.timeout_s))

    def submit(self, asks: Mapping[str, Request]) -> str:
        """See `batches.BatchProvider.submit`."""
        types = self._types
        requests = [
            types.InlinedRequest(
                contents=[types.Content(role="user", parts=self._parts(ask))],
                config=self._config(ask),
                metadata={BATCH_KEY: name},
            )
            for name, ask in asks.items()
        ]
        model = next(ask.model for ask in asks.values())
        config = types.CreateBatchJobConfig(http_options=self._within(BATCH_TIMEOUT_S, BATCH_API))
        create = self._client.batches.create
        batch = self._sent(lambda: create(model=model, src=requests, config=config), model, BATCH_TIMEOUT_S)
        if not batch.name:
            raise failures.unreadable(NAME, Usage())
        return str(batch.name)

    def collect(self, batch: str, asks: Collection[str]) -> Mapping[str, Completion | failures.ProviderError] | None:
        """See `batches.BatchProvider.collect`.

        Answers come in any order, and have been seen without their metadata (googleapis/python-genai, issues 1909 and
        2008). Whose they are cannot be told then: they count as unreadable, at their price.
        """
        config = self._types.GetBatchJobConfig(http_options=self._within(BATCH_TIMEOUT_S, BATCH_API))
        fetch = lambda: self._client.batches.get(name=batch, config=config)  # noqa: E731
        job = self._sent(fetch, f"batch {batch}", BATCH_TIMEOUT_S)
        if not job.done:
            return None
        answers = (job.dest.inlined_responses if job.dest is not None else None) or []
        found = {(one.metadata or {}).get(BATCH_KEY): one for one in answers}
        nameless = [one for one in answers if (one.metadata or {}).get(BATCH_KEY) not in asks]
        state = job.state.value.removeprefix("JOB_STATE_").lower()
        became: dict[str, Completion | failures.ProviderError] = {}
        for name in asks:
            if name in found or not nameless:
                became[name] = _ended(found.get(name), state)
            else:
                became[name] = failures.unreadable(NAME, _usage(nameless.pop().response))
        return became

    def _parts(self, ask: Request) -> list[Any]:
        part = self._types.Part
        return [
            part.from_text(text=one) if isinstance(one, str) else part.from_bytes(data=one, mime_type="image/jpeg")
            for one in ask.parts
        ]

    def _config(self, ask: Request, timeout_s: float | None = None) -> Any:
        """`timeout_s`: None: as a request of a batch, which has none."""
        return self._types.GenerateContentConfig(
            system_instruction=ask.system,
            response_mime_type="application/json",
            response_json_schema=dict(ask.schema),
            max_output_tokens=ask.max_output_tokens,
            http_options=None if timeout_s is None else self._within(timeout_s),
        )

    def _within(self, timeout_s: float, version: str | None = None) -> Any:
        return self._types.HttpOptions(timeout=round(timeout_s * 1000), api_version=version)

    def _sent(self, send: Callable[[], T], model: str, timeout_s: float) -> T:
        try:
            return send()
        except self._http.TimeoutException:
            raise failures.timed_out(NAME, timeout_s) from None
        except self._errors.APIError as error:
            headers = getattr(error.response, "headers", None) or {}
            raise failures.of_status(NAME, model, error.code, headers, error.details, self._key) from None
        except self._http.HTTPError:
            raise failures.cut_off(NAME) from None
        except ValueError:
            raise failures.unreadable(NAME, Usage()) from None

    def close(self) -> None:
        self._client.close()


def _ended(one: Any, state: str) -> Completion | failures.ProviderError:
    """What became of one request of a batch. None: it has no answer, for the state in which the batch ended."""
    if one is None:
        return failures.not_in_batch(NAME, "missing" if state == "succeeded" else state)
    if one.response is None:
        return failures.not_in_batch(NAME, "errored")
    try:
        return _said(one.response)
    except failures.ProviderError as error:
        return error


def _usage(response: Any) -> Usage:
    used = None if response is None else response.usage_metadata
    if used is None:
        return Usage()
    out = (used.candidates_token_count or 0) + (used.thoughts_token_count or 0)
    return Usage(used.prompt_token_count or 0, out, used.cached_content_token_count or 0)


def _said(response: Any) -> Completion:
    usage = _usage(response)
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
