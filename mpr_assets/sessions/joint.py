"""What the picture does between the last sample of a window and the first of the next: whether the shot goes on.

It is told as `extract_frames` and `filter_scenes` tell it within a timeline, from the same frames, so that a session's
windows have the shots of the recording as one file. How their tables are joined is in `joined`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from gpu_service.pictures import Picture
from mpr_assets.engine.stage_run import FRAME_INDEX, KEPT_FRAMES
from mpr_assets.sampling.between_files import FileChange, change_between
from mpr_assets.sessions.session import Window, timeline_of
from mpr_assets.sessions.session_store import SessionStore
from mpr_assets.stages.extract_frames import chunk_rows
from mpr_assets.stages.filter_scenes import FilterScenesSettings, one_shot
from mpr_resources.media.fence import fenced
from mpr_resources.media.sources import Sources
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.pictures import PictureCache, PictureFolder
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import StageTable, read_table

GAP_MS = 100
"""Windows that are so little apart follow one another: pictures last for a while, and times are rounded."""


@dataclass(frozen=True)
class Joint:
    """Between a window and the one before it.

    Attributes:
        goes_on: whether its first shot is the one that the window before ended with.
        cut_ms: when the picture changed abruptly since the last sample, on the session's clock; None: it did not.
    """

    goes_on: bool = False
    cut_ms: int | None = None


def follows(before: Window, after: Window) -> bool:
    """Whether the one window begins where the other ended, in pictures of the same size."""
    return (
        after.number == before.number + 1
        and after.epoch.number == before.epoch.number
        and abs(after.start_ms - before.end_ms) <= GAP_MS
        and (after.width_px, after.height_px) == (before.width_px, before.height_px)
    )


def joint(store: SessionStore, window: Window) -> Joint:
    """Between a window that was just analysed and the one before it.

    The frames and files of both must still be stored; where they are not, a shot begins.

    Raises:
        MprError: one of the files cannot be decoded.
    """
    before = store.window(window.number - 1) if window.number else None
    if before is None or not follows(before, window):
        return Joint()
    names = [timeline_of(store.name, one) for one in (before.number, window.number)]
    try:
        indexes = [read_table(store.storage, FRAME_INDEX, name) for name in names]
        chunks = [chunk_rows(read_table(store.storage, "timeline", name).rows)[0] for name in names]
        scenes = read_table(store.storage, KEPT_FRAMES, names[1])
        if any(index.rows.is_empty() for index in indexes):
            return Joint()
        seqs = int(indexes[0].rows["seq"][-1]), int(indexes[1].rows["seq"][0])
        pictures = [
            picture_folder(store.storage, name, index, PictureCache()).read(seq)
            for name, index, seq in zip(names, indexes, seqs, strict=True)
        ]
    except MissingObject:  # the window before was not analysed, or what it left was cleared
        return Joint()
    last_pts, first_pts = int(indexes[0].rows["source_pts"][-1]), int(indexes[1].rows["source_pts"][0])
    [change] = fenced(FileChange, change_between, chunks[0], last_pts, chunks[1], first_pts, Sources())
    return _told(window, change, pictures, scenes)


def _told(window: Window, change: FileChange, pictures: list[Picture], scenes: StageTable) -> Joint:
    known = FilterScenesSettings.model_fields.keys() & scenes.header.settings.keys()
    settings = FilterScenesSettings.model_validate({name: scenes.header.settings[name] for name in known})
    before, after = (one.pixels for one in pictures)
    is_cut = change.cut_pts is not None
    goes_on = one_shot(before, after, settings, cut_between=is_cut, panned=change.panned)
    if change.cut_pts is None:
        return Joint(goes_on)
    at_s = change.cut_pts * Fraction(change.time_base_num, change.time_base_den)
    return Joint(goes_on, window.epoch.session_ms(round(at_s / window.epoch.time_base)))


def picture_folder(storage: Storage, timeline: str, index: StageTable, cache: PictureCache) -> PictureFolder:
    """The frames of a window's timeline."""
    return PictureFolder(storage, Keys.frames(timeline, index.header.fingerprint), "jpg", cache, FRAME_INDEX)
