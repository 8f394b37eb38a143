"""Google Cloud Speech-to-Text through its own client, against a local server that speaks its REST protocol."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from gpu_service.sound import RATE_HZ
from gpu_service.wire import SpokenWord
from mpr_resources.cloud.providers import HeardSpeech, SpeechRequest, Usage, failures, open_hearer
from tests.google_server import KEY, serving

SOUND = np.arange(int(2.5 * RATE_HZ), dtype=np.int16)


def hear(url: str, phrases: tuple[str, ...] = ()) -> HeardSpeech:
    provider = open_hearer("google_speech", {"GOOGLE_SPEECH_API_KEY": KEY, "GOOGLE_SPEECH_BASE_URL": url})
    try:
        return provider.hear(SpeechRequest("latest_long", SOUND, "en-GB", phrases, 20.0))
    finally:
        provider.close()


def result(*words: dict[str, Any]) -> dict[str, Any]:
    best = {"transcript": "…", "confidence": 0.5, "words": list(words)}
    return {"alternatives": [best, {"transcript": "another reading"}], "languageCode": "en-gb"}


ACME = {"word": "Acme", "startTime": "0.300s", "endTime": "0.700s", "confidence": 0.75}
HEARD: dict[str, tuple[dict[str, Any], HeardSpeech]] = {
    "nothing": ({}, HeardSpeech((), Usage(3))),
    "a word, and how much is billed": (
        {"results": [result(ACME)], "totalBilledTime": "15s"},
        HeardSpeech((SpokenWord(text="Acme", start_ms=300, end_ms=700, confidence=0.75),), Usage(15)),
    ),
    "from the start, without a confidence": (
        {"results": [result({"word": "Go", "endTime": "0.100s"})]},
        HeardSpeech((SpokenWord(text="Go", start_ms=0, end_ms=100, confidence=0.5),), Usage(3)),
    ),
    "in several results": (
        {"results": [result(ACME), {"alternatives": []}, result({**ACME, "word": "Motors"})]},
        HeardSpeech(
            tuple(SpokenWord(text=text, start_ms=300, end_ms=700, confidence=0.75) for text in ("Acme", "Motors")),
            Usage(3),
        ),
    ),
}


@pytest.mark.parametrize("case", HEARD)
def test_words_of_an_answer(case: str) -> None:
    said, expected = HEARD[case]
    with serving(lambda _: (200, said)) as google:
        assert hear(google.url) == expected


def test_what_google_is_told() -> None:
    with serving(lambda _: (200, {})) as google:
        hear(google.url, ("Acme Motors", "x" * 101, "Zephyr"))
        hear(google.url)
    first, second = google.asked
    assert (first.path, first.key) == ("/v1/speech:recognize", KEY)
    assert base64.b64decode(first.body["audio"]["content"]) == SOUND.astype("<i2").tobytes()
    config = first.body["config"]
    told = [phrase["value"] for phrase in config["adaptation"]["phraseSets"][0]["phrases"]]
    assert told == ["Acme Motors", "Zephyr"], "a phrase that is too long would be refused with all the others"
    names = "languageCode", "model", "sampleRateHertz", "enableWordTimeOffsets", "enableWordConfidence"
    assert [config[name] for name in names] == ["en-GB", "latest_long", RATE_HZ, True, True]
    assert "adaptation" not in second.body["config"]


BROKEN = {
    "wrong key": (401, {"error": {"message": "no"}}, failures.RequestRejection, "refuses the key in GOOGLE_SPEECH_API"),
    "a language that it lacks": (
        400,
        {"error": {"message": "Invalid recognition 'config': bad language code."}},
        failures.RequestRejection,
        r"rejects the request to latest_long \(HTTP 400\): .*bad language code",
    ),
    "busy": (429, {"error": {"message": "slow down"}}, failures.ProviderUnavailable, "accepts no more requests"),
    "down": (503, {"error": {"message": "later"}}, failures.ProviderUnavailable, r"has an error \(HTTP 503\)"),
    "a proxy's page": (200, b"<html>", failures.UnreadableAnswer, "did not answer with the requested JSON"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_goes_wrong_is_one_sentence(case: str) -> None:
    status, answer, kind, sentence = BROKEN[case]
    with serving(lambda _: (status, answer)) as google, pytest.raises(kind, match=sentence) as raised:
        hear(google.url)
    assert len(google.asked) == 1, "each request is paid for: the SDK does not try again by itself"
    assert KEY not in str(raised.value)


def test_nobody_listens() -> None:
    with serving(lambda _: (200, {})) as gone:
        pass
    with pytest.raises(failures.ProviderUnavailable, match="The connection to google_speech failed"):
        hear(gone.url)
