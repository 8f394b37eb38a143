"""Which windows' recordings a session takes away while it runs: the oldest, beyond the age and the size that it keeps.

What was found in them stays, and so do recordings that something needs: see `needed`. Pure but for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from mpr_assets.sessions.session import LiveSession, Window, timeline_of
from mpr_assets.sessions.session_report import REPORT, SessionReport
from mpr_assets.sessions.session_store import SessionStore
from mpr_live.playlists import LISTED
from mpr_resources.storage.scenario_store import scenarios
from mpr_resources.storage.store import MissingObject

HOUR_S, GB = 3600, 10**9


def is_set(session: LiveSession) -> bool:
    """Whether the session takes anything away."""
    return session.keep_hours is not None or session.keep_gb is not None


def due(session: LiveSession, windows: Sequence[Window], now_s: float, stay: AbstractSet[int]) -> list[int]:
    """The numbers of windows whose recording is to be taken away.

    The last ones stay whatever is set, for players follow the session there.

    Args:
        windows: those that are recorded and had their turn, in order.
        stay: numbers of those that something needs. They count for the size, so that others go in their place.
    """
    oldest_s = None if session.keep_hours is None else now_s - session.keep_hours * HOUR_S
    over_bytes = -1.0 if session.keep_gb is None else sum(one.size_bytes for one in windows) - session.keep_gb * GB
    found = []
    for one in windows[:-LISTED]:
        if one.number in stay:
            continue
        is_old = oldest_s is not None and one.closed_s < oldest_s
        if is_old or over_bytes > 0:
            found.append(one.number)
            over_bytes -= one.size_bytes
    return found


def needed(store: SessionStore) -> set[int]:
    """The windows that a scenario was saved of, and those that prove an exposure of the session's report."""
    timelines = {one.timeline for one in scenarios(store.storage)}
    try:
        report = SessionReport.model_validate_json(store.storage.get(store.key(REPORT)))
    except MissingObject:
        pass
    else:
        timelines |= {one.timeline for brand in report.brands for one in brand.exposures}
    return set(_numbers(store.name, timelines))


def _numbers(session: str, timelines: Iterable[str]) -> Iterable[int]:
    for name in timelines:
        number = name.rpartition("-")[2]
        if number.isdecimal() and timeline_of(session, int(number)) == name:
            yield int(number)
