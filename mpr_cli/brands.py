"""`mpr brands`: shows and changes the brand registry, which is in `mpr_resources.brands.registry`."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from gpu_service.errors import BadInput
from mpr_cli import terminal
from mpr_cli.arguments import Brands
from mpr_cli.document import Document
from mpr_resources.brands.registry import (
    BrandOrigin,
    BrandRecord,
    Registry,
    Status,
)
from mpr_resources.environment import database_url, user_name
from mpr_resources.media.clock import clock
from mpr_resources.storage.keys import Keys

LOG = logging.getLogger("mpr")

app = typer.Typer(no_args_is_help=True, help="Show and change the registry of brands that all timelines share.")

Name = Annotated[str, typer.Argument(help="name or alias of a brand; case, accents and punctuation are ignored")]
Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="name or alias of a brand, repeatable")]
File = Annotated[Path, typer.Argument(help="a .yaml or .csv file")]

NEXT = "Timelines that this affects are stale now: mpr status"


def registry() -> Registry:
    return Registry(database_url(os.environ))


@dataclass(frozen=True)
class ListedBrand:
    """`searched_for`: everywhere, nowhere, or where a brand file lists it. `aliases`: those that somebody gave it;
    `listed`: those that only brand files have.
    """

    brand: str
    status: str
    source: str
    searched_for: str
    aliases: list[str]
    listed: list[str]
    pictures: int
    timelines: int


@dataclass(frozen=True)
class ListedBrands(Document):
    status: str | None
    brands: list[ListedBrand]

    def show(self) -> None:
        if not self.brands:
            terminal.out.print("The registry has no such brand." if self.status else "The registry is empty.")
            return
        rows = [
            (
                *(one.brand, one.status, one.source, one.searched_for, ", ".join([*one.aliases, *one.listed])),
                *(str(one.pictures or ""), str(one.timelines or "")),
            )
            for one in self.brands
        ]
        counts = ("pictures", "timelines")
        terminal.print_table(("brand", "status", "source", "searched for", "aliases", *counts), rows, right=counts)


@app.command("list")
def list_command(
    status: Annotated[str | None, typer.Option(help="confirmed, proposed or excluded; all by default")] = None,
) -> ListedBrands:
    """List all brands, or those with a status."""
    entries = registry().entries(_status(status) if status is not None else None)
    brands = [
        ListedBrand(
            brand=entry.name,
            status=entry.status,
            source=entry.source,
            searched_for=where_looked_for(entry),
            aliases=list(entry.aliases),
            listed=list(entry.listed),
            pictures=len(entry.pictures),
            timelines=len(entry.airings),
        )
        for entry in entries
    ]
    return ListedBrands(status, brands)


@dataclass(frozen=True)
class ShownAiring:
    timeline: str
    first_ms: int
    last_ms: int


@dataclass(frozen=True)
class ShownBrand(Document):
    brand: str
    status: str
    source: str
    searched_for: str
    aliases: list[str]
    listed: list[str]
    exclude: list[str]
    tags: list[str]
    pictures: list[str]
    airings: list[ShownAiring]

    def show(self) -> None:
        told = {
            "brand": self.brand,
            "status": self.status,
            "source": self.source,
            "searched for": self.searched_for,
            "aliases": ", ".join(self.aliases),
            "in files": ", ".join(self.listed),
            "never when": ", ".join(self.exclude),
            "tags": ", ".join(self.tags),
            "pictures": ", ".join(self.pictures),
        }
        for heading, value in told.items():
            if value:
                terminal.out.print(f"{heading:12} {value}")
        for at in self.airings:
            span = f"{clock(at.first_ms)} to {clock(at.last_ms)}"
            terminal.out.print(f"{'aired in':12} {at.timeline}, {span}")


@app.command()
def show(name: Name) -> ShownBrand:
    """Show everything known of a brand: texts, pictures, first and last airing by timeline."""
    entry = registry().entry(name)
    return ShownBrand(
        brand=entry.name,
        status=entry.status,
        source=entry.source,
        searched_for=where_looked_for(entry),
        aliases=list(entry.aliases),
        listed=list(entry.listed),
        exclude=list(entry.exclude),
        tags=list(entry.tags),
        pictures=[picture.name for picture in entry.pictures],
        airings=[ShownAiring(timeline, at.first_ms, at.last_ms) for timeline, at in entry.airings.items()],
    )


@dataclass(frozen=True)
class BrandAdded(Document):
    brand: str

    def show(self) -> None:
        _say(f"{self.brand} is searched for in every timeline.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="the brand's name as displayed")],
    alias: Annotated[list[str] | None, typer.Option(help="another text that means the brand, repeatable")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="a longer text that does not mean the brand")] = None,
    logo: Annotated[list[Path] | None, typer.Option(help="a reference picture: PNG, JPEG, WebP or SVG")] = None,
    source: Annotated[str, typer.Option(help="who named it: manual, ocr, local_vlm or cloud_vlm")] = "manual",
) -> BrandAdded:
    """Add a brand that is searched for in every timeline."""
    if source not in set(BrandOrigin):
        raise BadInput(f"{source!r} is not a source of brands", f"choose one of {', '.join(BrandOrigin)}")
    from mpr_resources.brands.brand_file import Brand, check_names, read_reference  # late: `list` is to answer at once

    brand = Brand(name=name, aliases=tuple(alias or ()), exclude=tuple(exclude or ()))
    check_names([brand], "mpr brands add")
    pictures = tuple(read_reference(brand.name, path, path.name) for path in logo or ())
    entry = BrandRecord(brand.name, brand.aliases, source=BrandOrigin(source), exclude=brand.exclude, pictures=pictures)
    registry().add(entry, user_name())
    if pictures:
        from gpu_service.routines.logos.logo_set import weak_references

        for weak in weak_references(pictures):
            LOG.warning(weak.sentence)
    return BrandAdded(brand.name)


@dataclass(frozen=True)
class AliasesChanged(Document):
    """`removed`: whether the texts no longer mean the brand."""

    brand: str
    texts: list[str]
    removed: bool

    def show(self) -> None:
        _say(f"{', '.join(self.texts)} {'no longer means' if self.removed else 'means'} {self.brand}.")


@app.command("alias")
def alias_command(
    name: Name,
    texts: Annotated[list[str], typer.Argument(metavar="TEXT...", help="a text that means the brand")],
    remove: Annotated[bool, typer.Option("--remove", help="remove the aliases")] = False,
) -> AliasesChanged:
    """Add aliases to a brand, or remove them."""
    if remove:
        registry().forget_alias(name, texts, user_name())
    else:
        registry().alias(name, texts, user_name())
    return AliasesChanged(name, texts, remove)


@dataclass(frozen=True)
class BrandsMerged(Document):
    alias: str
    brand: str

    def show(self) -> None:
        _say(f"{self.alias} is now an alias of {self.brand}.")


@app.command()
def merge(
    name: Name, into: Annotated[str, typer.Argument(help="the brand that NAME becomes an alias of")]
) -> BrandsMerged:
    """Make a brand an alias of another, which takes over its aliases, pictures and airings."""
    registry().merge(name, into, user_name())
    return BrandsMerged(name, registry().entry(into).name)


@dataclass(frozen=True)
class StatusGiven:
    """`new`: whether it did not have the status before."""

    brand: str
    new: bool


@dataclass(frozen=True)
class BrandsConfirmed(Document):
    brands: list[StatusGiven]

    def show(self) -> None:
        for one in self.brands:
            said = "is searched for in every timeline" if one.new else "was already confirmed"
            terminal.out.print(f"{one.brand} {said}.")
        terminal.out.print(NEXT)


@app.command()
def confirm(names: Names) -> BrandsConfirmed:
    """Confirm brands: they are searched for in every timeline."""
    return BrandsConfirmed([StatusGiven(name, registry().confirm(name, user_name())) for name in names])


@dataclass(frozen=True)
class BrandsExcluded(Document):
    brands: list[StatusGiven]

    def show(self) -> None:
        for one in self.brands:
            terminal.out.print(f"{one.brand} {'is' if one.new else 'was already'} excluded.")
        terminal.out.print(NEXT)


@app.command()
def exclude(names: Names) -> BrandsExcluded:
    """Exclude names: they are never reported as brands. Names not in the registry are added to it."""
    new = registry().exclude(names, user_name())
    return BrandsExcluded([StatusGiven(name, name in new) for name in names])


@dataclass(frozen=True)
class TestedPicture:
    """`score`: 0 to 1, to compare with the threshold. `box_px`: x, y, w, h of the likeliest place. `reference`: which
    picture of the brand is like it. `taken_for`: where the brand is not found, another one that is.
    """

    picture: str
    found: bool
    score: float
    box_px: list[int] | None
    reference: str | None
    taken_for: str | None


@dataclass(frozen=True)
class TestedReference:
    """`scores`: with this one alone of the brand's references, by picture. `weak`: what is wrong with it."""

    reference: str
    scores: list[float]
    weak: str | None


@dataclass(frozen=True)
class BrandTest(Document):
    """`threshold`: the score from which a logo counts as found."""

    brand: str
    threshold: float
    pictures: list[TestedPicture]
    references: list[TestedReference]

    def show(self) -> None:
        table = Table(box=None, pad_edge=False)
        for heading in ("picture", "found", "score", "box", "by"):
            table.add_column(heading, justify="right" if heading == "score" else "left", overflow="fold")
        for one in self.pictures:
            box = "{},{} {}x{}".format(*one.box_px) if one.box_px else ""
            found = "yes" if one.found else f"no, but {one.taken_for}" if one.taken_for else "no"
            table.add_row(one.picture, found, f"{one.score:.2f}", box, one.reference or "")
        terminal.out.print(table)
        count = f"{sum(one.found for one in self.pictures)} of {len(self.pictures)}"
        terminal.out.print(f"\n{self.brand} is found in {count} (threshold {self.threshold:.2f}).\n")
        table = Table(box=None, pad_edge=False)
        for heading in ("reference", "found in", "best score", ""):
            table.add_column(heading, justify="right" if heading in ("found in", "best score") else "left")
        for reference in self.references:
            finds = sum(score >= self.threshold for score in reference.scores)
            said = "weak" if reference.weak else "" if finds else "found in none of them"
            table.add_row(reference.reference, str(finds), f"{max(reference.scores):.2f}", said)
        terminal.out.print(table)
        for weak in filter(None, (reference.weak for reference in self.references)):
            terminal.out.print(f"\n{weak}")


@app.command("test")
def check_command(
    brand: Name,
    pictures: Annotated[list[Path], typer.Argument(metavar="PICTURE...", help="a PNG, JPEG or WebP picture")],
    profile: Annotated[str, typer.Option(help="the profile with the settings of detect_objects")] = "generic",
    brands: Brands = None,
) -> BrandTest:
    """Test a brand's reference pictures on pictures that show its logo, and those that do not."""
    from gpu_service.routines.detect import LOGO_ENGINES
    from gpu_service.routines.reference_check import check_references, read_picture
    from mpr_assets.runs.local_instance import profiles, resources
    from mpr_assets.stages.detect_objects import DetectObjectsSettings, routine_settings

    folder = profiles()
    chosen = folder.load(profile)
    listed = folder.brand_list(chosen, brands).named(brand)
    if listed is None:
        raise BadInput(
            f"{brand!r} is no brand of the profile {profile}", "name one of its brand file or of the registry"
        )
    references = folder.references(chosen, brands)
    if not any(one.brand == listed.name for one in references):
        raise BadInput(f"{listed.name} has no reference picture", "give one under `logos` in the brand file")
    settings = DetectObjectsSettings.model_validate(chosen.section("detect_objects").model_dump())
    engines = tuple(engine for engine in settings.engines if engine in LOGO_ENGINES)
    if not engines:
        raise BadInput(f"The profile {profile} does not look for logos by pictures", "add logo_match to its engines")
    only_logos = settings.model_copy(update={"engines": engines})
    seen = {str(path): read_picture(path) for path in pictures}
    result = check_references(listed.name, references, seen, routine_settings(only_logos), resources().inference)
    return BrandTest(
        result.brand,
        result.threshold,
        [
            TestedPicture(
                one.picture,
                one.found,
                one.score,
                list(one.box.xywh) if one.box else None,
                one.reference,
                one.taken_for,
            )
            for one in result.pictures
        ],
        [TestedReference(one.reference, list(one.scores), one.weak) for one in result.references],
    )


@dataclass(frozen=True)
class ShownChange:
    """`time_ms`: since 1970, UTC. `brand`: its name at that time."""

    time_ms: int
    who: str
    action: str
    brand: str
    detail: str


@dataclass(frozen=True)
class BrandHistory(Document):
    changes: list[ShownChange]

    def show(self) -> None:
        if not self.changes:
            terminal.out.print("There are no changes yet.")
            return
        table = Table(box=None, pad_edge=False)
        for heading in ("when (UTC)", "who", "what", "brand", ""):
            table.add_column(heading, overflow="fold")
        for one in self.changes:
            when = datetime.fromtimestamp(one.time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
            table.add_row(when, one.who, one.action, one.brand, one.detail)
        terminal.out.print(table)


@app.command()
def history(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="a brand; all by default")] = None,
) -> BrandHistory:
    """Show who changed brands, how and when."""
    changes = registry().history(name)
    return BrandHistory([ShownChange(one.time_ms, one.who, one.action, one.name, one.detail) for one in changes])


@dataclass(frozen=True)
class SuggestedMark:
    """`text`: what was read there most often, or empty. `times`: places; `frames`: on which they are seen. The rest is
    where it is seen best: `box` is x, y, w, h in px of the frame `seq`.
    """

    text: str
    times: int
    frames: int
    timelines: list[str]
    timeline: str
    seq: int
    at_ms: int
    box: list[int]


@dataclass(frozen=True)
class SuggestedMarks(Document):
    """`sheet`: where the contact sheet is; empty where there is no mark."""

    marks: list[SuggestedMark]
    sheet: str

    def show(self) -> None:
        if not self.marks:
            terminal.out.print("Nothing that is in no list comes back so often.")
            return
        rows = [
            (
                *(str(number), one.text, str(one.times), str(one.frames), ", ".join(one.timelines[:3])),
                *(clock(one.at_ms), f"{one.timeline} {one.seq} {','.join(map(str, one.box))}"),
            )
            for number, one in enumerate(self.marks, start=1)
        ]
        heads = ("", "read", "seen", "frames", "timelines", "best at", "where")
        terminal.print_table(heads, rows, right=("", "seen", "frames"))
        terminal.out.print(f"\nNot in your list. Pictures: {self.sheet}", soft_wrap=True)
        terminal.out.print("To look for one: mpr similar WHERE --make-reference BRAND, or mpr brands add BRAND")
        terminal.out.print("To see one no more: mpr brands exclude TEXT")


@app.command()
def suggest(
    timelines: Annotated[
        list[str] | None, typer.Argument(metavar="[TIMELINE...]", help="timelines; all by default")
    ] = None,
    least: Annotated[int, typer.Option(min=1, help="frames that a mark is seen on at least")] = 5,
    limit: Annotated[int, typer.Option(min=1, max=500, help="marks at most")] = 20,
) -> SuggestedMarks:
    """Show marks that are in no list and come back often: what was read, how often, and a picture of each."""
    from mpr_assets.crops.suggestions import stored_suggestions
    from mpr_assets.runs.local_instance import resources
    from mpr_assets.runs.local_storage import storage
    from mpr_assets.timelines.spec_store import load_spec

    store = storage()
    for name in timelines or ():
        load_spec(store, name)
    known = [text for one in registry().entries() for text in (one.name, *one.aliases, *one.listed)]
    inference, tell = resources().inference, terminal.out.print
    found = stored_suggestions(store, timelines or None, known, inference, tell, least_frames=least, most=limit)
    marks = [SuggestedMark(**{**vars(one), "box": list(one.box)}) for one in found]
    return SuggestedMarks(marks, store.where(Keys.suggestions()) if marks else "")


@dataclass(frozen=True)
class BrandsImported(Document):
    new: int
    changed: int

    def show(self) -> None:
        _say(f"{self.new} new, {self.changed} changed.")


@app.command("import")
def import_command(file: File) -> BrandsImported:
    """Import the brands of a file, an export or any brand file: all of them or none."""
    from mpr_resources.brands.registry.files import read_entries

    return BrandsImported(*registry().put(read_entries(file), user_name()))


@dataclass(frozen=True)
class BrandsExported(Document):
    """`written`: how many brands."""

    written: int
    path: str

    def show(self) -> None:
        terminal.out.print(f"{self.written} brands written to {self.path}")


@app.command("export")
def export_command(file: File) -> BrandsExported:
    """Write all brands to a file; YAML includes pictures and airings, CSV does not."""
    from mpr_resources.brands.registry.files import write_entries

    store = registry()
    names = [entry.name for entry in store.entries()]
    write_entries(file, [store.entry(name) for name in names])
    return BrandsExported(len(names), str(file))


def where_looked_for(entry: BrandRecord) -> str:
    if entry.status is not Status.CONFIRMED:
        return "nowhere"
    return "everywhere" if entry.everywhere else "where a brand file lists it"


def _status(word: str) -> Status:
    if word not in set(Status):
        raise BadInput(f"{word!r} is not a status of brands", f"choose one of {', '.join(Status)}")
    return Status(word)


def _say(sentence: str) -> None:
    terminal.out.print(sentence)
    terminal.out.print(NEXT)
