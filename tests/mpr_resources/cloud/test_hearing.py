"""Pieces of sound heard by Google's client at a local server: what is sent, kept, paid for, and tried instead."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from gpu_service.errors import BadInput
from gpu_service.sound import RATE_HZ, Samples
from mpr_resources.cloud.budget import Limit, Price, Totals, spent
from mpr_resources.cloud.hearing import HeardSound, Hearer, HearingPlan
from mpr_resources.cloud.paying import Label
from mpr_resources.cloud.providers import Model, failures
from mpr_resources.database import schema
from mpr_resources.database.connection import Database
from mpr_resources.storage.store import Storage
from tests.google_server import KEY, Asked, GoogleServer, serving
from tests.spoken import said_at

PRICE = Price(input=400, output=0)
MODELS = [(Model("google_speech", name), PRICE) for name in ("latest_long", "default")]
PHRASES = ("Nowhere Airlines",)
PLAN = HearingPlan(MODELS, "en-GB", 2, 1, 20.0, 60.0, 1000, 0.5, 500)
SILENCE = np.zeros(20 * RATE_HZ, np.int16)
TALK = said_at([4], 20)


def sent_s(asked: Asked) -> float:
    return len(base64.b64decode(asked.body["audio"]["content"])) / 2 / RATE_HZ


def nowhere(asked: Asked) -> tuple[int, Any]:
    word = {"word": "Nowhere", "startTime": "1s", "endTime": "1.500s", "confidence": 0.75}
    return 200, {"results": [{"alternatives": [{"words": [word]}]}]}


@pytest.fixture
def google() -> Iterator[GoogleServer]:
    with serving(nowhere) as server:
        yield server


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage.open(str(tmp_path / "storage"))


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'registry.sqlite'}")


def hearer(storage: Storage, database: Database, url: str, micro_usd: int = 10**9, **changes: Any) -> Hearer:
    environ = {"GOOGLE_SPEECH_API_KEY": KEY, "GOOGLE_SPEECH_BASE_URL": url}
    limits, label = [Limit("run/r", None, micro_usd)], Label("t", "transcribe", "r")
    return Hearer(storage, database, environ, replace(PLAN, **changes), limits, label)


def heard(one: Hearer, *sounds: Samples, phrases: tuple[str, ...] = PHRASES) -> list[HeardSound]:
    return [found for _, _, found in one.hear((number, sound, phrases) for number, sound in enumerate(sounds))]


def words(found: HeardSound) -> list[tuple[str, int, int]]:
    assert found.answer is not None
    return [(word.text, word.start_ms, word.end_ms) for word in found.answer.words]


def outcomes(database: Database) -> list[tuple[str, str, int, int]]:
    columns = (schema.ledger_row.c[name] for name in ("model", "outcome", "tokens_in", "micro_usd"))
    return [tuple(row) for row in database.read(lambda connection: connection.execute(select(*columns)).all())]


def test_silence_is_not_sent(storage: Storage, database: Database, google: GoogleServer) -> None:
    assert heard(hearer(storage, database, google.url)) == []
    assert [words(one) for one in heard(hearer(storage, database, google.url), SILENCE, SILENCE[:0])] == [[], []]
    assert google.asked == []


def test_of_two_sentences_far_apart_they_alone_are_paid_for(
    storage: Storage, database: Database, google: GoogleServer
) -> None:
    one = hearer(storage, database, google.url)
    [found] = heard(one, said_at([4, 20], 30))
    [asked] = google.asked
    assert sent_s(asked) == pytest.approx(2 * 5.4, abs=0.4)
    [(text, start_ms, end_ms)] = words(found)
    assert (text, end_ms - start_ms) == ("Nowhere", 500)
    assert start_ms == pytest.approx(4_800, abs=150), "a second after the first voice began, which is 0.2 s early"
    assert outcomes(database) == [("latest_long", "answered", 11, 11 * 400)]
    assert database.read(lambda connection: spent(connection, "run/r")) == Totals(1, 11 * 400)
    assert (one.tally.tokens_in, one.tally.micro_usd) == (11, 4400)


def test_a_word_that_is_heard_in_the_second_sentence_is_there(
    storage: Storage, database: Database, google: GoogleServer
) -> None:
    word = {"word": "late", "startTime": "7s", "endTime": "7.200s", "confidence": 0.75}
    google.answer = lambda _: (200, {"results": [{"alternatives": [{"words": [word]}]}], "totalBilledTime": "15s"})
    [found] = heard(hearer(storage, database, google.url), said_at([4, 20], 30))
    [(_, start_ms, _)] = words(found)
    assert start_ms == pytest.approx(19_830 + 7_000 - 5_390, abs=150)
    assert outcomes(database) == [("latest_long", "answered", 15, 6000)], "what Google says that it bills"


def test_what_is_known_is_not_paid_for_again(storage: Storage, database: Database, google: GoogleServer) -> None:
    first = heard(hearer(storage, database, google.url), TALK, TALK)
    one = hearer(storage, database, google.url, micro_usd=0)
    assert heard(one, TALK) == first[:1] == first[1:]
    assert (len(google.asked), one.tally.known, one.tally.micro_usd) == (1, 1, 0)
    heard(hearer(storage, database, google.url), TALK, phrases=())
    heard(hearer(storage, database, google.url, language="en-US"), TALK)
    assert len(google.asked) == 3, "other phrases or another language are another question"
    claims = database.read(lambda connection: connection.execute(select(schema.claim)).all())
    assert claims == []


@pytest.mark.parametrize(("micro_usd", "sent"), [(15 * 400 - 1, 0), (15 * 400, 1)])
def test_beyond_the_budget_nothing_is_sent(
    storage: Storage, database: Database, google: GoogleServer, micro_usd: int, sent: int
) -> None:
    one = hearer(storage, database, google.url, micro_usd)
    [found] = heard(one, TALK)
    assert len(google.asked) == sent
    assert (found.why, one.beyond) == (("", "") if sent else ("budget", "run/r"))


def test_a_model_that_is_away_is_given_up_for_the_next(
    storage: Storage, database: Database, google: GoogleServer
) -> None:
    away = lambda asked: (503, {}) if asked.body["config"]["model"] == "latest_long" else nowhere(asked)  # noqa: E731
    google.answer = away
    found = heard(hearer(storage, database, google.url, in_flight=1), TALK, said_at([2], 20))
    assert [len(words(one)) for one in found] == [1, 1]
    assert [row[:2] for row in outcomes(database)] == [
        ("latest_long", "down"),
        ("default", "answered"),
        ("default", "answered"),
    ]
    assert len(google.asked) == 3, "it is not tried again by the same run"


def test_all_are_away(storage: Storage, database: Database, google: GoogleServer) -> None:
    google.answer = lambda _: (503, {})
    one = hearer(storage, database, google.url)
    assert [found.why for found in heard(one, TALK)] == ["unavailable"]
    assert "google_speech has an error (HTTP 503)" in str(one.trouble)


def test_what_is_wrong_ends_the_run(storage: Storage, database: Database, google: GoogleServer) -> None:
    google.answer = lambda _: (400, {"error": {"message": "bad language code"}})
    with pytest.raises(failures.RequestRejection, match="bad language code"):
        heard(hearer(storage, database, google.url), TALK)
    with pytest.raises(BadInput, match="GOOGLE_SPEECH_API_KEY is not set, so google_speech cannot be used"):
        Hearer(storage, database, {}, PLAN, [], Label("t", "transcribe", "r"))
