"""The command `report`: a timeline's brands, and where its report page is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from gpu_service.errors import BadInput
from mpr_assets.report.measures import measures
from mpr_assets.report.media_equivalent import RateCard, equivalents, refuse_unknown_placements
from mpr_assets.runs.local_storage import storage
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import terminal
from mpr_cli.arguments import Timeline
from mpr_cli.document import Document
from mpr_resources.media.clock import clock
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import read_table
from mpr_resources.yaml_files.load import load_file

app = typer.Typer()

LINK_S = 3600


BRANDS = 8
"""Of more names that were added to the list, or removed, the rest are counted."""
UNLISTED = 5
"""Of more texts the page tells."""


@dataclass(frozen=True)
class ReportedBrand:
    """`screen_ms`: how long it is on screen, and `share` of the timeline, 0 to 1. `longest_ms`: its longest exposure.
    Area shares are of the picture, means over the frames; `first_ms` and `last_ms` are on the timeline's clock.
    """

    brand: str
    exposures: int
    screen_ms: int
    share: float
    longest_ms: int
    mean_area_share: float
    max_area_share: float
    mean_confidence: float
    max_confidence: float
    frames: int
    detections: int
    source: str
    first_ms: int
    last_ms: int


@dataclass(frozen=True)
class MeasuredBrand:
    """What docs/measures.md defines. `counted_ms`: what counts by the report's rule. `placement`: the one with most
    time. `media_equivalent`: in the currency of the rate card; null without one.
    """

    brand: str
    counted_ms: int | None
    share_of_voice: float | None
    solo_ms: int | None
    clutter: float | None
    mean_prominence: float | None
    position: str | None
    visibility: float | None
    clarity: float | None
    quality: float | None
    placement: str | None
    media_equivalent: float | None


FROM_REPORT = [one.name for one in fields(MeasuredBrand) if one.name not in ("placement", "media_equivalent")]


@dataclass(frozen=True)
class StaleStage:
    stage: str
    causes: list[str]


@dataclass(frozen=True)
class Staleness:
    """`stages`: those that would come out differently now, as far as the cause is their own. `replay_from`: the first
    stage to make anew. `brands_added`, `brands_removed`: since then, from the brands looked for.
    """

    stages: list[StaleStage]
    brands_added: list[str]
    brands_removed: list[str]
    replay_from: str


@dataclass(frozen=True)
class ReportedText:
    text: str
    times: int


@dataclass(frozen=True)
class MentionedBrand:
    """A brand that is said, so many times; `first_ms` is on the timeline's clock."""

    brand: str
    times: int
    first_ms: int


@dataclass(frozen=True)
class ReportedObject:
    """`screen_ms`: how long at least one is on screen; `max_at_once`: so many at most."""

    label: str
    screen_ms: int
    max_at_once: int


@dataclass(frozen=True)
class OverriddenStage:
    stage: str
    overrides: dict[str, object]


@dataclass(frozen=True)
class ShownReport(Document):
    """`stale`: null where the report would come out the same now. `brands`: the longest on screen first. `unlisted`:
    what was read and is in no list of brands. `overridden`: stages made with settings for one run. `link`: opens the
    page in a browser, for `link_ms` where it is signed for so long; null where the storage has no address of the web.
    `measures`: of the brands, in their order; none where an earlier version made the report. `counting_rule`: what
    counts. `currency`: of the rate card; null without one. `mentions`: brands that are said, the most often said
    first; they are no part of the time on screen. `objects`: people and things beside the brands, the longest on
    screen first.
    """

    timeline: str
    stale: Staleness | None
    brands: list[ReportedBrand]
    unlisted: list[ReportedText]
    overridden: list[OverriddenStage]
    page: str
    link: str | None
    link_ms: int | None
    measures: list[MeasuredBrand]
    counting_rule: str
    currency: str | None
    mentions: list[MentionedBrand]
    objects: list[ReportedObject]

    def show(self) -> None:
        if self.stale is not None:
            _print_staleness(self.timeline, self.stale)
        print_brands(self.brands)
        print_measures(self.measures, self.counting_rule, self.currency)
        if self.unlisted:
            named = [f"{one.text}, seen {_times(one.times)}" for one in self.unlisted]
            more = [f"and {len(named) - UNLISTED} more"] if len(named) > UNLISTED else []
            terminal.out.print(f"Not in your list: {'; '.join([*named[:UNLISTED], *more])}.")
        if self.objects:
            seen = [f"{one.label} for {one.screen_ms / 1000:.2f} s" for one in self.objects]
            more = [f"and {len(seen) - UNLISTED} more"] if len(seen) > UNLISTED else []
            terminal.out.print(f"Objects: {'; '.join([*seen[:UNLISTED], *more])}.")
        if self.mentions:
            said = [f"{one.brand} {_times(one.times)}, first at {clock(one.first_ms)}" for one in self.mentions]
            terminal.out.print(f"Said: {'; '.join(said)}.")
        for one in self.overridden:
            terminal.out.print(f"{one.stage} was made with {assignments(one.overrides)}.")
        terminal.out.print(f"\nReport: {self.page}")
        if self.link is not None:
            how_long = "" if self.link_ms is None else ", for an hour"
            terminal.out.print(f"In a browser{how_long}: {self.link}", soft_wrap=True)


@app.command()
def report(
    timeline: Timeline,
    rate_card: Annotated[
        Path | None, typer.Option(help="YAML file with what advertising costs; see docs/measures.md.")
    ] = None,
) -> ShownReport:
    """Print a timeline's brands with their measures, and where its report is; first, whether and why it is stale."""
    card = None if rate_card is None else load_file(rate_card, RateCard)
    load_spec(storage(), timeline)
    stored = storage().exists(Keys.table("compile_report", timeline))
    return report_of(timeline, staleness(timeline) if stored else None, card)


def report_of(timeline: str, stale: Staleness | None = None, card: RateCard | None = None) -> ShownReport:
    """What is stored of a timeline's report. `card`: in place of the one that it was made with.

    Raises:
        BadInput: there is none yet, or the card cannot be applied to it.
    """
    store = storage()
    try:
        exposures = read_table(store, "compile_report", timeline)
        chunks = read_table(store, "timeline", timeline)
    except MissingObject as error:
        raise BadInput(f"The timeline {timeline!r} has no report yet", "run it first") from error
    brands = measures(exposures.rows, chunks.rows).drop("seconds")
    told = _told(store, timeline)
    made = [OverriddenStage(one["stage"], one["overrides"]) for one in told.get("stages", []) if one.get("overrides")]
    costs = {}
    if card is not None:
        refuse_unknown_placements(card, _possible_placements(told))
        costs = equivalents(exposures.rows, card)
    told_card = told.get("rate_card")
    page = Keys.report(timeline, "report.html")
    link, signed = store.web(page), store.link(page, LINK_S)
    return ShownReport(
        timeline=timeline,
        stale=stale,
        brands=[ReportedBrand(**row) for row in brands.iter_rows(named=True)],
        unlisted=[ReportedText(one["text"], one["times"]) for one in told.get("unlisted", [])],
        overridden=made,
        page=store.where(page),
        link=link or signed,
        link_ms=LINK_S * 1000 if signed and not link else None,
        measures=_measured(told, costs),
        counting_rule=told.get("counting_rule", "all"),
        currency=card.currency if card is not None else told_card["currency"] if told_card else None,
        mentions=_mentioned(told),
        objects=[ReportedObject(one["label"], one["screen_ms"], one["max_at_once"]) for one in told.get("objects", [])],
    )


def staleness(timeline: str) -> Staleness | None:
    """Which results would come out differently now, and why; None where the report would not."""
    from mpr_assets.definitions import STAGES  # here, with all that it takes: `mpr run` shows what it has just made
    from mpr_assets.freshness.judge import StageState
    from mpr_assets.freshness.stored import BRANDS_CHANGED, judge_stored
    from mpr_assets.runs.local_instance import LOG, PATIENCE_S, resources

    world = resources(patience_s=PATIENCE_S)
    verdicts = judge_stored(STAGES, timeline, world, LOG)
    if not verdicts or verdicts[-1].state is not StageState.STALE:
        return None
    below = {f"{one.stage} is {one.state}" for one in verdicts}
    causes = {
        one.stage: ["it is not stored"] if one.state is StageState.MISSING else [*one.causes]
        for one in verdicts
        if one.state in (StageState.STALE, StageState.MISSING)
    }
    own = {stage: [cause for cause in told if cause not in below] for stage, told in causes.items()}
    before: list[str] = []
    now: list[str] = []
    if any(BRANDS_CHANGED in told for told in own.values()):
        spec = load_spec(storage(), timeline)
        brand_file = Path(spec.brands) if spec.brands else None
        brands = world.profiles.brand_list(world.profiles.load(spec.profile), brand_file).brands
        now = [brand.name for brand in brands]
        before = _told(storage(), timeline).get("looked_for", [])
    return Staleness(
        stages=[StaleStage(stage, told) for stage, told in own.items() if told],
        brands_added=[name for name in now if name not in before],
        brands_removed=[name for name in before if name not in now],
        replay_from=next(iter(causes)),
    )


def _print_staleness(timeline: str, stale: Staleness) -> None:
    terminal.out.print("This report is stale:")
    for one in stale.stages:
        terminal.out.print(f"  {one.stage}: {'; '.join(one.causes)}")
    for what, names in (("brands added", stale.brands_added), ("brands removed", stale.brands_removed)):
        if names:
            more = f" and {len(names) - BRANDS} more" if len(names) > BRANDS else ""
            terminal.out.print(f"  {what}: {', '.join(names[:BRANDS])}{more}")
    terminal.out.print(f"To make it anew: mpr replay {timeline} {stale.replay_from}\n")


def print_brands(brands: Sequence[ReportedBrand]) -> None:
    """The brand table: one row a brand."""
    if not brands:
        terminal.out.print("No brand was found.")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("brand", overflow="fold", min_width=12)
    for heading in ("exposures", "seconds", "share", "mean size", "confidence", "first", "last"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in brands:
        table.add_row(
            one.brand,
            str(one.exposures),
            f"{one.screen_ms / 1000:.2f}",
            f"{one.share:.1%}",
            f"{one.mean_area_share:.2%}",
            f"{one.mean_confidence:.2f}",
            clock(one.first_ms),
            clock(one.last_ms),
        )
    terminal.out.print(table)


def print_measures(brands: Sequence[MeasuredBrand], rule: str, currency: str | None) -> None:
    """One row a brand; nothing where none is measured."""
    if not brands:
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("brand", overflow="fold", min_width=12)
    counted = [] if rule == "all" else [rule]
    money = [] if currency is None else [f"equivalent {currency}"]
    for heading in ("voice", *counted, "solo", "prominence", "visibility", "clarity", "quality", *money):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("position", "placement"):
        table.add_column(heading, no_wrap=True)
    for one in brands:
        counts = [_seconds(one.counted_ms)] if counted else []
        cost = [_text(one.media_equivalent, ",.0f")] if money else []
        table.add_row(
            one.brand,
            _text(one.share_of_voice, ".1%"),
            *counts,
            _seconds(one.solo_ms),
            *(_text(value, ".2f") for value in (one.mean_prominence, one.visibility, one.clarity, one.quality)),
            *cost,
            one.position or "-",
            one.placement or "-",
        )
    terminal.out.print()
    terminal.out.print(table)
    if money:
        terminal.out.print(
            "Equivalents are what as much advertising would cost by the rate card, no value of exposure."
        )


def _text(value: float | None, how: str) -> str:
    return "-" if value is None else format(value, how)


def _seconds(ms: int | None) -> str:
    return "-" if ms is None else f"{ms / 1000:.2f}"


def _measured(told: Mapping[str, Any], costs: Mapping[str, float | None]) -> list[MeasuredBrand]:
    """The measures in a `report.json`; none where an earlier version wrote it. `costs`: in place of its equivalents."""
    found = []
    for one in told.get("brands", []):
        placed = one.get("placements_ms")
        if placed is not None:
            longest = max(placed, key=lambda name: placed[name], default=None)
            cost = costs.get(one["brand"], one["media_equivalent"])
            found.append(
                MeasuredBrand(**{name: one.get(name) for name in FROM_REPORT}, placement=longest, media_equivalent=cost)
            )
    return found


def _mentioned(told: Mapping[str, Any]) -> list[MentionedBrand]:
    """The brands that are said by a `report.json`, the most often said first."""
    firsts: dict[str, int] = {}
    said = told.get("mentions", [])
    for one in said:
        firsts.setdefault(one["brand"], one["start_ms"])
    times = Counter(one["brand"] for one in said)
    return [MentionedBrand(brand, number, firsts[brand]) for brand, number in times.most_common()]


def _times(number: int) -> str:
    return f"{number} time{'' if number == 1 else 's'}"


def _possible_placements(told: Mapping[str, Any]) -> list[str]:
    """What marks may stand on by the settings that made a `report.json`."""
    from mpr_assets.report.placement import PlacementSettings  # it brings OpenCV with it

    made = {one["stage"]: one["settings"] for one in told.get("stages", [])}
    named = made.get("compile_report", {}).get("object_placements", {})
    return PlacementSettings(object_placements=named).possible_placements


def _told(store: Storage, timeline: str) -> dict[str, Any]:
    """What `report.json` says; nothing where it is not there."""
    try:
        report: dict[str, Any] = json.loads(store.get(Keys.report(timeline, "report.json")))
    except MissingObject:
        return {}
    return report


def assignments(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items())
