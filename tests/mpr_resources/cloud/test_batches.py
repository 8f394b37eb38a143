"""Questions in batches, by the vendors' SDKs at a local server: half the price, found again, never paid for twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mpr_resources.cloud.asking import Asker, Outcome
from mpr_resources.cloud.budget import Limit, Totals, spent
from mpr_resources.cloud.ledger import sums
from mpr_resources.cloud.paying import Label
from mpr_resources.cloud.prompt import Answer
from mpr_resources.cloud.providers import failures
from mpr_resources.database import schema
from mpr_resources.database.connection import Database
from mpr_resources.storage.store import Storage
from tests.batch_server import BatchServer, serving
from tests.mpr_resources.cloud.test_asking import COST, database_of, plan, question

BATCHERS = ("anthropic", "gemini", "openai", "groq")
ACME = Answer(outcome="brand", brand="Acme", confidence=0.9, text="ACME")
LONG_S = 3600.0


@pytest.fixture
def cloud() -> Iterator[BatchServer]:
    with serving() as server:
        yield server


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage.open(str(tmp_path / "storage"))


def asker(
    storage: Storage, cloud: BatchServer, *models: str, run: str = "r", limit: Limit | None = None, **changes: Any
) -> Asker:
    how = replace(plan(*models, attempts=1), **{"wait_s": LONG_S, **changes})
    limits = [limit or Limit(f"run/{run}"), Limit("timeline/t"), Limit("day/2026-01-01")]
    label = Label("t", "escalate_cloud", run)
    return Asker(
        storage, database_of(storage), cloud.environ(), how, limits, label, clock=lambda: 1767225600.0,
        sleep=lambda seconds: None,
    )  # fmt: skip


def ask(storage: Storage, cloud: BatchServer, numbers: range, *models: str, **how: Any) -> list[Outcome]:
    return asker(storage, cloud, *models, **how).answer([question(number) for number in numbers])


def outcomes(database: Database) -> dict[str, int]:
    rows = database.read(lambda connection: connection.execute(select(schema.ledger_row.c.outcome)).scalars().all())
    return {outcome: rows.count(outcome) for outcome in rows}


def total(storage: Storage, scope: str) -> Totals:
    return database_of(storage).read(lambda connection: spent(connection, scope))


def left(storage: Storage) -> list[str]:
    return [*storage.list("batches")]


@pytest.mark.parametrize("provider", BATCHERS)
def test_a_batch_is_one_submission_at_half_the_price(storage: Storage, cloud: BatchServer, provider: str) -> None:
    one = asker(storage, cloud, f"{provider}/m", crops_per_request=2)
    assert one.answer([question(number) for number in range(5)]) == [Outcome(ACME, f"{provider}/m")] * 5
    assert [len(requests) for requests in cloud.batches.values()] == [3]
    assert (cloud.direct, left(storage)) == ([], [])
    assert outcomes(database_of(storage)) == {"answered": 3}
    assert one.tally.micro_usd == 3 * COST / 2
    for scope in ("run/r", "timeline/t", "day/2026-01-01"):
        assert total(storage, scope) == Totals(3, 3 * COST // 2), scope
    again = asker(storage, cloud, f"{provider}/m", limit=Limit("run/r", 0))
    assert again.answer([question(number) for number in range(5)]) == [Outcome(ACME, f"{provider}/m")] * 5
    assert len(cloud.batches) == 1


@pytest.mark.parametrize("provider", BATCHERS)
def test_a_run_that_ends_while_it_waits_finds_its_batch_again(
    storage: Storage, cloud: BatchServer, provider: str
) -> None:
    cloud.polls = 10**9
    first = ask(storage, cloud, range(3), f"{provider}/m", wait_s=1e-9)
    assert first == [Outcome(why="late")] * 3
    assert outcomes(database_of(storage)) == {"waiting": 3}
    reserved = total(storage, "run/r")
    [line, _] = sums(database_of(storage), "provider")
    assert (line.requests, line.failed, line.micro_usd) == (3, 0, reserved.micro_usd), "it waits, it has not failed"
    claims = database_of(storage).read(lambda connection: connection.execute(select(schema.claim)).all())
    assert claims == []
    cloud.polls = 0
    second = ask(storage, cloud, range(4), f"{provider}/m", run="s")
    assert second == [Outcome(ACME, f"{provider}/m")] * 4
    assert [len(requests) for requests in cloud.batches.values()] == [3, 1], "what was in the first is not sent again"
    assert total(storage, "run/r") == Totals(3, 3 * COST // 2) != reserved
    assert total(storage, "run/s") == Totals(1, COST // 2)
    assert left(storage) == []


def test_killed_in_mid_wait(storage: Storage, cloud: BatchServer) -> None:
    def killed(seconds: float) -> None:
        raise KeyboardInterrupt

    cloud.polls = 2
    one = asker(storage, cloud)
    one._sleep = killed
    with pytest.raises(KeyboardInterrupt):
        one.answer([question(0)])
    assert len(left(storage)) == 1
    assert ask(storage, cloud, range(1)) == [Outcome(ACME, "anthropic/m")]
    assert (len(cloud.batches), left(storage)) == (1, [])


def test_two_who_see_the_same_batch_answered_settle_it_once(storage: Storage, cloud: BatchServer) -> None:
    cloud.polls = 10**9
    ask(storage, cloud, range(1), wait_s=1e-9)
    [key] = left(storage)
    record = storage.get(key)
    cloud.polls = 0
    ask(storage, cloud, range(1))
    storage.put(key, record)  # as the other still sees it
    ask(storage, cloud, range(1))
    other = asker(storage, cloud, wait_s=LONG_S)
    other.answer([question(0)])
    assert total(storage, "run/r") == Totals(1, COST // 2)


FATES: dict[str, tuple[str, str, int, str]] = {
    "errored": ("anthropic", "errored", 0, "did not answer a request of a batch: 1 errored; run the stage again"),
    "errored at openai": ("openai", "errored", 0, "did not answer a request of a batch: 1 errored; run the stage"),
    "expired": ("anthropic", "expired", 0, "did not answer a request of a batch: 1 expired; run the stage again"),
    "errored at gemini": ("gemini", "errored", 0, "did not answer a request of a batch: 1 errored; run the stage"),
    "not among gemini's answers": ("gemini", "expired", 0, "did not answer a request of a batch: 1 missing; run"),
    "no line in openai's file": ("openai", "expired", 0, "did not answer a request of a batch: 1 missing; run"),
}


@pytest.mark.parametrize("case", FATES)
def test_what_fails_in_a_batch_is_told_and_costs_nothing(storage: Storage, cloud: BatchServer, case: str) -> None:
    provider, fate, cost, sentence = FATES[case]
    cloud.fate = lambda request: fate if len(request.pictures) == 1 else "succeeded"
    with pytest.raises(failures.ProviderError, match=sentence):
        ask(storage, cloud, range(3), f"{provider}/m", crops_per_request=2)
    assert total(storage, "run/r") == Totals(2, COST // 2 + cost)
    assert (cloud.direct, left(storage)) == ([], [])
    cloud.fate = lambda request: "succeeded"
    assert len([one for one in ask(storage, cloud, range(3), f"{provider}/m", crops_per_request=2) if one.answer]) == 3
    assert [len(requests) for requests in cloud.batches.values()] == [2, 1], "what was answered is not asked again"


def test_a_batch_of_gemini_that_expires_costs_nothing(storage: Storage, cloud: BatchServer) -> None:
    cloud.expires = True
    with pytest.raises(failures.ProviderError, match="gemini did not answer a request of a batch: 2 expired; run"):
        ask(storage, cloud, range(2), "gemini/m")
    assert total(storage, "run/r") == Totals(2, 0)
    assert left(storage) == []


def test_answers_of_gemini_that_have_no_name_are_no_crops(storage: Storage, cloud: BatchServer) -> None:
    cloud.nameless = True
    assert ask(storage, cloud, range(2), "gemini/m") == [Outcome(ACME, "gemini/m")] * 2
    assert [len(one.pictures) for one in cloud.direct] == [1, 1]
    assert total(storage, "run/r") == Totals(4, 2 * COST // 2 + 2 * COST), "they are paid for"


@pytest.mark.parametrize("fate", ["refusal", "truncated"])
@pytest.mark.parametrize("provider", BATCHERS)
def test_what_is_refused_or_too_long_together_is_asked_singly(
    storage: Storage, cloud: BatchServer, provider: str, fate: str
) -> None:
    cloud.fate = lambda request: fate
    given = ask(storage, cloud, range(2), f"{provider}/m", crops_per_request=2)
    assert given == [Outcome(ACME, f"{provider}/m")] * 2
    assert (len(cloud.batches), len(cloud.direct)) == (1, 2)


def test_where_no_batch_is_taken_the_next_model_is_asked(storage: Storage, cloud: BatchServer) -> None:
    cloud.refuses = 503
    with pytest.raises(failures.ProviderUnavailable, match="anthropic has an error"):
        ask(storage, cloud, range(2))
    assert outcomes(database_of(storage)) == {"down": 2}
    assert total(storage, "run/r") == Totals(2, 0), "what was reserved is given back"


def test_a_batch_is_as_large_as_there_is_money(storage: Storage, cloud: BatchServer) -> None:
    given = ask(storage, cloud, range(3), limit=Limit("run/r", 2))
    assert [one.why for one in given] == ["", "", "budget"]
    assert [len(requests) for requests in cloud.batches.values()] == [2]
    assert asker(storage, cloud, limit=Limit("run/r", 0)).answer([question(9)]) == [Outcome(why="budget")]
    assert len(cloud.batches) == 1, "an empty one is not sent"


def test_a_batch_that_the_provider_has_forgotten_is_asked_anew(storage: Storage, cloud: BatchServer) -> None:
    cloud.polls = 10**9
    ask(storage, cloud, range(1), wait_s=1e-9)
    reserved = total(storage, "run/r")
    cloud.batches.clear()
    with pytest.raises(failures.ProviderError, match="1 missing"):
        ask(storage, cloud, range(1))
    assert total(storage, "run/r") == reserved, "it may be charged all the same"
    cloud.polls = 0
    assert ask(storage, cloud, range(1)) == [Outcome(ACME, "anthropic/m")]


@pytest.mark.parametrize("provider", BATCHERS)
def test_requests_of_a_batch_are_as_those_that_are_sent_at_once(
    storage: Storage, cloud: BatchServer, provider: str
) -> None:
    ask(storage, cloud, range(1), f"{provider}/m")
    [[sent]] = [[*batch.values()] for batch in cloud.batches.values()]
    asker(Storage.open(f"{storage.url}-at-once"), cloud, f"{provider}/m", wait_s=0.0).answer([question(0)])
    [direct] = cloud.direct
    assert len(direct.pictures) == 1
    assert sent.pictures == direct.pictures
    assert sent.body == direct.body


def test_providers_without_batches_are_asked_at_once(storage: Storage, cloud: BatchServer) -> None:
    assert ask(storage, cloud, range(1), wait_s=0.0) == [Outcome(ACME, "anthropic/m")]
    assert (len(cloud.direct), cloud.batches) == (1, {})
