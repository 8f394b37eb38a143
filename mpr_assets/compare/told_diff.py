"""What two results differ in as it is told, to people and to programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any

from mpr_assets.compare.snapshots import Comparison, Section
from mpr_assets.compare.table_diff import change_line


@dataclass(frozen=True)
class ChangedFigure:
    name: str
    before: float
    after: float


@dataclass(frozen=True)
class ChangedValue:
    name: str
    before: object
    after: object


@dataclass(frozen=True)
class ScreenTime:
    brand: str
    before_ms: int
    after_ms: int


@dataclass(frozen=True)
class ChangedRow:
    """`kind`: gained, lost, moved or changed. `sentence`: the change in a line. `before`, `after`: the row, null where
    there is none; `columns`: in which they differ.
    """

    kind: str
    sentence: str
    columns: list[str]
    before: dict[str, object] | None
    after: dict[str, object] | None


@dataclass(frozen=True)
class ShownRows:
    """`same`: how many rows do not differ; `gained`, `lost`, `moved`, `changed`: how many do, all of them."""

    title: str
    summary: str
    same: int
    gained: int
    lost: int
    moved: int
    changed: int
    counts: list[ChangedFigure]
    changes: list[ChangedRow]


@dataclass(frozen=True)
class ToldDiff:
    """What differs of two results, and nothing that does not. `facts`: what else made them, a sentence each.
    `screen_times`: of brands, the largest difference first; null: not known of both. `not_compared`: what could not be
    and why, a sentence each.
    """

    before: str
    after: str
    settings: list[ChangedValue]
    facts: list[str]
    screen_times: list[ScreenTime] | None
    counts: list[ChangedFigure]
    not_compared: list[str]
    sections: list[ShownRows]


def told_diff(compared: Comparison, most_changes: int | None = None) -> ToldDiff:
    """The comparison as it is told. `most_changes`: rows of a section at most; None: all."""
    seconds = compared.seconds
    return ToldDiff(
        before=compared.before.reference,
        after=compared.after.reference,
        settings=[ChangedValue(name, was, now) for name, (was, now) in compared.settings.items()],
        facts=list(compared.facts),
        screen_times=None
        if seconds is None
        else [ScreenTime(brand, round(was * 1000), round(now * 1000)) for brand, (was, now) in seconds.items()],
        counts=_figures(compared.counts),
        not_compared=[*compared.not_compared, *filter(None, [compared.left_out])],
        sections=[_shown_rows(section, most_changes) for section in compared.sections],
    )


def _figures(counts: Mapping[str, tuple[float, float]]) -> list[ChangedFigure]:
    return [ChangedFigure(name, was, now) for name, (was, now) in counts.items()]


def _shown_rows(section: Section, most_changes: int | None) -> ShownRows:
    changes = [
        ChangedRow(one.kind, change_line(one), list(one.columns), _plain(one.before), _plain(one.after))
        for one in section.difference.changes[:most_changes]
    ]
    difference = section.difference
    return ShownRows(
        title=section.title,
        summary=difference.summary(),
        same=difference.same,
        gained=difference.count("gained"),
        lost=difference.count("lost"),
        moved=difference.count("moved"),
        changed=difference.count("changed"),
        counts=_figures(section.counts),
        changes=changes,
    )


def _plain(row: Mapping[str, Any] | None) -> dict[str, object] | None:
    """The row as JSON may hold it, which has no NaN."""
    if row is None:
        return None
    return {name: None if isinstance(value, float) and isnan(value) else value for name, value in row.items()}
