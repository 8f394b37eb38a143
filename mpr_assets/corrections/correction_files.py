"""Reads a user's file of corrections: what each line asks for, before it is held against its timeline.

CSV with the columns of COLUMNS, of which `timeline`, `action` and `brand` must be there; docs/evaluation.md explains
them. A box is x, y, w, h in pixels of the full frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from gpu_service.errors import BadInput
from mpr_assets.annotations.corrections import Action, PixelBox
from mpr_assets.annotations.csv_lines import CsvLine, brand_of, milliseconds, pixels, read_lines
from mpr_assets.corrections.asked import LEAST_PX, AskedCorrection

COLUMNS = (
    *("timeline", "action", "brand", "to", "at_s", "at_ms", "frame", "start_s", "end_s", "start_ms", "end_ms"),
    *("x", "y", "w", "h", "note"),
)
NEEDED = ("timeline", "action", "brand")
SIDES = ("x", "y", "w", "h")


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
    span_ms, at_ms, seq = _span(line), _at(line), _frame(line)
    if not line.cells["timeline"]:
        raise BadInput(f"{line.where}: it names no timeline", "fill in the column timeline")
    asked = AskedCorrection(
        where=line.where,
        timeline=line.cells["timeline"],
        action=_action(line),
        brand=brand_of(line),
        to=" ".join(line.cells.get("to", "").split()),
        at_ms=at_ms,
        seq=seq,
        span_ms=span_ms,
        box=_box(line),
        note=line.cells.get("note", ""),
    )
    return asked.checked()


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
