"""Names for regions by CLIP, SigLIP or DINOv2: which brand a region is closest to, or none.

These models have no boxes and find something everywhere when they must, so they see regions that other detectors
propose, and "other" is always among the answers. They run in torch through transformers. A region's probabilities are

    p   softmax over its likeness to the brands' names and to the words of `clip_other`, and
    q   softmax over its likeness to each brand's closest reference picture and a fixed likeness, as `clip_likeness`;

a brand's confidence is their mean, or p alone where the brand has no picture. DINOv2 knows no words: there it is q
alone. As no brand can have more than what the others and "other" leave it, a threshold of at least 0.5 means likelier
than all else together.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gpu_service import models
from gpu_service.boxes import around, touches
from gpu_service.pictures import Image
from gpu_service.routines import Reference
from gpu_service.routines.detect_edges import EdgeSettings, find_boards
from gpu_service.routines.logos.references import read_logo
from gpu_service.settings import Settings
from gpu_service.wire import Box, ObjectFinding

Floats: TypeAlias = NDArray[np.float32]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]

RegionEngine: TypeAlias = Literal["clip", "siglip", "dinov2"]
VERSION = "1"

REFERENCE_SCALE = 30.0
"""How sharply likeness to a reference picture is told from `clip_likeness`: 0.1 more is 3 in the exponent. No
measurement with a trained CLIP is known."""

MOST_TILES = 128
"""Pieces of one picture that are looked at: a bound on the work."""

REMEMBERED = 8
"""Sets of brands whose embeddings are kept with the model."""


class RegionSettings(Settings):
    """How regions are named, by whichever model."""

    clip_threshold: float = Field(
        0.6, ge=0.5, le=1, description="minimum confidence to name a region, for siglip and dinov2 too"
    )
    clip_boards: bool = Field(True, description="also name boards found by the algorithm of detect_edges")
    clip_batch: int = Field(64, ge=1, le=1024, description="regions in one batch")


class WordSettings(RegionSettings):
    """What is said to models that know words."""

    clip_brands: tuple[Name, ...] = Field(
        (), max_length=1000, description="brands to search for in addition to those with reference pictures"
    )
    clip_prompt: str = Field("the {} logo", max_length=200, pattern=r"\{\}", description="{} is replaced by the brand")
    clip_other: tuple[Name, ...] = Field(
        ("a plain surface", "grass", "a crowd", "a person", "a sign with words", "a photo of something else"),
        min_length=1,
        max_length=100,
        description="classes for regions that show no brand",
    )


class ClipSettings(WordSettings):
    """How CLIP names regions."""

    clip_model: str = Field("", max_length=100, description="for `clip`: short name of a model of the host")
    clip_likeness: float = Field(
        0.75, ge=-1, le=1, description="cosine similarity to a reference picture at which the probability is 0.5"
    )


class SiglipSettings(WordSettings):
    """How SigLIP names regions."""

    siglip_model: str = Field("", max_length=100, description="for `siglip`: short name of a model of the host")
    siglip_likeness: float = Field(0.75, ge=-1, le=1, description="as clip_likeness, for `siglip`")


class Dinov2Settings(RegionSettings):
    """How DINOv2 names regions."""

    dinov2_model: str = Field("", max_length=100, description="for `dinov2`: short name of a model of the host")
    dinov2_likeness: float = Field(0.6, ge=-1, le=1, description="as clip_likeness, for `dinov2`")


class NamingSettings(ClipSettings, SiglipSettings, Dinov2Settings):
    """Settings of all three."""


class Encoder:
    """A model in memory that makes vectors of pictures, and of texts where it knows words.

    Safe to be called by several threads, one at a time.
    """

    def __init__(self, engine: RegionEngine, path: Path) -> None:
        transformers = models.package("transformers", _what(engine), "torch")
        self._torch = models.package("torch", _what(engine), "torch")
        self._device = models.torch_device()
        self._engine = engine
        self._model: Any = transformers.AutoModel.from_pretrained(str(path), local_files_only=True)
        self._model.to(self._device).eval()
        if engine == "dinov2":
            self._pictures_in: Any = transformers.AutoImageProcessor.from_pretrained(str(path), local_files_only=True)
        else:
            processor: Any = transformers.AutoProcessor.from_pretrained(str(path), local_files_only=True)
            self._pictures_in, self._texts_in = processor.image_processor, processor.tokenizer
            self.text_scale = math.exp(self._model.logit_scale.item())
        self._lock = threading.RLock()
        self._remembered: OrderedDict[tuple[object, ...], tuple[Floats, Floats]] = OrderedDict()

    @property
    def knows_words(self) -> bool:
        return self._engine != "dinov2"

    def pictures(self, crops: Sequence[Image], batch: int) -> Floats:
        """Unit vectors (n, d) of pictures, each put whole in the middle of a square."""
        squares = [models.pil_picture(_square(crop)) for crop in crops]
        features = self._model.get_image_features if self.knows_words else self._model
        parts = []
        for start in range(0, len(squares), batch):
            inputs = self._pictures_in(images=squares[start : start + batch], return_tensors="pt")
            parts.append(self._unit(features, inputs))
        return np.concatenate(parts)

    def texts(self, texts: Sequence[str]) -> Floats:
        """Unit vectors (n, d) of texts."""
        # SigLIP was trained on texts filled up to one length.
        filled = "max_length" if self._engine == "siglip" else True
        inputs = self._texts_in(list(texts), padding=filled, truncation=True, return_tensors="pt")
        return self._unit(self._model.get_text_features, inputs)

    def _unit(self, features: Any, inputs: Any) -> Floats:
        with self._lock, self._torch.inference_mode():
            vectors = features(**inputs.to(self._device)).pooler_output.float().cpu().numpy()
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    def known(
        self, brands: Sequence[str], references: Sequence[Reference], settings: NamingSettings
    ) -> tuple[Floats, Floats]:
        """Vectors of the brands' prompts followed by those of `clip_other`, and of the reference pictures; of what
        there is none, none."""
        key = (tuple(brands), tuple(r.sha256 for r in references), settings.clip_prompt, settings.clip_other)
        with self._lock:
            if key not in self._remembered:
                prompts = [settings.clip_prompt.replace("{}", brand) for brand in brands]
                none = np.zeros((0, 1), np.float32)
                texts = self.texts([*prompts, *settings.clip_other]) if self.knows_words else none
                logos = [read_logo(reference) for reference in references]
                seen = self.pictures([logo.pixels for logo in logos], settings.clip_batch) if logos else texts[:0]
                # A blank picture is like nothing: the null vector.
                pictures = seen * np.array([[logo.long_px > 0] for logo in logos], np.float32).reshape(-1, 1)
                self._remembered[key] = texts, pictures
                while len(self._remembered) > REMEMBERED:
                    self._remembered.popitem(last=False)
            return self._remembered[key]


def _square(crop: Image) -> Image:
    """The picture on a square of its mean colour: CLIP would cut the ends of a wide one off."""
    height, width = crop.shape[:2]
    side = max(height, width)
    square = np.empty((side, side, 3), np.uint8)
    square[...] = np.asarray(cv2.mean(crop)[:3]).round()
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = crop
    return square


def _what(engine: RegionEngine) -> str:
    return f"the engine `{engine}`"


def _model_of(engine: RegionEngine, settings: NamingSettings) -> tuple[str, str]:
    """The short name of its model, and the setting that has it."""
    setting = f"{engine}_model"
    name: str = getattr(settings, setting)
    return name, setting


def name_regions(
    images: Sequence[Image],
    regions: Sequence[Sequence[Box]],
    references: Sequence[Reference],
    settings: NamingSettings,
    engine: RegionEngine = "clip",
) -> list[list[ObjectFinding]]:
    """The brands that the pieces of each picture's regions show, sorted by brand, then surest first.

    Args:
        regions: what other detectors found in each picture; boards are added if `clip_boards` says so.

    Raises:
        MissingEngine: transformers or torch is not installed, or the model is not here.
        BadInput: a reference cannot be read.
    """
    encoder = models.load(engine, *_model_of(engine, settings), lambda path: Encoder(engine, path))
    named = {reference.brand for reference in references}
    brands = sorted(named | set(settings.clip_brands) if encoder.knows_words else named)
    tiles = [_tiles(image, some, settings) for image, some in zip(images, regions, strict=True)]
    crops = [_cut(image, box) for image, some in zip(images, tiles, strict=True) for box in some]
    if not brands or not crops:
        return [[] for _ in images]
    texts, pictures = encoder.known(brands, references, settings)
    owners = np.array([brands.index(reference.brand) for reference in references], np.intp)
    seen = encoder.pictures(crops, settings.clip_batch)
    likeness: float = getattr(settings, f"{engine}_likeness")
    if encoder.knows_words:
        shares = confidences(seen, texts, len(brands), encoder.text_scale, pictures, owners, likeness)
    else:
        shares = by_pictures(seen, pictures, owners, len(brands), likeness)[0]
    found, start = [], 0
    for some in tiles:
        found.append(_named(some, shares[start : start + len(some)], brands, settings.clip_threshold, engine))
        start += len(some)
    return found


def confidences(
    seen: Floats,
    texts: Floats,
    brand_count: int,
    text_scale: float,
    pictures: Floats,
    owners: NDArray[np.intp],
    likeness: float,
) -> Floats:
    """Each brand's confidence (n, brands), as the head of this file says. All vectors are unit vectors.

    Args:
        seen: (n, d) regions.
        texts: (brands + others, d).
        pictures: (references, d), and `owners` (references,) whose they are.
    """
    p = _softmax(np.asarray(seen @ texts.T * text_scale, np.float32))[:, :brand_count]
    if not len(owners):
        return p
    q, has_picture = by_pictures(seen, pictures, owners, brand_count, likeness)
    return np.where(has_picture, (p + q) / 2, p).astype(np.float32)


def by_pictures(
    seen: Floats, pictures: Floats, owners: NDArray[np.intp], brand_count: int, likeness: float
) -> tuple[Floats, NDArray[np.bool_]]:
    """q (n, brands) of the head of this file, and which brands have a picture."""
    alike = np.full((len(seen), brand_count), -np.inf, np.float32)
    np.maximum.at(alike.T, owners, pictures @ seen.T)
    other = np.full((len(seen), 1), likeness, np.float32)
    q = _softmax(np.concatenate([alike, other], axis=1) * np.float32(REFERENCE_SCALE))[:, :brand_count]
    return q, np.isfinite(alike)


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _tiles(image: Image, regions: Sequence[Box], settings: RegionSettings) -> list[Box]:
    """Pieces to look at: regions, long ones cut into overlapping pieces twice as wide as high. Each piece once."""
    boards = [region.box for region in find_boards(image, EdgeSettings()).regions] if settings.clip_boards else []
    tiles: dict[Box, None] = {}
    for box in (*regions, *boards):
        if not box.w or not box.h:
            continue
        pieces = max(1, round(box.w / box.h) - 1)
        width = min(box.w, 2 * box.h) if pieces > 1 else box.w
        for k in range(pieces):
            left = box.x + (round(k * (box.w - width) / (pieces - 1)) if pieces > 1 else 0)
            tiles[Box(x=left, y=box.y, w=width, h=box.h)] = None
    return list(tiles)[:MOST_TILES]


def _cut(image: Image, box: Box) -> Image:
    return image[max(0, box.y) : box.y + box.h, max(0, box.x) : box.x + box.w]


def _named(
    tiles: Sequence[Box], shares: Floats, brands: Sequence[str], threshold: float, engine: RegionEngine
) -> list[ObjectFinding]:
    """One finding for each place: overlapping pieces with one name become their common box."""
    named: dict[str, list[tuple[Box, float]]] = {}
    for box, share in zip(tiles, shares, strict=True):
        best = int(share.argmax())
        if share[best] < threshold:
            continue
        places = named.setdefault(brands[best], [])
        confidence = float(share[best])
        for other, sure in [place for place in places if touches(place[0].xywh, box.xywh)]:
            places.remove((other, sure))
            x, y, w, h = around([box.xywh, other.xywh])
            box, confidence = Box(x=x, y=y, w=w, h=h), max(confidence, sure)
        places.append((box, confidence))
    found = [
        ObjectFinding(box=box, label=brand, confidence=round(min(1.0, sure), 4), engine=engine)
        for brand, places in named.items()
        for box, sure in places
    ]
    return sorted(found, key=lambda f: (f.label, -f.confidence, f.box.x, f.box.y))


def identity(settings: NamingSettings, engine: RegionEngine = "clip") -> str:
    """Engine, versions and model.

    Raises:
        MissingEngine: see `name_regions`.
    """
    version = models.version("transformers", _what(engine), "torch")
    return f"{engine}/{VERSION}/{version}/{models.identity(*_model_of(engine, settings))}"
