"""The command `why-not`: where a brand was lost that the report does not have at a moment."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

import typer

from mpr_assets.definitions import BY_NAME
from mpr_assets.engine.open_run import stage_run
from mpr_assets.engine.overrides import NO_OVERRIDES
from mpr_assets.evidence.loss import edits_told
from mpr_assets.evidence.moment import REPORT
from mpr_assets.evidence.told import PASSED, ShownLoss, ToldWhyNot, told_why_not
from mpr_assets.evidence.why_not import why_not
from mpr_assets.runs.local_instance import LOG, PATIENCE_S, resources
from mpr_cli import terminal
from mpr_cli.arguments import Timeline
from mpr_cli.document import Document
from mpr_cli.why import BrandName, moment
from mpr_resources.media.clock import clock

app = typer.Typer()

LINES = 5
"""Of more lines of text the page tells."""


@dataclass(frozen=True)
class ShownWhyNot(ToldWhyNot, Document):
    """`on_screen`: whether the report has the brand at the time, so that nothing was lost. `seq`: the frame whose time
    it is, and `looked_at` the one that stands for it; null where there is none. `passed`: what happened on the way.
    `losses`: where it was lost, the one on the way that got farthest first. `lines`: what was read on the frame, the
    nearest first. `page`: shows the frame with it; null where there is none.
    """

    page: str | None
    link: str | None

    def show(self) -> None:
        if self.on_screen:
            terminal.out.print(
                f"{self.brand} is in the report of {self.timeline} at {clock(self.at_ms)}: "
                f'mpr why {self.timeline} "{self.brand}" --at {clock(self.at_ms)}'
            )
            return
        for one in self.passed:
            _print_loss(one)
        first, *others = self.losses
        terminal.out.print(terminal.styled(f"{self.brand} was lost in {first.stage}:", "bold"))
        _print_loss(first)
        if others:
            terminal.out.print("Besides:")
            for one in others:
                _print_loss(one)
        if self.lines:
            terminal.out.print("Read on the frame, the nearest first:")
            for line in self.lines[:LINES]:
                told = f"{edits_told(line.edits)} from “{line.name}”" if line.edits else f"it is “{line.name}”"
                terminal.out.print(f"  “{line.text}” {line.confidence:.3f}: {told}")
            if len(self.lines) > LINES:
                terminal.out.print(f"  … and {len(self.lines) - LINES} more")
        if self.page is not None:
            terminal.out.print(f"\nPictures: {self.link or self.page}", soft_wrap=True)


def _print_loss(one: ShownLoss) -> None:
    terminal.out.print(f"  {one.stage}: {one.sentence}")
    for remedy in one.remedies:
        then = "more would be looked at" if one.reason == PASSED else "it would have come through"
        terminal.out.print(f"    {remedy.setting} is {remedy.now}; at {remedy.needed} {then}")
    for command in one.commands:
        terminal.out.print(terminal.styled(f"    {command}", "dim"), soft_wrap=True)


@app.command("why-not")
def why_not_command(
    timeline: Timeline,
    brand: BrandName,
    at: Annotated[
        str,
        typer.Option(metavar="TIME", help="a time of the timeline: HH:MM:SS, MM:SS or SS, with up to three decimals"),
    ],
) -> ShownWhyNot:
    """Say where a brand was lost that the report does not have at a time: which stage, by which rule and setting."""
    at_ms = moment(at)
    run = stage_run(BY_NAME[REPORT], timeline, NO_OVERRIDES, resources(patience_s=PATIENCE_S), LOG)
    answer = why_not(run, brand, at_ms)
    told = told_why_not(timeline, at_ms, answer)
    same = {one.name: getattr(told, one.name) for one in fields(told)}
    return ShownWhyNot(
        **same,
        page=None if answer.page is None else run.storage.where(answer.page),
        link=None if answer.page is None else run.storage.web(answer.page),
    )
