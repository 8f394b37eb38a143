"""Output of the command line: bars and tables on a terminal, plain lines in a file or a pipe.

Names of brands, files and timelines are untrusted input: they are printed literally, never interpreted as markup or as
escape sequences.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Collection, Sequence
from typing import Any, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from gpu_service.masking import masked
from mpr_resources.names import is_hidden, visible

PIPE_WIDTH = 160
GAP = "  "
"""Between two columns of a table."""


class PlainConsole(Console):
    """A console that shows text as it is: no markup, and what a terminal would obey as an escape."""

    def __init__(self, **how: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **how)

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(visible(text), **how)


def styled(text: str, style: str = "") -> Text:
    """Text in a style of rich's, shown as it is."""
    return Text(visible(text), style)


out = PlainConsole(soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = PlainConsole(stderr=True, soft_wrap=True)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[str] = ()) -> None:
    """A table of texts, the columns of `right` flush right.

    Where its lines fit they are written as they are: rich, which folds what does not fit, takes a millisecond a row.
    """
    lines = [[visible(cell) for cell in line] for line in [headings, *rows]]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    if sum(widths) + len(GAP) * (len(widths) - 1) > out.width or any("\n" in cell for line in lines for cell in line):
        from rich.table import Table  # late, as few tables need it

        table = Table(box=None, pad_edge=False)
        for heading in headings:
            table.add_column(heading, overflow="fold", justify="right" if heading in right else "left")
        for row in rows:
            table.add_row(*row)
        out.print(table)
        return

    def laid_out(line: Sequence[str]) -> str:
        spaces = [" " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)]
        cells = zip(line, spaces, headings, strict=True)
        return GAP.join(space + cell if heading in right else cell + space for cell, space, heading in cells)

    head, *body = map(laid_out, lines)
    out.print(Text("\n").join([Text(head, "table.header"), *map(Text, body)]))


class _Sentences(logging.Handler):
    """Prints a record's message on stderr, unless it was printed before."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        # Dagster puts run and stage before the message of a record that a run logged, and keeps the message beside it.
        sentence = getattr(record, "dagster_meta", {}).get("orig_message", record.getMessage())
        if sentence not in self._said:
            self._said.add(sentence)
            err.print(f"mpr: {masked(sentence)}")


def show_warnings() -> None:
    """Print what is logged from now on, where nobody else takes it."""
    logging.basicConfig(level=logging.WARNING, handlers=[_Sentences()])


def print_json(document: object, file: TextIO) -> None:
    """A JSON document in one line; what a terminal would obey in its texts is an escape of JSON's."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    file.write("".join(f"\\u{ord(c):04x}" if is_hidden(c) else c for c in text) + "\n")
    file.flush()
