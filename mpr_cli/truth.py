"""The command `truth`: what is really on screen in a timeline, for `evaluation` to hold the report against."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

import polars as pl
import typer

from gpu_service.errors import BadInput
from mpr_assets.annotations.followed import VideoFrames
from mpr_assets.annotations.stored import read_truth, store_truth
from mpr_assets.annotations.truth import Truth
from mpr_assets.annotations.truth_files import read_truth_file, with_boxes
from mpr_assets.runs.local_storage import storage
from mpr_assets.stages.timeline import resolve
from mpr_assets.timelines.chunks import stream_place, timeline_ms
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import terminal
from mpr_cli.arguments import Timeline
from mpr_cli.document import Document
from mpr_resources.environment import s3_endpoint_url
from mpr_resources.media.fenced_reading import picture_times_ms, probed
from mpr_resources.media.sources import Sources
from mpr_resources.storage.keys import Keys

app = typer.Typer()


@dataclass(frozen=True)
class ShownTruth(Document):
    """`present`: whether there is a truth. `file`: the name of the file that it was read from. `rows`: stays on screen,
    `optional` of which may be missed. `boxes`: how many the truth has. `stored`: where it is kept.
    """

    timeline: str
    present: bool
    file: str
    rows: int
    optional: int
    brands: list[str]
    boxes: int
    stored: str

    def show(self) -> None:
        if not self.present:
            terminal.out.print(
                f"The timeline {self.timeline} has no truth; give one with mpr truth {self.timeline} FILE."
            )
            return
        may = f", {self.optional} of which may be missed" if self.optional else ""
        stays = f"{self.rows} stay{'' if self.rows == 1 else 's'} on screen{may}"
        names = f": {', '.join(self.brands)}" if self.brands else ""
        boxes = f" {self.boxes} boxes." if self.boxes else ""
        terminal.out.print(f"Truth from {self.file}: {stays}{names}.{boxes}")
        terminal.out.print(f"Kept at {self.stored}", soft_wrap=True)
        terminal.out.print(f"To evaluate: mpr replay {self.timeline} evaluation")


@app.command()
def truth(
    timeline: Timeline,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="CSV with brand,start_s,end_s,kind,note, CVAT for video or COCO; without it, the one kept is shown"
        ),
    ] = None,
    boxes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV with brand,at_s,x,y,w,h: boxes of some or all frames")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="remove the truth that is kept")] = False,
) -> ShownTruth:
    """Give a timeline the truth of what is on screen, which `evaluation` holds its report against."""
    store = storage()
    spec = load_spec(store, timeline)
    if remove:
        if file is not None:
            raise BadInput(f"{file} cannot be kept and removed at once", "leave the file or --remove out")
        store.delete([Keys.truth(timeline)])
    if file is None and boxes is not None:
        raise BadInput(f"{boxes} holds boxes alone", f"give the truth too: mpr truth {timeline} FILE --boxes {boxes}")
    if file is not None:
        sources = Sources(s3_endpoint_url(os.environ))
        chunks = resolve(spec, lambda address, stream: probed(sources.at(address), stream))
        length_ms = timeline_ms(chunks)
        told = read_truth_file(file, length_ms, lambda: _videos(chunks, sources))
        store_truth(store, timeline, told if boxes is None else with_boxes(told, boxes, length_ms))
    return _shown(timeline, read_truth(store, timeline), store.where(Keys.truth(timeline)))


def _videos(chunks: pl.DataFrame, sources: Sources) -> list[VideoFrames]:
    """When the frames of the timeline's videos are shown."""
    videos = []
    for (source,), spans in chunks.group_by("source", maintain_order=True):
        times_ms = picture_times_ms(sources.at(str(source)), stream_place(spans.row(0, named=True)))
        parts = list(spans.select("start_ms", "end_ms", "timeline_start_ms").iter_rows())
        name = PurePosixPath(str(source).replace("\\", "/")).name
        videos.append(VideoFrames(name, times_ms, int(spans["duration_ms"][0]), parts))
    return videos


def _shown(timeline: str, kept: Truth | None, where: str) -> ShownTruth:
    if kept is None:
        return ShownTruth(timeline, False, "", 0, 0, [], 0, "")
    brands = sorted({row.brand for row in kept.rows}, key=str.casefold)
    optional = sum(row.optional for row in kept.rows)
    boxes = sum(map(len, kept.boxes.values()))
    return ShownTruth(timeline, True, kept.file, len(kept.rows), optional, brands, boxes, where)
