"""What a session takes away of its recording, and what stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpr_assets.sessions.session import LiveSession, Removed, Window
from mpr_assets.sessions.session_report import REPORT, SessionBrand, SessionExposure, SessionReport
from mpr_assets.sessions.session_store import SessionStore
from mpr_live.playlists import LISTED
from mpr_live.retention import due, needed
from mpr_resources.storage import scenario_store
from mpr_resources.storage.scenario_store import Scenario
from mpr_resources.storage.store import Storage
from tests.mpr_live.servers import live
from tests.mpr_live.test_playlists import window

NOW_S = 100_000.0
HOUR_S, GB = 3600.0, 10**9


def windows(count: int) -> list[Window]:
    """The oldest first, an hour and a quarter of a GB each; the last was just closed."""
    return [
        window(at).model_copy(update={"closed_s": NOW_S - (count - 1 - at) * HOUR_S, "size_bytes": GB // 4})
        for at in range(count)
    ]


def asked(**keep: float) -> LiveSession:
    return live().model_copy(update=keep)


@pytest.mark.parametrize(
    ("session", "count", "stay", "taken_away"),
    [
        (asked(), 30, set(), []),
        (asked(keep_hours=1), 0, set(), []),
        (asked(keep_hours=1), LISTED, set(), []),
        (asked(keep_hours=1), LISTED + 2, set(), [0, 1]),
        (asked(keep_hours=26.5), 30, set(), [0, 1, 2]),
        (asked(keep_hours=26.5), 30, {1}, [0, 2]),
        (asked(keep_gb=7), 30, set(), [0, 1]),
        (asked(keep_gb=7), 30, {0, 3}, [1, 2]),
        (asked(keep_gb=8), 30, set(), []),
        (asked(keep_gb=7, keep_hours=28.5), 30, set(), [0, 1]),
    ],
)
def test_what_is_due(session: LiveSession, count: int, stay: set[int], taken_away: list[int]) -> None:
    assert due(session, windows(count), NOW_S, stay) == taken_away


def test_what_a_scenario_or_an_exposure_needs_stays(tmp_path: Path) -> None:
    store = SessionStore(Storage.open(str(tmp_path)), "derby")
    assert needed(store) == set()
    spans = {"start_ms": 0, "end_ms": 1, "seen_ms": 1, "inferred_ms": 0, "confidence": 1.0}
    edges = {"start_uncertainty_ms": 0, "end_uncertainty_ms": 0}
    shown = SessionExposure.model_validate(spans | edges | {"timeline": "derby-000007", "seq": 3})
    brand = SessionBrand(brand="Acme", seconds=1, share=1, exposures=(shown,))
    report = SessionReport(session="derby", profile="p", final=False, windows=9, analysed=9, brands=(brand,))
    store.storage.put(store.key(REPORT), report.model_dump_json().encode())
    for label, timeline in (("good", "derby-000002"), ("other", "derby-cup-000004"), ("file", "match")):
        scenario = Scenario(
            label=label, timeline=timeline, stage="run_ocr", profile="p", saved="", saved_by="", objects=0, rows=0,
            data_version="1", code_version="1",
        )  # fmt: skip
        scenario_store.save(store.storage, scenario, [])
    assert needed(store) == {2, 7}


def test_a_recording_that_was_taken_away_is_known_to_be_gone(tmp_path: Path) -> None:
    store = SessionStore(Storage.open(str(tmp_path)), "derby")
    for at in range(4):
        store.put_window(window(at), b"video")
    store.remove([0])
    store.remove([1, 3])
    assert store.removed() == Removed(spans=((0, 2), (3, 4)))
    assert [at in store.removed() for at in range(5)] == [True, True, False, True, False]
    assert [store.storage.exists(store.key(store.window_file(at))) for at in range(4)] == [False, False, True, False]
    assert [one.number for one in store.windows()] == [0, 1, 2, 3]
