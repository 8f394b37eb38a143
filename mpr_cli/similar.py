"""The command `similar`: where else a mark is that one example shows, and how it becomes a reference or an alias."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from gpu_service.errors import BadInput
from gpu_service.pictures import Image, encode_png
from gpu_service.routines import Reference
from mpr_assets.runs.local_storage import storage
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import brands, terminal
from mpr_cli.arguments import Timeline
from mpr_cli.document import Document
from mpr_resources.brands.registry.entries import BrandRecord
from mpr_resources.environment import user_name
from mpr_resources.media.clock import clock
from mpr_resources.storage.keys import Keys

if TYPE_CHECKING:
    from mpr_assets.crops.vector_store import TimelinePlaces

app = typer.Typer()

SHEET = "similar.png"
LEAST_GREY_LEVELS = 2.0
"""Standard deviation of a picture's strongest colour below which it shows nothing but noise."""


@dataclass(frozen=True)
class SimilarPlace:
    """`box`: x, y, w, h in px of the frame `seq`; `likeness`: -1 to 1; `text`: what was read there, or empty."""

    timeline: str
    seq: int
    at_ms: int
    box: list[int]
    likeness: float
    text: str


@dataclass(frozen=True)
class SimilarPlaces(Document):
    """`timelines`: how many were looked through. `looked_at`: places that were compared. `places`: the likest first.
    `sheet`: where the contact sheet is.
    `reference_of`: the brand that has the picture as a reference now; `alias`: the text that means `alias_of` now;
    empty where not asked for. `replay_from`: the stage from which the next run knows it, empty where nothing changed;
    `stale`: the stages that are stale now, in order.
    """

    timeline: str
    timelines: int
    looked_at: int
    places: list[SimilarPlace]
    sheet: str
    reference_of: str
    alias: str
    alias_of: str
    replay_from: str
    stale: list[str]

    def show(self) -> None:
        where = self.timeline if self.timelines == 1 else f"{self.timelines} timelines"
        if not self.places:
            terminal.out.print(f"None of {self.looked_at} places of {where} is like it.")
        else:
            table = Table(box=None, header_style="bold", pad_edge=False)
            for heading in ("timeline", "at", "frame", "box", "likeness", "read"):
                table.add_column(heading, justify="right" if heading in ("frame", "likeness") else "left")
            for one in self.places:
                box = "{},{},{},{}".format(*one.box)
                table.add_row(one.timeline, clock(one.at_ms), str(one.seq), box, f"{one.likeness:.2f}", one.text)
            terminal.out.print(table)
        terminal.out.print(f"\nContact sheet: {self.sheet}", soft_wrap=True)
        if self.reference_of:
            terminal.out.print(f"The picture is a reference of {self.reference_of}.")
        if self.alias:
            terminal.out.print(f"{self.alias} means {self.alias_of}.")
        if self.replay_from:
            terminal.out.print(f"Stale now: {', '.join(self.stale)}.")
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
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="look through all timelines that were run, this one first")
    ] = False,
    make_reference: Annotated[
        str | None, typer.Option("--make-reference", metavar="BRAND", help="make it a reference picture of this brand")
    ] = None,
    alias: Annotated[
        str | None, typer.Option(metavar="BRAND", help="make what was read in the box an alias of this brand")
    ] = None,
) -> SimilarPlaces:
    """Find the places of a timeline that look like a box in a frame, or like a picture, with a contact sheet."""
    from gpu_service.routines.vectors import VectorSettings
    from mpr_assets.crops.similar import contact_sheet, cut_out
    from mpr_assets.crops.vector_store import ManyPlaces, run_timelines, timeline_places
    from mpr_assets.runs.local_instance import resources

    store = storage()
    load_spec(store, timeline)
    inference, settings = resources().inference, VectorSettings()
    first = timeline_places(store, timeline, inference, settings, terminal.out.print)
    asked = _asked(first, what, box)
    if alias is not None and not asked.text:
        raise BadInput("Nothing was read in the box", "give a box around text, or use --make-reference")
    others = [one for one in run_timelines(store) if one != timeline] if everywhere else []
    many = ManyPlaces(
        [first, *(timeline_places(store, one, inference, settings, terminal.out.print) for one in others)]
    )
    alike = many.likest(store, asked.picture, inference, settings, least, limit)
    shown = (
        (cut_out(of.frames.read(one.seq).pixels, one.box), one, of.times_ms[one.seq])
        for one in alike
        for of in [many.of(one.timeline)]
    )
    sheet = Keys.report(timeline, SHEET)
    store.put(sheet, encode_png(contact_sheet(asked.picture, shown)))
    if make_reference is not None:
        _add_reference(make_reference, asked.picture, f"{timeline} {Path(what).name}.png")
    if alias is not None:
        _add_alias(alias, asked.text)
    return SimilarPlaces(
        timeline=timeline,
        timelines=len(many.timelines),
        looked_at=many.table.height,
        places=[
            SimilarPlace(
                one.timeline,
                one.seq,
                many.of(one.timeline).times_ms[one.seq],
                list(one.box),
                one.likeness,
                one.text,
            )
            for one in alike
        ],
        sheet=store.where(sheet),
        reference_of=make_reference or "",
        alias=asked.text if alias is not None else "",
        alias_of=alias or "",
        replay_from=_first(stale := _stale(timeline) if make_reference or alias else []),
        stale=stale,
    )


def _first(stages: list[str]) -> str:
    return stages[0] if stages else ""


def _stale(timeline: str) -> list[str]:
    """The stages of a timeline that would come out differently now."""
    from mpr_assets.definitions import STAGES
    from mpr_assets.freshness.judge import StageState
    from mpr_assets.freshness.stored import judge_stored
    from mpr_assets.runs.local_instance import resources

    verdicts = judge_stored(STAGES, timeline, resources(), logging.getLogger("mpr"))
    return [one.stage for one in verdicts if one.state is StageState.STALE]


def _asked(places: TimelinePlaces, what: str, box: str | None) -> _Asked:
    from gpu_service.routines.reference_check import read_picture
    from mpr_assets.crops.similar import cut_out, text_in

    timeline = places.timeline
    if box is None:
        if what.isdecimal() and not Path(what).exists():
            raise BadInput(
                f"The frame {what} is given without a box", f"say where: mpr similar {timeline} {what} X,Y,W,H"
            )
        picture = read_picture(Path(what)).pixels
        height, width = picture.shape[:2]
        return _Asked(_with_something(cut_out(picture, (0, 0, width, height)), what))
    sides = [int(side) for side in box.split(",") if side.strip().isdecimal()]
    if len(sides) != 4 or box.count(",") != 3:
        raise BadInput(f"{box!r} is no box", "give X,Y,W,H in whole pixels of the frame, like 120,40,300,80")
    if not what.isdecimal() or int(what) not in places.times_ms:
        raise BadInput(
            f"The timeline {timeline!r} has no frame {what!r}", f"its frames are 0 to {max(places.times_ms, default=0)}"
        )
    place = (sides[0], sides[1], sides[2], sides[3])
    cut = cut_out(places.frames.read(int(what)).pixels, place)
    return _Asked(_with_something(cut, f"The box {box}"), text_in(places.lines, int(what), place))


def _with_something(picture: Image, what: str) -> Image:
    if float(picture.std(axis=(0, 1)).max()) < LEAST_GREY_LEVELS:
        raise BadInput(f"{what} is of one colour: nothing is to be seen in it", "give one that shows a mark")
    return picture


def _add_reference(brand: str, picture: Image, name: str) -> None:
    reference = Reference(brand, name, encode_png(picture))
    brands.registry().put([BrandRecord(brand, pictures=(reference,))], user_name())


def _add_alias(brand: str, text: str) -> None:
    brands.registry().put([BrandRecord(brand, aliases=(text,))], user_name())
