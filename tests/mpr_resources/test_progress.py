from __future__ import annotations

from pathlib import Path

import pytest

from gpu_service.errors import PermanentError
from mpr_resources.progress import (
    STORE_EVERY_S,
    LogProgress,
    Pace,
    StoredProgress,
    describe,
    stored_report,
    tracked,
)
from mpr_resources.storage.store import Storage

LINES = {
    "nothing done": ((0, 120, 0.0, None), "0 of 120 frames, 0.0/s"),
    "a quarter": ((30, 120, 10.0, 30.2), "30 of 120 frames, 3.0/s, 30 s left"),
    "all": ((120, 120, 40.0, 0.0), "120 of 120 frames, 3.0/s, 0 s left"),
    "not known": ((30, 120, 10.0, None), "30 of 120 frames, 3.0/s"),
    "nothing to do": ((0, 0, 1.0, None), "0 of 0 frames, 0.0/s"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_says_how_far_how_fast_and_how_long_still(name: str) -> None:
    (done, total, elapsed_s, left_s), line = LINES[name]
    assert describe(done, total, "frames", elapsed_s, left_s) == line


SLOW_START = [0.0, 20.0, *(20.0 + at for at in range(1, 40))]
PACES: dict[str, tuple[int, list[float], float | None]] = {
    "nothing yet": (100, [], None),
    "one item": (100, [0, 1], None),
    "too few": (100, [0, 1, 2, 3, 4], None),
    "too soon": (100, [at / 100 for at in range(40)], None),
    "even": (100, [float(at) for at in range(11)], 90),
    "the first loads a model": (100, SLOW_START, 60),
    "the first were stored": (100, [*(at / 100 for at in range(20)), *(at - 19.0 for at in range(20, 30))], None),
    "long after that": (400, [*(at / 100 for at in range(20)), *(at - 19.0 for at in range(20, 200))], 182.7),
    "slowly slower": (100, [at * (1 + at / 200) for at in range(50)], 63.75),
    "all": (10, [float(at) for at in range(11)], 0),
    "more than was expected": (10, [float(at) for at in range(14)], None),
}
"""Items in all, seconds at which each number of them was done, and the seconds left."""


@pytest.mark.parametrize("case", PACES)
def test_the_time_left_is_told_once_it_is_known(case: str) -> None:
    total, seconds, left_s = PACES[case]
    pace = Pace(total, 0.0)
    for done, now_s in enumerate(seconds):
        pace.advanced(done, now_s)
    assert pace.left_s() == (None if left_s is None else pytest.approx(left_s, abs=0.1))


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_the_log_gets_a_line_now_and_then() -> None:
    lines: list[str] = []
    clock = Clock()
    items = []
    for item in tracked(LogProgress(lines.append, clock), "run_ocr", range(30), 30):
        items.append(item)
        clock.now_s += 1
    assert items == list(range(30))
    assert lines == [
        "run_ocr: 10 of 30 frames, 1.0/s, 20 s left",
        "run_ocr: 20 of 30 frames, 1.0/s, 10 s left",
    ]


class Told:
    def __init__(self) -> None:
        self.calls: list[object] = []

    def started(self, stage: str, total: int, unit: str) -> None:
        self.calls.append((stage, total, unit))

    def advanced(self, done: int) -> None:
        self.calls.append(done)

    def finished(self) -> None:
        self.calls.append("finished")

    def concluded(self, stage: str, summary: str) -> None:
        self.calls.append(summary)


def test_progress_ends_when_the_work_does() -> None:
    told = Told()
    assert list(tracked(told, "preprocess", "ab", 2, "crops")) == ["a", "b"]
    assert told.calls == [("preprocess", 2, "crops"), 0, 1, "finished"]


def test_progress_ends_when_the_work_breaks_off() -> None:
    told = Told()
    items = tracked(told, "preprocess", "ab", 2)
    next(items)
    items.close()
    assert told.calls[-1] == "finished"


def test_other_processes_are_told_how_far_a_stage_is(tmp_path: Path) -> None:
    storage = Storage.open(str(tmp_path))
    clock = Clock()
    told: list[str] = []
    progress = StoredProgress(LogProgress(told.append, clock), storage, "match", "r1", clock)
    assert stored_report(storage, "match", "r1") is None
    for done, _ in enumerate(tracked(progress, "run_ocr", range(100), 100)):
        clock.now_s = 100.0 + done
        report = stored_report(storage, "match", "r1")
        if done < STORE_EVERY_S + 1:
            assert report is None
        if done == 51:
            assert report is not None
            assert (report.stage, report.done, report.total, report.unit) == ("run_ocr", 51, 100, "frames")
            assert (report.elapsed_s, report.left_s) == (50.0, 49.0)
            assert stored_report(storage, "match", "another run") is None
    assert list(storage.list("progress")) == []
    assert len(told) == 9, "a line in the log every ten seconds"
    storage.put("progress/match.json", b"of the next run")
    progress.finished()
    assert storage.get("progress/match.json") == b"of the next run"


def test_what_tells_nothing_is_said(tmp_path: Path) -> None:
    storage = Storage.open(str(tmp_path))
    storage.put("progress/match.json", b"rubbish")
    with pytest.raises(PermanentError, match=r"progress/match\.json is not a valid progress report; delete it\.$"):
        stored_report(storage, "match", "r1")
