from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx2
import pytest

from mpr_api.access.rates import Rate, TooOften
from mpr_api.world import turns as turns_module
from mpr_api.world.backend import Backend
from mpr_api.world.turns import Superseded, TrialProgress, Turns
from tests.mpr_api.live import config_of, resources_of, served
from tests.world import World

TRY = "/detect/timeline/match/try/detect_edges"


@pytest.mark.parametrize(
    ("let_end_s", "first"), [pytest.param(0.0, "superseded", id="long"), pytest.param(60.0, "answered", id="short")]
)
def test_of_one_clients_requests_the_newest_is_answered(
    let_end_s: float, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns_module, "LET_END_S", let_end_s)
    turns, ended = Turns(), list[str]()
    waits, go_on = threading.Event(), threading.Event()

    def ask(name: str, client: str = "page") -> None:
        try:
            with turns.of(client) as turn:
                waits.set()
                go_on.wait(10)
                turn.check()
                ended.append(f"{name} answered")
        except Superseded:
            ended.append(f"{name} superseded")

    with ThreadPoolExecutor(4) as pool:
        pool.submit(ask, "first")
        assert waits.wait(10)
        second = pool.submit(ask, "second")
        while turns.newest("page") != 2:
            pass
        pool.submit(ask, "third")
        second.result(10)
        assert ended == ["second superseded"]
        pool.submit(ask, "another", "other page")
        go_on.set()
    assert sorted(ended[1:]) == ["another answered", f"first {first}", "third answered"]
    assert (turns.newest("page"), turns.newest("other page")) == (None, None)


def test_a_trial_that_takes_long_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, int, int]] = []
    monkeypatch.setattr(turns_module, "TELL_AFTER_S", 0.0)
    monkeypatch.setattr(turns_module, "TELL_EVERY_S", 0.0)
    progress = TrialProgress(lambda: None, lambda *one: told.append(one))
    progress.started("run_ocr", 2, "frames")
    progress.advanced(0)
    progress.advanced(1)
    assert told == [("run_ocr: frames", 0, 2), ("run_ocr: frames", 1, 2)]


def test_a_rate_fills_up_again() -> None:
    now_s = [0.0]
    rate = Rate("replays", 2.0, 3, lambda: now_s[0])
    for _ in range(3):
        rate.take("one")
    rate.take("other")
    with pytest.raises(TooOften) as refused:
        rate.take("one")
    assert (refused.value.retry_after_s, str(refused.value)) == (
        1,
        "So many replays in so short a time are too many; try again in 1 s.",
    )
    now_s[0] = 0.5
    rate.take("one")


def test_a_trial_as_a_stream_of_events(api: httpx2.Client) -> None:
    with api.stream("POST", TRY, json={"frames": [0], "stream": True}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = answer.read().decode()
    event, data = text.strip().splitlines()
    assert (event, json.loads(data.removeprefix("data: "))["frames"]) == ("event: end", [0])
    failed = api.post(TRY, json={"frames": [99], "stream": True}).text
    assert failed.startswith("event: error\n")
    assert '"kind": "bad_input"' in failed


@pytest.fixture
def strict(api_world: World) -> Iterator[httpx2.Client]:
    """An API that answers one replay at once."""
    backend = Backend(replace(config_of(api_world), replays_per_s=0.1), api_world.instance, resources_of(api_world))
    backend.replays = Rate("replays", 0.1, 1)
    with served(backend) as url, httpx2.Client(base_url=url, timeout=60) as client:
        yield client


def test_replays_are_not_answered_more_often_than_is_allowed(strict: httpx2.Client) -> None:
    assert strict.post(TRY, json={"frames": [0]}).status_code == 200
    refused = strict.post("/detect/replay-stage", json={"job_id": "match", "stage": "detect_edges"})
    assert (refused.status_code, refused.headers["retry-after"], refused.json()["kind"]) == (429, "10", "too_often")


def test_who_drags_is_answered_for_the_last_place(api: httpx2.Client) -> None:
    def ask(low: int) -> httpx2.Response:
        body = {"frames": [0, 2, 3], "overrides": {"edge_canny_low": low}}
        return api.post(TRY, json=body, headers={"MPR-Client": "page"})

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(20, 32)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert {answer.json()["kind"] for answer in answers if answer.status_code == 409} <= {"superseded"}
    assert any(answer.status_code == 200 for answer in answers)
