"""What two tables of one stage differ in: rows gained, lost and changed. Pure functions over rows.

Where the tables come from is in `mpr_assets.compare.snapshots`; how differences are shown is in
`mpr_assets.report.page.diff`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from gpu_service.boxes import XYWH, iou
from mpr_resources.storage.tables import NamedRow

Row: TypeAlias = NamedRow
Kind: TypeAlias = Literal["gained", "lost", "moved", "changed"]

MIN_IOU = 0.3
"""Boxes of one frame that overlap less are not the same find."""
NUMBERING = frozenset({"line", "track", "crop", "exposure"})
"""Columns that only number rows: one row more changes those of all that follow, which is no difference."""
NAME_COLUMNS = ("brand", "label", "text")
"""What a row names, the first that it has."""
PLACE = frozenset({"x", "y", "w", "h", "quad", "to_frame", "polygon"})
TIME = frozenset({"start_ms", "end_ms"})
"""Columns that say where and when. An exposure with other times has other figures too, and is moved all the same."""
OPAQUE = {"phash": "another picture", "source_version": "another file"}
"""What is said of columns whose values tell a reader nothing."""
NUMBERED = {"seq": "frame", "chunk": "chunk"}
"""What a row without a box is of, by the column that numbers it."""


@dataclass(frozen=True)
class Change:
    """A row that differs. `before` is None for one gained, `after` for one lost; `columns`: what differs in both."""

    before: Row | None
    after: Row | None
    columns: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        if self.before is None:
            return "gained"
        if self.after is None:
            return "lost"
        return "moved" if PLACE.issuperset(self.columns) or not TIME.isdisjoint(self.columns) else "changed"

    @property
    def row(self) -> Row:
        """The row as it is now, or as it was when it is lost."""
        row = self.before if self.after is None else self.after
        assert row is not None
        return row


@dataclass(frozen=True)
class Difference:
    """What differs, in the order of the rows, and how many rows do not."""

    same: int
    changes: tuple[Change, ...]

    def count(self, kind: Kind) -> int:
        return sum(change.kind == kind for change in self.changes)

    def summary(self) -> str:
        """One line: how many rows of each kind."""
        kinds: tuple[Kind, ...] = ("gained", "lost", "moved", "changed")
        told = [f"{self.count(kind)} {kind}" for kind in kinds if self.count(kind)]
        return ", ".join([*told, f"{self.same} the same"])


def compare(before: pl.DataFrame, after: pl.DataFrame) -> Difference:
    """What differs between two tables of a stage, in both of which a frame has the same seq.

    Rows are matched within a frame by overlap of their boxes, those of the same name first; exposures by brand and
    time; rows without a box by frame. Columns that one of the tables lacks are left out, as are mere numbers of rows.
    """
    columns = [name for name in before.columns if name in after.columns and name not in NUMBERING]
    rows = [list(table.select(columns).iter_rows(named=True)) for table in (before, after)]
    lost, gained, same = _without_equals(rows[0], rows[1])
    changes = [
        Change(one, other, tuple(name for name in columns if one[name] != other[name]))
        for one, other in _pairs(lost, gained, columns)
    ]
    paired = {id(row) for change in changes for row in (change.before, change.after)}
    changes += [Change(row, None) for row in lost if id(row) not in paired]
    changes += [Change(None, row) for row in gained if id(row) not in paired]
    return Difference(same, tuple(sorted(changes, key=_order)))


def _without_equals(before: Sequence[Row], after: Sequence[Row]) -> tuple[list[Row], list[Row], int]:
    """The rows of each that have no equal in the other, and how many have."""
    spelt = [[repr(row) for row in rows] for rows in (before, after)]
    shared = Counter(spelt[0]) & Counter(spelt[1])

    def rest(rows: Sequence[Row], texts: Sequence[str]) -> list[Row]:
        left, out = shared.copy(), []
        for row, text in zip(rows, texts, strict=True):
            if left[text]:
                left[text] -= 1
            else:
                out.append(row)
        return out

    return rest(before, spelt[0]), rest(after, spelt[1]), shared.total()


def _pairs(lost: Sequence[Row], gained: Sequence[Row], columns: Sequence[str]) -> list[tuple[Row, Row]]:
    """Rows that stand for the same thing, each in one pair at most, the likest first."""
    group, likeness = _matching(columns)
    groups: defaultdict[object, tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((lost, gained)):
        for row in rows:
            groups[group(row)][side].append(row)
    pairs: list[tuple[Row, Row]] = []
    for ones, others in groups.values():
        likely = [(likeness(one, other), i, j) for i, one in enumerate(ones) for j, other in enumerate(others)]
        taken: tuple[set[int], set[int]] = (set(), set())
        for like, i, j in sorted(likely, key=lambda pair: (-pair[0], pair[1], pair[2])):
            if like > 0 and i not in taken[0] and j not in taken[1]:
                taken[0].add(i)
                taken[1].add(j)
                pairs.append((ones[i], others[j]))
    return pairs


def _matching(columns: Iterable[str]) -> tuple[Callable[[Row], object], Callable[[Row, Row], float]]:
    """What rows of a table must share to be compared, and how alike two are; 0: not the same thing."""
    has = set(columns)
    if {"brand", "start_ms", "end_ms"} <= has:
        return (lambda row: row["brand"]), _overlap_ms
    if {"seq", "x", "y", "w", "h"} <= has:
        name = next((column for column in NAME_COLUMNS if column in has), "seq")
        return (lambda row: row["seq"]), lambda one, other: _alike(one, other, name)
    key = next((column for column in ("seq", "chunk") if column in has), None)
    return (lambda row: row[key] if key else None), lambda _one, _other: 1.0


def _overlap_ms(one: Row, other: Row) -> float:
    return float(max(0, min(one["end_ms"], other["end_ms"]) - max(one["start_ms"], other["start_ms"])))


def _alike(one: Row, other: Row, name: str) -> float:
    overlap = iou(_box(one), _box(other))
    return overlap + (one[name] == other[name]) if overlap >= MIN_IOU else 0.0


def _box(row: Row) -> XYWH:
    return row["x"], row["y"], row["w"], row["h"]


def _order(change: Change) -> tuple[object, ...]:
    row = change.row
    at = row.get("seq", row.get("start_ms", row.get("chunk", 0)))
    return at, row.get("y", 0), row.get("x", 0), change.kind, repr(row)


def name_of(row: Row) -> str:
    """What a row names, in words."""
    return next((str(row[column]) for column in NAME_COLUMNS if row.get(column)), "")


def change_line(change: Change) -> str:
    """A change in one line."""
    row = change.row
    if "start_ms" in row:
        where = f"{row['start_ms']}-{row['end_ms']} ms"
    elif "x" in row:
        where = f"frame {row['seq']} at {row['x']},{row['y']} {row['w']}x{row['h']}"
    else:
        where = next((f"{called} {row[name]}" for name, called in NUMBERED.items() if name in row), "")
    how = ""
    if change.before is not None and change.after is not None:
        how = ": " + ", ".join(
            OPAQUE.get(name) or f"{name} {change.before[name]} → {change.after[name]}" for name in change.columns
        )
    return " ".join(part for part in (change.kind, name_of(row), where) if part) + how
