"""The command `similar`: where else a mark is that one example shows, and how it becomes a reference or an alias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import polars as pl
import typer
from rich.table import Table

from gpu_service.errors import BadInput
from gpu_service.pictures import Image, Picture, encode_png
from gpu_service.routines import Inference, Reference
from mpr_assets.runs.local_storage import storage
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import brands, terminal
from mpr_cli.arguments import Timeline
from mpr_cli.document import Document
from mpr_resources.brands.registry.entries import BrandRecord
from mpr_resources.environment import user_name
from mpr_resources.media.clock import clock
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject
from mpr_resources.storage.tables import StageTable, read_table

if TYPE_CHECKING:
    from gpu_service.routines.vectors import VectorSettings
    from mpr_resources.storage.pictures import PictureFolder

app = typer.Typer()

FRAMES = "extract_frames"
SHEET = "similar.png"


@dataclass(frozen=True)
class SimilarPlace:
    """`box`: x, y, w, h in px of the frame `seq`; `likeness`: -1 to 1; `text`: what was read there, or empty."""

    seq: int
    at_ms: int
    box: list[int]
    likeness: float
    text: str


@dataclass(frozen=True)
class SimilarPlaces(Document):
    """`looked_at`: places that were compared. `places`: the likest first. `sheet`: where the contact sheet is.
    `reference_of`: the brand that has the picture as a reference now; `alias`: the text that means `alias_of` now;
    empty where not asked for. `replay_from`: the stage from which the next run knows it, empty where nothing changed.
    """

    timeline: str
    looked_at: int
    places: list[SimilarPlace]
    sheet: str
    reference_of: str
    alias: str
    alias_of: str
    replay_from: str

    def show(self) -> None:
        if not self.places:
            terminal.out.print(f"None of {self.looked_at} places of {self.timeline} is like it.")
        else:
            table = Table(box=None, header_style="bold", pad_edge=False)
            for heading in ("at", "frame", "box", "likeness", "read"):
                table.add_column(heading, justify="right" if heading in ("frame", "likeness") else "left")
            for one in self.places:
                box = "{},{},{},{}".format(*one.box)
                table.add_row(clock(one.at_ms), str(one.seq), box, f"{one.likeness:.2f}", one.text)
            terminal.out.print(table)
        terminal.out.print(f"\nContact sheet: {self.sheet}", soft_wrap=True)
        if self.reference_of:
            terminal.out.print(f"The picture is a reference of {self.reference_of}.")
        if self.alias:
            terminal.out.print(f"{self.alias} means {self.alias_of}.")
        if self.replay_from:
            terminal.out.print(f"To find it everywhere: mpr replay {self.timeline} {self.replay_from}")


@dataclass(frozen=True)
class _Asked:
    """The picture that was asked for. `text`: what was read there; empty: nothing, or it is of a file."""

    picture: Image
    text: str = ""


@app.command()
def similar(
    timeline: Timeline,
    what: Annotated[str, typer.Argument(metavar="SEQ|PICTURE", help="number of a frame, or a picture file")],
    box: Annotated[str | None, typer.Argument(metavar="[X,Y,W,H]", help="the mark's box in the frame, in px")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="places at most")] = 20,
    least: Annotated[float, typer.Option(min=-1, max=1, help="likeness at least, -1 to 1")] = 0.7,
    make_reference: Annotated[
        str | None, typer.Option("--make-reference", metavar="BRAND", help="make it a reference picture of this brand")
    ] = None,
    alias: Annotated[
        str | None, typer.Option(metavar="BRAND", help="make what was read in the box an alias of this brand")
    ] = None,
) -> SimilarPlaces:
    """Find the places of a timeline that look like a box in a frame, or like a picture, with a contact sheet."""
    from gpu_service.routines.vectors import VECTORS, VectorSettings
    from gpu_service.wire import NoItem
    from mpr_assets.crops.similar import contact_sheet, cut_out, most_alike
    from mpr_assets.runs.local_instance import resources
    from mpr_resources.storage.pictures import PictureCache, PictureFolder

    store = storage()
    load_spec(store, timeline)
    tables = _tables(timeline)
    index = tables["extract_frames"]
    frames = PictureFolder(store, Keys.frames(timeline, index.header.fingerprint), "jpg", PictureCache(), FRAMES)
    times_ms = dict(index.rows.select("seq", "timeline_ms").iter_rows())
    asked = _asked(timeline, what, box, frames, times_ms, tables["run_ocr"].rows)
    if alias is not None and not asked.text:
        raise BadInput("Nothing was read in the box", "give a box around text, or use --make-reference")
    inference, settings = resources().inference, VectorSettings()
    table = _vectors(timeline, tables, frames, inference, settings)
    [(_, answer)] = inference.map(VECTORS, [(None, Picture(pixels=asked.picture), NoItem())], settings)
    alike = most_alike(table, answer.values, least, limit)
    shown = ((cut_out(frames.read(one.seq).pixels, one.box), one, times_ms[one.seq]) for one in alike)
    sheet = Keys.report(timeline, SHEET)
    store.put(sheet, encode_png(contact_sheet(asked.picture, shown)))
    if make_reference is not None:
        _add_reference(make_reference, asked.picture, f"{timeline} {Path(what).name}.png")
    if alias is not None:
        _add_alias(alias, asked.text)
    return SimilarPlaces(
        timeline=timeline,
        looked_at=table.height,
        places=[SimilarPlace(one.seq, times_ms[one.seq], list(one.box), one.likeness, one.text) for one in alike],
        sheet=store.where(sheet),
        reference_of=make_reference or "",
        alias=asked.text if alias is not None else "",
        alias_of=alias or "",
        replay_from="detect_objects" if make_reference else "match_brands" if alias else "",
    )


def _tables(timeline: str) -> dict[str, StageTable]:
    try:
        return {name: read_table(storage(), name, timeline) for name in (FRAMES, "preprocess", "run_ocr")}
    except MissingObject as error:
        raise BadInput(f"Not all of the timeline {timeline!r} is stored that is compared", "run it first") from error


def _vectors(
    timeline: str,
    tables: Mapping[str, StageTable],
    frames: PictureFolder,
    inference: Inference,
    settings: VectorSettings,
) -> pl.DataFrame:
    """The vectors of the timeline's places as they are stored; made where they are not there, or made otherwise."""
    from gpu_service.routines.vectors import VECTORS
    from mpr_assets.crops.similar import from_parquet, places, to_parquet, with_vectors

    store, key = storage(), Keys.vectors(timeline)
    made_by = " ".join(
        [inference.identity(VECTORS, settings), *(table.header.data_version for table in tables.values())]
    )
    try:
        known = from_parquet(store.get(key), made_by)
    except MissingObject:
        known = None
    if known is not None:
        return known
    found = places(tables["preprocess"].rows, tables["run_ocr"].rows)
    terminal.out.print(f"Looking at {found.height} places of {timeline}; they are known the next time.")
    table = with_vectors(found, frames, inference, settings)
    store.put(key, to_parquet(table, made_by))
    return table


def _asked(
    timeline: str, what: str, box: str | None, frames: PictureFolder, times_ms: Mapping[int, int], lines: pl.DataFrame
) -> _Asked:
    from gpu_service.routines.reference_check import read_picture
    from mpr_assets.crops.similar import cut_out, text_in

    if box is None:
        if what.isdecimal() and not Path(what).exists():
            raise BadInput(
                f"The frame {what} is given without a box", f"say where: mpr similar {timeline} {what} X,Y,W,H"
            )
        return _Asked(read_picture(Path(what)).pixels)
    sides = [int(side) for side in box.split(",") if side.strip().isdecimal()]
    if len(sides) != 4 or box.count(",") != 3:
        raise BadInput(f"{box!r} is no box", "give X,Y,W,H in whole pixels of the frame, like 120,40,300,80")
    if not what.isdecimal() or int(what) not in times_ms:
        raise BadInput(f"The timeline {timeline!r} has no frame {what!r}", f"its frames are 0 to {max(times_ms)}")
    place = (sides[0], sides[1], sides[2], sides[3])
    return _Asked(cut_out(frames.read(int(what)).pixels, place), text_in(lines, int(what), place))


def _add_reference(brand: str, picture: Image, name: str) -> None:
    reference = Reference(brand, name, encode_png(picture))
    brands.registry().put([BrandRecord(brand, pictures=(reference,))], user_name())


def _add_alias(brand: str, text: str) -> None:
    brands.registry().put([BrandRecord(brand, aliases=(text,))], user_name())
