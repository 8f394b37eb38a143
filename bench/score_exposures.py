"""Score a list of brand exposures against a hand-made truth file.

    score_exposures.py TRUTH.csv EXPOSURES.csv [--kind text|logo|any] [--json]

TRUTH.csv has the columns brand,start_s,end_s,kind,note (the files under clips/).
EXPOSURES.csv has a column `brand` and either start_s,end_s (seconds) or
start_ms,end_ms (milliseconds); other columns are ignored.

Both are laid on a grid of 100 ms, as `mpr_assets.evaluation.spans` does it. Truth rows
whose note says 'hard' or 'optional' can be found but not missed, and the
0.5 s on either side of a truth row can neither be missed nor be a false alarm: the
edges were set by eye, and a sampler of 2 frames a second cannot see between frames.
With --kind, truth rows of another kind are treated the same way (no miss, no alarm).
Brand names are compared as MPR compares them; no list says which are aliases.

Prints seconds present, found, missed and falsely claimed for each brand, then the
totals: recall = found / present, precision = found / (found + false), F1. How far
the edges of what was found are off is measured by `edges`, without a tolerance.
Exit status 0; 2 where a file cannot be read as such a table.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from gpu_service.errors import BadInput
from mpr_assets.annotations.truth import Kind, TruthRow
from mpr_assets.annotations.truth_files import read_truth_file
from mpr_assets.evaluation.expected import spans_of
from mpr_assets.evaluation.model import rates
from mpr_assets.evaluation.spans import EdgeErrors, FoundSpan, TruthSpan, all_edges, edge_errors, grid_counts
from mpr_resources.brands.folding import fold_key

TOLERANCE_MS = 500
NO_END_MS = 10**9
"""Longer than any clip."""


@dataclass(frozen=True)
class Scored:
    """Spans by the brand's key, and the brands' names. `end_ms`: when the last of them ends."""

    truth: dict[str, list[TruthSpan]]
    found: dict[str, list[FoundSpan]]
    names: dict[str, str]

    @property
    def end_ms(self) -> int:
        true_ms = (one.end_ms for of_brand in self.truth.values() for one in of_brand)
        return max((*true_ms, *(one.end_ms for of_brand in self.found.values() for one in of_brand)), default=0)


def read(truth: Path, exposures: Path, kind: str) -> Scored:
    """Read both files.

    Raises:
        BadInput, OSError, KeyError, ValueError, csv.Error: one of them is no such table.
    """
    kinds: tuple[Kind, ...] = tuple(one for one in get_args(Kind) if kind in (one, "any"))
    names: dict[str, str] = {}
    rows: defaultdict[str, list[TruthRow]] = defaultdict(list)
    for row in read_truth_file(truth, NO_END_MS).rows:
        names.setdefault(fold_key(row.brand), row.brand)
        rows[fold_key(row.brand)].append(row)
    found: defaultdict[str, list[FoundSpan]] = defaultdict(list)
    with exposures.open(newline="", encoding="utf-8-sig") as file:
        for line in csv.DictReader(file):
            in_s = bool(line.get("start_s"))
            start, end = (float(line[f"{edge}_{'s' if in_s else 'ms'}"]) for edge in ("start", "end"))
            scale = 1000 if in_s else 1
            names.setdefault(fold_key(line["brand"]), line["brand"])
            found[fold_key(line["brand"])].append(FoundSpan(round(start * scale), round(end * scale)))
    return Scored({brand: spans_of(of_brand, kinds) for brand, of_brand in rows.items()}, dict(found), names)


def edges(truth: Path, exposures: Path, kind: str, length_s: float) -> EdgeErrors:
    """How far the edges of all brands are off; see `mpr_assets.evaluation.spans.edge_errors`.

    Args:
        length_s: of the video.
    """
    both = read(truth, exposures, kind)
    length_ms = round(length_s * 1000)
    return all_edges(
        [edge_errors(rows, both.found.get(brand, ()), length_ms, TOLERANCE_MS) for brand, rows in both.truth.items()]
    )


def score(truth: Path, exposures: Path, kind: str) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Seconds by brand, and the totals."""
    both = read(truth, exposures, kind)
    rows: list[dict[str, Any]] = []
    present, found, false = 0, 0, 0
    for brand in sorted({*both.truth, *both.found}):
        one = grid_counts(both.truth.get(brand, ()), both.found.get(brand, ()), both.end_ms, TOLERANCE_MS)
        present, found, false = present + one.present_ms, found + one.found_ms, false + one.false_ms
        seconds = {f"{name}_s": getattr(one, f"{name}_ms") / 1000 for name in ("present", "found", "missed", "false")}
        rows.append({"brand": both.names[brand], **seconds})
    recall, precision, f1 = (round(one, 3) for one in rates(found, present, found + false))
    return rows, {"recall": recall, "precision": precision, "f1": f1, "false_s": false / 1000}


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
    except (BadInput, OSError, KeyError, ValueError, csv.Error) as error:
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
