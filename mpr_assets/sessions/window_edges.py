"""Where a session's exposures start and end between two samples, as the reports of its windows have it. Pure.

Each window's own run has looked its edges up in the video, where the profile says so. Those at a joint it could not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import polars as pl

from mpr_assets.report.refinement import Edge, EdgeTime, Refine, Side
from mpr_assets.sessions.joined import JoinedTables, WindowTables
from mpr_assets.timelines.chunks import timeline_ms

EdgeTimes: TypeAlias = Mapping[tuple[str, Side], Sequence[EdgeTime]]


def edges_of_windows(windows: Sequence[WindowTables], reports: Sequence[pl.DataFrame], one: JoinedTables) -> Refine:
    """Looks edges up in the windows' reports.

    Args:
        reports: each window's exposures, in the order of `windows`.
        one: the windows joined, on whose clock the answers are.
    """
    known = _known(windows, reports, one)
    ends = {
        row["chunk"]: row["timeline_start_ms"] + row["end_ms"] - row["start_ms"]
        for row in one.chunks.iter_rows(named=True)
    }
    places = {(row[0], row[1]): row[2] for row in one.frames.select("chunk", "source_pts", "timeline_ms").iter_rows()}

    def time_of(edge: Edge) -> EdgeTime | None:
        found_ms = places[edge.chunk, edge.found_pts]
        # Without a sample beyond it is an end, and the recording breaks off first.
        beyond_ms = ends[edge.chunk] if edge.beyond_pts is None else places[edge.chunk, edge.beyond_pts]
        for time in known.get((edge.brand, edge.side), ()):
            if min(found_ms, beyond_ms) <= time.at_ms <= max(found_ms, beyond_ms):
                return time
        return None

    return lambda edges: [time_of(edge) for edge in edges]


def _known(windows: Sequence[WindowTables], reports: Sequence[pl.DataFrame], one: JoinedTables) -> EdgeTimes:
    """The edges within windows, on the recording's clock."""
    begins = dict(zip(one.first_seqs.values(), one.first_seqs, strict=True))
    behind = {
        begins[seq]: at_ms - source_ms
        for seq, at_ms, source_ms in one.frames.filter(pl.col("seq").is_in(list(begins)))
        .select("seq", "timeline_ms", "source_ms")
        .iter_rows()
    }
    known: defaultdict[tuple[str, Side], list[EdgeTime]] = defaultdict(list)
    for window, report in zip(windows, reports, strict=True):
        shift_ms = window.begins_ms + behind[window.window.number]
        length_ms = timeline_ms(window.chunks)
        for row in report.iter_rows(named=True):
            if row["start_ms"] > 0:
                time = EdgeTime(row["start_ms"] + shift_ms, row["start_uncertainty_ms"])
                known[row["brand"], "start"].append(time)
            if row["end_ms"] < length_ms:
                known[row["brand"], "end"].append(EdgeTime(row["end_ms"] + shift_ms, row["end_uncertainty_ms"]))
    return known
