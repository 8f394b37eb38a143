from __future__ import annotations

from typing import Any

import pytest
from pydantic import AliasChoices, Field

from gpu_service.settings import Settings
from mpr_assets.definitions import SECTIONS
from mpr_assets.runs.history import (
    Branch,
    HistoryEntry,
    HistoryEvent,
    entries,
    read_entries,
    tree,
    who_asked,
)
from mpr_assets.runs.run_control import clear
from mpr_assets.runs.told_history import shown_entry
from mpr_cli.history import describe
from tests.world import BY_NAME, NAMES, TIMELINE, World


class Lamp(Settings):
    det_threshold: float = Field(0.3, validation_alias=AliasChoices("det_threshold", "heat_threshold"))


STAGES: dict[str, type[Settings]] = {"a": Settings, "b": Lamp, "c": Settings}
READS = {"a": [], "b": ["a"], "c": ["a", "b"]}


def event(place: int, stage: str, content: str, /, *read: str, **said: Any) -> HistoryEvent:
    """A materialization whose content has one letter; `read`: content of each upstream stage."""
    upstream = dict(zip(READS[stage], read, strict=True)) | {"model": "m"}
    defaults = {"fingerprint": f"{stage}{content}", "settings": {"x": 1}, "upstream": upstream, "seconds": 0.5}
    return HistoryEvent(stage, place, float(place), f"run{place}", content, "1", defaults | said)


def told(made: list[HistoryEntry]) -> list[str]:
    """Each entry as `stage#number<parents`."""
    return [
        f"{one.stage}#{one.number}" + "".join(f"<{stage}{number}" for stage, number in one.parents.items())
        for one in made
    ]


CASES: dict[str, tuple[list[HistoryEvent], list[str]]] = {
    "nothing": ([], []),
    "one stage": ([event(1, "a", "A")], ["a#1"]),
    "in line": (
        [event(1, "a", "A"), event(2, "b", "B", "A"), event(3, "c", "C", "A", "B")],
        ["a#1", "b#1<a1", "c#1<a1<b1"],
    ),
    "another result, another branch": (
        [event(1, "a", "A"), event(2, "b", "B", "A"), event(3, "a", "Z"), event(4, "b", "Y", "Z")],
        ["a#1", "b#1<a1", "a#2", "b#2<a2"],
    ),
    "equal content is read from the latest": (
        [event(1, "a", "A"), event(2, "a", "A", fingerprint="other"), event(3, "b", "B", "A")],
        ["a#1", "a#2", "b#1<a2"],
    ),
    "given back as stored is the same entry": (
        [event(1, "a", "A"), event(2, "b", "B", "A"), event(3, "a", "A", reused=True), event(4, "b", "Y", "A")],
        ["a#1", "b#1<a1", "b#2<a1"],
    ),
    "back to the first settings": (
        [event(1, "a", "A"), event(2, "a", "Z"), event(3, "a", "A")],
        ["a#1", "a#2", "a#3"],
    ),
    "what was read is not in the log": ([event(1, "b", "B", "lost")], ["b#1<aNone"]),
    "the log's order counts": ([event(2, "b", "B", "A"), event(1, "a", "A")], ["a#1", "b#1<a1"]),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_entries(case: str) -> None:
    events, expected = CASES[case]
    assert told(entries(events, STAGES, {})) == expected


def test_an_entry_says_what_its_run_said() -> None:
    events = [
        event(1, "a", "A", settings={"x": 1, "y": [1]}),
        event(
            2, "a", "Z", settings={"x": 2, "y": [1]}, overrides={"x": 2}, found=3, ok=True, **{"dagster/row_count": 4}
        ),
        event(3, "a", "Z", reused=True),
        event(4, "a", "cleared"),
        event(5, "a", "N", skipped="off"),
    ]
    first, second, third, last = entries(events, STAGES, {"run2": "mpr replay by me", "run3": "sensor s"})
    assert (first.changed, first.overrides, first.counts, first.note) == ({}, {}, {}, "")
    assert second.changed == {"x": (1, 2)}
    assert second.overrides == {"x": 2}
    assert second.counts == {"found": 3, "rows": 4}
    assert [(one.run_id, one.who) for one in second.again] == [("run3", "sensor s")]
    assert (third.note, last.note) == ("cleared", "off")
    assert [one.current for one in (first, second, third, last)] == [False, False, False, True]


def shape(branches: list[Branch]) -> dict[str, Any]:
    return {f"{one.entry.stage}#{one.entry.number}": shape(one.children) for one in branches}


TREES = {
    "nothing": {},
    "one stage": {"a#1": {}},
    "in line": {"a#1": {"b#1": {"c#1": {}}}},
    "another result, another branch": {"a#1": {"b#1": {}}, "a#2": {"b#2": {}}},
    "given back as stored is the same entry": {"a#1": {"b#1": {}, "b#2": {}}},
    "what was read is not in the log": {"b#1": {}},
}


@pytest.mark.parametrize("case", TREES)
def test_tree(case: str) -> None:
    assert shape(tree(entries(CASES[case][0], STAGES, {}), STAGES)) == TREES[case]


RENAMED: dict[str, tuple[dict[str, Any], dict[str, tuple[Any, Any]]]] = {
    "the same": ({"det_threshold": 0.2}, {}),
    "another": ({"det_threshold": 0.3}, {"det_threshold": (0.2, 0.3)}),
}


@pytest.mark.parametrize("case", RENAMED)
def test_a_setting_is_compared_with_itself_under_its_old_name(case: str) -> None:
    settings, expected = RENAMED[case]
    events = [event(1, "b", "x", "m", settings={"heat_threshold": 0.2}), event(2, "b", "y", "m", settings=settings)]
    assert entries(events, STAGES, {})[1].changed == expected


WHO = {
    "nobody named": ({}, "launched"),
    "a user": ({"user": "ann"}, "launched by ann"),
    "a command": ({"mpr/command": "replay", "user": "ann"}, "mpr replay by ann"),
    "a sensor": ({"dagster/sensor_name": "replay_stale", "mpr/command": "x"}, "sensor replay_stale"),
    "a backfill": ({"dagster/backfill": "abc"}, "backfill abc"),
    "tried again": ({"dagster/parent_run_id": "0123456789"}, "again of run 01234567"),
}


@pytest.mark.parametrize("case", WHO)
def test_who_asked(case: str) -> None:
    assert who_asked(WHO[case][0]) == WHO[case][1]


def test_the_history_of_a_timeline(world: World) -> None:
    assert read_entries(world.instance, SECTIONS, TIMELINE) == []
    rows = world.table("match_brands").rows.height
    assert world.run().success
    assert world.run("match_brands", overrides={"match_brands": {"min_confidence": 0.9}}).success
    clear(world.instance, world.storage, TIMELINE, [BY_NAME["compile_report"]])
    made = read_entries(world.instance, SECTIONS, TIMELINE)
    assert len(made) == len(NAMES) + 2
    first, tried = (one for one in made if one.stage == "match_brands")
    assert (first.reused, first.counts["rows"], first.overrides) == (True, rows, {})
    assert tried.overrides == {"min_confidence": 0.9}
    assert tried.changed["min_confidence"][1] == 0.9
    assert tried.parents == first.parents == {"detect_objects": 1, "run_ocr": 1}
    assert not first.current
    assert tried.current
    assert read_entries(world.instance, SECTIONS, TIMELINE, "match_brands") == [first, tried]
    lines = describe(shown_entry(TIMELINE, tried, None), reads=True)
    assert lines[0].plain.startswith("match_brands #2  20")
    assert [line.plain for line in lines[2:4]] == [
        "read detect_objects #1, run_ocr #1",
        "overrides of board: min_confidence=0.9",
    ]
    assert made[-1].note == "cleared"
