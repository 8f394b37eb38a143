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
totals: recall = found / present, precision = found / (found + false), F1.
Exit status 0; 2 where a file cannot be read as such a table.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import unicodedata
from collections import defaultdict
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


def read_truth(path: Path, kind: str) -> tuple[Cells, Cells, dict[str, str]]:
    must: Cells = defaultdict(set)
    may: Cells = defaultdict(set)
    names: dict[str, str] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            brand = key(row["brand"])
            names.setdefault(brand, row["brand"])
            start, end = float(row["start_s"]), float(row["end_s"])
            note = (row.get("note") or "").lower()
            soft = "hard" in note or "optional" in note or (kind != "any" and row["kind"] != kind)
            edge = min(EDGE_S, (end - start) / 2)
            may[brand] |= cells(max(start - EDGE_S, 0), end + EDGE_S)
            if not soft:
                must[brand] |= cells(start + edge, end - edge) or cells(start, end)
    return must, may, names


def read_exposures(path: Path) -> tuple[Cells, dict[str, str]]:
    found: Cells = defaultdict(set)
    names: dict[str, str] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            brand = key(row["brand"])
            names.setdefault(brand, row["brand"])
            if row.get("start_s"):
                start, end = float(row["start_s"]), float(row["end_s"])
            else:
                start, end = float(row["start_ms"]) / 1000, float(row["end_ms"]) / 1000
            found[brand] |= cells(start, end)
    return found, names


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
