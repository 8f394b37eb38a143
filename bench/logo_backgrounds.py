"""What `logo_embed` knows of pictures without logos: made from drawn broadcasts, drawn photographs and frames of clips.

    python -m bench.logo_backgrounds --clips FOLDER --icons FOLDER

Writes `gpu_service/routines/logos/backgrounds.npz`: the mean and the whitening of the cells of all pictures, and the
whitened cells of some of them at their small sizes, int8. The pictures themselves cannot be made from these. Of the
clips one must be free to do so.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.logo_photos import looks, photograph
from bench.logos import frames_of
from demo.broadcast import draw_broadcast
from gpu_service.pictures import Image
from gpu_service.routines.logos.embed import SIZES
from gpu_service.routines.logos.templates import BACKGROUNDS, QUANTUM
from gpu_service.routines.logos.trunk import CELL_PX, CHANNELS, Floats, cells

DIMENSIONS = 96
SIDE_PX = 500
A_CLIP = 24
STORED_SIZES = SIZES[2:]
"""Of the sizes of a picture those whose cells are stored: the larger would take four times as much, for little."""
STORED = 80
"""Pictures whose cells are stored: with 45 recall at precision 0.95 is 0.02 less on average, and varies more."""


def pictures(clips: Path, icons: Path) -> Iterator[tuple[str, Image]]:
    """Pictures with their kind: `natural`, `drawn` or `broadcast`."""
    natural: list[Image] = []
    for path in sorted(clips.rglob("*")):
        if path.suffix in (".mp4", ".jpg"):
            natural += frames_of(path, A_CLIP)
    yield from (("natural", one) for one in natural)
    rng = np.random.default_rng(1)
    known = looks(icons, 5)
    for number in range(60):
        long_px = float(np.exp(rng.uniform(np.log(45), np.log(230))))
        yield "drawn", photograph(known[number % len(known)], natural, long_px, rng)[0]
    with tempfile.TemporaryDirectory() as folder:
        for seed in (7, 8):
            draw_broadcast(Path(folder) / "b.mp4", seconds=Fraction(20), size=(640, 360), seed=seed)
            yield from (("broadcast", one) for one in frames_of(Path(folder) / "b.mp4", 10))


def levels_of(image: Image, sizes: Sequence[float]) -> list[Floats]:
    found = []
    for size in sizes:
        factor = SIDE_PX * size / max(image.shape[:2])
        sides = max(CELL_PX, round(image.shape[1] * factor)), max(CELL_PX, round(image.shape[0] * factor))
        found.append(cells(np.asarray(cv2.resize(image, sides, interpolation=cv2.INTER_AREA), np.uint8)))
    return found


def whitening(seen: NDArray[np.float32], dimensions: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean (d,) and whitened principal components (d, dimensions) of vectors (n, d)."""
    mean = seen.mean(axis=0)
    apart = seen - mean
    power, axes = np.linalg.eigh(apart.T @ apart / len(apart))
    picked = np.argsort(-power)[:dimensions]
    return mean, np.asarray(axes[:, picked] / np.sqrt(power[picked]), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder of free clips and photographs")
    parser.add_argument("--icons", type=Path, required=True, help="folder of one-colour SVG symbols, one a brand")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    kinds, stored, sample = [], [], []
    for kind, image in pictures(given.clips, given.icons):
        levels = levels_of(image, SIZES)
        kinds.append(kind)
        stored.append(levels[len(SIZES) - len(STORED_SIZES) :])
        if kind == "natural":  # drawn surfaces have little that whitening is for
            flat = np.concatenate([level.reshape(-1, CHANNELS) for level in levels])
            sample.append(flat[rng.permutation(len(flat))[:400]])
    mean, axes = whitening(np.concatenate(sample), DIMENSIONS)
    mean, axes = mean.astype(np.float16), axes.astype(np.float16)
    picked = sorted(rng.permutation(len(kinds))[:STORED].tolist())
    shapes, owners, vectors = [], [], []
    for number, index in enumerate(picked):
        for level in stored[index]:
            white = (level - mean.astype(np.float32)) @ axes.astype(np.float32)
            white /= np.maximum(np.linalg.norm(white, axis=-1, keepdims=True), 1e-6)
            shapes.append(level.shape[:2])
            owners.append(number)
            vectors.append(np.rint(white.reshape(-1) * QUANTUM).clip(-127, 127).astype(np.int8))
    np.savez_compressed(
        BACKGROUNDS,
        mean=mean,
        whitening=axes,
        shapes=np.array(shapes, np.int32),
        picture_of=np.array(owners, np.int32),
        cells=np.concatenate(vectors),
    )
    counts = {kind: sum(kinds[index] == kind for index in picked) for kind in sorted(set(kinds))}
    print(f"{BACKGROUNDS}: {BACKGROUNDS.stat().st_size} bytes, whitened on {len(sample)} pictures, stored {counts}")


if __name__ == "__main__":
    main()
