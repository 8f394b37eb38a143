"""The command `why`: from a figure back to the frame that proves it, and what made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Annotated

import typer

from gpu_service.errors import BadInput
from mpr_assets.definitions import BY_NAME, SECTIONS
from mpr_assets.engine.open_run import stage_run
from mpr_assets.engine.overrides import NO_OVERRIDES
from mpr_assets.evidence.found import FoundDetection
from mpr_assets.evidence.moment import REPORT
from mpr_assets.evidence.told import ShownMaker, ToldWhy, told_why
from mpr_assets.evidence.why import why
from mpr_assets.runs.history import read_entries
from mpr_assets.runs.local_instance import LOG, PATIENCE_S, dagster_instance, resources
from mpr_assets.timelines.spec import parse_time
from mpr_cli import terminal
from mpr_cli.arguments import Timeline
from mpr_cli.document import Document
from mpr_cli.history import when
from mpr_cli.report import assignments
from mpr_resources.media.clock import clock

app = typer.Typer()

BrandName = Annotated[str, typer.Argument(metavar="BRAND", help="a brand's name or alias, however it is spelt")]
_AT = "a time of the timeline: HH:MM:SS, MM:SS or SS, with up to three decimals"


def moment(text: str) -> int:
    """A time in ms.

    Raises:
        BadInput: it is none.
    """
    at_ms = parse_time(text)
    if at_ms is None:
        raise BadInput(f"{text!r} is not a time", "write it like 00:12:03 or 12:03.5")
    return at_ms


@dataclass(frozen=True)
class ShownWhy(ToldWhy, Document):
    """`screen_ms`: of all `exposures` together; `exposure` is the one explained. `detections`: of the brand on `frame`,
    each with what it was made from. `made_by`: the stages in the order of a run. `page`: shows it with pictures.
    """

    page: str
    link: str | None

    def show(self) -> None:
        count, one, frame = len(self.exposures), self.exposure, self.frame
        terminal.out.print(
            f"{self.brand} is on screen for {self.screen_ms / 1000:.2f} s of {self.timeline}, in {count} "
            f"exposure{'' if count == 1 else 's'}."
        )
        terminal.out.print(
            f"Exposure {one.number}: {clock(one.start_ms)} to {clock(one.end_ms)}, {one.detections} detections on "
            f"{one.frames} frames, confidence {one.confidence:.3f}, by {one.source}"
            + (f", {one.inferred_ms / 1000:.2f} s of it bridged" if one.inferred_ms else "")
        )
        stands = "" if frame.seq == frame.stands_for else f", which stands for its near-duplicate {frame.stands_for}"
        terminal.out.print(
            f"Frame {frame.seq}{stands}: {clock(frame.at_ms)}, {frame.source} at {clock(frame.source_ms)}\n"
            f"  {frame.stored_at}",
            soft_wrap=True,
        )
        for detection in self.detections:
            _print_detection(detection)
        _print_makers(self.made_by)
        for note in self.notes:
            terminal.out.print(f"Note: {note}")
        terminal.out.print(f"\nPictures: {self.link or self.page}", soft_wrap=True)


def _print_detection(one: FoundDetection) -> None:
    place = f"x {one.box[0]}, y {one.box[1]}, {one.box[2]} x {one.box[3]} px"
    text = f" “{one.text}”" if one.text else ""
    terminal.out.print(f"Detection by {one.stage} ({one.source}){text}: confidence {one.confidence:.3f}, {place}")
    for line in one.lines:
        how = (
            "taken over from another frame of its track"
            if line.reading is None
            else f"read here as “{line.reading}” {line.reading_confidence:.3f}"
        )
        terminal.out.print(
            f"  line {line.line} of run_ocr: “{line.text}” {line.confidence:.3f}, track {line.track}, {how}, in the "
            f"{line.where}"
        )
    for found in one.objects:
        reference = f", reference {found.reference}" if found.reference else ""
        followed = ", followed by its pixels from another frame" if found.followed else ""
        by = f"{found.engine}{reference}{followed}"
        terminal.out.print(f"  {found.label} of detect_objects: {found.confidence:.3f} by {by}")
    for crop in one.crops:
        x, y, w, h = crop.box
        terminal.out.print(
            f"  crop {crop.crop} of preprocess: {crop.label}, region by {crop.found_by} at x {x}, y {y}, {w} x {h} px"
        )


def _print_makers(makers: Sequence[ShownMaker]) -> None:
    """Stages in a row that one run made are below that run."""
    for (run_id, who), group in groupby(makers, key=lambda one: (one.run_id, one.who)):
        of_run = list(group)
        made = f"run {run_id}, {when(of_run[-1].made_ms or 0)}, {who}" if run_id else "no run in this event log"
        terminal.out.print(f"Made by {made}:")
        for one in of_run:
            _print_maker(one)


def _print_maker(one: ShownMaker) -> None:
    parts = [f"code {one.code_version}", *([one.model] if one.model else [])]
    if one.skipped is not None:
        parts.insert(0, f"skipped: {one.skipped}")
    terminal.out.print(f"  {one.stage}: {'; '.join(parts)}")
    changed = {name: one.settings[name] for name in one.not_default if name not in one.overrides}
    if changed:
        terminal.out.print(f"    settings of {one.profile}: {assignments(changed)}")
    if one.overrides:
        terminal.out.print(f"    for this run: {assignments(one.overrides)}")


@app.command("why")
def why_command(
    timeline: Timeline,
    brand: BrandName,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help=f"{_AT}; by default the best frame of the longest exposure")
    ] = None,
) -> ShownWhy:
    """Show what a brand's time on screen stands on: exposure, detection, text or logo, crop, frame, settings, run."""
    run = stage_run(BY_NAME[REPORT], timeline, NO_OVERRIDES, resources(patience_s=PATIENCE_S), LOG)
    at_ms = None if at is None else moment(at)
    with dagster_instance() as instance:
        made = read_entries(instance, SECTIONS, timeline)
    answer = why(run, BY_NAME, made, brand, at_ms)
    told = told_why(run, answer)
    same = {one.name: getattr(told, one.name) for one in fields(told)}
    return ShownWhy(**same, page=run.storage.where(answer.page), link=run.storage.web(answer.page))
