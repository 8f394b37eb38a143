"""Sizes of exposures against the outlines of a drawn broadcast, which are exact; see `demo.truth`.

The true size of an exposure is the mean, over the video's frames in its span at which a mark of the brand counts, of
the share of the frame within the ink's rectangles of those marks. Marks that are seen in part, or are too small to
count, may be measured with them or not: the nearer is taken.
"""

from __future__ import annotations

import csv
from bisect import bisect_left
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
            times_ms, counted, all_seen = true.get(row["brand"], ([], [], []))
            away = inferred_spans(row["inferred"])
            frames = [
                at
                for at in range(bisect_left(times_ms, start_ms), bisect_left(times_ms, end_ms))
                if not any(start <= times_ms[at] < end for start, end in away)
            ]
            if frames:
                measured = float(row["mean_area_share"])
                means = (fmean(shares[at] for at in frames) for shares in (counted, all_seen))
                nearest = min(means, key=lambda mean: abs(measured / mean - 1))
                found.append(Size(row["brand"], start_ms, end_ms, measured, nearest))
    return found


def _true_shares(folder: Path) -> dict[str, tuple[list[int], list[float], list[float]]]:
    """By brand: times of the frames with a mark that counts; shares of the marks that count, and of all to be seen."""
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
        times_ms = sorted(at for at, marks in frames.items() if any(counts for counts, _ in marks))
        counted = [_share([mark for counts, mark in frames[at] if counts], width, height) for at in times_ms]
        all_seen = [_share([mark for _, mark in frames[at]], width, height) for at in times_ms]
        shares[brand] = times_ms, counted, all_seen
    return shares


def _share(marks: Sequence[Polygon], width: int, height: int) -> float:
    return union_area(marks) / (width * height)
