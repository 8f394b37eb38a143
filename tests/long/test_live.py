"""A live session by its real processes, while its encoder and each of them are cut, changed and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from mpr_assets.sessions.session import LiveSession
from mpr_assets.sessions.session_report import REPORT, SessionReport
from mpr_assets.sessions.session_store import SessionStore
from mpr_live.control import start, status_of, stop
from mpr_resources.storage.store import Storage
from tests.gpu_service.live import free_port
from tests.mpr_live.servers import clip_at

PROFILE = """
description: frames alone; what is found in them is not what is tested
extract_frames: {fps: 1}
field_segmentation: {enabled: false}
detect_edges: {enabled: false}
detect_objects: {enabled: false}
preprocess: {enabled: false}
run_ocr: {enabled: false}
live_lag: queue
"""
KEY = "Geheim-7f3a"


class Encoder:
    """Publishes a clip over and over in real time, and comes again 0.3 s after it was cut off."""

    def __init__(self, clip: Path, address: str) -> None:
        self.clip = clip
        self._address = address
        self._may = threading.Event()
        self._may.set()
        self._over = False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def cut(self, lasts_s: float) -> None:
        """Go without a word, and come again after so long."""
        self._may.clear()
        assert self._process is not None
        self._process.kill()
        time.sleep(lasts_s)
        self._may.set()

    def end(self) -> None:
        self._over = True
        if self._process is not None:
            self._process.kill()
        self._may.set()
        self._thread.join()

    def _publish(self) -> None:
        while not self._over:
            command = ["ffmpeg", "-v", "quiet", "-re", "-stream_loop", "-1", "-i", str(self.clip)]
            self._process = subprocess.Popen([*command, "-c", "copy", "-f", "flv", self._address])
            self._process.wait()
            time.sleep(0.3)
            self._may.wait()


def process_of(module: str, name: str) -> int:
    found = subprocess.run(
        ["pgrep", "-f", f"mpr_live.{module} {name}( |$)"], capture_output=True, text=True, check=True
    )
    return int(found.stdout.split()[0])


def until(ready: Callable[[], bool], within_s: float = 120) -> None:
    end_s = time.monotonic() + within_s
    while not ready():
        assert time.monotonic() < end_s, "it did not come to it"
        time.sleep(0.1)


@contextmanager
def gap(store: SessionStore, gaps: dict[str, float], what: str) -> Iterator[None]:
    """Measure how long nothing was recorded for what is done within; waits until windows come again after it."""
    before = store.windows_closed()
    yield
    # The window that was open, and two of what follows.
    until(lambda: store.windows_closed() >= before + 3)
    windows = [one for number in range(max(0, before - 1), before + 3) if (one := store.window(number))]
    gaps[what] = sum(max(0, after.start_ms - one.end_ms) for one, after in pairwise(windows)) / 1000


@pytest.mark.timeout(600)
def test_a_session_through_all_that_is_done_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "wall.yaml").write_text(PROFILE)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MPR_STORAGE_URL", str(tmp_path / "storage"))
    monkeypatch.setenv("MPR_PROFILES_DIR", str(profiles))
    (tmp_path / "home").mkdir()
    address = f"rtmp://127.0.0.1:{free_port()}/live/{KEY}"
    asked = LiveSession(
        name="wall",
        source="rtmp://127.0.0.1/live/***",
        kind="listen",
        profile="wall",
        window_ms=3000,
        started_s=time.time(),
    )
    storage = Storage.open(str(tmp_path / "storage"))
    store = SessionStore(storage, "wall")
    small, large = clip_at(tmp_path / "small.flv", 10), clip_at(tmp_path / "large.flv", 10, size=(320, 176))
    gaps: dict[str, float] = {}
    start(storage, asked, address)
    encoder = Encoder(small, address)
    try:
        until(lambda: store.windows_closed() >= 2)
        with gap(store, gaps, "cut for 5 s"):
            encoder.cut(5)
        with gap(store, gaps, "encoder restarted with another size"):
            encoder.clip = large
            encoder.cut(0)
        with gap(store, gaps, "kill -9 of ingest"):
            os.kill(process_of("ingest", "wall"), signal.SIGKILL)
        with gap(store, gaps, "kill -9 of the worker"):
            os.kill(process_of("worker", "wall"), signal.SIGKILL)
        with gap(store, gaps, "kill -9 of the supervisor, started again"):
            os.kill(process_of("supervisor", "wall"), signal.SIGKILL)
            until(lambda: status_of(storage, "wall").state.status == "error")
            assert "start it again under its name" in status_of(storage, "wall").state.reason
            start(storage, asked, address)
        stop(storage, "wall")
        until(lambda: status_of(storage, "wall").state.status == "inactive", 400)
    finally:
        encoder.end()
    windows = list(store.windows())
    print("seconds without recording:", gaps)
    print("happened:", store.ingest().happened)
    assert [one.number for one in windows] == list(range(len(windows)))
    done = [store.analysed(one.number) for one in windows]
    assert [one.status if one else None for one in done] == ["analysed"] * len(windows)
    assert all(after.start_ms >= one.end_ms for one, after in pairwise(windows)), "nothing is recorded twice"
    assert {(one.width_px, one.height_px) for one in windows} == {(160, 96), (320, 176)}
    assert 4 < gaps["cut for 5 s"] < 15
    assert gaps["kill -9 of the worker"] == 0
    report = SessionReport.model_validate_json(store.storage.get(store.key(REPORT)))
    assert report.final
    told = [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert told == [], "the key is in no file"
