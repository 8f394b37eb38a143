"""Flickr-Logos-27 as its lists say it, on a data set of four drawn pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from bench.logos import Annotation, annotations_of, logos27
from gpu_service.wire import Box
from tests.gpu_service.test_detect import (
    comb,
    ground,
    kite,
    put,
)


def data_set(folder: Path, query: str) -> Path:
    images = folder / "flickr_logos_27_dataset_images"
    images.mkdir()
    training = []
    for brand, alpha in (("Kite", kite()), ("Comb", comb())):
        picture = ground("plain")
        box = put(picture, alpha, (160, 90), 120, (240, 240, 240))
        cv2.imwrite(str(images / f"{brand}.png"), picture)
        training.append(f"{brand}.png {brand} 1 {box.x - 8} {box.y - 8} {box.x + box.w + 8} {box.y + box.h + 8} ")
        training.append(f"{brand}.png {brand} 2 5 5 15 15")
    seen = ground("textured")
    put(seen, kite(), (100, 90), 90, (240, 240, 240))
    cv2.imwrite(str(images / "seen.png"), seen)
    cv2.imwrite(str(images / "bare.png"), ground("textured"))
    (folder / "flickr_logos_27_dataset_training_set_annotation.txt").write_text("\n".join(training))
    (folder / "flickr_logos_27_dataset_query_set_annotation.txt").write_text(query)
    return folder


@pytest.mark.parametrize(
    ("query", "recall", "precision", "brands_to_find"),
    [
        ("", 0.0, 0.0, 0),
        ("seen.png\tKite\nbare.png\tnone\n", 1.0, 1.0, 1),
        ("seen.png Comb\n", 0.0, 0.0, 1),
        ("seen.png Kite\nbare.png Comb", 0.5, 1.0, 2),
        ("seen.png Kite 1 60 50 140 130", 1.0, 1.0, 1),
        ("seen.png Kite 1 200 10 300 60", 0.0, 0.0, 1),
    ],
    ids=["empty", "found, and a distractor", "another brand", "one missed", "in its box", "beside its box"],
)
def test_recall_and_precision(tmp_path: Path, query: str, recall: float, precision: float, brands_to_find: int) -> None:
    result = logos27(data_set(tmp_path, query))
    assert (result["recall"], result["precision"]) == (recall, precision)
    assert (result["brands_to_find"], result["references"]) == (brands_to_find, 2)


def test_lines_with_and_without_boxes(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("a.jpg Acme 3 10 20 110 70 \n\nb.jpg\tnone\n")
    assert annotations_of(path) == [
        Annotation("a.jpg", "Acme", Box(x=10, y=20, w=100, h=50)),
        Annotation("b.jpg", "none", None),
    ]


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"gone\.png cannot be read"):
        logos27(data_set(tmp_path, "gone.png Kite"))
