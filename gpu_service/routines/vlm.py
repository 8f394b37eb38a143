"""Which brand a crop shows, asked of a vision-language model: any that transformers loads as image-text-to-text.

The answer is structured by how it is made, not by parsing: with brands to choose from, only their names and "none" can
be written, token by token; without, the model writes a name. The confidence is the product of the probabilities of the
tokens written, among those allowed. What becomes of an answer is its caller's affair.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import cv2
import numpy as np
from pydantic import Field

from gpu_service import models
from gpu_service.pictures import Image
from gpu_service.routines import Batch, DebugPictures, Routine
from gpu_service.settings import Settings
from gpu_service.wire import VlmAnswer, VlmItem

Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
Tree: TypeAlias = "dict[int, Tree]"
"""Tokens that may come next, and what may follow each; a name may end where `END` is."""

END = -1
NONE = "none"
ENGINE = "the routine `vlm`"
VERSION = "1"


class VlmSettings(Settings):
    """Which model is asked, and how."""

    model: str = Field("", max_length=100, description="short name of a model of the host")
    brands: tuple[Name, ...] = Field(
        (), max_length=500, description="names to choose from; empty: the model may name any brand"
    )
    context: str = Field("", max_length=1000, description="description of the crops for the model's prompt")
    deadline_s: float = Field(
        60.0, gt=0, le=600, description="time limit for a batch, in seconds; crops not answered by then are late"
    )
    batch: int = Field(8, ge=1, le=128, description="crops in one batch")
    side_max_px: int = Field(768, ge=64, le=4096, description="crops with a longer side above this are shrunk")
    max_tokens: int = Field(
        24, ge=1, le=200, description="maximum length of an answer, where the model may name any brand"
    )


class Vlm:
    """One model in memory. Safe to be called by several threads, one at a time."""

    def __init__(self, path: Path) -> None:
        transformers = models.package("transformers", ENGINE, "torch")
        self._torch = models.package("torch", ENGINE, "torch")
        self._device = models.torch_device()
        self._processor: Any = transformers.AutoProcessor.from_pretrained(str(path), local_files_only=True)
        # Weights stay in the precision they were saved in on a GPU; CPUs are slow, or wrong, in half precision.
        dtype = self._torch.float32 if self._device == "cpu" else "auto"
        self._model: Any = transformers.AutoModelForImageTextToText.from_pretrained(
            str(path), local_files_only=True, dtype=dtype
        )
        self._model.to(self._device).eval()
        self._tokenizer: Any = self._processor.tokenizer
        if not getattr(self._processor, "chat_template", None):
            raise ValueError("it has no chat template; use an instruction-tuned model")
        self._tokenizer.padding_side = "left"
        ends = self._model.generation_config.eos_token_id
        ends = self._tokenizer.eos_token_id if ends is None else ends
        self._ends: list[int] = ends if isinstance(ends, list) else [ends]
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token_id = self._ends[0]
        self._lock = threading.Lock()

    def ask(self, crops: Sequence[Image], items: Sequence[VlmItem], settings: VlmSettings) -> list[VlmAnswer]:
        """An answer for each crop. Those that the deadline leaves no time for are late, not dropped."""
        until = time.monotonic() + settings.deadline_s
        tree = self._tree([*settings.brands, NONE]) if settings.brands else None
        answers: list[VlmAnswer] = []
        for start in range(0, len(crops), settings.batch):
            some = slice(start, start + settings.batch)
            left_s = until - time.monotonic()
            if left_s <= 0:
                answers += [VlmAnswer(outcome="late") for _ in crops[some]]
            else:
                answers += self._ask(crops[some], items[some], settings, tree, left_s)
        return answers

    def _ask(
        self, crops: Sequence[Image], items: Sequence[VlmItem], settings: VlmSettings, tree: Tree | None, left_s: float
    ) -> list[VlmAnswer]:
        inputs = self._processor(
            text=[self._prompt(item, settings) for item in items],
            images=[[models.pil_picture(fitted(crop, settings.side_max_px))] for crop in crops],
            padding=True,
            return_tensors="pt",
        )
        asked = inputs["input_ids"].shape[1]
        longest = settings.max_tokens if tree is None else _depth(tree)
        with self._lock, self._torch.inference_mode():
            out = self._model.generate(
                **inputs.to(self._device, self._model.dtype),
                max_new_tokens=longest,
                max_time=left_s,
                do_sample=False,
                num_beams=1,
                pad_token_id=self._tokenizer.pad_token_id,
                eos_token_id=self._ends,
                prefix_allowed_tokens_fn=None if tree is None else self._allowed(tree, asked),
                output_scores=True,
                return_dict_in_generate=True,
            )
            chances = self._torch.stack([step.float().softmax(-1) for step in out.scores], dim=1)
            written = out.sequences[:, asked:]
            sure = chances.gather(2, written[..., None])[..., 0].cpu().tolist()
        rows = written.cpu().tolist()
        return [self._answer(row, p, settings, longest) for row, p in zip(rows, sure, strict=True)]

    def _prompt(self, item: VlmItem, settings: VlmSettings) -> str:
        content = [{"type": "image"}, {"type": "text", "text": question(item, settings)}]
        messages = [{"role": "user", "content": content}]
        return str(self._processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))

    def _tree(self, names: Sequence[str]) -> Tree:
        """All names, with and without a space before them: which one a model writes depends on its template."""
        tree: Tree = {}
        for name in (*names, *(f" {name}" for name in names)):
            branch = tree
            for token in self._tokenizer(name, add_special_tokens=False)["input_ids"]:
                branch = branch.setdefault(int(token), {})
            branch[END] = {}
        return tree

    def _allowed(self, tree: Tree, asked: int) -> Any:
        def tokens(_row: int, sequence: Any) -> list[int]:
            branch = tree
            for token in sequence[asked:].tolist():
                if token in self._ends or token not in branch:
                    return self._ends
                branch = branch[token]
            return [token for token in branch if token != END] + (self._ends if END in branch else [])

        return tokens

    def _answer(self, tokens: list[int], chances: list[float], settings: VlmSettings, longest: int) -> VlmAnswer:
        end = next((i for i, token in enumerate(tokens) if token in self._ends), None)
        text = str(self._tokenizer.decode(tokens[:end], skip_special_tokens=True)).strip()
        if end is None:
            return VlmAnswer(outcome="late" if len(tokens) < longest else "unclear", text=text)
        confidence = min(1.0, round(math.prod(chances[: end + 1]), 4))
        name = text.splitlines()[0].strip(" .\"'*") if text else ""
        if settings.brands:
            # Decoding may change spaces; a name is recognised without them.
            name = next((b for b in (*settings.brands, NONE) if "".join(b.split()) == "".join(name.split())), name)
        if not name:
            return VlmAnswer(outcome="unclear", text=text)
        if name.casefold() == NONE:
            return VlmAnswer(outcome="none", confidence=confidence, text=text)
        return VlmAnswer(outcome="brand", brand=name, confidence=confidence, text=text)


def question(item: VlmItem, settings: VlmSettings) -> str:
    """What the model is asked of a crop."""
    parts = [settings.context, f'Text was read in the picture: "{item.text}".' if item.text else ""]
    if settings.brands:
        parts += [
            f"Which of these brands does the picture show: {', '.join(settings.brands)}?",
            f"Answer with the name alone, exactly as written here, or with {NONE} if it shows none of them.",
        ]
    else:
        parts += [
            "Which brand does the picture show, by its name or its logo?",
            f"Answer with the brand's name alone, or with {NONE} if it shows no brand.",
        ]
    return " ".join(part for part in parts if part)


def fitted(crop: Image, side_max_px: int) -> Image:
    """The crop, reduced if its longer side is more than this."""
    scale = side_max_px / max(crop.shape[:2])
    if scale >= 1:
        return crop
    return np.asarray(cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _depth(tree: Tree) -> int:
    """Tokens of the longest name with its end."""
    return max((1 + _depth(branch) for branch in tree.values()), default=0)


def _run(batch: Batch[VlmSettings, VlmItem]) -> list[VlmAnswer]:
    return models.load("vlm", batch.settings.model, "model", Vlm).ask(batch.images, batch.items, batch.settings)


def _debug(batch: Batch[VlmSettings, VlmItem]) -> list[tuple[VlmAnswer, DebugPictures]]:
    side = batch.settings.side_max_px
    return [
        (answer, {"asked": draw(fitted(image, side), answer)})
        for image, answer in zip(batch.images, _run(batch), strict=True)
    ]


def draw(crop: Image, answer: VlmAnswer) -> Image:
    """What the model saw, with what it said below."""
    canvas = cv2.copyMakeBorder(crop, 0, 24, 0, max(0, 320 - crop.shape[1]), cv2.BORDER_CONSTANT)
    said = f"{answer.brand or answer.outcome} {answer.confidence:.2f}"
    cv2.putText(canvas, said, (4, canvas.shape[0] - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 220, 0), 1, cv2.LINE_AA)
    return np.asarray(canvas, np.uint8)


def _identity(settings: VlmSettings) -> str:
    version = models.version("transformers", ENGINE, "torch")
    return f"vlm/{VERSION}/{version}/{models.identity(settings.model, 'model')}"


VLM: Routine[VlmSettings, VlmItem, VlmAnswer] = Routine(
    name="vlm",
    settings=VlmSettings,
    item=VlmItem,
    answer=VlmAnswer,
    run=_run,
    debug=_debug,
    identity=_identity,
    max_batch=lambda settings: max(2, settings.batch),  # 1 would mean a CPU routine that any thread may call
)
