"""Reads a user's file of corrections: what each line asks for, before it is held against its timeline.

CSV with the columns of COLUMNS, of which `timeline`, `action` and `brand` must be there; docs/evaluation.md explains
them. A box is x, y, w, h in pixels of the full frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from gpu_service.errors import BadInput
from mpr_assets.annotations.corrections import Action, PixelBox
from mpr_assets.annotations.csv_lines import CsvLine, brand_of, milliseconds, pixels, read_lines
from mpr_resources.brands.folding import fold_key

COLUMNS = (
    *("timeline", "action", "brand", "to", "at_s", "at_ms", "frame", "start_s", "end_s", "start_ms", "end_ms"),
    *("x", "y", "w", "h", "note"),
)
NEEDED = ("timeline", "action", "brand")
SIDES = ("x", "y", "w", "h")
LEAST_PX = 8
"""A smaller box holds no mark that could be looked for elsewhere."""


@dataclass(frozen=True)
class AskedCorrection:
    """A line of the file.

    Attributes:
        where: the file and the line, as messages say it.
        at_ms, seq, span_ms: when: a time, the number of a sampled frame, or from when to when. One of the first two at
            most; a span may come with one of them, or alone.
    """

    where: str
    timeline: str
    action: Action
    brand: str
    to: str
    at_ms: int | None
    seq: int | None
    span_ms: tuple[int, int] | None
    box: PixelBox | None
    note: str


def read_correction_file(path: Path) -> list[AskedCorrection]:
    """What the lines ask for, in their order; at least one does.

    Raises:
        BadInput: the file cannot be read, or a line of it cannot be meant; names file, line and remedy.
    """
    lines = read_lines(path, COLUMNS)
    missing = [name for name in NEEDED if lines and name not in lines[0].cells]
    if missing:
        raise BadInput(f"{path}, line 1: there is no column {missing[0]!r}", f"the columns are {', '.join(COLUMNS)}")
    if not lines:
        raise BadInput(f"{path} holds no correction", "add a line for each below the columns")
    return [_asked(line) for line in lines]


def _asked(line: CsvLine) -> AskedCorrection:
    action = _action(line)
    span_ms, at_ms, seq = _span(line), _at(line), _frame(line)
    if at_ms is not None and seq is not None:
        raise BadInput(f"{line.where}: it has a time and a frame", "leave one of them out")
    if span_ms is None and at_ms is None and seq is None:
        raise BadInput(f"{line.where}: it does not say when", "fill in at_s, frame, or start_s and end_s")
    box = _box(line)
    if action == "add" and box is None:
        raise BadInput(f"{line.where}: it does not say where the brand is", "fill in x, y, w and h, in px of the frame")
    if not line.cells["timeline"]:
        raise BadInput(f"{line.where}: it names no timeline", "fill in the column timeline")
    brand, to = brand_of(line), " ".join(line.cells.get("to", "").split())
    if (action == "relabel") != bool(to):
        what = "it does not say what the brand really is" if action == "relabel" else f"{action} has no use for {to!r}"
        raise BadInput(f"{line.where}: {what}", "fill in the column to where the action is relabel, and only there")
    if to and fold_key(to) == fold_key(brand):
        raise BadInput(f"{line.where}: {brand!r} and {to!r} are one brand", "name another in the column to")
    note = line.cells.get("note", "")
    return AskedCorrection(line.where, line.cells["timeline"], action, brand, to, at_ms, seq, span_ms, box, note)


def _action(line: CsvLine) -> Action:
    said = line.cells["action"].lower()
    actions: Sequence[Action] = get_args(Action)
    for action in actions:
        if said == action:
            return action
    raise BadInput(f"{line.where}: the action {said!r} is not known", "write add, reject or relabel")


def _span(line: CsvLine) -> tuple[int, int] | None:
    start_ms, end_ms = _one_of(line, "start_s", "start_ms"), _one_of(line, "end_s", "end_ms")
    if start_ms is None and end_ms is None:
        return None
    if start_ms is None or end_ms is None:
        raise BadInput(f"{line.where}: it has a start or an end alone", "fill in both, or at_s alone")
    if end_ms <= start_ms:
        raise BadInput(f"{line.where}: it ends at or before its start", "put the earlier time first")
    return start_ms, end_ms


def _at(line: CsvLine) -> int | None:
    return _one_of(line, "at_s", "at_ms")


def _one_of(line: CsvLine, *columns: str) -> int | None:
    given = [name for name in columns if line.cells.get(name)]
    if len(given) > 1:
        raise BadInput(f"{line.where}: it has {given[0]} and {given[1]}", "leave one of them out")
    return milliseconds(line, given[0]) if given else None


def _frame(line: CsvLine) -> int | None:
    cell = line.cells.get("frame", "")
    if not cell:
        return None
    if not cell.isdecimal() or len(cell) > 10:
        raise BadInput(f"{line.where}: frame is {cell!r}", "write the number of a sampled frame, as the report has it")
    return int(cell)


def _box(line: CsvLine) -> PixelBox | None:
    given = [name for name in SIDES if line.cells.get(name)]
    if not given:
        return None
    if len(given) < len(SIDES):
        raise BadInput(f"{line.where}: a box has x, y, w and h", "fill in all four, or none")
    sides = {name: pixels(line, name) for name in SIDES}
    if min(sides["w"], sides["h"]) < LEAST_PX:
        raise BadInput(f"{line.where}: the box is {sides['w']} x {sides['h']} px", f"make it {LEAST_PX} px or larger")
    return PixelBox.model_validate(sides)
