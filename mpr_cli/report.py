"""The command `report`: a timeline's brands, and where its report page is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from gpu_service.errors import BadInput
from mpr_assets.report.measures import measures
from mpr_assets.runs.local_storage import storage
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import terminal
from mpr_cli.arguments import Timeline
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import read_table

app = typer.Typer()

LINK_S = 3600


@app.command()
def report(timeline: Timeline) -> None:
    """Print a timeline's brands and the location of its report; first, whether and why it is stale."""
    load_spec(storage(), timeline)
    if storage().exists(Keys.table("compile_report", timeline)):
        for line in stale(timeline):
            terminal.out.print(line)
    show_report(timeline)


def show_report(timeline: str) -> None:
    """Print the brand table and the report's location."""
    store = storage()
    try:
        exposures = read_table(store, "compile_report", timeline)
        chunks = read_table(store, "timeline", timeline)
    except MissingObject as error:
        raise BadInput(f"The timeline {timeline!r} has no report yet", "run it first") from error
    terminal.print_brands(measures(exposures.rows, chunks.rows))
    for line in [*unlisted(store, timeline), *overridden(store, timeline)]:
        terminal.out.print(line)
    page = Keys.report(timeline, "report.html")
    terminal.out.print(f"\nReport: {store.where(page)}")
    link = store.link(page, LINK_S)
    if link is not None:
        terminal.out.print(f"In a browser, for an hour: {link}", soft_wrap=True)


def stale(timeline: str) -> list[str]:
    """Lines that tell which results would come out differently now, and why; none where the report would not."""
    from mpr_assets.definitions import STAGES  # here, with all that it takes: `mpr run` shows what it has just made
    from mpr_assets.freshness.judge import StageState
    from mpr_assets.freshness.stored import BRANDS_CHANGED, judge_stored
    from mpr_assets.runs.local_instance import LOG, PATIENCE_S, resources

    world = resources(patience_s=PATIENCE_S)
    verdicts = judge_stored(STAGES, timeline, world, LOG)
    if not verdicts or verdicts[-1].state is not StageState.STALE:
        return []
    below = {f"{one.stage} is {one.state}" for one in verdicts}
    causes = {
        one.stage: ["it is not stored"] if one.state is StageState.MISSING else [*one.causes]
        for one in verdicts
        if one.state in (StageState.STALE, StageState.MISSING)
    }
    own = {stage: [cause for cause in told if cause not in below] for stage, told in causes.items()}
    lines = [f"  {stage}: {'; '.join(told)}" for stage, told in own.items() if told]
    if any(BRANDS_CHANGED in told for told in own.values()):
        spec = load_spec(storage(), timeline)
        brand_file = Path(spec.brands) if spec.brands else None
        now = world.profiles.brand_list(world.profiles.load(spec.profile), brand_file).brands
        lines += _other_brands(_told(storage(), timeline).get("looked_for", []), [brand.name for brand in now])
    return ["This report is stale:", *lines, f"To make it anew: mpr replay {timeline} {next(iter(causes))}\n"]


def _other_brands(before: Sequence[str], now: Sequence[str]) -> list[str]:
    added, removed = [name for name in now if name not in before], [name for name in before if name not in now]
    return [
        f"  {what}: {', '.join(names[:BRANDS])}{f' and {len(names) - BRANDS} more' if len(names) > BRANDS else ''}"
        for what, names in (("brands added", added), ("brands removed", removed))
        if names
    ]


BRANDS = 8
"""Of more names that were added to the list, or removed, the rest are counted."""


UNLISTED = 5
"""Of more texts the page tells."""


def unlisted(store: Storage, timeline: str) -> list[str]:
    """A line that tells what was read and is in no list of brands; none where all is, or nothing was read."""
    texts = _told(store, timeline).get("unlisted", [])
    if not texts:
        return []
    named = [f"{one['text']}, seen {one['times']} time{'' if one['times'] == 1 else 's'}" for one in texts[:UNLISTED]]
    more = [f"and {len(texts) - UNLISTED} more"] if len(texts) > UNLISTED else []
    return [f"Not in your list: {'; '.join([*named, *more])}."]


def overridden(store: Storage, timeline: str) -> list[str]:
    """A line for each stage of the report that was made with overrides."""
    stages = _told(store, timeline).get("stages", [])
    return [f"{one['stage']} was made with {assignments(one['overrides'])}." for one in stages if one.get("overrides")]


def _told(store: Storage, timeline: str) -> dict[str, Any]:
    """What `report.json` says; nothing where it is not there."""
    try:
        report: dict[str, Any] = json.loads(store.get(Keys.report(timeline, "report.json")))
    except MissingObject:
        return {}
    return report


def assignments(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items())
