"""What `make eval` runs on: the clips of a folder, degraded copies of them, broadcasts drawn from seeds.

Copies and broadcasts are kept in a folder and made once. How they are made is in `bench.degraded_copies` and `demo`.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import yaml

from bench.degraded_copies import TREATMENTS, VERSION, Treatment, scaled, write_copy
from demo.broadcast import draw_broadcast
from demo.recast import Recast
from demo.varied import varied_script
from mpr_assets.definitions import ROOT
from mpr_resources.brands.folding import fold_key

VIDEOS = {".mp4", ".mkv", ".mov", ".webm", ".avi", ".ts"}
ABSENT = (
    "Heineken", "Santander", "Gazprom", "Qatar Airways", "Etihad", "Rolex", "Michelin", "Pirelli", "Samsung", "Hyundai",
    "Mastercard", "Budweiser", "Carlsberg", "Lufthansa", "Allianz", "Bridgestone", "Unilever", "Panasonic", "Barclays",
    "Vodafone",
)  # fmt: skip
COPIES_A_TREATMENT = 4
BROADCAST_HEIGHT_PX = 720
VARIED_S = 16


@dataclass(frozen=True)
class Clip:
    """A video and its truth.csv. `logos`: names and files of the reference pictures of brands that have some."""

    name: str
    video: Path
    truth: Path
    logos: tuple[tuple[str, Path], ...] = ()

    def brands(self) -> list[str]:
        """The truth's brands, each once, and those that are absent from it."""
        named = {fold_key(brand): brand for brand in self._truth_brands()}
        return [*named.values(), *(brand for brand in ABSENT if fold_key(brand) not in named)]

    def brand_file(self) -> str:
        """The brands as YAML."""
        logos = dict(self.logos)
        entries = [
            {"name": brand} | ({"logos": [str(logos[brand])]} if brand in logos else {}) for brand in self.brands()
        ]
        return str(yaml.safe_dump({"brands": entries}))

    def has_truth(self) -> bool:
        """Whether anything is to be found in it."""
        return bool(self._truth_brands())

    def _truth_brands(self) -> list[str]:
        with self.truth.open(newline="", encoding="utf-8-sig") as file:
            return [row["brand"] for row in csv.DictReader(file)]


def clips_in(folder: Path) -> list[Clip]:
    """Those of the subfolders that hold a video and a truth.csv, by name."""
    found = []
    for truth in sorted(folder.glob("*/truth.csv")):
        videos = [path for path in sorted(truth.parent.iterdir()) if path.suffix.lower() in VIDEOS]
        if videos:
            found.append(Clip(truth.parent.name, videos[0], truth))
    return found


def height_px(video: Path) -> int:
    with av.open(str(video)) as container:
        return container.streams.video[0].codec_context.height


def length_s(video: Path) -> float:
    """As the container says."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        return (container.duration or 0) / av.time_base


def copies_of(clips: Sequence[Clip], height_px: Callable[[Path], int]) -> list[tuple[Clip, Treatment]]:
    """Which clips are copied how: each treatment on four clips, or on as many as suit it.

    Clips in which nothing is to be found are left out. The treatments begin with different clips, so that each clip is
    copied about equally often.
    """
    clips = [clip for clip in clips if clip.has_truth()]
    chosen = []
    for number, treatment in enumerate(TREATMENTS):
        suited = [clip for clip in clips if height_px(clip.video) >= treatment.least_height_px]
        first = number % len(suited) if suited else 0
        chosen += [(clip, treatment) for clip in (suited[first:] + suited[:first])[:COPIES_A_TREATMENT]]
    return chosen


def degraded(clip: Clip, treatment: Treatment, folder: Path) -> Clip:
    """The clip's copy, made where it is not in the folder yet."""
    digest = hashlib.sha256(clip.video.read_bytes()).hexdigest()[:12]
    name = f"{clip.name}_{treatment.name}"
    video = folder / f"{name}_{digest}_v{VERSION}.mp4"
    if not video.exists():
        write_copy(clip.video, video, treatment)
    return Clip(name, video, clip.truth)


def broadcast(seed: int, height_px: int, folder: Path) -> Clip:
    """The drawn broadcast with brands, crowd and grass of that seed.

    It is drawn at 720 lines, by which its truth is made, and scaled: at 360 lines the letters on distant boards are 6
    to 10 pixels high.
    """
    here = folder / f"broadcast_{seed}"
    video = here / "broadcast.mp4"
    if not video.exists():
        draw_broadcast(video, seed=seed, cast=Recast(seed))
    drawn = Clip(f"broadcast_{seed}", video, here / "truth.csv")
    if height_px == BROADCAST_HEIGHT_PX:
        return drawn
    return degraded(drawn, Treatment(f"{height_px}p", 0, scaled(height_px)), folder)


def varied_broadcast(seed: int, folder: Path) -> Clip:
    """The drawn broadcast with boards, moves of the camera and players before the boards of that seed."""
    here = folder / f"varied_{seed}"
    video = here / "broadcast.mp4"
    if not video.exists():
        draw_broadcast(video, seconds=VARIED_S, seed=seed, cast=Recast(seed), script=varied_script(seed))
    return Clip(here.name, video, here / "truth.csv", (("Tessarune", ROOT / "demo/logos/Tessarune/symbol.svg"),))
