"""The commands `correct` and `corrections`: what a person says that runs got wrong, kept and shown."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from gpu_service.errors import BadInput
from mpr_assets.annotations.corrections import (
    Correction,
    forget_corrections,
    keep_corrections,
    read_corrections,
)
from mpr_assets.corrections.asked import AskedCorrection
from mpr_assets.corrections.correction_files import read_correction_file
from mpr_assets.corrections.given import corrections_of
from mpr_assets.corrections.timeline_state import replay_from, state_of
from mpr_assets.definitions import profiles_folder
from mpr_assets.runs.local_storage import storage
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import terminal
from mpr_cli.arguments import Timeline, composed
from mpr_cli.document import Document
from mpr_resources.media.clock import clock
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage

app = typer.Typer()


@dataclass(frozen=True)
class ShownCorrection:
    """`name`: what `--remove` takes. `to`: the brand that it really is, empty but for `relabel`. `box`: x, y, w, h in
    px of the frame; null where it is of all places. `reference`: the key of the reference picture; empty: none.
    """

    name: str
    action: str
    brand: str
    to: str
    start_ms: int
    end_ms: int
    box: list[int] | None
    reference: str
    note: str


@dataclass(frozen=True)
class ShownCorrections(Document):
    """`corrections`: all of the timeline. `new`: how many of them the command has added."""

    timeline: str
    new: int
    corrections: list[ShownCorrection]

    def show(self) -> None:
        if not self.corrections:
            terminal.out.print(f"The timeline {self.timeline} has no correction; give some with mpr correct FILE.")
            return
        table = Table(box=None, pad_edge=False)
        for name in ("name", "action", "brand", "from", "to", "box", "note"):
            table.add_column(name)
        for one in self.corrections:
            brand = f"{one.brand} → {one.to}" if one.to else one.brand
            box = "" if one.box is None else "{},{} {}x{}".format(*one.box)
            table.add_row(one.name, one.action, brand, clock(one.start_ms), clock(one.end_ms), box, one.note)
        terminal.out.print(table)


@dataclass(frozen=True)
class CorrectionsGiven(Document):
    """What was added to each timeline, by name. `replay_from`: the stage from which its run has them."""

    timelines: list[ShownCorrections]
    replay_from: dict[str, str]

    def show(self) -> None:
        for one in self.timelines:
            what = f"{one.new or 'no'} new correction{'' if one.new == 1 else 's'}"
            terminal.out.print(f"{one.timeline}: {what}, {len(one.corrections)} in all.")
            terminal.out.print(f"To apply: mpr replay {one.timeline} {self.replay_from[one.timeline]}")


@app.command()
def correct(
    file: Annotated[Path, typer.Argument(help="CSV with timeline,action,brand,…; docs/evaluation.md has the columns")],
) -> CorrectionsGiven:
    """Correct what runs got wrong: marks that were missed, that are not there, or are another brand."""
    store = storage()
    asked: dict[str, list[AskedCorrection]] = {}
    for one in read_correction_file(file):
        asked.setdefault(composed(one.timeline) or one.timeline, []).append(one)
    profiles = profiles_folder(os.environ)
    # All of the file is held against its timelines before anything of it is kept.
    told = {
        timeline: corrections_of(lines, state_of(store, profiles, timeline, lines[0].where))
        for timeline, lines in asked.items()
    }
    shown = []
    for timeline, given in told.items():
        before = {one.name for one in read_corrections(store, timeline)}
        keep_corrections(store, timeline, given)
        shown.append(_shown(store, timeline, len({one.name for one, _ in given} - before)))
    return CorrectionsGiven(shown, {timeline: replay_from(one for one, _ in given) for timeline, given in told.items()})


@app.command()
def corrections(
    timeline: Timeline,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="NAME", help="remove this correction, repeatable")
    ] = None,
) -> ShownCorrections:
    """List a timeline's corrections, or remove some."""
    store = storage()
    load_spec(store, timeline)
    kept = {one.name: one for one in read_corrections(store, timeline)}
    for name in remove or ():
        if name not in kept:
            raise BadInput(
                f"The timeline {timeline!r} has no correction {name!r}", f"mpr corrections {timeline} lists them"
            )
    forget_corrections(store, timeline, [kept[name] for name in remove or ()])
    return _shown(store, timeline, 0)


def _shown(store: Storage, timeline: str, new: int) -> ShownCorrections:
    rows = [_row(timeline, one) for one in read_corrections(store, timeline)]
    return ShownCorrections(timeline, new, rows)


def _row(timeline: str, one: Correction) -> ShownCorrection:
    box = None if one.box is None else [one.box.x, one.box.y, one.box.w, one.box.h]
    reference = Keys.correction(timeline, f"{one.name}.png") if one.picture else ""
    return ShownCorrection(one.name, one.action, one.brand, one.to, one.start_ms, one.end_ms, box, reference, one.note)
