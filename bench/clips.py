"""`make eval CLIPS=FOLDER`: every clip of a folder through the whole graph, scored against its truth.

A clip is a folder with one video and a truth.csv (brand,start_s,end_s,kind,note). The brand list is made from the truth
and 20 brands that are not in it. Beside it, in the same process, the plain script that the graph is measured against:
RapidOCR as it comes on every sampled frame. One JSON line closes the table.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml
from rapidocr import RapidOCR

from bench.score_exposures import key, score
from gpu_service.errors import MprError
from gpu_service.pictures import decode
from mpr_assets.runs.local_instance import dagster_instance
from mpr_assets.runs.local_storage import storage
from mpr_assets.stages.extract_frames import ExtractFramesSettings, extract
from mpr_assets.stages.timeline import resolve
from mpr_cli import new_timeline
from mpr_cli.materialize import materialize
from mpr_resources.media.probe import probe
from mpr_resources.storage.keys import Keys

VIDEOS = {".mp4", ".mkv", ".mov", ".webm", ".avi", ".ts"}
ABSENT = (
    "Heineken", "Santander", "Gazprom", "Qatar Airways", "Etihad", "Rolex", "Michelin", "Pirelli", "Samsung", "Hyundai",
    "Mastercard", "Budweiser", "Carlsberg", "Lufthansa", "Allianz", "Bridgestone", "Unilever", "Panasonic", "Barclays",
    "Vodafone",
)  # fmt: skip
WARM_UP_MS = 1000


def brand_list(truth: Path) -> list[str]:
    """The truth's brands, each once, and those that are absent from it."""
    with truth.open(newline="", encoding="utf-8-sig") as file:
        named = {key(row["brand"]): row["brand"] for row in csv.DictReader(file)}
    return [*named.values(), *(brand for brand in ABSENT if key(brand) not in named)]


def clips(folder: Path) -> list[tuple[str, Path, Path]]:
    """Name, video and truth of every clip in the folder."""
    found = []
    for truth in sorted(folder.glob("*/truth.csv")):
        videos = [path for path in sorted(truth.parent.iterdir()) if path.suffix.lower() in VIDEOS]
        if videos:
            found.append((truth.parent.name, videos[0], truth))
    return found


def run_graph(name: str, video: Path, brands: Path, profile: str, chunks: list[str]) -> float:
    """Seconds that the whole graph takes, Dagster included."""
    start_s = time.perf_counter()
    spec = new_timeline.timeline_spec([video], profile, chunks, brands, name)
    with dagster_instance() as instance:
        new_timeline.create_timeline(instance, spec, replace=False)
        materialize(instance, name, command="eval")
    return time.perf_counter() - start_s


def run_plain(video: Path, reader: RapidOCR) -> float:
    """Seconds that RapidOCR as it comes takes on the same frames, decoding included."""
    start_s = time.perf_counter()
    spec = new_timeline.timeline_spec([video], "generic", [], None, "plain")
    for frame in extract(resolve(spec, probe), ExtractFramesSettings()):
        reader(decode(frame.jpeg))
    return time.perf_counter() - start_s


def main() -> int:
    """Exit status 0 when every clip ran; 1 when one did not; 2 when there is none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--profile", default="generic")
    parser.add_argument("--kind", choices=["text", "logo", "any"], default="text")
    parser.add_argument("--only", action="append", help="name of a clip, again for more")
    parser.add_argument("--no-plain", action="store_true", help="leave the plain script out")
    parser.add_argument("--details", action="store_true", help="seconds by brand")
    args = parser.parse_args()
    found = [clip for clip in clips(args.folder) if not args.only or clip[0] in args.only]
    if not found:
        print(f"eval: no clip with a truth.csv in {args.folder}; say make eval CLIPS=FOLDER", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        os.environ |= {"MPR_STORAGE_URL": f"{scratch}/storage", "DAGSTER_HOME": f"{scratch}/dagster"}
        reader = None if args.no_plain else RapidOCR(params={"Global.log_level": "error"})
        return evaluate(found, Path(scratch), args, reader)


@dataclass(frozen=True)
class Score:
    """How a clip did. `time_ratio`: the graph's time as a share of the plain script's, None where that did not run."""

    clip: str
    f1: float
    recall: float
    precision: float
    false_s: float
    has_truth: bool
    time_ratio: float | None

    def __str__(self) -> str:
        ratio = "" if self.time_ratio is None else f"  time {self.time_ratio:.2f} of plain OCR"
        figures = (
            f"F1 {self.f1:.3f}  recall {self.recall:.3f}  precision {self.precision:.3f}  false {self.false_s:.1f} s"
        )
        return f"{self.clip:20} {figures}{ratio}"


def evaluate(
    found: list[tuple[str, Path, Path]], scratch: Path, args: argparse.Namespace, reader: RapidOCR | None
) -> int:
    """Run, score and print every clip."""
    scores: list[Score] = []
    graph_s = plain_s = 0.0
    for number, (name, video, truth) in enumerate(found):
        brands = scratch / f"{name}.yaml"
        brands.write_text(yaml.safe_dump({"brands": [{"name": brand} for brand in brand_list(truth)]}))
        try:
            if number == 0:
                run_graph("warm_up", video, brands, args.profile, [f"0-{WARM_UP_MS / 1000}"])
            took_s = run_graph(name, video, brands, args.profile, [])
        except MprError as error:
            print(f"eval: {name}: {error}", file=sys.stderr)
            return 1
        plain = run_plain(video, reader) if reader is not None else 0.0
        graph_s, plain_s = graph_s + took_s, plain_s + plain
        exposures = scratch / f"{name}.csv"
        exposures.write_bytes(storage().get(Keys.report(name, "exposures.csv")))
        rows, total = score(truth, exposures, args.kind)
        has_truth = any(row["present_s"] for row in rows)
        scores.append(Score(name, **total, has_truth=has_truth, time_ratio=took_s / plain if plain else None))
        print(scores[-1], flush=True)
        for row in rows if args.details else ():
            seconds = "present {present_s:5}  found {found_s:5}  missed {missed_s:5}  false {false_s:5}".format(**row)
            print(f"    {row['brand']:64} {seconds}")
    with_truth = [one.f1 for one in scores if one.has_truth]
    summary = {
        "bench": "clips",
        "mean_f1": round(statistics.fmean(with_truth), 3) if with_truth else None,
        "lowest_f1": min(with_truth, default=None),
        "false_s_without_truth": sum(one.false_s for one in scores if not one.has_truth),
        "time_ratio_to_plain_ocr": round(graph_s / plain_s, 3) if plain_s else None,
    }
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
