"""How the picture changes between the last sample of a file and the first of the next one, which goes on where it ends.

As `frames` tells it within a file: by the frames that the decoder passes. It runs in the process of
`mpr_resources.media.fence`, and imports little.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from av.video.frame import VideoFrame

from mpr_assets.sampling.frames import ChunkRow
from mpr_resources.media.abrupt_changes import Changes
from mpr_resources.media.decoding import Media, open_media
from mpr_resources.media.sources import Sources


@dataclass(frozen=True)
class FileChange:
    """How the picture changes from a sample of one file to one of the next.

    `cut_pts`, `panned`: see `mpr_resources.media.abrupt_changes.PictureChange`.

    Attributes:
        time_base_num, time_base_den: of the seconds that a unit of pts lasts in the windows' files.
    """

    cut_pts: int | None
    panned: bool
    time_base_num: int
    time_base_den: int


def change_between(
    before: ChunkRow, last_pts: int, after: ChunkRow, first_pts: int, sources: Sources
) -> Iterator[FileChange]:
    """How the picture changed from one file's last sample to the first of the next, which goes on with its clock."""
    changes = Changes()
    with open_media(sources.at(before["source"]), 0, before["place"]) as media:
        _see(changes, media, last_pts, None)
    changes.until(last_pts)
    with open_media(sources.at(after["source"]), 0, after["place"]) as media:
        _see(changes, media, first_pts, first_pts)
        base = media.time_base
    change = changes.until(first_pts)
    yield FileChange(change.cut_pts, change.panned, base.numerator, base.denominator)


def _see(changes: Changes, media: Media, start_pts: int, end_pts: int | None) -> None:
    """Decode from one picture to another. `end_pts`: None: to the file's last."""
    times = media.times(media.ms(start_pts), None)
    wanted = sorted({start_pts, int(times.pts[-1]) if end_pts is None else end_pts})

    def passing(frame: VideoFrame) -> None:
        changes.add(frame, media.geometry(frame))

    for _ in media.pictures(wanted, times, deinterlace="never", allow_damage=True, passing=passing):
        pass
