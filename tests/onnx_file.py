"""An exported detector as a file of a hundred bytes that finds the same box in every picture, and a recogniser that
reads the same text in every strip; the package onnx is not needed. The fields are those of `onnx.proto3`: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FLOAT = 1
READER_STEPS = 20
"""What a recogniser answers to a strip of 160 pixels."""
SIDE_PX = 64


def write_detector(path: Path, confidence: float) -> None:
    """A model that takes a picture of `SIDE_PX` and answers (1, 1, 6): corners, score and class of one box."""
    write_boxes(path, [((8, 8, 40, 24), "0", confidence)], says=False)


def write_boxes(
    path: Path, boxes: Sequence[tuple[tuple[float, float, float, float], str, float]], *, says: bool = True
) -> None:
    """A detector that finds these boxes in every picture.

    Args:
        boxes: corners in px of the `SIDE_PX` that a picture is brought to, grey around it; label; confidence.
        says: it carries its labels, as Ultralytics' exports do.
    """
    labels = sorted({label for _, label, _ in boxes})
    rows = [(*corners, confidence, labels.index(label)) for corners, label, confidence in boxes]
    answer = np.array(rows, np.float32).reshape(1, -1, 6)
    told = _bytes(14, _bytes(1, b"names") + _bytes(2, repr(dict(enumerate(labels))).encode())) if says else b""
    path.write_bytes(_always(answer, _value(b"picture", 1, 3, SIDE_PX, SIDE_PX)) + told)


def write_reader(path: Path, text: str, characters: str, *, says: bool = True) -> None:
    """A recogniser that reads `text` in every strip; its answer tells the characters, a blank and a space apart.

    `says`: it carries its characters, as RapidOCR's do.
    """
    answer = np.zeros((1, READER_STEPS, len(characters) + 2), np.float32)
    answer[0, :, 0] = 1
    for place, letter in enumerate(text):
        answer[0, READER_STEPS // 2 - 2 + 2 * place] = np.eye(answer.shape[2])[1 + characters.index(letter)]
    told = _bytes(14, _bytes(1, b"character") + _bytes(2, "\n".join(characters).encode())) if says else b""
    path.write_bytes(_always(answer, _value(b"strip", 1, 3, 48, 0)) + told)


def _always(answer: NDArray[np.float32], takes: bytes) -> bytes:
    """A model that gives this answer whatever it is given."""
    shape = b"".join(_number(1, size) for size in answer.shape)
    constant = shape + _number(2, FLOAT) + _bytes(8, b"answer") + _bytes(9, answer.astype("<f4").tobytes())
    copies = _bytes(1, b"answer") + _bytes(2, b"found") + _bytes(4, b"Identity")
    graph = (
        _bytes(1, copies)
        + _bytes(2, b"model")
        + _bytes(5, constant)
        + _bytes(11, takes)
        + _bytes(12, _value(b"found", *answer.shape))
    )
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13))


def _value(name: bytes, *sizes: int) -> bytes:
    """What an array that goes in or comes out is called, and its shape; 0: any size."""
    shape = b"".join(_bytes(1, _number(1, size) if size else _bytes(2, b"any")) for size in sizes)
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, FLOAT) + _bytes(2, shape)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all bytes but the last have the highest bit set."""
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
