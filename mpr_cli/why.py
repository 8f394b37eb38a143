"""The command `why`: from a figure back to the frame that proves it, and what made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated

import typer

from gpu_service.errors import BadInput
from mpr_assets.definitions import BY_NAME, SECTIONS
from mpr_assets.engine.open_run import stage_run
from mpr_assets.engine.overrides import NO_OVERRIDES
from mpr_assets.evidence.found import FoundDetection, FoundExposure
from mpr_assets.evidence.makers import Maker
from mpr_assets.evidence.moment import REPORT
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
class ProvingFrame:
    """`seq`: of the frame that was looked at. `stands_for`: of the sampled frame that it stands for: the same, or a
    near-duplicate. `at_ms`, `source_ms`: its time on the timeline's clock, and on its video's. `bridged`: at the time
    asked for nothing was found; this frame is the nearest with a detection. `stored_at`: where its picture lies.
    """

    seq: int
    stands_for: int
    shot: int
    at_ms: int
    source: str
    source_ms: int
    width_px: int
    height_px: int
    bridged: bool
    stored_at: str


@dataclass(frozen=True)
class ShownMaker:
    """`settings`: all of them; `not_default`: the names of those that differ from the defaults. `overrides`: settings
    of the run that were not the profile's. `run_id`: of the Dagster run that made the table, and `number` of the result
    as `mpr history` counts; null where this event log has none. `made_ms`: since 1970, UTC.
    """

    stage: str
    profile: str
    settings: dict[str, object]
    not_default: list[str]
    overrides: dict[str, object]
    model: str
    code_version: str
    fingerprint: str
    data_version: str
    run_id: str | None
    number: int | None
    who: str
    made_ms: int | None
    skipped: str | None

    @classmethod
    def of(cls, maker: Maker) -> ShownMaker:
        same = {name: getattr(maker, name) for name in cls.__dataclass_fields__ if name != "made_ms"}
        plain = {name: dict(same[name]) for name in ("settings", "overrides")}
        return cls(**{**same, **plain, "not_default": list(maker.not_default)}, made_ms=maker.time_ms)


@dataclass(frozen=True)
class ShownWhy(Document):
    """`screen_ms`: of all `exposures` together; `exposure` is the one explained. `detections`: of the brand on `frame`,
    each with what it was made from. `made_by`: the stages in the order of a run. `page`: shows it with pictures.
    """

    timeline: str
    brand: str
    screen_ms: int
    exposures: list[FoundExposure]
    exposure: FoundExposure
    frame: ProvingFrame
    detections: list[FoundDetection]
    made_by: list[ShownMaker]
    notes: list[str]
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
        terminal.out.print(f"  {found.label} of detect_objects: {found.confidence:.3f} by {found.engine}{reference}")
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
    proof = answer.proof
    shown = proof.moment
    return ShownWhy(
        timeline=timeline,
        brand=proof.brand,
        screen_ms=proof.screen_ms,
        exposures=proof.exposures,
        exposure=proof.exposure,
        frame=ProvingFrame(
            seq=shown.kept_seq,
            stands_for=shown.seq,
            shot=shown.shot,
            at_ms=shown.frame_ms,
            source=shown.source,
            source_ms=shown.source_ms,
            width_px=shown.width_px,
            height_px=shown.height_px,
            bridged=proof.bridged,
            stored_at=run.storage.where(answer.frame),
        ),
        detections=proof.detections,
        made_by=[ShownMaker.of(one) for one in answer.made],
        notes=list(answer.notes),
        page=run.storage.where(answer.page),
        link=run.storage.web(answer.page),
    )
