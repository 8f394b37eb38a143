"""Stage `filter_scenes`: which shot each frame is in, and which kept frame stands for each near-duplicate.

Shots. PySceneDetect's detectors, fed with the sampled frames. Samples are far apart (half a second at the usual two
a second), so the thresholds differ from those for full-rate video: motion changes more from sample to sample, and a
rolling average (AdaptiveDetector) sees too few quiet frames between cuts to compare with. Of the detectors
ContentDetector at 35 agreed best with full-rate detection on advertisements and films sampled at one, two and four
frames a second. A fade makes no shot until the change from one sample to the next is larger than the threshold.
The cuts that `extract_frames` saw between the samples are added: two shots of the same pitch have the same colours.
Either way a cut is none when both frames show one scene, moved, zoomed, turned or lit otherwise: a fast pan over a
crowd, a flash. How much of the one's detail the other shows tells, see `gpu_service.likeness.shared_view`. Where a pan
is so fast that they have nothing in common, `extract_frames` saw it between the samples.
A frame of another size than the one before always begins a shot: what follows text and crops within one need not ask.

Near-duplicates. A frame is dropped when its perceptual hash is close to that of the last kept frame of the shot and
no text-sized place changed. A hash, like any tiny thumbnail, cannot see a subtitle; so both frames are compared at
half size, slightly blurred: the root mean square difference over every small square, and the largest of these
decides. Text 12 pixels high on 1280x720 that differs from its ground by 25 grey levels makes it 6 and more; JPEG at
quality 50 or noise of sigma 4 stays below 2.5. Around hard edges compression changes more, up to 5, so a small share
of a square's own contrast is allowed on top; another letter there changes it by a third of its contrast and more.
Always the last kept frame is compared, so slow change adds up until it counts.

How frames are sampled and read is not here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from gpu_service.likeness import Gray, is_flat, phash_distance, shared_view
from gpu_service.pictures import Image
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.overlays import preview_sheet
from mpr_resources.storage.pictures import Frame
from mpr_resources.storage.tables import StageTable

if TYPE_CHECKING:
    from scenedetect.common import FrameTimecode
    from scenedetect.detector import SceneDetector

CODE_VERSION = "2.2"

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "seq": pl.Int64,
    "shot": pl.Int32,
    "kept": pl.Boolean,
    "kept_seq": pl.Int64,
    "reason": pl.Utf8,
}

DETECTOR_WIDTH_PX = 256
"""PySceneDetect too brings pictures to about 256 pixels before it looks at them."""
COMPARE_WIDTH_PX, BLUR_PX = 640, 5
"""Size and smoothing of what is compared; the changes in the module's docstring were measured with them."""

THRESHOLDS = {"content": 35.0, "adaptive": 1.5, "hash": 0.4, "histogram": 0.5}
"""Each detector's threshold where the settings name none. PySceneDetect's own, for full-rate video, are 27, 3, 0.35 and
0.2. For content see above; of the others no measurement is known."""

ADAPTIVE_MIN_CONTENT = 18.0
"""Least change of colour for the adaptive detector; PySceneDetect's own is 15. No measurement is known."""
SAME_SCENE_SHARE = 0.38
"""Share of the detail that two frames of one scene have in common: between what was measured within shots and over
cuts, see `gpu_service.likeness.shared_view`."""
REMEMBERED = 8
"""Samples back that a detector may place a cut."""


class FilterScenesSettings(StageSettings):
    """What counts as a new shot, and what as the same picture."""

    detector: Literal["content", "adaptive", "hash", "histogram"] = Field(
        "content", description="PySceneDetect's detector: mean change of colour, the same relative to its neighbours, "
        "change of a perceptual hash, change of the brightness histogram"
    )  # fmt: skip
    shot_threshold: float | None = Field(
        None,
        gt=0,
        le=255,
        description="change that starts a shot; none: content 35 (grey levels), adaptive 1.5 (times the neighbours'), "
        "hash 0.4 (share of bits), histogram 0.5 (1 - correlation)",
    )
    phash_max_distance: int = Field(10, ge=0, le=64, description="maximum distance of perceptual hashes, in bits")
    block_px: int = Field(8, ge=2, le=64, description="side of the squares compared, in pixels of the half-size frame")
    block_change_max: float = Field(
        4.0, ge=0, le=255, description="maximum change of a square in near-duplicates, in grey levels"
    )
    block_contrast_share: float = Field(
        0.05, ge=0, le=1, description="additional allowance, as a share of the square's own contrast"
    )
    max_stand_in_ms: int = Field(
        10_000, ge=0, le=3_600_000, description="maximum time that one kept frame represents; 0: every frame is kept"
    )


@dataclass(frozen=True)
class KeptFrames:
    """The last frame kept: what the next ones are compared with."""

    seq: int
    stretch: tuple[int, int, int]
    timeline_ms: int
    phash: int
    grey: NDArray[np.float32]


@dataclass(frozen=True)
class _Seen:
    """A frame of the present stretch. `panned`: whether the camera panned since the one before."""

    position: int
    grey: Gray
    panned: bool


class Shots:
    """Shot numbers of frames given in order; a chunk always begins a shot, and so does a frame of another size."""

    def __init__(self, settings: FilterScenesSettings) -> None:
        self._settings = settings
        self._detector = _detector(settings)
        self._stretch: tuple[int, int, int] | None = None
        self._seen = 0
        self._stretch_start = 0
        self._cuts: set[int] = set()
        self._seen_last: deque[_Seen] = deque(maxlen=REMEMBERED)

    def add(self, stretch: tuple[int, int, int], image: Image, cut_before: bool, panned: bool = False) -> None:
        """The next frame.

        Args:
            stretch: its chunk, width and height.
            image: its pixels, of one size within the stretch.
            cut_before: whether a cut was seen since the frame before.
            panned: whether the camera panned since then, and nothing else was seen.
        """
        if stretch != self._stretch:
            self._finish_stretch()
            self._stretch, self._stretch_start, self._detector = stretch, self._seen, _detector(self._settings)
            self._cuts.add(self._seen)
            self._seen_last.clear()
        height_px = max(1, round(image.shape[0] * DETECTOR_WIDTH_PX / image.shape[1]))
        small = cv2.resize(image, (DETECTOR_WIDTH_PX, height_px), interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
        self._seen_last.append(_Seen(self._seen, grey, panned))
        found = self._detector.process_frame(self._time(self._seen), small)
        self._found([*found, *([self._time(self._seen)] if cut_before else [])])
        self._seen += 1

    def firsts(self) -> set[int]:
        """Positions, counted from 0 over all frames, of the first frames of shots. Call it once, after the last."""
        self._finish_stretch()
        return self._cuts

    def _finish_stretch(self) -> None:
        if self._seen > self._stretch_start:
            self._found(self._detector.post_process(self._time(self._seen - 1)))

    def _time(self, position: int) -> FrameTimecode:
        """Detectors count frames; the rate is not used."""
        from scenedetect.common import FrameTimecode

        return FrameTimecode(position - self._stretch_start, fps=1.0)

    def _found(self, cuts: Iterable[FrameTimecode]) -> None:
        remembered = {seen.position: seen for seen in self._seen_last}
        for cut in cuts:
            position = self._stretch_start + cut.frame_num
            before, after = remembered.get(position - 1), remembered.get(position)
            moved = after is not None and after.panned
            if before is None or after is None or not (moved or same_scene(before.grey, after.grey)):
                self._cuts.add(position)


def filter_scenes(frames: Iterable[Frame], index: pl.DataFrame, settings: FilterScenesSettings) -> pl.DataFrame:
    """Number the shots and mark near-duplicates.

    Args:
        frames: all frames of the timeline, by seq; read once, one at a time.
        index: the table of `extract_frames`, with a row for each of them in the same order.
        settings: see there.

    Returns:
        SCHEMA, one row a frame. The kept frame that stands for a dropped one is in the same shot and not later.
    """
    shots = Shots(settings)
    kept: KeptFrames | None = None
    stand_ins: list[int] = []
    for frame, row in zip(frames, index.iter_rows(named=True), strict=True):
        assert frame.seq == row["seq"]
        image = _reduced(frame.picture.pixels)
        stretch = row["chunk"], row["width_px"], row["height_px"]
        shots.add(stretch, image, row["cut_ms"] is not None, row["panned"])
        candidate = KeptFrames(frame.seq, stretch, row["timeline_ms"], row["phash"], _grey(image))
        if kept is None or not same_picture(kept, candidate, settings):
            kept = candidate
        stand_ins.append(kept.seq)
    return _table(index["seq"].to_list(), stand_ins, shots.firsts())


def one_shot(
    before: Image, after: Image, settings: FilterScenesSettings, *, cut_between: bool = False, panned: bool = False
) -> bool:
    """Whether two neighbouring frames of different timelines, as those of a stream's windows, are of one shot.

    Args:
        cut_between, panned: see `Shots.add`.
    """
    if before.shape != after.shape:
        return False
    shots = Shots(settings)
    stretch = 0, before.shape[1], before.shape[0]
    shots.add(stretch, _reduced(before), False)
    shots.add(stretch, _reduced(after), cut_between, panned)
    return 1 not in shots.firsts()


def same_scene(before: Gray, after: Gray) -> bool:
    """Whether two pictures of one size show one scene, moved or lit otherwise. A flat one shows none."""
    return min(shared_view(before, after)) >= SAME_SCENE_SHARE and not is_flat(before)


def same_picture(kept: KeptFrames, other: KeptFrames, settings: FilterScenesSettings) -> bool:
    """Whether `kept` can stand for `other`: nothing that could be read changed between them."""
    if kept.stretch != other.stretch:
        return False
    if other.timeline_ms - kept.timeline_ms > settings.max_stand_in_ms or settings.max_stand_in_ms == 0:
        return False
    if phash_distance(kept.phash, other.phash) > settings.phash_max_distance:
        return False
    change = largest_change(kept.grey, other.grey, settings.block_px, settings.block_contrast_share)
    return change <= settings.block_change_max


def largest_change(a: NDArray[np.float32], b: NDArray[np.float32], block_px: int, contrast_share: float = 0.0) -> float:
    """The largest root mean square difference, in grey levels, over all squares of `block_px`; shapes are equal.

    From each square's difference that share of the standard deviation of `a` in it is taken off.
    """
    block = (block_px, block_px)
    change = cv2.sqrt(cv2.blur(np.square(np.subtract(a, b)), block))
    variance = np.subtract(cv2.blur(np.square(a), block), np.square(cv2.blur(a, block)))
    return float((change - contrast_share * cv2.sqrt(np.maximum(variance, 0))).max())


def _table(seqs: list[int], stand_ins: list[int], firsts: set[int]) -> pl.DataFrame:
    # A shot begins at a kept frame: a dropped one equals the frame before it, whatever a detector's threshold says.
    begins = [i in firsts and seq == stand_in for i, (seq, stand_in) in enumerate(zip(seqs, stand_ins, strict=True))]
    kept = [seq == stand_in for seq, stand_in in zip(seqs, stand_ins, strict=True)]
    columns = {
        "seq": seqs,
        "shot": (np.cumsum(begins) - 1).tolist() if seqs else [],
        "kept": kept,
        "kept_seq": stand_ins,
        "reason": ["kept" if k else "near_duplicate" for k in kept],
    }
    return pl.DataFrame(columns, schema=SCHEMA)


def _reduced(image: Image) -> Image:
    """Half size, but not narrower than COMPARE_WIDTH_PX unless it was."""
    height_px, width_px = image.shape[:2]
    scale = max(0.5, COMPARE_WIDTH_PX / width_px)
    if scale >= 1:
        return image
    size = (round(width_px * scale), max(1, round(height_px * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _grey(image: Image) -> NDArray[np.float32]:
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.GaussianBlur(grey, (BLUR_PX, BLUR_PX), 0), np.float32)


def _detector(settings: FilterScenesSettings) -> SceneDetector:
    """A new detector; shots may be as short as one sample."""
    # Here, since it is slow to import and every command that knows the stages imports this module.
    from scenedetect.detectors import AdaptiveDetector, ContentDetector, HashDetector, HistogramDetector

    threshold = settings.shot_threshold or THRESHOLDS[settings.detector]
    match settings.detector:
        case "content":
            return ContentDetector(threshold=threshold, min_scene_len=0)
        case "adaptive":
            return AdaptiveDetector(adaptive_threshold=threshold, min_content_val=ADAPTIVE_MIN_CONTENT, min_scene_len=0)
        case "hash":
            return HashDetector(threshold=threshold, min_scene_len=0)
        case "histogram":
            return HistogramDetector(threshold=threshold, min_scene_len=0)


@declare_stage(
    name="filter_scenes",
    description="Assigns frames to shots, and near-duplicates to the kept frame that represents them.",
    group="media",
    kinds={"opencv", "parquet"},
    settings=FilterScenesSettings,
    schema=SCHEMA,
    columns={
        "kept": "whether later stages look at the frame",
        "kept_seq": "seq of the kept frame that stands for this one",
        "shot": "number of the shot within the timeline, from 0",
    },
    code_version=CODE_VERSION,
    inputs=("extract_frames",),
    draw=preview_sheet.as_it_is,
)
def stage(run: StageRun[FilterScenesSettings], extract_frames: StageTable) -> Result:
    """Shots and near-duplicates."""
    scenes = filter_scenes(run.frames(extract_frames), extract_frames.rows, run.settings)
    return Result(scenes, {"shots": scenes["shot"].n_unique(), "kept": int(scenes["kept"].sum())})
