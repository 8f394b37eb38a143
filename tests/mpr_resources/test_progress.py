from __future__ import annotations

import pytest

from mpr_resources.progress import LogProgress, describe, tracked

LINES = {
    "nothing done": ((0, 120, 0.0), "0 of 120 frames, 0.0/s"),
    "a quarter": ((30, 120, 10.0), "30 of 120 frames, 3.0/s, 30 s left"),
    "all": ((120, 120, 40.0), "120 of 120 frames, 3.0/s, 0 s left"),
    "more than was expected": ((121, 120, 40.0), "121 of 120 frames, 3.0/s"),
    "nothing to do": ((0, 0, 1.0), "0 of 0 frames, 0.0/s"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_says_how_far_how_fast_and_how_long_still(name: str) -> None:
    (done, total, elapsed_s), line = LINES[name]
    assert describe(done, total, "frames", elapsed_s) == line


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
