"""The stages' tables of all timelines, one below the other, each read when it is asked for.

How they are asked by SQL is in `query`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import polars as pl

from gpu_service.errors import MprError
from mpr_assets.corrections.applied import REJECTED, without_rejected
from mpr_assets.engine.stage import Stage
from mpr_assets.report.measures import MEASURES_SCHEMA, measures
from mpr_assets.stages.compile_report import DETECTING
from mpr_assets.timelines.chunks import timeline_ms
from mpr_assets.timelines.spec_store import SPECS, load_specs
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage
from mpr_resources.storage.tables import ColumnTypes, from_parquet

TIMELINE_COLUMN: dict[str, pl.DataType | type[pl.DataType]] = {"timeline": pl.String}
"""The first column of every table."""
TIMELINES: dict[str, pl.DataType | type[pl.DataType]] = TIMELINE_COLUMN | {
    "profile": pl.String,
    "duration_ms": pl.Int64,
    "chunks": pl.Int64,
    "brand_file": pl.String,
}
READERS = 8
"""Tables that are parsed at once."""


class AllTables:
    """Tables by name: those of the stages, and `exposures`, `detections`, `candidates`, `text_lines`, `frames`,
    `brands`, `timelines` and `sources`.
    """

    def __init__(self, storage: Storage, stages: Mapping[str, Stage]) -> None:
        """`stages`: all, by name."""
        self._storage = storage
        self._stages = stages
        self._readers: dict[str, tuple[ColumnTypes, Callable[[], pl.DataFrame]]] = {
            "exposures": self._stage("compile_report"),
            "detections": (self._detected, lambda: self._found().filter(pl.col("brand").is_not_null())),
            "candidates": (self._detected, lambda: self._found().filter(pl.col("brand").is_null())),
            "text_lines": self._stage("run_ocr"),
            "frames": self._stage("extract_frames"),
            "brands": (TIMELINE_COLUMN | MEASURES_SCHEMA, self._brands),
            "timelines": (TIMELINES, self._timelines),
            "sources": (self._chunked, self._sources),
        }
        self._readers |= {name: self._stage(name) for name in stages if name not in self._readers}

    @property
    def names(self) -> list[str]:
        return [*self._readers]

    def empty(self, name: str) -> pl.DataFrame:
        """A table without its rows."""
        return pl.DataFrame(schema=dict(self._readers[name][0]))

    def read(self, name: str) -> pl.DataFrame:
        """A table with its rows.

        Raises:
            PermanentError: an object is no table.
        """
        return self._readers[name][1]()

    @property
    def _chunked(self) -> ColumnTypes:
        return TIMELINE_COLUMN | dict(self._stages["timeline"].schema) | {"recorded_at": pl.String}

    def _sources(self) -> pl.DataFrame:
        """The chunks of all timelines, with the time of recording that a spec has of its source."""
        chunks = self._of_stage("timeline")
        specs = load_specs(self._storage, chunks["timeline"].unique().to_list())
        told = {
            (name, chunk.source, chunk.recorded_at)
            for name, spec in specs.items()
            if not isinstance(spec, MprError)
            for chunk in spec.chunks
            if chunk.recorded_at is not None
        }
        known = pl.DataFrame(
            sorted(told), {"timeline": pl.String, "source": pl.String, "recorded_at": pl.String}, orient="row"
        )
        once = known.unique(["timeline", "source"], keep="first", maintain_order=True)
        return chunks.join(once, on=["timeline", "source"], how="left", maintain_order="left")

    @cached_property
    def _detected(self) -> ColumnTypes:
        return TIMELINE_COLUMN | {"stage": pl.String} | dict(DETECTING[0].schema)

    def _stage(self, name: str) -> tuple[ColumnTypes, Callable[[], pl.DataFrame]]:
        return TIMELINE_COLUMN | dict(self._stages[name].schema), lambda: self._of_stage(name)

    def _of_stage(self, name: str) -> pl.DataFrame:
        """What is stored of a stage, in the order of the timelines; columns that an older version lacks are null."""
        columns = TIMELINE_COLUMN | dict(self._stages[name].schema)
        folder = Keys.table(name, "").rpartition("/")[0]
        keys = sorted(key for key in self._storage.list(folder) if key.endswith(".parquet"))

        def parse(key: str, data: bytes) -> pl.DataFrame:
            rows = from_parquet(data, self._storage.where(key)).rows
            timeline = key.removeprefix(f"{folder}/").removesuffix(".parquet")
            there = rows.with_columns(timeline=pl.lit(timeline))
            return there.select(
                pl.col(column).cast(kind, strict=False) if column in there.columns else pl.lit(None, kind).alias(column)
                for column, kind in columns.items()
            )

        with ThreadPoolExecutor(READERS) as pool:
            tables = list(pool.map(parse, keys, self._storage.get_many(keys)))
        return pl.concat([pl.DataFrame(schema=dict(columns)), *tables])

    def _found(self) -> pl.DataFrame:
        """Of all stages, as the reports count them: without what corrections took away."""
        rows = [self._of_stage(one.name).with_columns(stage=pl.lit(one.name)) for one in DETECTING]
        found = pl.concat(rows).select(list(self._detected)).sort("timeline", "seq", maintain_order=True)
        corrected = rows[-1].filter(pl.col("reason").str.starts_with(REJECTED))
        if corrected.is_empty():
            return found
        return pl.concat(
            without_rejected(of_timeline, corrected.filter(pl.col("timeline") == name))
            for (name,), of_timeline in found.group_by("timeline", maintain_order=True)
        )

    def _brands(self) -> pl.DataFrame:
        """What each brand's exposures add up to in each timeline."""
        exposures, chunks = self._of_stage("compile_report"), self._of_stage("timeline")
        measured = [
            measures(rows.drop("timeline"), chunks.filter(pl.col("timeline") == name)).with_columns(
                timeline=pl.lit(name)
            )
            for (name,), rows in exposures.group_by("timeline", maintain_order=True)
        ]
        return pl.concat([self.empty("brands"), *(one.select(self.empty("brands").columns) for one in measured)])

    def _timelines(self) -> pl.DataFrame:
        """Every timeline that is registered. `duration_ms` and `chunks` are null where it has not been run."""
        names = sorted(key.removeprefix(f"{SPECS}/").removesuffix(".json") for key in self._storage.list(SPECS))
        laid_out = self._of_stage("timeline")
        rows = []
        for name, spec in load_specs(self._storage, names).items():
            chunks = laid_out.filter(pl.col("timeline") == name)
            known = (None, None) if chunks.is_empty() else (timeline_ms(chunks), chunks.height)
            if isinstance(spec, MprError):
                rows.append((name, None, *known, None))
            else:
                rows.append((name, spec.profile, *known, spec.brands))
        return pl.DataFrame(rows, schema=dict(TIMELINES), orient="row")
