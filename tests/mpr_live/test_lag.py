"""A worker that is behind the stream: what the profile has it do, and what is stored of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import dagster as dg
import pytest

from mpr_assets.report.exposures import ExposureSettings
from mpr_assets.sessions.session import Epoch, Ingest, LiveSession, Window
from mpr_assets.sessions.session_report import make_session_report
from mpr_assets.sessions.session_store import INGEST, SESSION, SessionStore
from mpr_live.lag import WindowTurn, turn_of
from mpr_live.worker import Worker
from mpr_resources.profiles.profile import Profile
from mpr_resources.storage.store import Storage

SKIPPED = "the analysis was {} s behind the stream"


@pytest.mark.parametrize(
    ("rule", "waited_s", "ended", "turn"),
    [
        ("queue", 0, False, WindowTurn()),
        ("queue", 1000, False, WindowTurn()),
        ("skip", 29.9, False, WindowTurn()),
        ("skip", 30, False, WindowTurn(skipped=SKIPPED.format(30))),
        ("skip", 1000, True, WindowTurn()),
        ("thin", 29.9, False, WindowTurn()),
        ("thin", 30, False, WindowTurn(thinned=2)),
        ("thin", 95, False, WindowTurn(thinned=4)),
        ("thin", 1000, False, WindowTurn(thinned=8)),
        ("thin", 1000, True, WindowTurn()),
    ],
)
def test_what_the_profile_says(
    rule: Literal["queue", "thin", "skip"], waited_s: float, ended: bool, turn: WindowTurn
) -> None:
    assert turn_of(Profile(live_lag=rule), waited_s, ended=ended) == turn


def test_a_window_that_is_skipped_is_not_one_in_which_nothing_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "hasty.yaml").write_text("live_lag: skip\nlive_lag_s: 5\n")
    monkeypatch.setenv("MPR_PROFILES_DIR", str(tmp_path / "profiles"))
    monkeypatch.setenv("MPR_DATABASE_URL", f"sqlite:///{tmp_path}/registry.sqlite")
    store = SessionStore(Storage.open(str(tmp_path / "storage")), "derby")
    store.put(
        SESSION, LiveSession(name="derby", source="clip", kind="file", profile="hasty", window_ms=4000, started_s=0)
    )
    store.put(INGEST, Ingest(windows=1))
    store.put_window(window_closed(time.time() - 12), b"")
    with dg.DagsterInstance.ephemeral() as instance:
        worker = Worker(instance, store)
        assert [worker.next(), worker.next()] == [True, False]
        assert instance.get_dynamic_partitions("timelines") == []
    found = store.analysed(0)
    assert found is not None
    assert (found.status, found.reason, found.run_id, found.thinned) == ("skipped", SKIPPED.format(12), "", False)
    assert 12_000 <= found.lag_ms < 20_000
    report = make_session_report(store, ExposureSettings())
    assert (report.analysed, report.recorded_ms, report.skipped_ms, report.failed) == (0, 0, 4000, ())


def window_closed(at_s: float) -> Window:
    return Window(
        number=0,
        epoch=Epoch(number=0, start_pts=0, start_ms=0, time_base_num=1, time_base_den=1000),
        start_pts=0,
        end_pts=4000,
        start_ms=0,
        end_ms=4000,
        wall_s=at_s - 4,
        closed_s=at_s,
        size_bytes=0,
        header_bytes=0,
        video_packets=0,
        packets_hash="",
        sha256="",
        codec="h264",
        width_px=64,
        height_px=36,
    )
