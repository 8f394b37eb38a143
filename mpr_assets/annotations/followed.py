"""Marks that an annotation tool followed over the frames of a video, and what they are on the timeline's clock.

The tools' files are read in `cvat_file` and `coco_file`. Frames are numbered from 0 in the order in which they are
shown, whatever the rate: when one is shown, the video says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu_service.boxes import XYWH
from gpu_service.errors import BadInput
from mpr_assets.annotations.truth import Kind, TimedBox, Truth, TruthRow


@dataclass(frozen=True)
class FollowedMark:
    """A brand's mark over some frames.

    Attributes:
        where: the file and the place in it, as messages say it.
        spans: (first frame, frame after the last, whether it may be missed there).
        boxes: in px of the frame, by frame.
        video: the name of the video, where the file tells it.
    """

    where: str
    brand: str
    kind: Kind | None
    spans: Sequence[tuple[int, int, bool]]
    boxes: Mapping[int, XYWH]
    video: str = ""


@dataclass(frozen=True)
class VideoFrames:
    """When the frames of a video are shown, and which spans of it a timeline has.

    Attributes:
        times_ms: when each frame begins on the source's clock, ascending, shape (frames,).
        end_ms: when the last one ends.
        chunks: (start_ms, end_ms, timeline_start_ms) of each chunk of this video.
    """

    name: str
    times_ms: NDArray[np.int64]
    end_ms: int
    chunks: Sequence[tuple[int, int, int]]

    def edge_ms(self, frame: int, where: str) -> int:
        """When a frame begins; of the number after the last, when the last one ends.

        Raises:
            BadInput: there is no such frame.
        """
        if frame > len(self.times_ms):
            what = f"there is no frame {frame - 1} in {self.name}, which has the frames 0 to {len(self.times_ms) - 1}"
            raise BadInput(f"{where}: {what}", "name the video that was annotated")
        return int(self.times_ms[frame]) if frame < len(self.times_ms) else self.end_ms

    def on_timeline(self, start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
        """The parts of a span of the source's clock that the timeline has, on the timeline's clock."""
        for chunk_start_ms, chunk_end_ms, timeline_start_ms in self.chunks:
            first_ms, last_ms = max(start_ms, chunk_start_ms), min(end_ms, chunk_end_ms)
            if first_ms < last_ms:
                shift_ms = timeline_start_ms - chunk_start_ms
                yield first_ms + shift_ms, last_ms + shift_ms


def truth_of(file: str, marks: Sequence[FollowedMark], videos: Sequence[VideoFrames]) -> Truth:
    """The marks as the truth of a timeline; what lies outside its chunks is left out.

    Args:
        videos: those that the timeline is made of.

    Raises:
        BadInput: a mark is of another video, or of a frame that is not there.
    """
    rows: list[TruthRow] = []
    boxes: defaultdict[str, list[TimedBox]] = defaultdict(list)
    for mark in marks:
        video = _video_of(mark, videos)
        for first, end, optional in mark.spans:
            for start_ms, end_ms in video.on_timeline(video.edge_ms(first, mark.where), video.edge_ms(end, mark.where)):
                told = {"brand": mark.brand, "start_ms": start_ms, "end_ms": end_ms, "optional": optional}
                rows.append(TruthRow.model_validate(told | {"kind": mark.kind}))
        for frame, box in mark.boxes.items():
            at_ms = video.edge_ms(frame, mark.where)
            boxes[mark.brand] += [(start_ms, *box) for start_ms, _ in video.on_timeline(at_ms, at_ms + 1)]
    rows.sort(key=lambda row: (row.start_ms, row.end_ms, row.brand))
    return Truth(file=file, rows=tuple(rows), boxes={brand: tuple(sorted(one)) for brand, one in sorted(boxes.items())})


def _video_of(mark: FollowedMark, videos: Sequence[VideoFrames]) -> VideoFrames:
    names = {one.name: one for one in videos}
    named = mark.video.replace("\\", "/").rpartition("/")[2]
    if named in names:
        return names[named]
    if len(videos) == 1 and not (named and "." in named):
        return videos[0]
    if len(videos) == 1:
        raise BadInput(
            f"{mark.where}: it is of the video {named!r}, and the timeline of {videos[0].name!r}",
            "give the file of that video, or rename the video in it",
        )
    raise BadInput(
        f"{mark.where}: it does not say of which of the timeline's videos it is", f"name one of {', '.join(names)}"
    )
