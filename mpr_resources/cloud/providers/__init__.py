"""Cloud providers, of vision-language models and of speech: one file each, that speaks through its vendor's own SDK.

What belongs here: the request and the reply that they have in common, and opening one by its name. Not here: what is
asked, which provider when, what it may cost (`mpr_resources.cloud.asking`), and what went wrong (`failures`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

from gpu_service.errors import BadInput
from gpu_service.sound import Samples
from gpu_service.wire import SpokenWord

PROVIDERS = {
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
    "gemini": ("GEMINI_API_KEY", "GEMINI_BASE_URL"),
    "openai": ("OPENAI_API_KEY", "OPENAI_BASE_URL"),
    "groq": ("GROQ_API_KEY", "GROQ_BASE_URL"),
    "cloud_vision": ("GOOGLE_VISION_API_KEY", "GOOGLE_VISION_BASE_URL"),
    "google_speech": ("GOOGLE_SPEECH_API_KEY", "GOOGLE_SPEECH_BASE_URL"),
}
"""By name: the environment variables of its key and of its address. Without the second it is the vendor's own."""
WORDLESS = frozenset({"cloud_vision"})
"""Providers that are told nothing: what they cost goes by pictures alone."""


@dataclass(frozen=True)
class Usage:
    """Tokens of a request; those from the provider's cache are among `tokens_in`."""

    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        model: as the provider names it.
        system: what is asked of every picture.
        parts: what is said and shown, in order: texts and JPEG pictures.
        schema: JSON schema of the answer.
        max_output_tokens: longest answer, thinking included.
        timeout_s: for the provider to begin, and to go on with, its answer.
    """

    model: str
    system: str
    parts: tuple[str | bytes, ...] = field(repr=False)
    schema: Mapping[str, object] = field(repr=False)
    max_output_tokens: int
    timeout_s: float


@dataclass(frozen=True)
class Completion:
    """What came back: JSON as text, not checked yet."""

    text: str
    usage: Usage


class Provider(Protocol):
    """What all of them can do. A request is sent once: who asks decides whether it is sent again. Thread-safe."""

    def ask(self, ask: Request) -> Completion:
        """Send one request and wait for the whole answer.

        Raises:
            Failed: there is no answer; see `failures`.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


BATCHERS = frozenset({"anthropic", "gemini", "openai", "groq"})
"""Those that are asked in batches where there is time."""
HEARERS = frozenset({"google_speech"})
"""Those of speech; all others are shown pictures."""


@dataclass(frozen=True)
class SpeechRequest:
    """One piece of sound to be heard.

    Attributes:
        model: as the provider names it.
        samples: as `gpu_service.sound` has them, no longer than the provider takes at once.
        language: code of the spoken language, as en-GB.
        phrases: names that are likely to be said.
        timeout_s: for the provider to answer.
    """

    model: str
    samples: Samples = field(repr=False)
    language: str
    phrases: tuple[str, ...]
    timeout_s: float


@dataclass(frozen=True)
class HeardSpeech:
    """What was heard, on the clock of the sound that was sent. A second that is paid for stands for a token."""

    words: tuple[SpokenWord, ...]
    usage: Usage


class SpeechProvider(Protocol):
    """A provider that hears. A request is sent once. Thread-safe."""

    def hear(self, ask: SpeechRequest) -> HeardSpeech:
        """Send one piece of sound and wait for its words.

        Raises:
            ProviderError: there are none; see `failures`.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


@dataclass(frozen=True)
class Model:
    """A provider and one of its models, written `provider/model`."""

    provider: str
    model: str

    @classmethod
    def parse(cls, text: str, *, hears: bool = False) -> Model:
        """`anthropic/claude-haiku-5-5` as a model. What follows the first slash is the model's name.

        Args:
            hears: whether it is one of speech, or of pictures.

        Raises:
            ValueError: it is not of that form, or of a provider that is not known.
        """
        provider, _, model = text.partition("/")
        known = [name for name in PROVIDERS if (name in HEARERS) == hears]
        if provider not in known or not model.strip():
            raise ValueError(f"{text!r} is not a model; write PROVIDER/MODEL with one of {', '.join(known)}")
        return cls(provider, model.strip())

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


def key_of(provider: str, environ: Mapping[str, str]) -> str:
    """The provider's key.

    Raises:
        BadInput: its variable is not set, or cannot be a key.
    """
    variable = PROVIDERS[provider][0]
    key = environ.get(variable, "").strip()
    if not key:
        raise BadInput(f"{variable} is not set, so {provider} cannot be used", f"set it, or remove {provider}")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise BadInput(f"{variable} has characters that are not allowed in a key", f"copy the key of {provider} again")
    return key


def open_provider(provider: str, environ: Mapping[str, str]) -> Provider:
    """A provider of pictures' models with its key and address from the environment.

    Raises:
        BadInput: the key is not set or the address is no URL. MissingEngine: its SDK is not installed.
    """
    opened: Provider = _opened(provider, environ)
    return opened


def open_hearer(provider: str, environ: Mapping[str, str]) -> SpeechProvider:
    """As `open_provider`, one of speech."""
    opened: SpeechProvider = _opened(provider, environ)
    return opened


def _opened(provider: str, environ: Mapping[str, str]) -> Any:
    key, variable = key_of(provider, environ), PROVIDERS[provider][1]
    base_url = environ.get(variable, "").strip() or None
    if base_url is not None and not base_url.startswith(("http://", "https://")):
        raise BadInput(f"{variable} is not a URL", f"write it like https://gateway.example/{provider}, or unset it")
    return import_module(f"mpr_resources.cloud.providers.{provider}").open_(key, base_url)
