"""A small world for tests of the whole graph: a clip, a profile, a brand file, storage, Dagster in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import dagster as dg
import numpy as np
import polars as pl

from gpu_service.pictures import Image
from mpr_assets.definitions import (
    JOB,
    SECTIONS,
    STAGES,
    definitions,
)
from mpr_assets.timelines.partitions import register
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec
from mpr_resources.profiles.folder import Profiles
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage
from mpr_resources.storage.tables import StageTable, from_parquet, to_parquet
from tests.clips import write_clip

TIMELINE = "match"
BRAND = "Acme Motors"
BY_NAME = {stage.name: stage for stage in STAGES}
NAMES = list(BY_NAME)
PROFILE = """
description: a pitch with one board
field_segmentation: {enabled: true}
detect_edges: {enabled: true}
run_ocr: {read_crops: false}
"""


def pictures() -> Iterator[Image]:
    """Two seconds at ten a second: a pitch, above it a white board with a brand's name; still, then moving."""
    for at in range(20):
        picture = np.full((360, 640, 3), (90, 70, 60), np.uint8)
        picture[200:] = (50, 150, 40)
        left = 60 + max(0, at - 8) * 6
        cv2.rectangle(picture, (0, 110), (640, 196), (250, 250, 250), -1)
        cv2.putText(picture, BRAND, (left, 170), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (20, 20, 20), 4, cv2.LINE_AA)
        yield picture


def write_inputs(folder: Path) -> None:
    """The clip, the brand file and the profiles `board` and `generic`, which are alike."""
    write_clip(folder / "clip.mp4", pictures(), fps=10)
    (folder / "brands.yaml").write_text(f"brands:\n  - name: {BRAND}\n  - Nowhere Airlines\n")
    (folder / "profiles").mkdir()
    for name in ("board", "generic"):
        (folder / "profiles" / f"{name}.yaml").write_text(PROFILE)


@dataclass
class World:
    """Where a test's timelines live. `inputs`: the folder of `write_inputs`."""

    inputs: Path
    storage_folder: Path
    instance: dg.DagsterInstance

    @property
    def environ(self) -> dict[str, str]:
        return {
            "MPR_STORAGE_URL": str(self.storage_folder),
            "MPR_PROFILES_DIR": str(self.inputs / "profiles"),
            "MPR_DATABASE_URL": f"sqlite:///{self.storage_folder.parent / 'registry.sqlite'}",
        }

    @property
    def storage(self) -> Storage:
        return Storage.open(str(self.storage_folder))

    @property
    def profiles(self) -> Profiles:
        return Profiles(self.inputs / "profiles", SECTIONS)

    def spec(self, name: str = TIMELINE, profile: str = "board") -> TimelineSpec:
        chunk = ChunkSpec(source=str(self.inputs / "clip.mp4"), start_ms=None, end_ms=None)
        return TimelineSpec(name=name, profile=profile, chunks=(chunk,), brands=str(self.inputs / "brands.yaml"))

    def register(self, name: str = TIMELINE, profile: str = "board") -> None:
        register(self.instance, self.storage, self.spec(name, profile), replace=True)

    def run(
        self,
        *stages: str,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
        environ: Mapping[str, str] | None = None,
        timeline: str = TIMELINE,
        **resources: Any,
    ) -> Ran:
        """Materialize the stages, all when none is named."""
        graph = definitions(self.environ | dict(environ or {}), **resources)
        result = graph.resolve_job_def(JOB).execute_in_process(
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "ops": {stage: {"config": dict(config)} for stage, config in (overrides or {}).items()},
            },
            instance=self.instance,
            partition_key=timeline,
            asset_selection=[dg.AssetKey(stage) for stage in stages] or None,
            raise_on_error=False,
        )
        return Ran(result)

    def table(self, stage: str, timeline: str = TIMELINE) -> StageTable:
        key = Keys.table(stage, timeline)
        return from_parquet(self.storage.get(key), key)

    def listing(self, folder: str = ".") -> dict[str, bytes]:
        """What is stored below the folder, previews left out: they are a run's own."""
        return listing(self.storage_folder / folder)


STAGING = re.compile("#[0-9]+$")
"""How a folder's store calls what it is still writing; no listing of its own shows it."""


def listing(root: Path) -> dict[str, bytes]:
    """What is stored below a folder, overlays left out; without what a killed process was just writing."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file() and "overlays" not in path.parts)
    stored = {str(path.relative_to(root)): path.read_bytes() for path in files if not STAGING.search(path.name)}
    return without_seconds(stored)


SECONDS = re.compile(rb'<td class="n seconds">[0-9.]+</td>')


def without_seconds(stored: Mapping[str, bytes]) -> dict[str, bytes]:
    """What is stored, without how long it took: that differs from run to run."""
    return {
        key: SECONDS.sub(b"", data) if key.endswith("report.html") else data
        for key, data in stored.items()
        if "/seconds/" not in f"/{key}"
    }


class Ran:
    """A run as its user sees it."""

    def __init__(self, result: dg.ExecuteInProcessResult) -> None:
        self.result = result
        self.success = result.success
        self.materialized = {
            event.asset_key.path[-1]: event.step_materialization_data.materialization
            for event in result.all_events
            if event.is_step_materialization and event.asset_key is not None
        }

    def metadata(self, stage: str) -> dict[str, Any]:
        return {name: value.value for name, value in self.materialized[stage].metadata.items()}

    def data_versions(self) -> dict[str, str]:
        return {stage: (made.tags or {})["dagster/data_version"] for stage, made in self.materialized.items()}

    def reused(self) -> dict[str, bool]:
        return {stage: bool(self.metadata(stage)["reused"]) for stage in self.materialized}

    def failures(self) -> dict[str, str]:
        """The sentence of each stage that failed."""
        failed = {}
        for event in self.result.all_events:
            if event.is_step_failure:
                data = event.step_failure_data
                error = data.error
                while error is not None and error.cause is not None:
                    error = error.cause
                said = data.user_failure_data.description if data.user_failure_data else error and error.message
                failed[str(event.step_key)] = str(said)
        return failed

    def is_final(self) -> bool:
        """Whether it says that run retries would fail for the same reason."""
        return self.result.dagster_run.tags.get("dagster/retry_on_asset_or_op_failure") == "false"

    def attempts_again(self) -> int:
        return sum(event.is_step_up_for_retry for event in self.result.all_events)


def see(world: World, *objects: tuple[int, str, tuple[int, int, int, int]], timeline: str = TIMELINE) -> bytes:
    """Put objects into the table of `detect_objects`, as an exported detector finds them: frame, label, box.

    Returns:
        The table as it was.
    """
    key = Keys.table("detect_objects", timeline)
    before = world.storage.get(key)
    stored = from_parquet(before, key)
    rows = [
        dict.fromkeys(stored.rows.columns)
        | dict(zip("xywh", box, strict=True))
        | {"seq": seq, "label": label, "confidence": 0.75, "engine": "onnx", "reference": "", "followed": False}
        | {"hint": False}
        for seq, label, box in objects
    ]
    more = pl.concat([stored.rows, pl.DataFrame(rows, stored.rows.schema)]).sort("seq", maintain_order=True)
    world.storage.put(key, to_parquet(StageTable(more, stored.header)))
    return before


@contextmanager
def seen(
    world: World, *objects: tuple[int, str, tuple[int, int, int, int]], timeline: str = TIMELINE
) -> Iterator[None]:
    """The same within the block only."""
    before = see(world, *objects, timeline=timeline)
    try:
        yield
    finally:
        world.storage.put(Keys.table("detect_objects", timeline), before)
