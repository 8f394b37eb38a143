"""Google Cloud Speech-to-Text, by its SDK `google-cloud-speech` over REST: the first version's synchronous recognition.

That version is the one that takes an API key and needs no project. A second of sound stands for a token, as
Google bills by the second.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from gpu_service.sound import RATE_HZ
from gpu_service.wire import SpokenWord
from mpr_resources.cloud.providers import HeardSpeech, SpeechRequest, Usage, failures
from mpr_resources.cloud.providers.google_rest import GoogleRest

NAME = "google_speech"
HOST = "https://speech.googleapis.com"
LONGEST_PHRASE = 100
MOST_PHRASES = 5000
MOST_PHRASE_LETTERS = 100_000
"""Google's limits of what a request may be told, as those of a minute and 10 MB for its sound."""
BOOST = 10.0
"""How much likelier a phrase is than Google thinks; it advises 0 to 20. No measurement is known."""


class GoogleSpeech:
    """See `SpeechProvider`."""

    def __init__(self, key: str, base_url: str | None) -> None:
        try:
            from google.cloud import speech_v1
            from google.cloud.speech_v1.services.speech.transports import SpeechRestTransport
        except ImportError as error:
            raise failures.no_sdk(NAME) from error
        self._google = GoogleRest(NAME, key, base_url or HOST)
        self._client: Any = speech_v1.SpeechClient(transport=self._google.transport(SpeechRestTransport))

    def hear(self, ask: SpeechRequest) -> HeardSpeech:
        """See `SpeechProvider.hear`."""
        config: dict[str, object] = {
            "encoding": "LINEAR16",
            "sample_rate_hertz": RATE_HZ,
            "language_code": ask.language,
            "model": ask.model,
            "enable_word_time_offsets": True,
            "enable_word_confidence": True,
            "enable_automatic_punctuation": True,
        }
        phrases = [{"value": phrase, "boost": BOOST} for phrase in _told(ask.phrases)]
        if phrases:
            config["adaptation"] = {"phrase_sets": [{"phrases": phrases}]}
        seconds = math.ceil(len(ask.samples) / RATE_HZ)
        request = {"config": config, "audio": {"content": ask.samples.astype("<i2").tobytes()}}
        with self._google.asking(ask.model, ask.timeout_s, Usage(seconds)):
            response = self._client.recognize(request=request, retry=None, timeout=ask.timeout_s)
        billed = math.ceil(response.total_billed_time.total_seconds()) if response.total_billed_time else seconds
        best = [result.alternatives[0] for result in response.results if result.alternatives]
        words = [_word(word, one.confidence) for one in best for word in one.words]
        return HeardSpeech(tuple(words), Usage(billed))

    def close(self) -> None:
        self._client.transport.close()


def _told(phrases: Iterable[str]) -> list[str]:
    """The phrases as far as Google takes them."""
    told: list[str] = []
    letters = 0
    for phrase in phrases:
        letters += len(phrase)
        if len(phrase) <= LONGEST_PHRASE and len(told) < MOST_PHRASES and letters <= MOST_PHRASE_LETTERS:
            told.append(phrase)
    return told


def _word(word: Any, of_all: float) -> SpokenWord:
    """`of_all`: the confidence of the words together, for where there is none of this one."""
    start_ms = max(0, round(word.start_time.total_seconds() * 1000))
    confidence = min(max(float(word.confidence or of_all), 0.0), 1.0)
    end_ms = max(start_ms, round(word.end_time.total_seconds() * 1000))
    return SpokenWord(text=word.word, start_ms=start_ms, end_ms=end_ms, confidence=round(confidence, 4))


open_ = GoogleSpeech
