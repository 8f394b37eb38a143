"""Reads a user's file of truth: CSV with the columns brand, start_s, end_s, kind, note.

Instead of seconds the times may be start_ms and end_ms. `kind` and `note` may be left out: text is a wordmark, logo a
symbol; a row whose note says "hard" or "optional" can be found but not missed. A file that holds the line of columns
alone says that no brand is on screen.
"""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, get_args

from gpu_service.errors import BadInput
from mpr_assets.evaluation.truth import OTHER_KINDS, Kind, Truth, TruthRow
from mpr_resources.brands.folding import fold_key
from mpr_resources.media.clock import clock

TIMES = (("start_s", "end_s"), ("start_ms", "end_ms"))
COLUMNS = ("brand", "start_s", "end_s", "start_ms", "end_ms", "kind", "note")
OPTIONAL_WORDS = ("hard", "optional")
PAST_END_MS = 250
"""A truth may reach so far past the timeline's end, as edges are set by eye; it is cut there."""


class CsvLine(NamedTuple):
    """A line of a CSV file. `where`: the file and the line's number, as messages say it."""

    where: str
    cells: Mapping[str, str]


def read_truth_file(path: Path, length_ms: int) -> Truth:
    """Read a file of truth.

    Args:
        length_ms: of the timeline.

    Raises:
        BadInput: it cannot be read, has other columns, or a row of it cannot be; names file, line and remedy.
    """
    return Truth(file=path.name, rows=tuple(_truth_rows(read_lines(path, COLUMNS), length_ms)))


def read_lines(path: Path, columns: Sequence[str]) -> list[CsvLine]:
    """The lines of a CSV file below that of the columns, empty ones left out. Cells are stripped.

    Args:
        columns: those that there may be; `brand` must be.

    Raises:
        BadInput: the file cannot be read, is empty or no CSV, has a column that is not known, or twice, or a line that
            has more or fewer cells than columns.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror})", "name a file that is there") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not text in UTF-8", "save it as CSV in UTF-8") from error
    if not text.strip():
        raise BadInput(f"{path} is empty", f"begin it with the line {','.join(columns[:3])}")
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        head = [name.strip() for name in next(reader)]
        _check_columns(path, head, columns)
        lines = []
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(head):
                raise BadInput(
                    f"{where}: it has {len(cells)} cells and the first line {len(head)}",
                    "put texts with commas in quotes",
                )
            lines.append(CsvLine(where, {name: cell.strip() for name, cell in zip(head, cells, strict=True)}))
    except csv.Error as error:
        raise BadInput(f"{path}, line {reader.line_num}: this is not CSV ({error})", "save it as CSV") from None
    return lines


def _check_columns(path: Path, head: Sequence[str], columns: Sequence[str]) -> None:
    where = f"{path}, line 1"
    unknown = [name for name in head if name not in columns]
    if unknown:
        raise BadInput(f"{where}: the column {unknown[0]!r} is not known", f"the columns are {', '.join(columns)}")
    twice = [name for name in head if head.count(name) > 1]
    if twice:
        raise BadInput(f"{where}: the column {twice[0]!r} is there twice", "remove one of them")
    if "brand" not in head:
        raise BadInput(f"{where}: there is no column 'brand'", "name it, with the brand of each row below")


def _truth_rows(lines: Sequence[CsvLine], length_ms: int) -> list[TruthRow]:
    rows: list[TruthRow] = []
    spans: defaultdict[tuple[str, Kind | None], list[tuple[int, int, str]]] = defaultdict(list)
    for line in lines:
        brand = brand_of(line)
        start_ms, end_ms = _span(line, length_ms)
        kind, note = _kind(line), line.cells.get("note", "")
        optional = any(word in note.lower() for word in OPTIONAL_WORDS)
        if not optional:
            spans[fold_key(brand), kind].append((start_ms, end_ms, line.where))
        rows.append(TruthRow(brand=brand, start_ms=start_ms, end_ms=end_ms, kind=kind, optional=optional, note=note))
    for (_, kind), of_brand in spans.items():
        _refuse_overlaps(sorted(of_brand), kind)
    return rows


def _refuse_overlaps(spans: Sequence[tuple[int, int, str]], kind: Kind | None) -> None:
    for (_, end_ms, first), (start_ms, _, second) in pairwise(spans):
        if start_ms < end_ms:
            what = f"the same brand is on screen at {clock(start_ms)} by {first.rpartition(', ')[2]} too"
            also = f" as {kind}" if kind else ""
            raise BadInput(
                f"{second}: {what}{also}", "make one row of the two, or end the first where the second begins"
            )


def brand_of(line: CsvLine) -> str:
    """The brand that a line names.

    Raises:
        BadInput: it names none.
    """
    brand = " ".join(line.cells["brand"].split())
    if not any(character.isalnum() for character in fold_key(brand)):
        raise BadInput(f"{line.where}: the brand {brand!r} has no letter or digit", "name the brand")
    return brand


def _kind(line: CsvLine) -> Kind | None:
    said = line.cells.get("kind", "")
    for kind in get_args(Kind):
        if said == kind:
            return kind  # type: ignore[no-any-return]  # it is one of them
    if said in OTHER_KINDS:
        return None
    raise BadInput(f"{line.where}: the kind {said!r} is not known", "write text for a wordmark, logo for a symbol")


def _span(line: CsvLine, length_ms: int) -> tuple[int, int]:
    for columns in TIMES:
        if all(line.cells.get(name) for name in columns):
            start_ms, end_ms = (milliseconds(line, name) for name in columns)
            break
    else:
        raise BadInput(f"{line.where}: it has no start or no end", "fill in start_s and end_s, in seconds")
    if end_ms <= start_ms:
        raise BadInput(f"{line.where}: it ends at or before its start", "put the earlier time first")
    check_within(line, start_ms, length_ms)
    if end_ms > length_ms + PAST_END_MS:
        raise BadInput(
            f"{line.where}: it ends at {clock(end_ms)}, and the timeline at {clock(length_ms)}",
            "end it there; times are on the timeline's clock",
        )
    return start_ms, min(end_ms, length_ms)


def milliseconds(line: CsvLine, column: str) -> int:
    """The time in a cell, whose column ends in `_s` or `_ms`.

    Raises:
        BadInput: it is no number, or negative.
    """
    cell = line.cells[column]
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise BadInput(f"{line.where}: {column} is {cell!r}", "write a number of 0 or more, with a point for decimals")
    return round(value if column.endswith("_ms") else value * 1000)


def check_within(line: CsvLine, at_ms: int, length_ms: int) -> None:
    """See that a time lies in the timeline.

    Raises:
        BadInput: it does not.
    """
    if at_ms >= length_ms:
        raise BadInput(
            f"{line.where}: {clock(at_ms)} is past the timeline's end at {clock(length_ms)}",
            "times are on the timeline's clock, which begins at 0",
        )
