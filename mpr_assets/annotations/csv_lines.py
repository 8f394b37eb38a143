"""Lines of a user's CSV file, and the cells that truth and corrections share. Every error names file and line."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gpu_service.errors import BadInput
from mpr_resources.brands.folding import fold_key
from mpr_resources.media.clock import clock

MAX_BYTES = 64_000_000
"""Of a file of truth or corrections: tracks of a match, with a box for every frame, are tens of MB."""


class CsvLine(NamedTuple):
    """A line of a CSV file. `where`: the file and the line's number, as messages say it."""

    where: str
    cells: Mapping[str, str]


def read_annotations(path: Path) -> bytes:
    """The bytes of a file of annotations.

    Raises:
        BadInput: it cannot be read, or is larger than any.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise BadInput(f"{path} is not a regular file", "save it to a file first")
        if path.stat().st_size > MAX_BYTES:
            raise BadInput(f"{path} is larger than {MAX_BYTES // 1_000_000} MB", "split it by timeline")
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror})", "name a file that is there") from error


def read_lines(path: Path, columns: Sequence[str]) -> list[CsvLine]:
    """The lines of a CSV file below that of the columns, empty ones left out. Cells are stripped.

    Args:
        columns: those that there may be; `brand` must be.

    Raises:
        BadInput: the file cannot be read, is empty or no CSV, has a column that is not known, or twice, or a line that
            has more or fewer cells than columns.
    """
    try:
        text = read_annotations(path).decode("utf-8-sig")
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


def brand_of(line: CsvLine) -> str:
    """The brand that a line names.

    Raises:
        BadInput: it names none.
    """
    brand = " ".join(line.cells["brand"].split())
    if not any(character.isalnum() for character in fold_key(brand)):
        raise BadInput(f"{line.where}: the brand {brand!r} has no letter or digit", "name the brand")
    return brand


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


def pixels(line: CsvLine, name: str) -> int:
    """The whole number of pixels in a cell, 0 or more.

    Raises:
        BadInput: it is none.
    """
    try:
        value = float(line.cells[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise BadInput(f"{line.where}: {name} is {line.cells[name]!r}", "write a number of pixels of 0 or more")
    return round(value)
