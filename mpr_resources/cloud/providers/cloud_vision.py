"""Google Cloud Vision, by its SDK `google-cloud-vision` over REST: logos, text and objects, for each picture by itself.

It is no language model: the model's name says which features are asked for, as `logo+text`, and its answers are put
into the words of `prompt`, with the places that it tells. A picture with all those features stands for a token.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from gpu_service.pictures import size_px
from mpr_resources.cloud.providers import (
    Completion,
    Request,
    Usage,
    failures,
)
from mpr_resources.cloud.providers.google_rest import GoogleRest

NAME = "cloud_vision"
HOST = "https://vision.googleapis.com"
FEATURES = {"logo": "LOGO_DETECTION", "text": "TEXT_DETECTION", "object": "OBJECT_LOCALIZATION"}
"""By their names here, as Google calls them."""
MOST_PICTURES = 16
"""Of a request, by Google's limit."""
READ_CONFIDENCE = 0.5
"""Of a picture in which text is read and no logo is known: there is no score for that."""
WORD_CONFIDENCE = 0.8
"""Of a word for which Google gives none. No measurement is known."""


class CloudVision:
    """See `Provider`."""

    def __init__(self, key: str, base_url: str | None) -> None:
        try:
            from google.cloud import vision
            from google.cloud.vision_v1.services.image_annotator.transports import ImageAnnotatorRestTransport
        except ImportError as error:
            raise failures.no_sdk(NAME) from error
        self._google = GoogleRest(NAME, key, base_url or HOST)
        self._client: Any = vision.ImageAnnotatorClient(transport=self._google.transport(ImageAnnotatorRestTransport))

    def ask(self, ask: Request) -> Completion:
        """See `Provider.ask`. Pictures that are context are not sent."""
        shown = numbered(ask.parts)
        features = [{"type_": name} for name in _features(ask.model)]
        answers: list[dict[str, object]] = []
        for start in range(0, len(shown), MOST_PICTURES):
            wanted: list[dict[str, object]] = [
                {"image": {"content": picture}, "features": features}
                for picture in shown[start : start + MOST_PICTURES]
            ]
            found = self._annotated(ask, wanted, Usage(start + len(wanted)))
            answers += [
                _answer(number, one, size_px(picture) or (1, 1))
                for number, (picture, one) in enumerate(zip(shown[start:], found, strict=False), start=start + 1)
            ]
        return Completion(json.dumps({"answers": answers}), Usage(len(shown)))

    def close(self) -> None:
        self._client.transport.close()

    def _annotated(self, ask: Request, wanted: list[dict[str, object]], usage: Usage) -> list[Any]:
        """What Google found in each picture. `usage`: with those pictures and with all that were sent before them."""
        with self._google.asking(ask.model, ask.timeout_s, usage):
            given = self._client.batch_annotate_images(
                request={"requests": wanted}, retry=None, timeout=ask.timeout_s
            ).responses
        if len(given) != len(wanted) or any(one.error.code for one in given):
            raise failures.unreadable(NAME, usage)
        return list(given)


def numbered(parts: tuple[str | bytes, ...]) -> list[bytes]:
    """The pictures that are to be answered, without those that are context."""
    return [
        picture
        for said, picture in pairwise(parts)
        if isinstance(said, str) and said.startswith("Picture ") and isinstance(picture, bytes)
    ]


def _features(model: str) -> list[str]:
    """What is asked for, as Google calls it, by the model's name: `logo+text`."""
    unknown = [name for name in model.split("+") if name not in FEATURES]
    if unknown:
        raise failures.RequestRejection(
            f"{NAME} has no feature {unknown[0]!r}",
            f"write {NAME}/ and one or more of {', '.join(FEATURES)}, with + between",
            "no_model",
        )
    return [FEATURES[name] for name in model.split("+")]


def _answer(number: int, found: Any, size: tuple[int, int]) -> dict[str, object]:
    """What was found in one picture, in the words of `prompt`: its surest logo is the brand. `size`: width, height."""
    text = found.text_annotations[0].description if found.text_annotations else ""
    surest = max(found.logo_annotations, key=lambda logo: logo.score, default=None)
    if surest is None:
        outcome, brand, confidence = ("unknown" if text else "none"), "", READ_CONFIDENCE
    else:
        outcome, brand, confidence = "brand", surest.description, surest.score
    places = [
        *(
            _place("logo", logo.description, logo.score, _corners(logo.bounding_poly, size))
            for logo in found.logo_annotations
        ),
        *_words(found, size),
        *(
            _place("object", one.name, one.score, [(at.x, at.y) for at in one.bounding_poly.normalized_vertices])
            for one in found.localized_object_annotations
        ),
    ]
    said = {"picture": number, "outcome": outcome, "brand": brand, "confidence": confidence, "text": text}
    return {**said, "annotations": [place for place in places if place is not None]}


def _words(found: Any, size: tuple[int, int]) -> Iterator[Mapping[str, object] | None]:
    """The words that were read, in their order. Google gives them twice, and a confidence in one of the lists alone."""
    words = [
        word
        for page in found.full_text_annotation.pages
        for block in page.blocks
        for paragraph in block.paragraphs
        for word in paragraph.words
    ]
    for word in words:
        text = "".join(symbol.text for symbol in word.symbols)
        yield _place("text", text, word.confidence or WORD_CONFIDENCE, _corners(word.bounding_box, size))
    if not words:
        for one in found.text_annotations[1:]:  # the first is all of the text
            yield _place("text", one.description, WORD_CONFIDENCE, _corners(one.bounding_poly, size))


def _corners(outline: Any, size: tuple[int, int]) -> list[tuple[float, float]]:
    return [(at.x / size[0], at.y / size[1]) for at in outline.vertices]


def _place(
    kind: str, text: str, confidence: float, corners: Iterable[tuple[float, float]]
) -> Mapping[str, object] | None:
    """A `prompt.PictureAnnotation`: the upright box around the corners, cut at the edges; None: there is none."""
    inside = [(min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)) for x, y in corners]
    if not inside or not text.strip():
        return None
    left, top = min(x for x, _ in inside), min(y for _, y in inside)
    width, height = max(x for x, _ in inside) - left, max(y for _, y in inside) - top
    if not width or not height:
        return None
    return {
        "kind": kind,
        "text": text.strip()[:500],
        "confidence": min(max(confidence, 0.0), 1.0),
        "box": tuple(round(share, 5) for share in (left, top, width, height)),
    }


open_ = CloudVision
