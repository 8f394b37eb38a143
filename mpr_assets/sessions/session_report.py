"""The report of a session: the exposures over all its windows, growing while it runs.

How windows are joined is in `joined`. `report.json` and `exposures.parquet` lie below `live/{session}/report`.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Mapping

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from gpu_service.pictures import Picture
from mpr_assets.corrections.applied import without_rejected
from mpr_assets.engine.stage_run import FRAME_INDEX, KEPT_FRAMES
from mpr_assets.report.camera import picture_motion
from mpr_assets.report.exposures import ExposureSettings, exposures
from mpr_assets.report.measures import measures
from mpr_assets.sessions.joined import JoinedTables, WindowTables, joined
from mpr_assets.sessions.joint import Joint, picture_folder
from mpr_assets.sessions.session import Analysed, Window, timeline_of
from mpr_assets.sessions.session_store import SessionStore
from mpr_assets.sessions.window_edges import edges_of_windows
from mpr_assets.stages import compile_report, corrections
from mpr_assets.stages.compile_report import DETECTING
from mpr_assets.timelines.chunks import timeline_ms
from mpr_resources.storage.pictures import PictureCache
from mpr_resources.storage.store import Storage
from mpr_resources.storage.tables import StageTable, read_table

REPORT, EXPOSURES = "report/report.json", "report/exposures.parquet"


class SessionExposure(BaseModel):
    """An unbroken stay on screen, `[start_ms, end_ms)` on the session's clock."""

    model_config = ConfigDict(frozen=True)

    start_ms: int
    end_ms: int
    seen_ms: int
    inferred_ms: int
    confidence: float
    start_uncertainty_ms: int
    end_uncertainty_ms: int
    timeline: str = Field(description="the window's timeline that has the frame which proves it best")
    seq: int = Field(description="that frame's number there")


class SessionBrand(BaseModel):
    """A brand, with its exposures in the order of time."""

    model_config = ConfigDict(frozen=True)

    brand: str
    seconds: float
    share: float = Field(description="of recorded time")
    exposures: tuple[SessionExposure, ...]


class SessionReport(BaseModel):
    """What was found in a session so far; `final`: no window comes any more, and every one had its turn."""

    model_config = ConfigDict(frozen=True)

    session: str
    profile: str
    final: bool
    windows: int
    analysed: int
    failed: tuple[str, ...] = Field((), description="timelines of windows that could not be analysed")
    skipped_ms: int = Field(0, description="of windows that were left out, as the analysis was behind")
    recorded_ms: int = Field(0, description="analysed so far")
    brands: tuple[SessionBrand, ...] = ()


def make_session_report(store: SessionStore, settings: ExposureSettings) -> SessionReport:
    """Make the report of what is analysed so far, and store it.

    `settings`: of the profile's `compile_report`.
    """
    session, ingest = store.session(), store.ingest()
    windows: list[WindowTables] = []
    reports: list[pl.DataFrame] = []
    indexes: dict[int, StageTable] = {}
    left_out: list[str] = []
    taken = skipped_ms = 0
    for window in store.windows():
        found = store.analysed(window.number)
        if found is None:
            break
        taken += 1
        if found.status == "skipped":
            skipped_ms += window.end_ms - window.start_ms
            continue
        if found.status != "analysed":
            left_out.append(timeline_of(session.name, window.number))
            continue
        tables, indexes[window.number] = _tables(store.storage, session.name, window, found)
        windows.append(tables)
        reports.append(
            read_table(store.storage, compile_report.stage.name, timeline_of(session.name, window.number)).rows
        )
    one = joined(windows, session.name)
    report = SessionReport(
        session=session.name,
        profile=session.profile,
        final=ingest.ended and taken >= ingest.windows,
        windows=ingest.windows,
        analysed=len(windows),
        failed=tuple(left_out),
        skipped_ms=skipped_ms,
    )
    if one is not None:
        found_in = exposures(
            one.detections,
            one.frames,
            one.scenes,
            one.chunks,
            settings,
            picture_motion(_Pictures(store.storage, session.name, one.first_seqs, indexes).read),
            edges_of_windows(windows, reports, one),
        )
        encoded = io.BytesIO()
        found_in.write_parquet(encoded)
        store.storage.put(store.key(EXPOSURES), encoded.getvalue())
        report = report.model_copy(
            update={"recorded_ms": timeline_ms(one.chunks), "brands": _brands(session.name, one, found_in)}
        )
    store.storage.put(store.key(REPORT), report.model_dump_json(indent=2).encode())
    return report


def _tables(storage: Storage, session: str, window: Window, found: Analysed) -> tuple[WindowTables, StageTable]:
    timeline = timeline_of(session, window.number)
    index = read_table(storage, FRAME_INDEX, timeline)
    detecting = {one.name: read_table(storage, one.name, timeline).rows for one in DETECTING}
    detections = without_rejected(pl.concat([*detecting.values()]), detecting[corrections.stage.name])
    tables = WindowTables(
        window,
        Joint(found.goes_on, found.cut_ms),
        read_table(storage, "timeline", timeline).rows,
        index.rows,
        read_table(storage, KEPT_FRAMES, timeline).rows,
        detections,
    )
    return tables, index


class _Pictures:
    """Frames of all windows by the numbers that they have when they are joined."""

    def __init__(
        self, storage: Storage, session: str, first_seqs: Mapping[int, int], indexes: Mapping[int, StageTable]
    ) -> None:
        cache = PictureCache()
        self._firsts = [*first_seqs.values()]
        self._folders = [picture_folder(storage, timeline_of(session, one), indexes[one], cache) for one in first_seqs]

    def read(self, seq: int) -> Picture:
        at = bisect_right(self._firsts, seq) - 1
        return self._folders[at].read(seq - self._firsts[at], decode=False)


def _brands(session: str, one: JoinedTables, found: pl.DataFrame) -> tuple[SessionBrand, ...]:
    numbers, firsts = [*one.first_seqs], [*one.first_seqs.values()]
    of_brand: dict[str, list[SessionExposure]] = {}
    for row in found.sort("brand", "start_ms").iter_rows(named=True):
        at = bisect_right(firsts, row["best_seq"]) - 1
        kept = {name: row[name] for name in SessionExposure.model_fields if name in row}
        shown = SessionExposure(
            **kept
            | {
                "start_ms": row["media_start_ms"],
                "end_ms": row["media_end_ms"],
                "timeline": timeline_of(session, numbers[at]),
                "seq": row["best_seq"] - firsts[at],
            }
        )
        of_brand.setdefault(row["brand"], []).append(shown)
    summed = measures(found, one.chunks).select("brand", "seconds", "share")
    return tuple(
        SessionBrand(brand=brand, seconds=seconds, share=share, exposures=tuple(of_brand[brand]))
        for brand, seconds, share in summed.iter_rows()
    )
