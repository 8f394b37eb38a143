"""Draws the broadcast: scene after scene into an MP4, and the truth beside it.

    python -m demo.broadcast OUTDIR [--seconds N]

writes `broadcast.mp4`, `truth.csv`, `truth_boxes.csv` and `truth_outlines.csv` (see `demo.truth` for what counts),
`truth_stays.csv` and `truth_parts.csv` (see `demo.stays`). What is shown is in `demo.script`. A shorter broadcast is
the same one, played faster.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from demo import stays
from demo.boards import Casting
from demo.overlays import corner_bug, score_bug, wipe
from demo.script import SCRIPT, Entry, Scene, as_scripted
from demo.stadium import Shot
from demo.truth import Ledger, Truth
from gpu_service.errors import BadInput
from gpu_service.pictures import Image

FPS = Fraction(25)
_ENCODER = {"preset": "veryfast", "crf": "19", "threads": "1", "bf": "2", "x264-params": "keyint=50:scenecut=40"}


def draw_broadcast(
    path: Path,
    *,
    seconds: float | Fraction = 20,
    size: tuple[int, int] = (1280, 720),
    fps: Fraction = FPS,
    seed: int = 7,
    cast: Casting = as_scripted,
    script: Sequence[Entry] = SCRIPT,
) -> Truth:
    """Draw the broadcast to `path` (MP4, H.264) and its truth beside it.

    The same arguments give the same bytes on one machine. Only whole files appear: the video is written under
    another name first.

    Args:
        seconds: length; at least 1.
        size: width and height in pixels, both even, at least 320 x 180.
        seed: of the crowd, the grass and the like. Brands, boards and players do not depend on it.
        cast: what stands in each advert's place, such as a `demo.recast.Recast`.
        script: the scenes, such as a `demo.varied.varied_script`.

    Raises:
        BadInput: the length or the size cannot be drawn.
    """
    frame_count = round(Fraction(seconds) * fps)
    if frame_count < fps:
        raise BadInput(f"A broadcast of {seconds} s cannot be drawn; ask for at least 1 s.")
    if min(size[0] - 320, size[1] - 180) < 0 or size[0] % 2 or size[1] % 2:
        raise BadInput(f"A picture of {size[0]}x{size[1]} cannot be drawn; give even numbers, at least 320x180.")
    starts = [0, *(round(entry.until * frame_count) for entry in script)]
    ledger = Ledger(fps)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        with _encoder(part, size, fps) as encode:
            for scene, shot in _shots(size, frame_count, starts, fps, seed, cast, script):
                ledger.add(scene, shot.sightings, shot.cover)
                encode.write(shot.picture)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    cuts = [start for start, entry in zip(starts[1:-1], script[1:], strict=True) if not entry.wiped_in]
    truth = ledger.truth(cuts)
    truth.write(path.parent)
    stays.write(*stays.stays_of(ledger), path.parent)
    return truth


def _shots(
    size: tuple[int, int],
    frame_count: int,
    starts: list[int],
    fps: Fraction,
    seed: int,
    cast: Casting,
    script: Sequence[Entry],
) -> Iterator[tuple[int, Shot]]:
    """Scene number and finished frame, in order."""
    before: Scene | None = None
    for number, entry in enumerate(script):
        scene = entry.make(size, np.random.default_rng([seed, number]), cast)
        start, end = starts[number], starts[number + 1]
        wiped_frames = round(entry.wiped_in * frame_count)
        for frame in range(start, end):
            shot = _overlaid(scene, entry, (frame - start) / (end - start), float(frame / fps))
            if before is not None and frame - start < wiped_frames:
                last = _overlaid(before, script[number - 1], 1.0, float(frame / fps))
                shot = wipe(last, shot, (frame - start + 1) / (wiped_frames + 1))
            yield number, shot
        before = scene


def _overlaid(scene: Scene, entry: Entry, share: float, seconds: float) -> Shot:
    shot = scene.shot(share)
    if entry.score_bug:
        score_bug(shot, seconds)
    if entry.corner_bug is not None:
        since, until = entry.corner_bug
        if since <= share < until:
            corner_bug(shot, "Tessarune", (share - since) / (until - since))
    return shot


class _Encoder:
    def __init__(self, container: av.container.OutputContainer, size: tuple[int, int], fps: Fraction) -> None:
        self._container = container
        self._stream = container.add_stream("libx264", rate=fps, options=_ENCODER)
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.thread_count = 1
        self._stream.codec_context.time_base = 1 / fps
        self._count = 0

    def write(self, picture: Image) -> None:
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frame.pts, frame.time_base = self._count, self._stream.codec_context.time_base
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        self._container.mux(self._stream.encode(None))


@contextlib.contextmanager
def _encoder(path: Path, size: tuple[int, int], fps: Fraction) -> Iterator[_Encoder]:
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        encoder = _Encoder(container, size, fps)
        yield encoder
        encoder.close()


def main(words: Sequence[str] | None = None) -> None:
    """The command; `words` are its arguments, the process's own when None."""
    parser = argparse.ArgumentParser(description="Draw the synthetic football broadcast and its truth.")
    parser.add_argument("folder", type=Path, metavar="OUTDIR")
    parser.add_argument("--seconds", type=Fraction, default=Fraction(20), metavar="N")
    arguments = parser.parse_args(words)
    try:
        draw_broadcast(arguments.folder / "broadcast.mp4", seconds=arguments.seconds)
    except BadInput as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
