"""Sizes of exposures against the outlines of a drawn broadcast, which are exact; see `demo.truth`.

The true size of an exposure is the mean, over the video's frames in its span at which a mark of the brand counts, of
the share of the frame within the ink's rectangles of those marks; or that with marks that are seen in part, or are too
small to count, over all frames that show any: these may be measured or not, and what is nearer is taken.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import av

from mpr_assets.report.areas import Polygon, outline, union_area
from mpr_assets.report.exposure_table import inferred_spans


@dataclass(frozen=True)
class Size:
    """An exposure's `mean_area_share`, and what it truly is."""

    brand: str
    start_ms: int
    end_ms: int
    measured: float
    true: float

    @property
    def off(self) -> float:
        """By which share of the true size the measured one is too large; below 0: too small."""
        return self.measured / self.true - 1


def sizes(folder: Path, exposures: Path) -> list[Size]:
    """Of the exposures of a report's exposures.csv, but those in whose span no mark counts.

    `folder` holds `broadcast.mp4` and `truth_outlines.csv`.
    """
    true = _true_shares(folder)
    found = []
    with exposures.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            start_ms, end_ms = int(row["start_ms"]), int(row["end_ms"])
            away = inferred_spans(row["inferred"])
            means = [
                fmean(shares)
                for by_time in true.get(row["brand"], ())
                if (
                    shares := [
                        share
                        for at, share in by_time.items()
                        if start_ms <= at < end_ms and not any(start <= at < end for start, end in away)
                    ]
                )
            ]
            if len(means) == len(("counted", "all")):
                measured = float(row["mean_area_share"])
                nearest = min(means, key=lambda mean: abs(measured / mean - 1))
                found.append(Size(row["brand"], start_ms, end_ms, measured, nearest))
    return found


def _true_shares(folder: Path) -> dict[str, tuple[dict[int, float], dict[int, float]]]:
    """By brand: shares of the frame by time in ms, of the marks that count, and of all that are to be seen."""
    with av.open(str(folder / "broadcast.mp4")) as container:
        size = container.streams.video[0].codec_context
        width, height = size.width, size.height
    by_frame: defaultdict[str, defaultdict[int, list[tuple[bool, Polygon]]]] = defaultdict(lambda: defaultdict(list))
    with (folder / "truth_outlines.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            corners = [float(row[f"{axis}{corner}"]) for corner in range(4) for axis in "xy"]
            mark = row["counts"] == "1", outline(corners, (), width, height)
            by_frame[row["brand"]][int(row["pts_ms"])].append(mark)
    shares = {}
    for brand, frames in by_frame.items():
        counted = {at: [mark for counts, mark in marks if counts] for at, marks in frames.items()}
        shares[brand] = (
            {at: _share(marks, width, height) for at, marks in counted.items() if marks},
            {at: _share([mark for _, mark in marks], width, height) for at, marks in frames.items()},
        )
    return shares


def _share(marks: Sequence[Polygon], width: int, height: int) -> float:
    return union_area(marks) / (width * height)
