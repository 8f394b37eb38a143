"""`mpr brands`: shows and changes the brand registry, which is in `mpr_resources.brands.registry`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from gpu_service.errors import BadInput
from mpr_cli import terminal
from mpr_resources.brands.registry import (
    BrandOrigin,
    BrandRecord,
    Registry,
    Status,
)
from mpr_resources.environment import database_url, user_name
from mpr_resources.media.clock import clock

app = typer.Typer(no_args_is_help=True, help="Show and change the registry of brands that all timelines share.")

Name = Annotated[str, typer.Argument(help="name or alias of a brand; case, accents and punctuation are ignored")]
Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="name or alias of a brand, repeatable")]
File = Annotated[Path, typer.Argument(help="a .yaml or .csv file")]

NEXT = "Timelines that this affects are stale now: mpr status"


def registry() -> Registry:
    return Registry(database_url(os.environ))


@app.command("list")
def list_command(
    status: Annotated[str | None, typer.Option(help="confirmed, proposed or excluded; all by default")] = None,
) -> None:
    """List all brands, or those with a status."""
    entries = registry().entries(_status(status) if status is not None else None)
    if not entries:
        terminal.out.print("The registry has no such brand." if status else "The registry is empty.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("brand", "status", "source", "searched for", "aliases"):
        table.add_column(heading, overflow="fold")
    for heading in ("pictures", "timelines"):
        table.add_column(heading, justify="right")
    for entry in entries:
        aliases = ", ".join([*entry.aliases, *entry.listed])
        cells = (entry.name, entry.status, entry.source, where_looked_for(entry), aliases)
        counts = (str(len(entry.pictures) or ""), str(len(entry.airings) or ""))
        table.add_row(*cells, *counts)
    terminal.out.print(table)


@app.command()
def show(name: Name) -> None:
    """Show everything known of a brand: texts, pictures, first and last airing by timeline."""
    entry = registry().entry(name)
    told = {
        "brand": entry.name,
        "status": entry.status,
        "source": entry.source,
        "searched for": where_looked_for(entry),
        "aliases": ", ".join(entry.aliases),
        "in files": ", ".join(entry.listed),
        "never when": ", ".join(entry.exclude),
        "tags": ", ".join(entry.tags),
        "pictures": ", ".join(picture.name for picture in entry.pictures),
    }
    for heading, value in told.items():
        if value:
            terminal.out.print(f"{heading:12} {value}")
    for timeline, at in entry.airings.items():
        span = f"{clock(at.first_ms)} to {clock(at.last_ms)}"
        terminal.out.print(f"{'aired in':12} {timeline}, {span}")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="the brand's name as displayed")],
    alias: Annotated[list[str] | None, typer.Option(help="another text that means the brand, repeatable")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="a longer text that does not mean the brand")] = None,
    logo: Annotated[list[Path] | None, typer.Option(help="a reference picture: PNG, JPEG, WebP or SVG")] = None,
    source: Annotated[str, typer.Option(help="who named it: manual, ocr, local_vlm or cloud_vlm")] = "manual",
) -> None:
    """Add a brand that is searched for in every timeline."""
    if source not in set(BrandOrigin):
        raise BadInput(f"{source!r} is not a source of brands", f"choose one of {', '.join(BrandOrigin)}")
    from mpr_resources.brands.brand_file import Brand, check_names, read_reference  # late: `list` is to answer at once

    brand = Brand(name=name, aliases=tuple(alias or ()), exclude=tuple(exclude or ()))
    check_names([brand], "mpr brands add")
    pictures = tuple(read_reference(brand.name, path, path.name) for path in logo or ())
    entry = BrandRecord(brand.name, brand.aliases, source=BrandOrigin(source), exclude=brand.exclude, pictures=pictures)
    registry().add(entry, user_name())
    _said(f"{brand.name} is searched for in every timeline.")


@app.command("alias")
def alias_command(
    name: Name,
    texts: Annotated[list[str], typer.Argument(metavar="TEXT...", help="a text that means the brand")],
    remove: Annotated[bool, typer.Option("--remove", help="remove the aliases")] = False,
) -> None:
    """Add aliases to a brand, or remove them."""
    if remove:
        registry().forget_alias(name, texts, user_name())
    else:
        registry().alias(name, texts, user_name())
    _said(f"{', '.join(texts)} {'no longer means' if remove else 'means'} {name}.")


@app.command()
def merge(name: Name, into: Annotated[str, typer.Argument(help="the brand that NAME becomes an alias of")]) -> None:
    """Make a brand an alias of another, which takes over its aliases, pictures and airings."""
    registry().merge(name, into, user_name())
    _said(f"{name} is now an alias of {registry().entry(into).name}.")


@app.command()
def confirm(names: Names) -> None:
    """Confirm brands: they are searched for in every timeline."""
    for name in names:
        new = registry().confirm(name, user_name())
        said = "is searched for in every timeline" if new else "was already confirmed"
        terminal.out.print(f"{name} {said}.")
    terminal.out.print(NEXT)


@app.command()
def exclude(names: Names) -> None:
    """Exclude names: they are never reported as brands. Names not in the registry are added to it."""
    new = registry().exclude(names, user_name())
    for name in names:
        terminal.out.print(f"{name} {'is' if name in new else 'was already'} excluded.")
    terminal.out.print(NEXT)


@app.command()
def history(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="a brand; all by default")] = None,
) -> None:
    """Show who changed brands, how and when."""
    changes = registry().history(name)
    if not changes:
        terminal.out.print("There are no changes yet.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("when (UTC)", "who", "what", "brand", ""):
        table.add_column(heading, overflow="fold")
    for one in changes:
        when = datetime.fromtimestamp(one.time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(when, one.who, one.action, one.name, one.detail)
    terminal.out.print(table)


@app.command("import")
def import_command(file: File) -> None:
    """Import the brands of a file, an export or any brand file: all of them or none."""
    from mpr_resources.brands.registry.files import read_entries

    new, changed = registry().put(read_entries(file), user_name())
    _said(f"{new} new, {changed} changed.")


@app.command("export")
def export_command(file: File) -> None:
    """Write all brands to a file; YAML includes pictures and airings, CSV does not."""
    from mpr_resources.brands.registry.files import write_entries

    store = registry()
    names = [entry.name for entry in store.entries()]
    write_entries(file, [store.entry(name) for name in names])
    terminal.out.print(f"{len(names)} brands written to {file}")


def where_looked_for(entry: BrandRecord) -> str:
    if entry.status is not Status.CONFIRMED:
        return "nowhere"
    return "everywhere" if entry.everywhere else "where a brand file lists it"


def _status(word: str) -> Status:
    if word not in set(Status):
        raise BadInput(f"{word!r} is not a status of brands", f"choose one of {', '.join(Status)}")
    return Status(word)


def _said(sentence: str) -> None:
    terminal.out.print(sentence)
    terminal.out.print(NEXT)
