"""Text lines followed from frame to frame.

A line whose pixels have not changed since it was read is not read again; one that has changed is, and readings of one
text vote, see `readings`. Part of `run_ocr`; knows nothing of engines, tables or brands.

Why this is not a library: trackers of boxes (`trackers`, norfair, boxmot) wait for a lost box in frames scaled by
fps / 30, which at 2 frames a second is none, and do not look at whether the pixels of a line changed, which is what
saves the reading. `trackers` also brings OpenCV with a display, norfair needs numpy below 2, boxmot is AGPL.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_service.pictures import Image
from mpr_assets.text.quads import Quad, alike, covers, cut_sides, near, same_place, size, uncovered
from mpr_assets.text.readings import SURE, Recognition, fold, is_rest, one_text, vote

Grey: TypeAlias = NDArray[np.uint8]
"""Shape (height, width)."""

Patch: TypeAlias = NDArray[np.float32]
"""A line's grey pixels, straightened: shape (`PATCH_HEIGHT_PX`, width by the line's shape)."""

Reader: TypeAlias = Callable[[list[Quad]], list[Recognition]]
"""Reads lines of the present frame."""


@dataclass(frozen=True)
class Row:
    """A line in a frame. `reading`: how it was read there; None: it is carried on from another frame."""

    seq: int
    track: int
    text: str
    confidence: float
    quad: Quad
    reading: Recognition | None
    source: str


@dataclass
class Track:
    """A line of text over frames.

    `missing`: in how many frames in succession it was not seen up to now; `away`: how far the picture moved meanwhile.
    """

    number: int
    quad: Quad
    patch: Patch
    readings: list[Recognition]
    places: dict[int, tuple[Quad, Recognition | None]] = field(default_factory=dict)
    step: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))
    missing: int = 0
    away: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))

    def put(self, seq: int, quad: Quad, reading: Recognition | None = None) -> None:
        """The line is at this place in this frame."""
        self.step = (quad.mean(axis=0) - self.quad.mean(axis=0)) / (self.missing + 1)
        self.quad = quad
        self.places[seq] = quad, reading
        self.missing, self.away = 0, np.zeros(2, np.float32)

    def read_again(self, seq: int, readings: list[Recognition]) -> None:
        """Its pixels are as they were, so these readings are of its text, whatever they say."""
        for reading in readings:
            if reading.text:
                self.readings.append(reading)
                self.places[seq] = self.quad, reading

    def expected(self) -> list[Quad]:
        """Where it may be in this frame: where it was, or moved on as before, or with the whole picture."""
        return [self.quad, self.quad + (self.missing + 1) * self.step, self.quad + self.away]


class Follower:
    """Takes frames in order; `finish` gives the rows.

    Args:
        similarity: from which two cuts of a line are taken for equal, see `similarity`.
        look_back: into how many frames before the one where a line was found first it is followed back.
    """

    def __init__(self, similarity: float, look_back: int) -> None:
        self._similarity = similarity
        self._shot: int | None = None
        self._tracks: list[Track] = []
        self._live: list[Track] = []
        self._before: deque[tuple[int, Grey]] = deque(maxlen=look_back)

    def step(
        self, seq: int, shot: int, image: Image, quads: list[Quad], reader: Reader, full_scan: bool = False
    ) -> None:
        """The next frame: its shot, its pixels, the lines found in it, and the way to have some of them read.

        Lines found by a full scan may have better outlines than before: see `worth_reading_again`.
        """
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
        if shot != self._shot:
            self._shot, self._live = shot, []
            self._before.clear()
        held, lost = self._hold(seq, grey)
        unread = []
        for quad in quads:
            covering = [track for track in held if covers(track.quad, quad)]
            if covering:
                if full_scan and worth_reading_again(covering[0], quad):
                    covering[0].read_again(seq, reader([quad]))
                continue
            track = self._moved(grey, quad, [track for track in lost if not track.missing])
            if track is None:
                unread.append(quad)
            else:
                lost.remove(track)
                track.put(seq, quad)
                held.append(track)
        for reading in reader(unread) if unread else []:
            left, right = cut_sides(reading.quad, grey.shape[1])
            self._add(seq, grey, replace(reading, cut_left=left, cut_right=right), held, lost)
        for track in lost:
            track.missing += 1
        self._live = held + [track for track in lost if track.missing <= MISSING_FRAMES]
        self._before.append((seq, grey))

    def lines(self) -> list[tuple[Quad, str]]:
        """The lines in the last frame, each as it was read last."""
        return [(track.quad, track.readings[-1].text) for track in self._live if not track.missing]

    def finish(self) -> list[Row]:
        """A row for each line in each frame, in the order of tracks; lines that say nothing are left out."""
        rows = []
        for track in self._tracks:
            text, confidence = vote(track.readings)
            if text:
                rows += [
                    Row(seq, track.number, text, confidence, quad, reading, "frame")
                    for seq, (quad, reading) in sorted(track.places.items())
                ]
        return rows

    def _hold(self, seq: int, grey: Grey) -> tuple[list[Track], list[Track]]:
        """The tracks whose pixels are where they were, or where they would have gone on to; and the others."""
        held, lost = [], []
        drift = motion(self._before[-1][1], grey) if self._live and self._before else np.zeros(2, np.float32)
        for track in self._live:
            track.away = track.away + drift
            for expected in track.expected():
                score, place = locate(grey, expected, track.patch)
                if score >= self._needed(track) and not uncovered(track.quad, place, grey.shape[1]):
                    still = float(np.abs(place - track.quad).max()) < 1
                    track.put(seq, track.quad if still else place)
                    held.append(track)
                    break
            else:
                lost.append(track)
        return held, lost

    def _moved(self, grey: Grey, quad: Quad, tracks: list[Track]) -> Track | None:
        """The track whose pixels are found at this place."""
        best, found = 0.0, None
        for track in tracks:
            if not alike(track.quad, quad) or uncovered(track.quad, quad, grey.shape[1]):
                continue
            shifted = track.quad + (quad.mean(axis=0) - track.quad.mean(axis=0))
            value = max(locate(grey, place, track.patch)[0] for place in (shifted, quad))
            if value >= max(best, self._needed(track)):
                best, found = value, track
        return found

    def _needed(self, track: Track) -> float:
        """How similar it must be. On a restless background text never looks equal: read twice alike, less will do."""
        *_, last = track.readings
        alike = [r for r in track.readings if r.confidence >= SETTLED and fold(r.text) == fold(last.text)]
        return self._similarity * SETTLED_EASE if len(alike) >= 2 else self._similarity

    def _add(self, seq: int, grey: Grey, reading: Recognition, held: list[Track], lost: list[Track]) -> None:
        """Give a reading to the track of its text, or start one. What it contradicts ends, but for what is surer."""
        rivals = [track for track in held + lost if near(track.quad, reading.quad)]
        track = next((track for track in rivals if one_text(track.readings, reading)), None)
        if track is None:
            track = next((t for t in held + lost if cut_by_the_edge(t, reading)), None)
        if track is None:
            track = next((t for t in lost if same_elsewhere(t, reading)), None)
        staying = [t for t in held if t is not track and t in rivals and outlasts(t, reading)]
        if track is None:
            if any(covers(t.quad, reading.quad) or same_place(t.quad, reading.quad) for t in staying):
                return
            track = Track(len(self._tracks), reading.quad, cut(grey, reading.quad), [])
            self._tracks.append(track)
            self._follow_back(track)
        for rival in [track, *rivals]:
            if rival not in staying:
                held[:], lost[:] = [t for t in held if t is not rival], [t for t in lost if t is not rival]
                rival.places.pop(seq, None)
        track.readings.append(reading)
        track.patch = cut(grey, reading.quad)
        track.put(seq, reading.quad, reading)
        held.append(track)

    def _follow_back(self, track: Track) -> None:
        """Earlier frames of the shot in which the line was there already, and was overlooked."""
        for seq, grey in reversed(self._before):
            if locate(grey, track.quad, track.patch)[0] < self._similarity:
                break
            if any(seq in t.places and near(t.places[seq][0], track.quad) for t in self._tracks):
                break
            track.places[seq] = track.quad, None


SETTLED, SETTLED_EASE = 0.95, 0.7
"""A track that two readings this sure agree on needs only this share of the similarity to be taken for unchanged."""


READINGS, OTHER_OUTLINE = 3, 0.15
"""A track whose pixels do not change is read so often at most, each time with an outline of which a corner is farther
off than that, in line heights: the same outline would be read alike."""


MISSING_FRAMES = 4
"""For so many frames of a shot a line that nothing contradicts may be overlooked or hidden, and still be known again.
No measurement is known."""


def worth_reading_again(track: Track, quad: Quad) -> bool:
    """Whether another outline of a track's line may say more: no two readings agree yet, and it is really another."""
    folded = [fold(reading.text) for reading in track.readings]
    if len(folded) >= READINGS or len({*folded}) < len(folded) or not same_place(track.quad, quad):
        return False
    return float(np.abs(track.quad - quad).max()) > OTHER_OUTLINE * size(track.quad)[1]


def cut_by_the_edge(track: Track, reading: Recognition) -> bool:
    """Whether a reading is of a track's text, more or less of which the frame's edge cuts off."""
    *_, last = track.readings
    if not any(near(place, reading.quad) for place in track.expected()):
        return False
    return is_rest(last, reading.text) or is_rest(reading, vote(track.readings)[0])


def outlasts(track: Track, reading: Recognition) -> bool:
    """Whether a track whose pixels are in this frame stays beside a reading that overlaps it.

    It does where it was read for sure and the reading lacks its text: such a reading is of something beside it, with a
    part of the track in it, or a worse one. Only a reading of just this place that is sure too takes its place.
    """
    text, confidence = vote(track.readings)
    if confidence < SURE or fold(text) in fold(reading.text):
        return False
    return reading.confidence < SURE or not same_place(track.quad, reading.quad)


def same_elsewhere(track: Track, new: Recognition) -> bool:
    """Whether a reading is that of a line which has left its place: the same text in the same size."""
    text = fold(vote(track.readings)[0])
    return bool(text) and text == fold(new.text) and alike(track.quad, new.quad)


PATCH_HEIGHT_PX = 24
"""Half the height that recognisers take."""
PATCH_WIDTH_PX = (24, 480)
"""Least and greatest: a longer line is squeezed, which bounds the work."""
MARGIN_PX = 8
"""How far, in patch pixels, a line may lie from where it is looked for."""


def cut(grey: Grey, quad: Quad, margin_px: int = 0, width_px: int | None = None) -> Patch:
    """The grey pixels of a line, straightened, with a margin on all sides."""
    w, h = size(quad)
    width = width_px or int(np.clip(round(PATCH_HEIGHT_PX * w / max(h, 1)), *PATCH_WIDTH_PX))
    m = margin_px
    right, bottom = m + width, m + PATCH_HEIGHT_PX
    corners = np.array([[m, m], [right, m], [right, bottom], [m, bottom]], np.float32)
    to_patch = cv2.getPerspectiveTransform(quad.astype(np.float32), corners)
    how = cv2.INTER_AREA if h > 2 * PATCH_HEIGHT_PX else cv2.INTER_LINEAR
    patch = cv2.warpPerspective(grey, to_patch, (right + m, bottom + m), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.GaussianBlur(patch.astype(np.float32), (3, 3), 0), np.float32)


def locate(grey: Grey, quad: Quad, patch: Patch) -> tuple[float, Quad]:
    """How much the pixels at a place, or up to a margin beside it, are those of a patch; and the place.

    1 is equal, 0 or less unrelated, contrast aside: the normalised correlation of the whole, or how little its worst
    piece differs where that is less, so that one letter that changed is seen in a long line.
    """
    wide = cut(grey, quad, MARGIN_PX, patch.shape[1])
    scores = cv2.matchTemplate(wide, patch, cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(scores)
    here = wide[y : y + patch.shape[0], x : x + patch.shape[1]]
    if not np.isfinite(best) or here.std() < FAINT:
        return 0.0, quad
    one, other = _normalised(patch), _normalised(np.asarray(here, np.float32))
    worst = float(cv2.blur((one - other) ** 2, (PATCH_HEIGHT_PX, PATCH_HEIGHT_PX)).max())
    w, h = size(quad)
    along, down = (quad[1] - quad[0]) / max(w, 1), (quad[3] - quad[0]) / max(h, 1)
    step = (x - MARGIN_PX) * w / patch.shape[1] * along + (y - MARGIN_PX) * h / PATCH_HEIGHT_PX * down
    return min(float(best), 1 - worst / 2), np.asarray(quad + step, np.float32)


FAINT = 2.0
"""Standard deviation of grey below which there is nothing to compare."""


def _normalised(patch: Patch) -> Patch:
    return np.asarray((patch - patch.mean()) / (patch.std() + 1), np.float32)


def motion(before: Grey, now: Grey) -> NDArray[np.float32]:
    """How far the picture as a whole has moved, x and y in pixels: phase correlation of small copies."""
    scale = 256 / before.shape[1]
    small = [cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for grey in (before, now)]
    one, other = (picture.astype(np.float32) for picture in small)
    (x, y), _ = cv2.phaseCorrelate(one, other, cv2.createHanningWindow(one.shape[::-1], cv2.CV_32F))
    return np.array([x, y], np.float32) / np.float32(scale)
