"""Things by Grounding DINO (Liu and others, Grounding DINO: Marrying DINO with Grounded Pre-Training, 2023), without
training: by what they are called. In torch through transformers.

The model reads names as one text, a full stop after each, and tells of each of its boxes how like each token is. A
name's score is the mean over the tokens of the name alone, as its authors rate boxes of several classes, not those of
`query_prompt` around it: by the word "logo" every logo would have every name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from gpu_service import models
from gpu_service.pictures import Image
from gpu_service.routines.objects.boxes import in_batches
from gpu_service.routines.objects.queries import Floats, Query, QuerySettings, named_boxes
from gpu_service.wire import ObjectFinding

ENGINE = "the engine `grounding_dino`"
VERSION = "1"


class GroundingDinoSettings(QuerySettings):
    """How Grounding DINO looks. The threshold of 0.35 is its authors' own."""

    grounding_dino_model: str = Field(
        "", max_length=100, description="for `grounding_dino`: short name of a model of the host"
    )
    grounding_dino_threshold: float = Field(0.35, gt=0, le=1, description="minimum score of what is found")


@dataclass(frozen=True)
class Prompt:
    """Names in one text. `names`: each with its place there, from one character to before another."""

    text: str
    names: tuple[tuple[str, int, int], ...]


def prompts(names: Sequence[str], pattern: str, tokens: Callable[[str], int], most_tokens: int) -> list[Prompt]:
    """As few texts as hold all names, in small letters, as the model has learnt them.

    Args:
        pattern: what is said of a name, which stands for its `{}`.
        tokens: tells how many a text has.
        most_tokens: of a text; one name alone may have more.

    >>> prompts(["Ada", "Bee"], "{} logo", len, 100)
    [Prompt(text='ada logo. bee logo.', names=(('Ada', 0, 3), ('Bee', 10, 13)))]
    """
    found: list[Prompt] = []
    placed: list[tuple[str, int, int]] = []
    before, _, after = pattern.partition("{}")
    text, used = "", 0
    for name in dict.fromkeys(names):
        piece = f"{before}{name}{after}".lower() + "."
        length = tokens(piece)
        if placed and used + length > most_tokens:
            found.append(Prompt(text, tuple(placed)))
            text, placed, used = "", [], 0
        start = len(text) + bool(text) + len(before.lower())
        text += " " * bool(text) + piece
        placed.append((name, start, start + len(name.lower())))
        used += length
    return [*found, Prompt(text, tuple(placed))] if placed else found


class GroundingDino:
    """One Grounding DINO in memory. Safe to be called by several threads, one at a time."""

    def __init__(self, path: Path) -> None:
        transformers = models.package("transformers", ENGINE, "torch")
        models.package("torchvision", ENGINE, "torch")
        self._torch = models.package("torch", ENGINE, "torch")
        self._device = models.torch_device()
        self._model: Any = transformers.GroundingDinoForObjectDetection.from_pretrained(
            str(path), local_files_only=True
        )
        self._model.to(self._device).eval()
        processor: Any = transformers.GroundingDinoProcessor.from_pretrained(str(path), local_files_only=True)
        self._pictures_in, self._tokenizer = processor.image_processor, processor.tokenizer
        self._lock = threading.Lock()

    def find(self, images: Sequence[Image], settings: GroundingDinoSettings) -> list[list[ObjectFinding]]:
        """What is in each picture."""
        found: list[list[ObjectFinding]] = [[] for _ in images]
        asked = [(one, *self._tokens(one)) for one in self._prompts(settings)]
        queries = [
            Query(name, settings.grounding_dino_threshold) for prompt, _, _ in asked for name, _, _ in prompt.names
        ]
        for indices in in_batches(images, settings.object_batch) if asked else ():
            some = [images[index] for index in indices]
            size = some[0].shape[1], some[0].shape[0]
            parts = [self._scores(some, inputs, shares) for _, inputs, shares in asked]
            for number, index in enumerate(indices):
                corners = np.concatenate([in_pixels(boxes[number], size) for boxes, _ in parts])
                found[index] = named_boxes(
                    corners, _beside_each_other([scores[number] for _, scores in parts]), queries, size,
                    "grounding_dino", settings.object_overlap, one_label_a_place=False,
                )  # fmt: skip
        return found

    def _prompts(self, settings: GroundingDinoSettings) -> list[Prompt]:
        def tokens(text: str) -> int:
            return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])

        return prompts(settings.query_names, settings.query_prompt, tokens, self._model.config.max_text_len - 2)

    def _tokens(self, prompt: Prompt) -> tuple[dict[str, Any], Floats]:
        """What the model is told, and each token's share in each name's score (tokens, names).

        A name that holds a token that the model does not know has none: it would be found in anything.
        """
        most = self._model.config.max_text_len
        inputs = self._tokenizer(
            prompt.text, truncation=True, max_length=most, return_token_type_ids=True, return_offsets_mapping=True
        )
        shares = np.zeros((most, len(prompt.names)), np.float32)
        for number, (_, start, end) in enumerate(prompt.names):
            places = [at for at, (low, high) in enumerate(inputs["offset_mapping"]) if low < end and high > start]
            if places and self._tokenizer.unk_token_id not in [inputs["input_ids"][at] for at in places]:
                shares[places, number] = 1 / len(places)
        told = ("input_ids", "attention_mask", "token_type_ids")
        return {name: self._torch.tensor([inputs[name]], device=self._device) for name in told}, shares

    def _scores(self, images: Sequence[Image], text: dict[str, Any], shares: Floats) -> tuple[Floats, Floats]:
        """Of each picture the boxes (n, boxes, 4), as `in_pixels` takes them, and scores (n, boxes, names)."""
        pictures = [models.pil_picture(image) for image in images]
        with self._lock, self._torch.inference_mode():
            pixels = self._pictures_in(images=pictures, device=self._device, return_tensors="pt").to(self._device)
            told = {name: value.expand(len(images), -1) for name, value in text.items()}
            seen = self._model(**pixels, **told)
            boxes, scores = seen.pred_boxes.float().cpu().numpy(), seen.logits.float().sigmoid().cpu().numpy()
        return boxes, scores @ shares


def in_pixels(boxes: Floats, size: tuple[int, int]) -> Floats:
    """Corners (n, 4) in pixels of a picture, of boxes (n, 4) as centre and size in shares of its width and height.

    >>> in_pixels(np.array([[0.5, 0.25, 0.5, 0.5]], np.float32), (640, 320)).tolist()
    [[160.0, 0.0, 480.0, 160.0]]
    """
    middle, half = boxes[:, :2], boxes[:, 2:] / 2
    return np.asarray(np.concatenate([middle - half, middle + half], axis=1) * [*size, *size], np.float32)


def _beside_each_other(tables: Sequence[Floats]) -> Floats:
    """Scores of the boxes of several texts (boxes, names) for all names: 0 for those of another text."""
    whole = np.zeros((sum(len(one) for one in tables), sum(one.shape[1] for one in tables)), np.float32)
    row = column = 0
    for one in tables:
        whole[row : row + len(one), column : column + one.shape[1]] = one
        row, column = row + len(one), column + one.shape[1]
    return whole


def find_objects(images: Sequence[Image], settings: GroundingDinoSettings) -> list[list[ObjectFinding]]:
    """Things in each picture, under the names by which they were asked for.

    Raises:
        MissingEngine: transformers, torch or torchvision is not installed, or the model is not here.
    """
    return models.load("grounding_dino", settings.grounding_dino_model, "grounding_dino_model", GroundingDino).find(
        images, settings
    )


def identity(settings: GroundingDinoSettings) -> str:
    """Engine, versions and model.

    Raises:
        MissingEngine: see `find_objects`.
    """
    versions = "/".join(models.version(name, ENGINE, "torch") for name in ("transformers", "torchvision"))
    model = models.identity(settings.grounding_dino_model, "grounding_dino_model")
    return f"grounding_dino/{VERSION}/{versions}/{model}"
