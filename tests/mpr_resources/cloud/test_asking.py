from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gpu_service.errors import BadInput, MprError
from gpu_service.pictures import encode_jpeg
from mpr_resources.cloud.answers import AnswerLikeness, Look
from mpr_resources.cloud.asking import (
    Asker,
    Outcome,
    Plan,
    Question,
)
from mpr_resources.cloud.budget import Limit, Price, Totals, spent
from mpr_resources.cloud.ledger import LedgerRow
from mpr_resources.cloud.paying import Label
from mpr_resources.cloud.prompt import Answer
from mpr_resources.cloud.providers import Model, failures
from mpr_resources.database import schema
from mpr_resources.database.connection import Database
from mpr_resources.storage.store import Storage
from tests.cloud_server import (
    KEY,
    NAMES,
    CloudServer,
    said,
    serving,
)
from tests.crops import board, word

LIKENESS = AnswerLikeness(max_phash_distance=10, max_change=9.0)
PRICE = Price(input=1.0, output=4.0, cached=0.1)
COST = 900 + 10 + 4 * 50
"""What an answer of the test server costs in micro-dollars: 1000 tokens, 100 of them cached, for 50."""


def plan(*models: str, **changes: Any) -> Plan:
    listed = [(Model.parse(one), PRICE) for one in models or ("anthropic/m",)]
    plain = Plan(listed, 0.5, 1, 4, 3, 20.0, 60.0, 500, 10_000, LIKENESS)
    return replace(plain, **changes)


def question(number: int, variant: int = 0) -> Question:
    pixels = board(number, variant)
    return Question(Look(pixels), encode_jpeg(pixels))


@pytest.fixture
def cloud() -> Iterator[CloudServer]:
    with serving() as server:
        yield server


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage.open(str(tmp_path / "storage"))


def database_of(storage: Storage) -> Database:
    """Beside the storage, as a file."""
    return Database(f"sqlite:///{Path(storage.where('')).parent / 'registry.sqlite'}")


def entered(database: Database) -> list[LedgerRow]:
    """Every row of the ledger, in the order of time."""
    rows = database.read(lambda connection: connection.execute(select(schema.ledger_row)).all())
    return sorted((LedgerRow(*row) for row in rows), key=lambda row: row.id)


def held(database: Database) -> list[str]:
    """The names of the crops that somebody is asking about."""
    rows = database.read(lambda connection: connection.execute(select(schema.claim.c.name)).scalars().all())
    return sorted(rows)


def asker(storage: Storage, cloud: CloudServer, plan: Plan, *limits: Limit, **more: Any) -> Asker:
    database = more.pop("database", None) or database_of(storage)
    return Asker(storage, database, cloud.environ(), plan, limits, Label("match", "escalate_cloud", "run-1"), **more)


def ask(
    storage: Storage, cloud: CloudServer, numbers: Sequence[int], plan: Plan, *limits: Limit, **more: Any
) -> list[Outcome]:
    return asker(storage, cloud, plan, *limits, **more).answer([question(number) for number in numbers])


def acme(model: str = "anthropic/m") -> Outcome:
    return Outcome(Answer(outcome="brand", brand="Acme", confidence=0.9, text="ACME"), model)


def test_no_questions_cost_nothing(storage: Storage, cloud: CloudServer) -> None:
    assert ask(storage, cloud, [], plan()) == []
    assert cloud.requests == []


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_is_asked_once_and_entered(storage: Storage, cloud: CloudServer, name: str) -> None:
    for _ in range(2):
        assert ask(storage, cloud, [1, 2], plan(f"{name}/m")) == [acme(f"{name}/m")] * 2
    assert len(cloud.requests) == 2
    rows = entered(database_of(storage))
    assert {(row.timeline, row.stage, row.provider, row.model, row.crops, row.outcome, row.run) for row in rows} == {
        ("match", "escalate_cloud", name, "m", 1, "answered", "run-1")
    }
    tokens = [(row.tokens_in, row.tokens_out, row.tokens_cached, row.micro_usd) for row in rows]
    assert tokens == [(1000, 50, 100, COST)] * 2


def test_several_crops_go_in_one_request(storage: Storage, cloud: CloudServer) -> None:
    cloud.answer = lambda request: said(len(request.pictures), brand=f"Brand {len(request.pictures)}")
    given = ask(storage, cloud, range(10), plan(crops_per_request=4, in_flight=1))
    assert [one.answer.brand for one in given if one.answer] == ["Brand 4"] * 8 + ["Brand 2"] * 2
    assert len(cloud.requests) == 3


ORDER: dict[str, tuple[dict[str, str], str, str, str]] = {
    "the first knows": ({}, "anthropic openai", "anthropic/m", "anthropic"),
    "the first does not know": ({"anthropic": "unknown"}, "anthropic openai", "openai/m", "anthropic openai"),
    "nobody knows": ({"anthropic": "unknown", "groq": "unknown"}, "anthropic groq", "anthropic/m", "anthropic groq"),
    "the first refuses": ({"gemini": "refusal"}, "gemini groq", "groq/m", "gemini groq"),
    "all refuse": ({"gemini": "refusal"}, "gemini", "gemini/m", "gemini"),
    "the first is down": ({"openai": "503"}, "openai gemini", "gemini/m", "openai openai openai gemini"),
    "the first is cut off": ({"openai": "cut"}, "openai gemini", "gemini/m", "openai openai openai gemini"),
    "the first talks": ({"groq": "malformed"}, "groq openai", "openai/m", "groq groq groq openai"),
}
"""Faults by provider; the models asked in this order; whose answer it is; who was asked."""


@pytest.mark.parametrize("case", ORDER)
def test_the_next_model_is_tried(storage: Storage, cloud: CloudServer, case: str) -> None:
    faults, models, answered, asked = ORDER[case]
    cloud.script = lambda request, number: faults.get(request.provider, "success")
    asking = plan(*(f"{name}/m" for name in models.split()))
    [given] = ask(storage, cloud, [1], asking, sleep=lambda seconds: None)
    assert given.model == answered
    assert [request.provider for request in cloud.requests] == asked.split()
    assert len(entered(database_of(storage))) == len(asked.split()), (
        "every request is in the ledger, those that failed too"
    )


def test_an_answer_less_sure_than_asked_for_goes_on_and_the_best_stays(storage: Storage, cloud: CloudServer) -> None:
    sure = {"anthropic": 0.4, "openai": 0.3}
    cloud.answer = lambda request: said(1, brand=request.provider, confidence=sure[request.provider])
    [given] = ask(storage, cloud, [1], plan("anthropic/m", "openai/m"))
    assert given.answer is not None
    assert (given.answer.brand, len(cloud.requests)) == ("anthropic", 2)


FAULTS: dict[str, tuple[str, str, int]] = {
    "wrong key": ("401", "anthropic refuses the key in ANTHROPIC_API_KEY; set ANTHROPIC_API_KEY to a valid one.", 1),
    "no such model": ("404", "anthropic has no model 'm'; correct its name in the settings.", 1),
    "down": ("500", "anthropic has an error (HTTP 500); run the stage again later.", 3),
    "talks": ("malformed", "anthropic did not answer with the requested JSON; run the stage again.", 3),
    "too long": ("truncated", "The answer of anthropic was cut off at max_output_tokens; raise it.", 3),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_answered_before_a_failure_is_kept(storage: Storage, cloud: CloudServer, case: str) -> None:
    fault, sentence, attempts = FAULTS[case]
    cloud.script = lambda request, number: fault if number > 2 else "success"
    with pytest.raises(MprError) as raised:
        ask(storage, cloud, range(6), plan(in_flight=1), sleep=lambda seconds: None)
    assert str(raised.value) == sentence
    assert len(cloud.requests) == 2 + attempts
    assert held(database_of(storage)) == []
    cloud.script = lambda request, number: "success"
    assert ask(storage, cloud, range(6), plan()) == [acme()] * 6
    assert len(cloud.requests) == 2 + attempts + 4


def test_retry_after_is_waited_for(storage: Storage, cloud: CloudServer) -> None:
    waits: list[float] = []
    cloud.script = lambda request, number: "429" if number == 1 else "success"
    assert ask(storage, cloud, [1], plan(), sleep=waits.append) == [acme()]
    assert [1.0 <= seconds <= 1.5 for seconds in waits] == [True]
    cloud.script = lambda request, number: "429"
    with pytest.raises(failures.ProviderUnavailable, match="accepts no more requests for now"):
        ask(storage, cloud, [2], plan(longest_wait_s=0.5), sleep=waits.append)
    assert len(cloud.requests) == 3, "a provider that wants more patience than there is is left alone"


def test_requests_per_minute_are_bounded(storage: Storage, cloud: CloudServer) -> None:
    clock = [1000.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    at: list[float] = []
    cloud.script = lambda request, number: at.append(clock[0]) or "success"  # type: ignore[func-returns-value]
    ask(storage, cloud, range(5), plan(requests_per_minute=2, in_flight=1), clock=lambda: clock[0], sleep=sleep)
    assert at == [1000.0, 1000.0, 1020.0, 1020.0, 1080.0]


def test_a_refused_crop_does_not_take_the_others_along(storage: Storage, cloud: CloudServer) -> None:
    bad = question(3).picture
    cloud.script = lambda request, number: "refusal" if bad in request.pictures else "success"
    given = ask(storage, cloud, range(5), plan(crops_per_request=5))
    assert [one.answer.outcome for one in given if one.answer] == ["brand"] * 3 + ["refused", "brand"]
    ask(storage, cloud, range(5), plan(crops_per_request=5))
    assert len(cloud.requests) == 6, "that it was refused is known too"


@pytest.mark.parametrize(
    ("limit", "sent"),
    [
        (Limit("day/2026-05-01", requests=3), 3),
        (Limit("timeline/match", requests=0), 0),
        (Limit("run/1"), 8),
    ],
    ids=["requests", "none at all", "no limit"],
)
def test_the_request_that_would_pass_a_limit_is_not_sent(
    storage: Storage, cloud: CloudServer, limit: Limit, sent: int
) -> None:
    given = ask(storage, cloud, range(8), plan(in_flight=4), limit)
    assert len(cloud.requests) == sent
    assert given.count(acme()) == sent
    assert given.count(Outcome(why="budget")) == 8 - sent
    given = ask(storage, cloud, range(8), plan(in_flight=4))
    assert given == [acme()] * 8
    assert len(cloud.requests) == 8, "what was answered is not asked again when there is money again"


def test_money_is_reserved_at_its_most_and_settled_at_what_was_charged(storage: Storage, cloud: CloudServer) -> None:
    limit = Limit("run/1", micro_usd=12_000)
    ask(storage, cloud, range(10), plan(in_flight=1), limit)
    sent = len(cloud.requests)
    assert 2 <= sent <= 9, "unsettled, one would have gone; without a limit, ten"
    assert sum(row.micro_usd for row in entered(database_of(storage))) == sent * COST <= 12_000
    totals = database_of(storage).read(lambda connection: spent(connection, "run/1"))
    assert totals == Totals(requests=sent, micro_usd=sent * COST)


def test_a_key_that_is_missing_is_told_before_anything_is_sent(storage: Storage, cloud: CloudServer) -> None:
    environ = cloud.environ() | {"GROQ_API_KEY": ""}
    asking = Asker(storage, database_of(storage), environ, plan("openai/m", "groq/m"), [], Label("t", "s", "r"))
    with pytest.raises(BadInput, match="GROQ_API_KEY is not set, so groq cannot be used"):
        asking.answer([question(1)])
    assert cloud.requests == []


def test_500_crops_of_60_things_cost_at_most_66_requests(storage: Storage, cloud: CloudServer) -> None:
    questions = [question(number % 60, variant=number // 60) for number in range(500)]
    given = asker(storage, cloud, plan()).answer(questions)
    assert given == [acme()] * 500
    first = len(cloud.requests)
    assert 60 <= first <= 66
    asker(storage, cloud, plan()).answer(questions)
    asker(storage, cloud, plan()).answer([question(number % 60, variant=9) for number in range(60)])
    assert len(cloud.requests) == first, "neither a second run nor other frames of the same things cost anything"


def test_unlike_things_are_never_taken_for_one_another(storage: Storage, cloud: CloudServer) -> None:
    looks = [Look(board(number)) for number in range(120)]
    alike = [
        (word(one), word(two)) for one in range(120) for two in range(one) if looks[one].near(looks[two], LIKENESS)
    ]
    assert alike == []


def test_the_key_is_nowhere(tmp_path: Path, cloud: CloudServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    storage = Storage.open(str(tmp_path / "storage"))
    faults = ["success", "401", "400", "500", "cut", "refusal", "malformed"]
    for name in NAMES:
        for number, fault in enumerate(faults):
            cloud.script = lambda request, _, fault=fault: fault  # type: ignore[misc]
            try:
                ask(storage, cloud, [number], plan(f"{name}/m", attempts=1), sleep=lambda seconds: None)
            except MprError as error:
                caplog.records.append(logging.makeLogRecord({"msg": repr(error) + str(error.__cause__)}))
    stored = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(stored) > 2 * len(NAMES), "an answer and a refusal of each, and the database"
    assert [one for one in stored if KEY.encode() in one] == []
    assert KEY not in caplog.text
    assert [record for record in caplog.records if KEY in record.getMessage()] == []
