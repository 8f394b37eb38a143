from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import dagster as dg
import httpx2
import pytest

from mpr_api.world import event_feed
from mpr_api.world.backend import Backend
from mpr_api.world.event_feed import Listener
from mpr_api.world.told_events import ToldEvent, told
from mpr_resources.dagster_internals import last_event_id
from tests.mpr_api.listening import Heard, heard, listen
from tests.mpr_api.live import config_of, resources_of, served
from tests.world import BRAND, NAMES, World

STAGE = "field_segmentation"


@pytest.fixture(scope="module")
def two_urls(api_world: World) -> Iterator[list[str]]:
    """Two servers that share nothing but the storage and the Dagster instance, which each has opened by itself."""
    home = api_world.instance.root_directory
    with dg.DagsterInstance.from_config(home) as other:
        backends = [
            Backend(config_of(api_world), instance, resources_of(api_world)) for instance in (api_world.instance, other)
        ]
        with served(backends[0]) as one, served(backends[1]) as another:
            yield [one, another]


def last_run(world: World) -> str:
    return world.instance.get_run_records(limit=1)[0].dagster_run.run_id


def test_a_run_that_has_ended_is_told_from_its_beginning(api: httpx2.Client, api_world: World) -> None:
    assert api_world.run().success
    events = listen(api, f"/detect/stream/{last_run(api_world)}")
    stages = [event.short() for event in events if event.name in ("run", "stage", "end")]
    assert stages[0] == ("run", "running")
    assert stages[-1] == ("end", "success")
    ended = {name: "skipped" if api_world.table(name).header.skipped else "done" for name in NAMES}
    assert sorted(stages[1:-1]) == sorted(("stage", name, one) for name in NAMES for one in ("running", ended[name]))
    ids = [event.id for event in events if event.id is not None]
    assert ids == sorted(set(ids))
    [detection] = [event for event in events if event.short() == ("detection", "match_brands")]
    assert detection.data["brands"] == [{"brand": BRAND, "detections": 3}]
    assert all(event.data["timeline_id"] == "match" for event in events)


def test_a_stage_that_is_switched_off_is_skipped(api: httpx2.Client, api_world: World) -> None:
    assert api_world.run(STAGE, overrides={STAGE: {"enabled": False}}).success
    events = listen(api, f"/detect/stream/{last_run(api_world)}")
    assert ("stage", STAGE, "skipped") in [event.short() for event in events]
    assert api_world.run().success


def test_a_stage_that_fails_says_why(api: httpx2.Client, api_world: World) -> None:
    assert not api_world.run(STAGE, overrides={STAGE: {"hue_low": 999}}).success
    run_id = last_run(api_world)
    events = listen(api, f"/detect/stream/{run_id}")
    [failed] = [event for event in events if event.short() == ("stage", STAGE, "failed")]
    assert failed.data["error"].startswith(f"{STAGE} failed: ")
    assert (events[-1].short(), events[-1].data["error"]) == (("end", "failure"), failed.data["error"])
    shown = api.get(f"/detect/jobs/{run_id}").json()
    assert (shown["status"], shown["error"]) == ("failure", failed.data["error"])
    assert [one["status"] for one in shown["stage_states"]] == ["failed"]


@pytest.mark.parametrize("cut", [1, 4, 7])
def test_what_was_lost_is_told_on_return(api: httpx2.Client, api_world: World, cut: int) -> None:
    assert api_world.run(*NAMES[:3]).success
    path = f"/detect/stream/{last_run(api_world)}"
    events = listen(api, path)
    before = events[:cut]
    seen = max(event.id or 0 for event in before)
    rest = listen(api, path, after=seen)
    assert [event for event in before if event.id] + rest == [event for event in events if event.id or event in rest]
    assert api.get(path, headers={"Last-Event-ID": str(events[-1].id)}).status_code == 204


def test_a_run_is_followed_while_it_is_at_work_on_both_servers(two_urls: list[str], api_world: World) -> None:
    first = last_event_id(api_world.instance)
    with httpx2.Client(base_url=two_urls[0], timeout=30) as one, httpx2.Client(base_url=two_urls[1], timeout=30) as two:
        found: dict[int, list[Heard]] = {0: [], 1: []}
        ready = threading.Barrier(3)

        def follow(number: int, client: httpx2.Client) -> None:
            with client.stream("GET", f"/detect/events?last_event_id={first}") as answer:
                ready.wait()
                for event in heard(answer.iter_lines()):
                    found[number].append(event)
                    if event.name == "end":
                        return

        threads = [threading.Thread(target=follow, args=(n, client)) for n, client in enumerate((one, two))]
        for thread in threads:
            thread.start()
        ready.wait()
        assert api_world.run(*NAMES[:4]).success
        for thread in threads:
            thread.join(20)
    kept = [[(event.id, event.short()) for event in found[number] if event.id] for number in (0, 1)]
    assert kept[0] == kept[1]
    assert [short for _, short in kept[0]][-1] == ("end", "success")
    assert [short for _, short in kept[0] if short[0] == "stage"] == [("stage", name, "done") for name in NAMES[:4]]
    ids = [number for number, _ in kept[0]]
    assert ids == sorted(set(ids))
    assert min(ids) > first


def test_all_runs_are_told_since_an_id(api: httpx2.Client, api_world: World) -> None:
    before = last_event_id(api_world.instance)
    assert api_world.run("timeline").success

    def until_end(after: int) -> list[Heard]:
        events: list[Heard] = []
        with api.stream("GET", "/detect/events", headers={"Last-Event-ID": str(after)}) as answer:
            for event in heard(answer.iter_lines()):
                events.append(event)
                if event.name == "end":
                    break
        return events

    events = until_end(before)
    assert [event.short() for event in events] == [
        ("run", "running"),
        ("stage", "timeline", "done"),
        ("end", "success"),
    ]
    assert events[1].id is not None
    assert until_end(events[1].id) == events[2:]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        pytest.param("/detect/stream/nothing", {}, 404, id="no such run"),
        pytest.param("/detect/stream/match", {}, 404, id="a timeline"),
        pytest.param("/detect/events", {"Last-Event-ID": "x"}, 400, id="no id"),
        pytest.param("/detect/events", {"Last-Event-ID": "-1"}, 400, id="a negative one"),
        pytest.param("/detect/events", {"Last-Event-ID": "9" * 30}, 400, id="one that is too long"),
    ],
)
def test_what_cannot_be_followed(api: httpx2.Client, path: str, headers: dict[str, str], status: int) -> None:
    answer = api.get(path, headers=headers)
    assert (answer.status_code, set(answer.json())) == (status, {"error", "kind"})


def test_nothing_to_tell_is_a_comment(api_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_feed, "PING_S", 0.1)
    with (
        served(Backend(config_of(api_world), api_world.instance, resources_of(api_world))) as url,
        httpx2.stream("GET", f"{url}/detect/events", timeout=10) as answer,
    ):
        assert next(answer.iter_lines()) == ": ping"


def test_a_listener_that_is_too_slow_is_let_go() -> None:
    async def fill() -> Listener:
        listener = Listener(None)
        listener.give([ToldEvent("log", {"message": str(n)}) for n in range(event_feed.MOST_WAITING + 1)])
        return listener

    listener = asyncio.run(fill())
    assert listener.lost
    assert listener.waiting.qsize() == event_feed.MOST_WAITING


def test_two_hundred_listen_and_a_slow_one_holds_up_none(api_url: str, api_world: World) -> None:
    port = int(api_url.rpartition(":")[2])

    async def one(ready: list[asyncio.Event], number: int, *, reads: bool) -> list[str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        writer.write(b"GET /detect/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        ready[number].set()
        lines: list[str] = []
        while reads:
            line = (await asyncio.wait_for(reader.readline(), 40)).decode().strip()
            lines.append(line)
            if line == "event: end":
                break
        if not reads:
            await asyncio.sleep(1)
        writer.close()
        return lines

    async def all_of_them() -> list[list[str]]:
        ready = [asyncio.Event() for _ in range(200)]
        tasks = [asyncio.create_task(one(ready, n, reads=n > 0)) for n in range(200)]
        await asyncio.gather(*(event.wait() for event in ready))
        await asyncio.sleep(1)
        await asyncio.to_thread(api_world.run, "timeline")
        return await asyncio.gather(*tasks)

    found = asyncio.run(all_of_them())
    assert sum("event: end" in lines for lines in found) == 199


def test_records_that_say_nothing_to_a_user_are_not_told(api_world: World) -> None:
    record = next(
        one
        for one in api_world.instance.get_records_for_run(last_run(api_world)).records
        if one.event_log_entry.dagster_event is not None and one.event_log_entry.dagster_event.is_engine_event
    )
    nothing: dict[str, Any] = {}
    assert list(told(record, None, lambda *_: nothing)) == []
