"""When each brand was on air, over all timelines: by day, programme and source. Its page is in `brand_history_page`.

A programme is a profile: one file for one kind of content. The day of a source is its `recorded_at`, where the
timeline's spec has one; else the day on which the file was last changed; else that on which the timeline was
registered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from gpu_service.errors import MprError
from mpr_assets.across.all_tables import AllTables
from mpr_assets.across.counted_once import counted_once
from mpr_assets.across.query import ask
from mpr_resources.storage.store import PARALLEL_REQUESTS

AIRINGS: dict[str, pl.DataType | type[pl.DataType]] = {
    "day": pl.Date,
    "day_from": pl.String,
    "brand": pl.String,
    "profile": pl.String,
    "timeline": pl.String,
    "source": pl.String,
    "exposures": pl.Int64,
    "screen_ms": pl.Int64,
    "first_ms": pl.Int64,
    "last_ms": pl.Int64,
}
"""A row for each brand, day, timeline and source. `day_from`: recorded_at, file or registration. `screen_ms`: how long
the brand was seen, each time of a source once; `first_ms`, `last_ms`: on the timeline's clock."""
DAYS: dict[str, pl.DataType | type[pl.DataType]] = {
    "timeline": pl.String,
    "chunk": pl.Int32,
    "begins": pl.Datetime("ms"),
    "day": pl.Date,
    "day_from": pl.String,
}
"""The day of each chunk. `begins`: when its source does, by the clock of the place, where it is known: an exposure may
then be of the next day."""

SQL = """
SELECT
    coalesce(CAST(d.begins + to_milliseconds(e.media_start_ms) AS DATE), d.day) AS day,
    d.day_from, e.brand, t.profile, e.timeline, e.media AS source,
    count(*) AS exposures,
    CAST(sum(e.once_ms) AS BIGINT) AS screen_ms,
    min(e.start_ms) AS first_ms,
    max(e.end_ms) AS last_ms
FROM exposures e
JOIN timelines t USING (timeline)
JOIN days d USING (timeline, chunk)
WHERE e.once_ms > 0
GROUP BY ALL
ORDER BY ALL
"""


@dataclass(frozen=True)
class _Airings:
    """The exposures and days of all timelines' chunks, and the timelines."""

    tables: AllTables
    own: Mapping[str, pl.DataFrame]

    @property
    def names(self) -> list[str]:
        return [*self.own, "timelines"]

    def empty(self, name: str) -> pl.DataFrame:
        return self.own[name].clear() if name in self.own else self.tables.empty(name)

    def read(self, name: str) -> pl.DataFrame:
        return self.own[name] if name in self.own else self.tables.read(name)


def brand_history(
    tables: AllTables, changed_s: Callable[[str], float], registered_s: Mapping[str, float]
) -> pl.DataFrame:
    """The airings of all brands: a table of AIRINGS, sorted by day, brand and timeline.

    Args:
        changed_s: when the file at an address was last changed, in seconds since 1970; raises MprError where it cannot
            be looked up.
        registered_s: when each timeline was registered.

    Raises:
        PermanentError: a table cannot be read.
    """
    sources = tables.read("sources")
    own = {
        "days": days_of(sources, changed_s, registered_s),
        "exposures": counted_once(tables.read("exposures"), sources, registered_s),
    }
    rows = ask(SQL, _Airings(tables, own)).rows
    return pl.DataFrame(rows, schema=AIRINGS, orient="row").sort("day", "brand", "timeline", "source", "first_ms")


def days_of(
    sources: pl.DataFrame, changed_s: Callable[[str], float], registered_s: Mapping[str, float]
) -> pl.DataFrame:
    """The day of each chunk: a table of DAYS.

    Args:
        sources: rows (timeline, chunk, source, recorded_at).
    """
    unknown = sources.filter(pl.col("recorded_at").is_null())["source"].unique(maintain_order=True).to_list()

    def look(address: str) -> float | None:
        try:
            return changed_s(address)
        except MprError:  # it may be gone, or lie where this machine does not reach: the next best day is taken
            return None

    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        changed = dict(zip(unknown, pool.map(look, unknown), strict=True))
    rows: list[tuple[object, ...]] = []
    for timeline, chunk, source, recorded_at in sources.select(
        "timeline", "chunk", "source", "recorded_at"
    ).iter_rows():
        if recorded_at is not None:
            begins = datetime.fromisoformat(recorded_at).replace(tzinfo=None)
            rows.append((timeline, chunk, begins, begins.date(), "recorded_at"))
        elif (at_s := changed[source]) is not None:
            rows.append((timeline, chunk, None, datetime.fromtimestamp(at_s).date(), "file"))
        elif timeline in registered_s:
            rows.append((timeline, chunk, None, datetime.fromtimestamp(registered_s[timeline]).date(), "registration"))
    return pl.DataFrame(rows, schema=DAYS, orient="row")
