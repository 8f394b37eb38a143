"""Logos by OWLv2 (Minderer, Gritsenko and Houlsby, Scaling Open-Vocabulary Object Detection, 2023), without training:
by a brand's reference pictures and by its name. In torch through transformers.

The model has a box and an embedding for each patch of a picture. A patch's score for a query is the sigmoid of the
likeness of the two embeddings, shifted and scaled by the patch itself. A name's embedding is that of `query_prompt`; a
reference picture's that of its patch that is most likely an object, as the authors do. A patch that is as much like one
of `owlv2_other` as like a name does not show that name: a model that is asked for a name that it does not know
finds any logo by the word "logo".

transformers' own reading of the scores of pictures is not used: it stretches them until the best of each picture is 1,
so that every brand is found in every picture.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from gpu_service import models
from gpu_service.pictures import Image
from gpu_service.routines import Reference
from gpu_service.routines.logos.references import read_logo
from gpu_service.routines.objects.queries import Floats, Name, Query, QuerySettings, named_boxes
from gpu_service.wire import ObjectFinding

ENGINE = "the engine `owlv2`"
VERSION = "1"
REMEMBERED = 8
"""Sets of queries whose embeddings are kept with the model."""


class Owlv2Settings(QuerySettings):
    """How OWLv2 looks."""

    owlv2_model: str = Field("", max_length=100, description="for `owlv2`: short name of a model of the host")
    owlv2_threshold: float = Field(0.2, gt=0, le=1, description="minimum score of what is found by its name")
    owlv2_picture_threshold: float = Field(
        0.6, gt=0, le=1, description="minimum score of what is found by a reference picture"
    )
    owlv2_other: tuple[Name, ...] = Field(
        ("a logo", "a sign with words", "a photo of something else"),
        max_length=100,
        description="what is as much like one of these as like a name does not show that name",
    )


class Owlv2:
    """One OWLv2 in memory. Safe to be called by several threads, one at a time."""

    def __init__(self, path: Path) -> None:
        transformers = models.package("transformers", ENGINE, "torch")
        models.package("torchvision", ENGINE, "torch")
        self._torch = models.package("torch", ENGINE, "torch")
        self._device = models.torch_device()
        self._model: Any = transformers.Owlv2ForObjectDetection.from_pretrained(str(path), local_files_only=True)
        self._model.to(self._device).eval()
        self._processor: Any = transformers.Owlv2Processor.from_pretrained(str(path), local_files_only=True)
        self._lock = threading.RLock()
        self._remembered: OrderedDict[tuple[object, ...], tuple[list[Query], Floats, Floats]] = OrderedDict()

    def find(
        self, images: Sequence[Image], references: Sequence[Reference], settings: Owlv2Settings
    ) -> list[list[ObjectFinding]]:
        """What is in each picture."""
        queries, asked, others = self._asked(references, settings)
        if not queries:
            return [[] for _ in images]
        found = []
        for start in range(0, len(images), settings.object_batch):
            some = images[start : start + settings.object_batch]
            centred, scores = self._scores(some, np.concatenate([asked, others]))
            for image, boxes, table in zip(some, centred, scores, strict=True):
                size = image.shape[1], image.shape[0]
                by_query = without_others(table, queries)
                found.append(
                    named_boxes(
                        in_pixels(boxes, size), by_query, queries, size, "owlv2", settings.object_overlap,
                        one_label_a_place=True,
                    )
                )  # fmt: skip
        return found

    def _asked(self, references: Sequence[Reference], settings: Owlv2Settings) -> tuple[list[Query], Floats, Floats]:
        """The queries, their embeddings (n, d), and those of `owlv2_other`."""
        key = (
            tuple((one.brand, one.name, one.sha256) for one in references),
            settings.query_names, settings.query_prompt, settings.owlv2_other,
            settings.owlv2_threshold, settings.owlv2_picture_threshold,
        )  # fmt: skip
        with self._lock:
            if key not in self._remembered:
                self._remembered[key] = self._embedded(references, settings)
                while len(self._remembered) > REMEMBERED:
                    self._remembered.popitem(last=False)
            return self._remembered[key]

    def _embedded(self, references: Sequence[Reference], settings: Owlv2Settings) -> tuple[list[Query], Floats, Floats]:
        names = list(dict.fromkeys(settings.query_names))
        logos = [(one, read_logo(one)) for one in references]
        drawn = [(one, logo.pixels) for one, logo in logos if logo.long_px]  # a blank picture is like nothing
        queries = [
            *(Query(name, settings.owlv2_threshold) for name in names),
            *(Query(one.brand, settings.owlv2_picture_threshold, one.name) for one, _ in drawn),
        ]
        texts = self._texts([*(settings.query_prompt.replace("{}", name) for name in names), *settings.owlv2_other])
        pictures = [self._picture(pixels) for _, pixels in drawn]
        return queries, np.concatenate([texts[: len(names)], *pictures]), texts[len(names) :]

    def _texts(self, texts: Sequence[str]) -> Floats:
        """Embeddings (n, d) of texts; what is longer than the model reads is cut off."""
        width = self._model.config.text_config.hidden_size
        if not texts:
            return np.zeros((0, width), np.float32)
        inputs = self._processor.tokenizer(
            list(texts),
            padding="max_length",
            truncation=True,
            max_length=self._model.config.text_config.max_position_embeddings,
            return_tensors="pt",
        ).to(self._device)
        with self._lock, self._torch.inference_mode():
            features = self._model.owlv2.get_text_features(
                input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]
            )
        return np.asarray(features.pooler_output.float().cpu().numpy())

    def _picture(self, picture: Image) -> Floats:
        """Embedding (1, d) of a reference picture."""
        with self._lock, self._torch.inference_mode():
            patches, grid = self._patches([picture])
            embedding, _, _ = self._model.embed_image_query(patches, grid)
        return np.asarray(embedding[0].float().cpu().numpy())

    def _scores(self, images: Sequence[Image], queries: Floats) -> tuple[Floats, Floats]:
        """Of each picture the boxes (n, patches, 4), as `in_pixels` takes them, and scores (n, patches, queries)."""
        with self._lock, self._torch.inference_mode():
            patches, grid = self._patches(images)
            asked = self._torch.from_numpy(queries).to(self._device).expand(len(images), -1, -1)
            logits, _ = self._model.class_predictor(patches, asked)
            boxes = self._model.box_predictor(patches, grid)
            scores = logits.float().sigmoid()
        return boxes.float().cpu().numpy(), scores.cpu().numpy()

    def _patches(self, images: Sequence[Image]) -> tuple[Any, Any]:
        """Features of the patches (n, patches, d), and the same in rows and columns (n, h, w, d)."""
        pictures = [models.pil_picture(image) for image in images]
        pixels = self._processor.image_processor(images=pictures, device=self._device, return_tensors="pt")
        grid, _ = self._model.image_embedder(pixels["pixel_values"].to(self._device))
        return grid.flatten(1, 2), grid


def in_pixels(boxes: Floats, size: tuple[int, int]) -> Floats:
    """Corners (n, 4) in pixels of a picture, of boxes (n, 4) as centre and size in shares of the square that the model
    sees: the picture lies in its top left corner, below or beside it is nothing.

    >>> in_pixels(np.array([[0.5, 0.25, 0.5, 0.5]], np.float32), (640, 320)).tolist()
    [[160.0, 0.0, 480.0, 320.0]]
    """
    middle, half = boxes[:, :2], boxes[:, 2:] / 2
    return np.asarray(np.concatenate([middle - half, middle + half], axis=1) * max(size), np.float32)


def without_others(scores: Floats, queries: Sequence[Query]) -> Floats:
    """Scores (n, queries), those of names 0 where one of the others scores as much.

    Args:
        scores: (n, queries and others).
    """
    by_name = np.array([query.reference is None for query in queries])
    found = scores[:, : len(queries)]
    most = scores[:, len(queries) :].max(axis=1, initial=0.0, keepdims=True)
    return np.where(by_name & (found <= most), np.float32(0), found)


def find_objects(
    images: Sequence[Image], references: Sequence[Reference], settings: Owlv2Settings
) -> list[list[ObjectFinding]]:
    """Logos in each picture, under their brands' names.

    Raises:
        MissingEngine: transformers, torch or torchvision is not installed, or the model is not here.
        BadInput: a reference cannot be read.
    """
    return models.load("owlv2", settings.owlv2_model, "owlv2_model", Owlv2).find(images, references, settings)


def identity(settings: Owlv2Settings) -> str:
    """Engine, versions and model.

    Raises:
        MissingEngine: see `find_objects`.
    """
    versions = "/".join(models.version(name, ENGINE, "torch") for name in ("transformers", "torchvision"))
    return f"owlv2/{VERSION}/{versions}/{models.identity(settings.owlv2_model, 'owlv2_model')}"
