"""Pictures of high dynamic range and of wide colours (BT.2020) as BT.709 shows them, by a table of colours.

How bright: BT.2408-7 puts diffuse white at 203 cd/m² of HDR. What is darker than a third of that stays as it is; what
is brighter, up to 1000 cd/m², is compressed into the rest, so that writing on a bright board stays readable.
FFmpeg's own conversion (libswscale) cuts off above 203 cd/m² where a file does not name its peak, as of broadcasts.
"""

from __future__ import annotations

from enum import Enum
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageFilter

from gpu_service.pictures import Image

Values = NDArray[np.float64]

WHITE_NITS = 203.0
LINEAR_NITS = 0.3 * WHITE_NITS
"""What is darker stays as it is."""
PEAK_NITS = 1000.0
"""Of programmes in HLG (BT.2100), and of most in PQ; what is brighter is white."""
SDR_GAMMA = 2.4
"""Of displays of BT.709 (BT.1886, with a black of 0)."""

TO_709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
"""Linear RGB of BT.2020 to BT.709 (BT.2087-0, annex 1), rows for R, G, B."""
LUMA_2020 = np.array([0.2627, 0.6780, 0.0593])

TABLE_SIDE = 65
"""The most that Pillow takes. The dark part of a full colour is off by 6 of 255 then, by 19 with 33."""


class Transfer(Enum):
    """How the values of a picture in BT.2020 are coded."""

    PQ = "SMPTE ST 2084"
    HLG = "ARIB STD-B67"
    GAMMA = "BT.2020"


def to_709(pixels: Image, transfer: Transfer) -> Image:
    """BGR in BT.2020 as the transfer codes it, to BGR in BT.709. Shape (height, width, 3), 0 to 255, both."""
    return np.asarray(PillowImage.fromarray(pixels).filter(_table(transfer)), np.uint8)


@cache
def _table(transfer: Transfer) -> ImageFilter.Color3DLUT:
    # Pillow's table goes by the first channel the fastest, which is blue here.
    red, green, blue = np.meshgrid(*[np.linspace(0, 1, TABLE_SIDE)] * 3, indexing="ij")
    coded = np.stack([red, green, blue], axis=-1).reshape(-1, 3)
    return ImageFilter.Color3DLUT(TABLE_SIDE, converted(coded, transfer)[:, ::-1].ravel().tolist())


def converted(rgb: Values, transfer: Transfer) -> Values:
    """Coded RGB of BT.2020 to coded RGB of BT.709: shape (n, 3), 0 to 1, both."""
    if transfer is Transfer.GAMMA:
        linear = rgb**SDR_GAMMA
    else:
        nits = pq_nits(rgb) if transfer is Transfer.PQ else hlg_nits(rgb)
        brightest = np.maximum(nits.max(axis=1, keepdims=True), 1e-6)
        linear = nits * compressed(brightest) / brightest / WHITE_NITS
    shown: Values = np.clip(linear @ TO_709.T, 0, 1) ** (1 / SDR_GAMMA)
    return shown


def pq_nits(coded: Values) -> Values:
    """Luminance in cd/m² of values in PQ, 0 to 1 (BT.2100-2, table 4)."""
    root = coded ** (1 / PQ_M2)
    nits: Values = 10_000 * (np.maximum(root - PQ_C1, 0) / (PQ_C2 - PQ_C3 * root)) ** (1 / PQ_M1)
    return nits


PQ_M1, PQ_M2 = 2610 / 16384, 2523 / 4096 * 128
PQ_C1, PQ_C2, PQ_C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def hlg_nits(coded: Values) -> Values:
    """Luminance in cd/m² of RGB in HLG, 0 to 1, on a display of PEAK_NITS (BT.2100-2, table 5). Shape (n, 3), both."""
    scene = np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - HLG_C) / HLG_A) + HLG_B) / 12)
    luma = (scene @ LUMA_2020)[:, None]
    nits: Values = PEAK_NITS * luma**0.2 * scene
    return nits


HLG_A, HLG_B, HLG_C = 0.17883277, 0.28466892, 0.55991073


def compressed(nits: Values) -> Values:
    """Luminance up to PEAK_NITS brought to WHITE_NITS at most: a Möbius transformation that goes on from the straight
    line without a kink (`mobius` of FFmpeg's vf_tonemap, with its default start at 0.3).

    >>> compressed(np.array([0.0, 50.0, 203.0, 1000.0, 4000.0])).round(1).tolist()
    [0.0, 50.0, 137.8, 203.0, 203.0]
    """
    start, peak = LINEAR_NITS / WHITE_NITS, PEAK_NITS / WHITE_NITS
    light = np.minimum(nits / WHITE_NITS, peak)
    a = -(start**2) * (peak - 1) / (start**2 - 2 * start + peak)
    b = (start**2 - 2 * start * peak + peak) / (peak - 1)
    bent = (b + start) ** 2 / (b - a) * (light + a) / (light + b)
    return WHITE_NITS * np.where(light <= start, light, bent)
