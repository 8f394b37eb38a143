"""The page of a comparison, one self-contained file. Its layout is in diff.html and page.css."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from gpu_service.pictures import encode_jpeg
from mpr_assets.compare.snapshots import Comparison
from mpr_assets.compare.table_diff import (
    Change,
    Kind,
    Row,
    change_line,
    name_of,
)
from mpr_assets.overlays.marks import Mark, draw
from mpr_assets.report.page.render import FOLDER, html_environment

MOST_PICTURES = 24
MOST_CHANGES = 500
PICTURE_WIDTH_PX = 720
QUALITY = 82
COLOURS: dict[Kind, tuple[int, int, int]] = {
    "gained": (120, 200, 70),
    "lost": (70, 70, 235),
    "moved": (60, 180, 245),
    "changed": (60, 180, 245),
}
"""BGR: green what is new, red what is gone, amber what is other than it was."""
SIGNS: dict[Kind, str] = {"gained": "+", "lost": "−", "moved": "~", "changed": "~"}


@dataclass(frozen=True)
class PicturePair:
    """A frame with its changes drawn on it."""

    title: str
    uri: str
    lines: tuple[str, ...]


def diff_page(comparison: Comparison) -> str:
    """The page as HTML; equal comparisons give equal pages."""
    template = html_environment().get_template("diff.html")
    return template.render(
        comparison=comparison,
        pictures=pictures(comparison),
        change_line=change_line,
        most=MOST_CHANGES,
        css=(FOLDER / "page.css").read_text(),
        colours={kind: "#{2:02x}{1:02x}{0:02x}".format(*colour) for kind, colour in COLOURS.items()},
    )


def pictures(comparison: Comparison) -> list[PicturePair]:
    """The frames with most changes, in their order, each drawn once; frames that are no longer kept are left out."""
    by_frame: defaultdict[int, list[Change]] = defaultdict(list)
    for section in comparison.sections:
        for change in section.difference.changes:
            if outline(change.row) and "seq" in change.row:
                by_frame[change.row["seq"]].append(change)
    chosen = sorted(by_frame, key=lambda seq: (-len(by_frame[seq]), seq))[:MOST_PICTURES]
    shown = (_shown(comparison, seq, by_frame[seq]) for seq in sorted(chosen))
    return [one for one in shown if one is not None]


def _shown(comparison: Comparison, at: int, changes: Sequence[Change]) -> PicturePair | None:
    """`at`: the frame's seq in the result after."""
    before = at if comparison.frames is None else comparison.frames.before_of.get(at)
    for state, seq in ((comparison.after, at), (comparison.before, before)):
        picture = None if seq is None else state.frame(seq)
        if picture is not None:
            marks = [mark for change in changes for mark in marks_of(change)]
            drawn = encode_jpeg(draw(picture.pixels, marks, PICTURE_WIDTH_PX), QUALITY)
            uri = f"data:image/jpeg;base64,{base64.b64encode(drawn).decode()}"
            return PicturePair(f"frame {at}", uri, tuple(change_line(change) for change in changes))
    return None


def marks_of(change: Change) -> list[Mark]:
    """The row's outline in the colour of what became of it; of a moved one where it was, too."""
    colour, label = COLOURS[change.kind], f"{SIGNS[change.kind]} {name_of(change.row)}".strip()
    marks = [Mark(outline(change.row), label, colour=colour)]
    if change.kind == "moved" and change.before is not None:
        marks.insert(0, Mark(outline(change.before), colour=COLOURS["lost"]))
    return marks


def outline(row: Row) -> tuple[tuple[float, float], ...]:
    """Corners of the row's place in its frame; empty when it has none."""
    if row.get("polygon"):
        return tuple((x, y) for x, y in row["polygon"])
    if row.get("quad"):
        return tuple(zip(row["quad"][0::2], row["quad"][1::2], strict=True))
    return Mark.box(row["x"], row["y"], row["w"], row["h"]).outline if "x" in row else ()
