"""An exported detector as a file of a hundred bytes that finds the same box in every picture; the package onnx is not
needed. The fields are those of `onnx.proto3`: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

FLOAT = 1
SIDE_PX = 64


def write_detector(path: Path, confidence: float) -> None:
    """A model that takes a picture of `SIDE_PX` and answers (1, 1, 6): corners, score and class of one box."""
    box = np.array([8, 8, 40, 24, confidence, 0], "<f4")
    shape = b"".join(_number(1, size) for size in (1, 1, 6))
    constant = shape + _number(2, FLOAT) + _bytes(8, b"box") + _bytes(9, box.tobytes())
    copies = _bytes(1, b"box") + _bytes(2, b"found") + _bytes(4, b"Identity")
    graph = (
        _bytes(1, copies)
        + _bytes(2, b"detector")
        + _bytes(5, constant)
        + _bytes(11, _value(b"picture", 1, 3, SIDE_PX, SIDE_PX))
        + _bytes(12, _value(b"found", 1, 1, 6))
    )
    path.write_bytes(_number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13)))


def _value(name: bytes, *sizes: int) -> bytes:
    """What an array that goes in or comes out is called, and its shape."""
    shape = b"".join(_bytes(1, _number(1, size)) for size in sizes)
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, FLOAT) + _bytes(2, shape)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all bytes but the last have the highest bit set."""
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
