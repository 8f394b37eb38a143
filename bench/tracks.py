"""What follows marks best between two samples a second: `python -m bench.tracks`, on drawn broadcasts, without OCR.

The truth's own boxes stand for a detector that misses a share of them, so that only the following differs: MPR's
(`mpr_assets.report.tracks`), the rule that any gap of a brand up to a second is bridged, and ByteTrack as the package
`trackers` has it (`pip install trackers`; left out where it is not there), which waits as long as MPR does. Scored as
in `bench.score_stays`; exposures of all three are bridged by the same code. One JSON line closes the output.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import sys
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias
from unittest.mock import patch

import numpy as np
import polars as pl

from bench.eval_clips import VARIED_S, varied_broadcast
from bench.score_stays import StayScore, score_stays
from bench.stays import figures, seeds
from demo.broadcast import FPS
from demo.varied import varied_script
from mpr_assets.definitions import ROOT
from mpr_assets.exports.csv_file import exposures_csv
from mpr_assets.report import exposures as made
from mpr_assets.report.camera import Motion, picture_motion
from mpr_assets.report.tracks import AwayLimits, Bridge, Tracks, follow
from mpr_assets.sampling.frames import extracted
from mpr_assets.sampling.settings import ExtractFramesSettings
from mpr_assets.stages.extract_frames import chunk_rows
from mpr_assets.stages.extract_frames import index as frame_index
from mpr_assets.text.detections import DETECTION_SCHEMA
from mpr_resources.media.decoding import open_media

Follow: TypeAlias = Callable[[pl.DataFrame, pl.DataFrame, AwayLimits, Motion], Tracks]
STEP_S = 0.5


def any_gap(found: pl.DataFrame, looked: pl.DataFrame, limits: AwayLimits, _motion: Motion) -> Tracks:
    """Bridges every gap of a brand within a shot that is short enough, whatever mark is on either side."""
    bridges = []
    for (brand, chunk, shot), seqs in _seqs(found, looked).items():
        bridges += [Bridge(brand, chunk, shot, one, other, limits.near_ms) for one, other in pairwise(seqs)]
    return Tracks((), tuple(bridges))


def byte_track(found: pl.DataFrame, looked: pl.DataFrame, limits: AwayLimits, _motion: Motion) -> Tracks:
    """ByteTrack, one tracker for each brand and shot, that waits for as long as a mark may be hidden."""
    trackers, supervision = (importlib.import_module(name) for name in ("trackers", "supervision"))
    boxes = defaultdict(list)
    for brand, seq, x, y, w, h in found.select("brand", "seq", "x", "y", "w", "h").iter_rows():
        boxes[brand, seq].append((x, y, x + w, y + h))
    bridges = []
    for (brand, chunk, shot), seqs in _seqs(found, looked).items():
        tracker = trackers.ByteTrackTracker(
            lost_track_buffer=round(limits.hidden_ms / 1000 / STEP_S), minimum_consecutive_frames=1
        )
        last: dict[int, int] = {}
        for seq in range(seqs[0], seqs[-1] + 1):
            here = np.array(boxes.get((brand, seq), np.zeros((0, 4))), np.float32)
            tracked: Any = tracker.update(supervision.Detections(xyxy=here, confidence=np.ones(len(here), np.float32)))
            for number in tracked.tracker_id.tolist():
                if number >= 0 and seq - last.get(number, seq) > 1:
                    bridges.append(Bridge(brand, chunk, shot, last[number], seq, limits.hidden_ms))
                last[number] = seq
    return Tracks((), tuple(bridges))


def _seqs(found: pl.DataFrame, looked: pl.DataFrame) -> dict[tuple[str, int, int], list[int]]:
    """The frames of each brand in each shot."""
    seqs: defaultdict[tuple[str, int, int], list[int]] = defaultdict(list)
    placed = (
        found.join(looked.select("seq", "chunk", "shot"), on="seq").select("brand", "chunk", "shot", "seq").unique()
    )
    for brand, chunk, shot, seq in placed.sort("seq").iter_rows():
        seqs[brand, chunk, shot].append(seq)
    return seqs


def detections(boxes: Path, frames: pl.DataFrame, missed: float, seed: int) -> pl.DataFrame:
    """The truth's boxes in the sampled frames, all but that share of them."""
    rng = np.random.default_rng(seed)
    seq_of = {round(ms * FPS / 1000): seq for seq, ms in frames.select("seq", "source_ms").iter_rows()}
    rows = []
    with boxes.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            seq = seq_of.get(int(row["frame"]))
            if seq is not None and rng.random() >= missed:
                place = {side: int(row[side]) for side in "xywh"}
                rows.append(
                    place | {"seq": seq, "brand": row["brand"], "confidence": 0.9, "source": "logo", "text": ""}
                )
    return pl.DataFrame(rows, {name: DETECTION_SCHEMA[name] for name in DETECTION_SCHEMA})


def scored(seed: int, folder: Path, missed: float, ways: dict[str, Follow]) -> dict[str, StayScore]:
    """Each way's score on the broadcast of that seed."""
    clip = varied_broadcast(seed, folder)
    with open_media(clip.video) as media:
        place = media.place
    chunks = pl.DataFrame(
        {
            **{"chunk": [0], "source": [str(clip.video)], "start_ms": [0], "end_ms": [1000 * VARIED_S]},
            **{"timeline_start_ms": [0], "fps_num": [FPS.numerator], "fps_den": [FPS.denominator]},
            **{"stream": [place.number], "origin_pts": [place.origin_pts], "from_byte": [0], "pid": [0]},
        }
    )
    taken = list(extracted(chunk_rows(chunks), ExtractFramesSettings().plain(), open_media, None))
    frames = frame_index([one.row for one in taken])
    starts_ms = [0, *(1000 * VARIED_S * entry.until for entry in varied_script(seed))]
    shots = [sum(start <= ms for start in starts_ms) for ms in frames["source_ms"].to_list()]
    scenes = frames.select("seq", kept_seq="seq").with_columns(shot=pl.Series(shots, dtype=pl.Int32))
    from gpu_service.pictures import Picture

    motion = picture_motion(lambda seq: Picture(encoded=taken[seq].jpeg))
    found = detections(clip.video.parent / "truth_boxes.csv", frames, missed, seed)
    scores = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, way in ways.items():
            with patch.object(made, "follow", way):
                rows = made.exposures(found, frames, scenes, chunks, made.ExposureSettings(), motion)
            path = Path(scratch) / f"{name}.csv"
            path.write_text(exposures_csv(rows), newline="", encoding="utf-8")
            scores[name] = score_stays(clip.video.parent, path)
    return scores


def main(words: Sequence[str] | None = None) -> int:
    """The command; `words` are its arguments, the process's own when None."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=seeds, default=seeds("1-20"), metavar="N[-M]")
    parser.add_argument("--missed", type=float, default=0.2, metavar="SHARE", help="of the boxes, by chance")
    parser.add_argument("--copies", type=Path, metavar="FOLDER", default=ROOT / ".mpr" / "eval")
    args = parser.parse_args(words)
    ways: dict[str, Follow] = {"mpr": follow, "any_gap": any_gap}
    if importlib.util.find_spec("trackers") is not None:
        warnings.simplefilter("ignore")
        ways["byte_track"] = byte_track
    scores = [scored(seed, args.copies, args.missed, ways) for seed in args.seeds]
    totals = {name: figures([one[name] for one in scores], STEP_S) for name in ways}
    for name, total in totals.items():
        said = f"{name:12} {total['split']} split, {total['merged']} merged of {total['found']} stays"
        print("\n    ".join([said, *(line for one in scores for line in one[name].said)]))
    print(json.dumps({"bench": "tracks", "missed": args.missed, **totals}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
