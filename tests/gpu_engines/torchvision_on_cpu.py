"""Makes a torchvision built for CUDA importable beside a torch built for CPUs: for tests and benchmarks alone.

Its compiled operators are missing then, so importing it fails with "operator torchvision::nms does not exist". The two
that are named while it is imported are declared here, and the one that YOLO calls is given a body. On a GPU host
torchvision and torch are of one build, and nothing of this is needed.
"""

from __future__ import annotations

from typing import Any

import torch

_library = torch.library.Library("torchvision", "DEF")
"""Operators live as long as this."""


def make_importable() -> None:
    """Declare what is missing. To be called once, before torchvision is first imported."""
    for name in ("nms", "qnms"):
        _library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.impl("nms", _nms, "CPU")
    import torchvision.ops.boxes

    torchvision.ops.boxes._assert_has_ops = lambda: None


def _nms(boxes: Any, scores: Any, overlap: float) -> Any:
    """Indices of the boxes (n, 4) that no surer one overlaps by more than this, surest first."""
    left = torch.argsort(scores, descending=True, stable=True)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    kept = []
    while left.numel():
        best, left = left[0], left[1:]
        kept.append(best)
        low, high = torch.maximum(boxes[best, :2], boxes[left, :2]), torch.minimum(boxes[best, 2:], boxes[left, 2:])
        inner = (high - low).clamp(min=0).prod(1)
        left = left[inner / (areas[best] + areas[left] - inner) <= overlap]
    return torch.stack(kept) if kept else torch.zeros(0, dtype=torch.long)
