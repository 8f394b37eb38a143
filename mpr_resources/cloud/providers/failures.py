"""Why a provider gave no answer. Every SDK has its own exceptions; here they become these.

    Failed (MprError)
    ├── Unavailable (TransientError)      away, busy, too slow, cut off: the same request may work later
    │   └── Unreadable                    it answered, but not with what was asked for
    ├── Refused                           it will not answer this
    └── Rejected (PermanentError)         key, model or request: somebody must change something

Nothing that a server said about a key is repeated, and no SDK exception is kept as a cause: they hold requests.
"""

from __future__ import annotations

from collections.abc import Mapping

from gpu_service.client.retry_after import retry_after_s
from gpu_service.distribution import install_command
from gpu_service.errors import (
    MissingEngine,
    MprError,
    PermanentError,
    TransientError,
)
from mpr_resources.cloud.providers import PROVIDERS, Usage

LONGEST_SAID = 200
"""Characters of a server's own words that are repeated."""


class ProviderError(MprError):
    """A request without an answer.

    Attributes:
        outcome: one word for the ledger.
        usage: what it cost all the same.
    """

    def __init__(self, what: str, remedy: str, outcome: str, usage: Usage | None = None) -> None:
        super().__init__(what, remedy)
        self.outcome = outcome
        self.usage = usage or Usage()


class ProviderUnavailable(ProviderError, TransientError):
    """The same request may work later; `retry_after_s`: when the provider said so."""

    def __init__(self, what: str, remedy: str, outcome: str, retry_after_s: float | None = None) -> None:
        super().__init__(what, remedy, outcome)
        self.retry_after_s = retry_after_s


class UnreadableAnswer(ProviderUnavailable):
    """What came back is not what was asked for: another try may."""

    def __init__(self, what: str, remedy: str, outcome: str, usage: Usage) -> None:
        super().__init__(what, remedy, outcome)
        self.usage = usage


class ContentRefusal(ProviderError):
    """The model or the provider's filter will not answer this."""


class RequestRejection(ProviderError, PermanentError):
    """The key, the model's name or the request is wrong."""


def no_sdk(provider: str) -> MissingEngine:
    return MissingEngine(f"The SDK of {provider} is not installed", f"run: {install_command('cloud')}")


def timed_out(provider: str, timeout_s: float) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"{provider} did not answer within {timeout_s:g} s", "run the stage again later", "timeout"
    )


def cut_off(provider: str) -> ProviderUnavailable:
    variable = PROVIDERS[provider][1]
    return ProviderUnavailable(
        f"The connection to {provider} failed",
        f"check whether it can be reached, and {variable} if set",
        "cut",
    )


def unreadable(provider: str, usage: Usage) -> UnreadableAnswer:
    return UnreadableAnswer(
        f"{provider} did not answer with the requested JSON", "run the stage again", "malformed", usage
    )


def truncated(provider: str, usage: Usage) -> UnreadableAnswer:
    return UnreadableAnswer(
        f"The answer of {provider} was cut off at max_output_tokens", "raise it", "truncated", usage
    )


def refused(provider: str, usage: Usage) -> ContentRefusal:
    return ContentRefusal(f"{provider} refuses to answer this.", "", "refused", usage)


def not_in_batch(provider: str, how: str, usage: Usage | None = None) -> ProviderError:
    """A request of a batch that ended without an answer: errored, expired or cancelled. It costs nothing."""
    return ProviderError(f"{provider} did not answer a request of a batch: {how}", "run the stage again", how, usage)


def of_status(
    provider: str, model: str, status: int, headers: Mapping[str, str], said: object, key: str
) -> ProviderError:
    """What an answer with this HTTP status means. `said`: the body, as the SDK read it."""
    variable = PROVIDERS[provider][0]
    if status == 401:
        return RequestRejection(
            f"{provider} refuses the key in {variable}", f"set {variable} to a valid one", "wrong_key"
        )
    if status == 403:
        return RequestRejection(
            f"{provider} does not let the key in {variable} use {model}", "check its rights", "forbidden"
        )
    if status == 402:
        return RequestRejection(f"{provider} refuses: the account of {variable} has no credit.", "", "no_credit")
    if status == 404:
        return RequestRejection(f"{provider} has no model {model!r}", "correct its name in the settings", "no_model")
    if status == 429:
        after_s = retry_after_s(headers)
        return ProviderUnavailable(
            f"{provider} accepts no more requests for now", "run the stage again later", "busy", after_s
        )
    if status in (408, 409, 425) or status >= 500:
        after_s = retry_after_s(headers)
        return ProviderUnavailable(
            f"{provider} has an error (HTTP {status})", "run the stage again later", "down", after_s
        )
    words = _words(said, key)
    if "api key not valid" in words.lower() or "api_key_invalid" in str(said).lower():  # Gemini says so with 400
        return RequestRejection(
            f"{provider} refuses the key in {variable}", f"set {variable} to a valid one", "wrong_key"
        )
    if "json_validate_failed" in str(said):  # Groq, when its own model did not keep to the schema
        return unreadable(provider, Usage())
    return RequestRejection(f"{provider} rejects the request to {model} (HTTP {status}): {words}", "", "rejected")


def _words(said: object, key: str) -> str:
    """A server's own explanation on one line, short, and without the key should it repeat it."""
    found = said.get("error", said) if isinstance(said, dict) else said
    found = found.get("message", found) if isinstance(found, dict) else found
    words = " ".join(str(found or "no reason given").split()).replace(key, "***")
    return words if len(words) <= LONGEST_SAID else words[:LONGEST_SAID] + "…"
