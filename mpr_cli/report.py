"""The command `report`: a timeline's brands, and where its report page is."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    """Print a timeline's brands and the location of its report."""
    load_spec(storage(), timeline)
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
    for line in overridden(store, timeline):
        terminal.out.print(line)
    page = Keys.report(timeline, "report.html")
    terminal.out.print(f"\nReport: {store.where(page)}")
    link = store.link(page, LINK_S)
    if link is not None:
        terminal.out.print(f"In a browser, for an hour: {link}", soft_wrap=True)


def overridden(store: Storage, timeline: str) -> list[str]:
    """A line for each stage of the report that was made with overrides."""
    try:
        stages = json.loads(store.get(Keys.report(timeline, "report.json")))["stages"]
    except MissingObject:
        return []
    return [f"{one['stage']} was made with {assignments(one['overrides'])}." for one in stages if one.get("overrides")]


def assignments(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items())
