"""One stage at work on one timeline: what its body is given, and what it gives back. No Dagster here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import polars as pl
from pydantic import TypeAdapter, ValidationError

from gpu_service.errors import MprError, PermanentError
from gpu_service.routines import Inference, Reference
from mpr_assets.annotations.corrections import correction_references
from mpr_assets.engine.overrides import NO_OVERRIDES, Overrides
from mpr_assets.engine.settings import SettingsT
from mpr_assets.timelines.spec import TimelineSpec
from mpr_resources.brands.brand_file import BrandList, unique
from mpr_resources.cloud.paying import Label
from mpr_resources.database.connection import Database
from mpr_resources.media.sources import Sources
from mpr_resources.profiles.folder import Profiles
from mpr_resources.profiles.profile import Profile
from mpr_resources.progress import Progress, tracked
from mpr_resources.storage.journal import Journal
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.pictures import Frame, PictureCache, PictureFolder
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import StageTable, TableHeader, read_table

T = TypeVar("T")

FRAME_INDEX = "extract_frames"
"""The stage whose table says which frames a timeline has, and when each is."""
KEPT_FRAMES = "filter_scenes"
"""The stage whose table says which of them are looked at, and which of those stands for each."""


@dataclass(frozen=True)
class Result:
    """What a stage's body gives back.

    Attributes:
        rows: its table.
        counts: figures worth showing.
        content: hash of what it stored beside its table, where the table does not tell that apart.
        notes: sentences worth showing.
        nothing_to_do: why there was nothing to do in what the stage was given: it counts as skipped. Empty: there was.
    """

    rows: pl.DataFrame
    counts: dict[str, int | float] = field(default_factory=dict)
    content: str = ""
    notes: tuple[str, ...] = ()
    nothing_to_do: str = ""


@dataclass(frozen=True)
class _Took:
    """How long a table took to make."""

    fingerprint: str
    seconds: float


@dataclass(frozen=True)
class StageRun(Generic[SettingsT]):
    """One stage at work on one timeline: its settings, and the world it may touch.

    Attributes:
        overrides: what is not as the profile has it.
        only: the kept frames, by seq, that it is limited to, which stand for those of the overrides; None: all.
        run_id: of the Dagster run; empty outside of one.
        seen: the brands that are looked for, once somebody asked for them.
        switched_off: why the environment switches the stage off, or there is nothing to do; None: neither.
    """

    stage: str
    spec: TimelineSpec
    profile: Profile
    settings: SettingsT
    storage: Storage
    sources: Sources
    inference: Inference
    decodes_here: bool
    profiles: Profiles
    cache: PictureCache
    progress: Progress
    database: Database
    log: Callable[[str], None]
    overrides: Overrides = NO_OVERRIDES
    only: frozenset[int] | None = None
    fingerprint: str = ""
    run_id: str = ""
    seen: list[BrandList] = field(default_factory=list)
    switched_off: str | None = None

    @property
    def timeline(self) -> str:
        return self.spec.name

    @property
    def label(self) -> Label:
        """Whose requests to cloud providers its are."""
        return Label(self.timeline, self.stage, self.run_id or self.fingerprint[:16])

    @property
    def skipped(self) -> str | None:
        """Why the stage is not to be made; None: it is."""
        if self.settings.enabled:
            return self.switched_off
        by = "for this run" if "enabled" in self.overrides.settings else "in the profile"
        return f"{self.stage}.enabled is false {by}"

    def frames(
        self, index: StageTable, seqs: Sequence[int] | None = None, decode: bool | None = None
    ) -> Iterator[Frame]:
        """The frames of the index, or those of `seqs`, as a stream that tells its progress.

        `decode`: whether they come decoded, ahead of their use; None: where the routines are in this process.
        """
        decode = self.decodes_here if decode is None else decode
        rows = index.rows if seqs is None else index.rows.filter(pl.col("seq").is_in(list(seqs)))
        times_ms = dict(rows.select("seq", "timeline_ms").iter_rows())
        folder = self.frame_folder(index.header.fingerprint)
        if len(times_ms) == 1:  # to start threads takes longer than to read one frame
            pictures = iter([(seq, folder.read(seq, decode=decode)) for seq in times_ms])
        else:
            pictures = folder.stream(times_ms, decode=decode)
        for seq, picture in self.tracked(pictures, len(times_ms)):
            yield Frame(seq, times_ms[seq], picture)

    def kept_frames(self, index: StageTable, scenes: StageTable) -> Iterator[Frame]:
        """The frames that `filter_scenes` kept, of those that the run is limited to."""
        return self.frames(index, self.limited(scenes.rows.filter("kept"))["seq"].to_list())

    def limited(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows of the frames that the run is limited to."""
        return rows if self.only is None else rows.filter(pl.col("seq").is_in(sorted(self.only)))

    def frame_folder(self, fingerprint: str) -> PictureFolder:
        """Where the frames lie of the `extract_frames` run that has this fingerprint."""
        return PictureFolder(self.storage, Keys.frames(self.timeline, fingerprint), "jpg", self.cache, FRAME_INDEX)

    def crop_folder(self, fingerprint: str) -> PictureFolder:
        """Where the crops lie of the `preprocess` run that has this fingerprint."""
        return PictureFolder(self.storage, Keys.crops(self.timeline, fingerprint), "png", self.cache, "preprocess")

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        """What the stage has finished under this fingerprint; where the block is broken off, all of it is written."""
        journal = Journal(self.storage, f"{Keys.parts(self.timeline, self.stage)}/{self.fingerprint[:16]}")
        try:
            yield journal
        except BaseException:
            with suppress(MprError):  # the error that interrupted it is reported
                journal.flush()
            raise

    def forget_others(self, folder: Callable[[str, str], str]) -> None:
        """Delete the folders of this kind that neither this run nor the stored table needs."""
        needed = {folder(self.timeline, self.fingerprint)}
        with suppress(PermanentError):  # nothing is stored yet, or nothing that can be read
            needed.add(folder(self.timeline, self.stored(self.stage).header.fingerprint))
        parent = folder(self.timeline, "").rstrip("/")
        old = [key for key in self.storage.list(parent) if not any(key.startswith(f"{one}/") for one in needed)]
        self.storage.delete(old)

    def brand_list(self) -> BrandList:
        """The brands that are looked for; see `Profiles.brand_list`. The same for the whole run, whoever changes them
        meanwhile."""
        if not self.seen:
            self.seen.append(self.profiles.brand_list(self.profile, self._brand_file))
        return self.seen[0]

    def listed(self) -> BrandList:
        """Those of them that a brand file or a folder of logos names."""
        return self.profiles.listed(self.profile, self._brand_file)

    def references(self) -> list[Reference]:
        """The reference pictures of those brands, and those that corrections of the timeline gave."""
        found = self.profiles.references(self.profile, self._brand_file)
        told = correction_references(self.storage, self.timeline)
        return unique([*found, *told]) if told else found

    @property
    def _brand_file(self) -> Path | None:
        return Path(self.spec.brands) if self.spec.brands else None

    def stored_upstream(self, stages: Iterable[str]) -> list[StageTable]:
        """What is stored of these stages and of all that their tables were made from, in the profile's order."""
        found: dict[str, StageTable] = {}
        waiting = list(stages)
        while waiting:
            name = waiting.pop()
            if name not in found and self.storage.exists(Keys.table(name, self.timeline)):
                found[name] = self.stored(name)
                waiting += set(found[name].header.upstream) & set(self.profile.stages)
        return [found[name] for name in self.profile.stages if name in found]

    def stored(self, stage: str) -> StageTable:
        """What is stored of a stage of this timeline.

        Raises:
            MissingObject: nothing is.
        """
        return read_table(self.storage, stage, self.timeline)

    def keep_seconds(self, header: TableHeader, seconds: float) -> None:
        """Store how long the stage took to make this table."""
        took = _Took(header.fingerprint, round(seconds, 3))
        self.storage.put(Keys.seconds(self.timeline, header.stage), TypeAdapter(_Took).dump_json(took))

    def seconds_of(self, header: TableHeader) -> float | None:
        """How long the table took to make; None where that is not known any more."""
        return seconds_of(self.storage, self.timeline, header)

    def tracked(self, items: Iterable[T], total: int, unit: str = "frames") -> Iterator[T]:
        return tracked(self.progress, self.stage, items, total, unit)


def seconds_of(storage: Storage, timeline: str, header: TableHeader) -> float | None:
    """How long a stored table took to make; None where that is not known any more."""
    try:
        took = TypeAdapter(_Took).validate_json(storage.get(Keys.seconds(timeline, header.stage)))
    except (MissingObject, ValidationError):  # it is told beside the results, which do not hang on it
        return None
    return took.seconds if took.fingerprint == header.fingerprint else None
