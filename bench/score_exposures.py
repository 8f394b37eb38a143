"""Score a list of brand exposures against a hand-made truth file.

    score_exposures.py TRUTH.csv EXPOSURES.csv [--kind text|logo|any] [--json]

TRUTH.csv has the columns brand,start_s,end_s,kind,note (the files under clips/).
EXPOSURES.csv has a column `brand` and either start_s,end_s (seconds) or
start_ms,end_ms (milliseconds); other columns are ignored.

Both are laid on a grid of 100 ms. A cell is a true positive when the brand is in
both, a miss when only the truth has it, a false alarm when only the exposures do.
Truth rows whose note says 'hard' or 'optional' can be found but not missed, and the
0.5 s on either side of a truth row can neither be missed nor be a false alarm: the
edges were set by eye, and a sampler of 2 frames a second cannot see between frames.
With --kind, truth rows of another kind are treated the same way (no miss, no alarm).
Brand names are compared by their letters and digits alone, case aside.

Prints seconds present, found, missed and falsely claimed for each brand, then the
totals: recall = found / present, precision = found / (found + false), F1. How far
the edges of what was found are off is measured by `edge_errors`, without a tolerance.
Exit status 0; 2 where a file cannot be read as such a table.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

Cells: TypeAlias = defaultdict[str, set[int]]
"""Grid cells by brand."""

GRID_S = 0.1
EDGE_S = 0.5


def key(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(ch for ch in plain if ch.isalnum())


def cells(start_s: float, end_s: float) -> set[int]:
    """Grid cells whose middle lies in [start_s, end_s)."""
    first = int(start_s / GRID_S)
    last = int(end_s / GRID_S) + 1
    return {c for c in range(max(first - 1, 0), last + 1) if start_s <= (c + 0.5) * GRID_S < end_s}


@dataclass(frozen=True)
class TruthRow:
    """A row of the truth file. `brand` is folded, `name` is as written."""

    brand: str
    name: str
    start_s: float
    end_s: float
    kind: str
    note: str

    def is_soft(self, kind: str) -> bool:
        """Whether it can be found but not missed when rows of that kind are asked for."""
        return "hard" in self.note or "optional" in self.note or (kind != "any" and self.kind != kind)

    def is_there_before(self, edge_s: float) -> bool:
        """Whether the brand is on screen by this row just before the edge, or was less than the tolerance ago."""
        return self.start_s < edge_s - GRID_S and self.end_s > edge_s - EDGE_S

    def is_there_after(self, edge_s: float) -> bool:
        """Whether the brand is on screen by this row just after the edge, or will be within the tolerance."""
        return self.end_s > edge_s + GRID_S and self.start_s < edge_s + EDGE_S


def _truth_rows(path: Path) -> list[TruthRow]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [
            TruthRow(
                key(row["brand"]),
                row["brand"],
                float(row["start_s"]),
                float(row["end_s"]),
                row["kind"],
                (row.get("note") or "").lower(),
            )
            for row in csv.DictReader(file)
        ]


def read_truth(path: Path, kind: str) -> tuple[Cells, Cells, dict[str, str]]:
    """Cells in which each brand must be found, cells in which it may be, and the brands' names."""
    must: Cells = defaultdict(set)
    may: Cells = defaultdict(set)
    names: dict[str, str] = {}
    for row in _truth_rows(path):
        names.setdefault(row.brand, row.name)
        edge = min(EDGE_S, (row.end_s - row.start_s) / 2)
        may[row.brand] |= cells(max(row.start_s - EDGE_S, 0), row.end_s + EDGE_S)
        if not row.is_soft(kind):
            must[row.brand] |= cells(row.start_s + edge, row.end_s - edge) or cells(row.start_s, row.end_s)
    return must, may, names


def _exposure_rows(path: Path) -> list[tuple[str, str, float, float]]:
    """Folded brand, its name, start and end in seconds."""
    rows = []
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            if row.get("start_s"):
                start, end = float(row["start_s"]), float(row["end_s"])
            else:
                start, end = float(row["start_ms"]) / 1000, float(row["end_ms"]) / 1000
            rows.append((key(row["brand"]), row["brand"], start, end))
    return rows


def read_exposures(path: Path) -> tuple[Cells, dict[str, str]]:
    """Cells in which each brand was found, and the brands' names."""
    found: Cells = defaultdict(set)
    names: dict[str, str] = {}
    for brand, name, start, end in _exposure_rows(path):
        names.setdefault(brand, name)
        found[brand] |= cells(start, end)
    return found, names


@dataclass(frozen=True)
class EdgeErrors:
    """How far starts and ends of what was found are from the truth's, in seconds, all at least 0."""

    starts_s: tuple[float, ...]
    ends_s: tuple[float, ...]


def edge_errors(truth: Path, exposures: Path, kind: str, length_s: float) -> EdgeErrors:
    """Compare the edges of the truth's rows with those of the exposures that overlap them.

    Left out: rows that may be missed or of another kind, edges within 0.1 s of the video's own, and edges beside which
    another row of the brand says that it is still there. Where several exposures overlap a row, its start is
    the first one's and its end the last one's; one that reaches back over a gap to an earlier row is as wrong as the
    gap is long. A row that nothing overlaps was missed and has no edges.

    Args:
        length_s: of the video.
    """
    rows = _truth_rows(truth)
    found: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for brand, _, start, end in _exposure_rows(exposures):
        found[brand].append((start, end))
    starts, ends = [], []
    for row in rows:
        over = [(start, end) for start, end in found[row.brand] if start < row.end_s and end > row.start_s]
        if not over or row.is_soft(kind):
            continue
        others = [one for one in rows if one.brand == row.brand and one is not row]
        if row.start_s > GRID_S and not any(one.is_there_before(row.start_s) for one in others):
            before = max((one.end_s for one in others if one.end_s <= row.start_s), default=0.0)
            starts.append(abs(row.start_s - max(min(over)[0], before)))
        if row.end_s < length_s - GRID_S and not any(one.is_there_after(row.end_s) for one in others):
            after = min((one.start_s for one in others if one.start_s >= row.end_s), default=length_s)
            ends.append(abs(row.end_s - min(max(end for _, end in over), after)))
    return EdgeErrors(tuple(starts), tuple(ends))


def score(truth: Path, exposures: Path, kind: str) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Seconds by brand, and the totals."""
    must, may, names = read_truth(truth, kind)
    found, found_names = read_exposures(exposures)
    names |= {b: n for b, n in found_names.items() if b not in names}
    rows: list[dict[str, Any]] = []
    total: defaultdict[str, float] = defaultdict(float)
    for brand in sorted(set(must) | set(found)):
        hit = len(must[brand] & found[brand])
        miss = len(must[brand] - found[brand])
        false = len(found[brand] - may[brand])
        rows.append(
            {
                "brand": names[brand],
                "present_s": round(len(must[brand]) * GRID_S, 1),
                "found_s": round(hit * GRID_S, 1),
                "missed_s": round(miss * GRID_S, 1),
                "false_s": round(false * GRID_S, 1),
            }
        )
        total["hit"] += hit
        total["miss"] += miss
        total["false"] += false
    recall = total["hit"] / (total["hit"] + total["miss"]) if total["hit"] + total["miss"] else 1.0
    precision = total["hit"] / (total["hit"] + total["false"]) if total["hit"] + total["false"] else 1.0
    f1 = 2 * recall * precision / (recall + precision) if recall + precision else 0.0
    summary = {
        "recall": round(recall, 3),
        "precision": round(precision, 3),
        "f1": round(f1, 3),
        "false_s": round(total["false"] * GRID_S, 1),
    }
    return rows, summary


def main() -> int:
    """Score the files named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("truth", type=Path)
    parser.add_argument("exposures", type=Path)
    parser.add_argument("--kind", choices=["text", "logo", "any"], default="any")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        rows, summary = score(args.truth, args.exposures, args.kind)
    except (OSError, KeyError, ValueError, csv.Error) as error:
        print(f"score_exposures: {error!r}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps({"brands": rows, **summary}))
    else:
        for row in rows:
            print(
                "{brand:32} present {present_s:6.1f} s  found {found_s:6.1f}  "
                "missed {missed_s:6.1f}  false {false_s:6.1f}".format(**row)
            )
        print("recall {recall}  precision {precision}  F1 {f1}  falsely claimed {false_s} s".format(**summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
