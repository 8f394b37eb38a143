"""What faults cost a live session: `python -m bench.live_faults [--only NAME]`; five minutes and more.

An encoder publishes by RTMP what `bench.live_publisher` draws. One fault after another is brought about while the
session runs. The recording's pictures are read afterwards: their burnt-in numbers say what was published and is not
recorded (seconds without recording), and what was recorded twice; and which brand was on screen when, against which the
session's report is held: an exposure is wrong where a stay that was recorded has none or several, or an edge that is
off by more than a sampling step, and where the recording shows nothing of it. Edges at gaps of the recording are not
held against it. Windows are lost that have no result, and events of them that are not told, once, by the API. The
stream's key is looked for in all that was stored, logged and told.

One line for each fault, then a JSON line. Exit status 0 where nothing was lost, doubled or wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import av
import numpy as np

from bench.live_publisher import FPS, is_shown, number_of
from bench.live_world import Listener, LiveWorld
from mpr_assets.definitions import ROOT
from mpr_assets.sessions.session_report import REPORT, SessionReport
from mpr_assets.sessions.session_store import SessionStore
from tests.gpu_service.live import free_port

SESSION = "faults"
KEY = "k7Qx93stream"
WINDOW = "4s"
STEP_MS = 500
FAULTY = (
    "windows_lost", "pictures_doubled", "exposures_wrong", "events_lost_or_doubled", "files_and_events_with_the_key",
)  # fmt: skip
SHORTEST_MS = 700
"""A stay of less may lie between two samples."""
MISSING = 3
"""So many pictures that were published and not recorded are a gap; fewer were late at the encoder."""


@dataclass(frozen=True)
class Picture:
    """A picture of the recording: its number, when it is shown on the session's clock, its epoch."""

    number: int
    at_ms: int
    epoch: int


@dataclass(frozen=True)
class Fault:
    """From which picture's number on its doing is seen, up to the next one's."""

    name: str
    number: int


@dataclass(frozen=True)
class Cost:
    name: str
    lost_s: float
    doubled: int
    exposures: int
    wrong: tuple[str, ...]


class Faults:
    """Brings faults about, one after another."""

    def __init__(self, world: LiveWorld, publisher: subprocess.Popen[str], address: str, stack: ExitStack) -> None:
        assert publisher.stdout is not None
        self._world, self._publisher, self._address, self._stack = world, publisher, address, stack
        self._began_s = float(publisher.stdout.readline())
        self._port = free_port()
        self._api = self._serve()
        self._daemon = self._run_daemon()
        self.done: list[Fault] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def _serve(self) -> subprocess.Popen[bytes]:
        return self._stack.enter_context(
            self._world.running(sys.executable, "-m", "mpr_cli", "serve", "--port", self._port)
        )

    def _run_daemon(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dagster._daemon", "run", "-w", ROOT / "workspace.yaml"]
        return self._stack.enter_context(self._world.running(*command))

    def all(self) -> dict[str, Callable[[], None]]:
        """By name; each comes back once its doing is over."""
        return {
            "nothing": lambda: time.sleep(8),
            "encoder cut off for 5 s": lambda: self._tell("cut 5", 5),
            "encoder begins again with another size": lambda: self._tell("size"),
            "the clock jumps by an hour": lambda: self._tell("jump"),
            "the sound ends": lambda: self._tell("mute"),
            "no keyframe for 20 s": lambda: self._tell("nokey 20", 20),
            "kill -9 of ingest": lambda: self._kill("mpr_live.ingest"),
            "kill -9 of the worker": lambda: self._kill("mpr_live.worker"),
            "kill -9 of the API": self._kill_api,
            "kill -9 of Dagster's daemon": self._kill_daemon,
            "kill -9 of the supervisor, and a new start": self._kill_supervisor,
        }

    def bring_about(self, name: str, what: Callable[[], None]) -> None:
        self.done.append(Fault(name, int((time.time() - self._began_s) * FPS)))
        print(f"  {name}", file=sys.stderr)
        what()
        windows = self._world.store(SESSION).ingest().windows
        self._world.until("no window comes", lambda: self._world.store(SESSION).ingest().windows >= windows + 3, 300)

    def _tell(self, command: str, lasts_s: float = 0) -> None:
        assert self._publisher.stdin is not None
        self._publisher.stdin.write(f"{command}\n")
        self._publisher.stdin.flush()
        time.sleep(lasts_s)

    def _kill(self, module: str) -> None:
        [process] = self._world.processes(module, SESSION)
        os.kill(process, signal.SIGKILL)

    def _kill_api(self) -> None:
        self._api.kill()
        self._api.wait()
        self._api = self._serve()

    def _kill_daemon(self) -> None:
        self._daemon.kill()
        self._daemon.wait()
        self._daemon = self._run_daemon()

    def _kill_supervisor(self) -> None:
        self._kill("mpr_live.supervisor")
        store = self._world.store(SESSION)
        self._world.until("the session is not in error", lambda: store.state().status == "error")
        self._world.start(SESSION, self._address, WINDOW)


def recorded(store: SessionStore) -> list[Picture]:
    """The pictures of all windows in their order."""
    found = []
    for window in store.windows():
        path = store.storage.where(store.key(store.window_file(window.number)))
        with av.open(path) as container:
            for frame in container.decode(video=0):
                assert frame.pts is not None
                assert frame.time_base is not None
                pts = round(frame.pts * frame.time_base / window.epoch.time_base)
                at_ms = window.epoch.session_ms(pts)
                pixels = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
                found.append(Picture(number_of(pixels), at_ms, window.epoch.number))
    return found


@dataclass(frozen=True)
class Stay:
    """Pictures with the brand without a break. `cut_start`, `cut_end`: whether a gap of the recording is there."""

    start_ms: int
    end_ms: int
    number: int
    cut_start: bool
    cut_end: bool


def stays_of(pictures: list[Picture]) -> list[Stay]:
    """What the recording shows, broken off at its gaps."""
    numbered = list(enumerate(pictures))
    breaks = [0]
    for before, after in pairwise(pictures):
        is_gap = after.epoch != before.epoch or not 0 < after.number - before.number <= MISSING
        breaks.append(breaks[-1] + is_gap)
    found = []
    for (shown, _), group in groupby(numbered, key=lambda one: (is_shown(one[1].number), breaks[one[0]])):
        if shown:
            run = list(group)
            (first, one), (last, other) = run[0], run[-1]
            cut_start = first == 0 or breaks[first - 1] != breaks[first]
            cut_end = last + 1 == len(pictures) or breaks[last + 1] != breaks[last]
            found.append(Stay(one.at_ms, other.at_ms + 1000 // FPS, one.number, cut_start, cut_end))
    return found


def wrong(stays: list[Stay], exposures: list[tuple[int, int]], numbers: dict[int, int]) -> list[tuple[int, str]]:
    """What is wrong of a report, each with the number of a picture.

    Args:
        exposures: start and end. numbers: of pictures, by their time.
    """
    said = []
    for stay in stays:
        of_it = [one for one in exposures if min(one[1], stay.end_ms) - max(one[0], stay.start_ms) > STEP_MS // 2]
        span = f"{stay.start_ms} to {stay.end_ms}"
        if stay.end_ms - stay.start_ms < SHORTEST_MS:
            continue
        if len(of_it) != 1:
            said.append((stay.number, f"{span} has {len(of_it)} exposures"))
            continue
        [(start_ms, end_ms)] = of_it
        off_start = not stay.cut_start and abs(start_ms - stay.start_ms) > STEP_MS
        off_end = not stay.cut_end and abs(end_ms - stay.end_ms) > STEP_MS
        if off_start or off_end:
            said.append((stay.number, f"{span} is an exposure of {start_ms} to {end_ms}"))
    times = sorted(numbers)
    for start_ms, end_ms in exposures:
        if not any(min(end_ms, one.end_ms) - max(start_ms, one.start_ms) > 0 for one in stays):
            near = min(times, key=lambda at_ms: abs(at_ms - start_ms))
            said.append((numbers[near], f"{start_ms} to {end_ms} is shown nowhere"))
    return said


def costs(faults: list[Fault], store: SessionStore) -> list[Cost]:
    """What each fault has cost."""
    pictures = recorded(store)
    report = SessionReport.model_validate_json(store.storage.get(store.key(REPORT)))
    exposures = [(one.start_ms, one.end_ms) for brand in report.brands for one in brand.exposures]
    seen = Counter(one.number for one in pictures)
    in_order = sorted(seen)
    gaps = [(after, after - before - 1) for before, after in pairwise(in_order) if after - before > MISSING]
    stays = stays_of(pictures)
    said = wrong(stays, exposures, {one.at_ms: one.number for one in pictures})
    ends = [*(fault.number for fault in faults[1:]), in_order[-1] + 1]
    return [
        Cost(
            fault.name,
            round(sum(missing for at, missing in gaps if fault.number <= at < end) / FPS, 1),
            sum(count - 1 for number, count in seen.items() if fault.number <= number < end),
            sum(fault.number <= one.number < end for one in stays),
            tuple(what for at, what in said if fault.number <= at < end),
        )
        for fault, end in zip(faults, ends, strict=True)
    ]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="NAME", help="faults whose name has this; repeatable")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where all is stored, and stays")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        world = LiveWorld(args.keep or Path(scratch) / "world")
        address = f"rtmp://127.0.0.1:{free_port()}/live/{KEY}"
        world.start(SESSION, address, WINDOW)
        command = [sys.executable, "-m", "bench.live_publisher", address]
        publisher = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        )
        stack.callback(publisher.kill)
        faults = Faults(world, publisher, address, stack)
        listener = Listener(faults.url, SESSION)
        store = world.store(SESSION)
        world.until("no window comes", lambda: store.ingest().windows >= 1)
        for name, what in faults.all().items():
            if name == "nothing" or not args.only or any(one in name for one in args.only):
                faults.bring_about(name, what)
        world.mpr("live", "stop", SESSION)
        world.until_over(SESSION)
        listener.wait_for_end(60)
        windows = store.windows_closed()
        lost = [one for one in range(windows) if (store.analysed(one) or None) is None]
        failed = [one for one in range(windows) if (found := store.analysed(one)) and found.status != "analysed"]
        told = Counter((one.name, one.data["number"]) for one in listener.told if one.name in ("segment", "detection"))
        untold = [(name, at) for name in ("segment", "detection") for at in range(windows) if told[name, at] != 1]
        table = costs(faults.done, store)
        leaks = [str(one) for one in world.folder.rglob("*") if one.is_file() and KEY.encode() in one.read_bytes()]
        leaks += [one.name for one in listener.told if KEY in json.dumps(one.data)]
    for cost in table:
        print(
            f"{cost.name:45} {cost.lost_s:5.1f} s without recording, {cost.doubled} pictures doubled, "
            f"{len(cost.wrong)} of {cost.exposures} exposures wrong {'; '.join(cost.wrong)}"
        )
    figures = {
        "windows": windows,
        "windows_lost": len(lost),
        "windows_failed": len(failed),
        "pictures_doubled": sum(cost.doubled for cost in table),
        "exposures": sum(cost.exposures for cost in table),
        "exposures_wrong": sum(len(cost.wrong) for cost in table),
        "events_lost_or_doubled": len(untold),
        "files_and_events_with_the_key": len(leaks),
        "seconds_without_recording": {cost.name: cost.lost_s for cost in table},
    }
    print(json.dumps({"bench": "live_faults", **figures}))
    return int(
        any(figures[one] for one in ("windows_lost", "pictures_doubled", "exposures_wrong", "events_lost_or_doubled"))
    )


if __name__ == "__main__":
    sys.exit(main())
