"""Google Cloud Vision through its own client, against a local server that speaks its REST protocol."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from gpu_service.pictures import encode_jpeg
from mpr_resources.cloud.prompt import SCHEMA, SYSTEM, Answer, PictureAnnotation, parts, read_answers
from mpr_resources.cloud.providers import Request, Usage, failures, open_provider
from tests.google_server import KEY, serving

PICTURE = encode_jpeg(np.zeros((100, 200, 3), np.uint8))
CONTEXT = encode_jpeg(np.zeros((10, 10, 3), np.uint8))


def corners(x: int, y: int, w: int, h: int) -> dict[str, Any]:
    """As Google tells them: what is 0 is left out."""
    places = ((x, y), (x + w, y), (x + w, y + h), (x, y + h))
    return {"vertices": [{name: at for name, at in zip("xy", place, strict=True) if at} for place in places]}


def read(text: str, confidence: float, *box: int) -> dict[str, Any]:
    word = {"symbols": [{"text": letter} for letter in text], "boundingBox": corners(*box)}
    return word | ({"confidence": confidence} if confidence else {})


LOGO = {
    "logoAnnotations": [
        {"description": "Bolt", "score": 0.4},
        {"description": "Acme", "score": 0.75, "boundingPoly": corners(0, 20, 100, 30)},
    ]
}
TEXT = {
    "textAnnotations": [
        {"description": "FLY FURTHER", "boundingPoly": corners(0, 0, 100, 20)},
        {"description": "FLY", "boundingPoly": corners(20, 0, 40, 20)},
        {"description": "FURTHER", "boundingPoly": corners(60, 0, 160, 20)},
    ]
}
WORDS = [read("FLY", 0.75, 20, 0, 40, 20), read("FURTHER", 0, 60, 0, 160, 20)]
FULL_TEXT = {"fullTextAnnotation": {"pages": [{"blocks": [{"paragraphs": [{"words": WORDS}]}]}], "text": "FLY FURTHER"}}
BALL = {"name": "Ball", "score": 0.5, "boundingPoly": {"normalizedVertices": [{"x": 0.5}, {"x": 1.0, "y": 0.25}]}}
SEEN = {
    "logo": PictureAnnotation(kind="logo", text="Acme", confidence=0.75, box=(0.0, 0.2, 0.5, 0.3)),
    "FLY": PictureAnnotation(kind="text", text="FLY", confidence=0.75, box=(0.1, 0.0, 0.2, 0.2)),
    "a word without confidence": PictureAnnotation(kind="text", text="FLY", confidence=0.8, box=(0.1, 0.0, 0.2, 0.2)),
    "a word that is cut off": PictureAnnotation(kind="text", text="FURTHER", confidence=0.8, box=(0.3, 0.0, 0.7, 0.2)),
    "Ball": PictureAnnotation(kind="object", text="Ball", confidence=0.5, box=(0.5, 0.0, 0.5, 0.25)),
}
READ = {"outcome": "unknown", "confidence": 0.5, "text": "FLY FURTHER"}
FOUND: dict[str, tuple[dict[str, Any], Answer]] = {
    "nothing": ({}, Answer(outcome="none", confidence=0.5)),
    "a logo, and one without a place": (
        LOGO, Answer(outcome="brand", brand="Acme", confidence=0.75, annotations=(SEEN["logo"],)),
    ),
    "text": (
        TEXT, Answer(**READ, annotations=(SEEN["a word without confidence"], SEEN["a word that is cut off"])),
    ),
    "text with confidences": (
        TEXT | FULL_TEXT, Answer(**READ, annotations=(SEEN["FLY"], SEEN["a word that is cut off"])),
    ),
    "an object is no brand": (
        {"localizedObjectAnnotations": [BALL]}, Answer(outcome="none", confidence=0.5, annotations=(SEEN["Ball"],)),
    ),
    "all of it": (
        LOGO | TEXT | FULL_TEXT | {"localizedObjectAnnotations": [BALL]},
        Answer(
            outcome="brand", brand="Acme", confidence=0.75, text="FLY FURTHER",
            annotations=(SEEN["logo"], SEEN["FLY"], SEEN["a word that is cut off"], SEEN["Ball"]),
        ),
    ),
}  # fmt: skip


def ask(url: str, pictures: int = 1, features: str = "logo+text") -> tuple[list[Answer], Usage]:
    provider = open_provider("cloud_vision", {"GOOGLE_VISION_API_KEY": KEY, "GOOGLE_VISION_BASE_URL": url})
    try:
        shown = parts([(PICTURE, [CONTEXT])] * pictures)
        said = provider.ask(Request(features, SYSTEM, shown, SCHEMA, 500, 20.0))
        return read_answers(said.text, pictures), said.usage
    finally:
        provider.close()


@pytest.mark.parametrize("case", FOUND)
def test_what_google_finds_in_a_picture(case: str) -> None:
    found, expected = FOUND[case]
    with serving(lambda _: (200, {"responses": [found]})) as google:
        assert ask(google.url) == ([expected], Usage(1))


def test_twenty_pictures_are_two_requests_and_context_is_not_sent() -> None:
    with serving(lambda asked: (200, {"responses": [LOGO] * len(asked.body["requests"])})) as google:
        answers, usage = ask(google.url, 20, "logo+text+object")
    assert answers == [FOUND["a logo, and one without a place"][1]] * 20
    assert usage == Usage(20)
    assert [(one.path, one.key, len(one.body["requests"])) for one in google.asked] == [
        ("/v1/images:annotate", KEY, 16),
        ("/v1/images:annotate", KEY, 4),
    ]
    [first, *_] = google.asked[0].body["requests"]
    assert base64.b64decode(first["image"]["content"]) == PICTURE
    assert len(first["features"]) == 3


BROKEN = {
    "wrong key": (401, {"error": {"message": "no"}}, failures.RequestRejection, "refuses the key in GOOGLE_VISION_API"),
    "bad request": (400, {"error": {"message": f"bad: {KEY}"}}, failures.RequestRejection, r"\(HTTP 400\): .*bad: \*+"),
    "busy": (429, {"error": {"message": "slow down"}}, failures.ProviderUnavailable, "accepts no more requests"),
    "down": (503, {"error": {"message": "later"}}, failures.ProviderUnavailable, r"has an error \(HTTP 503\)"),
    "a proxy's page": (200, b"<html>", failures.UnreadableAnswer, "did not answer with the requested JSON"),
    "too few": (200, {"responses": []}, failures.UnreadableAnswer, "did not answer with the requested JSON"),
    "one failed": (200, {"responses": [{"error": {"code": 3}}]}, failures.UnreadableAnswer, "did not answer with the"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_goes_wrong_is_one_sentence(case: str) -> None:
    status, answer, kind, sentence = BROKEN[case]
    with serving(lambda _: (status, answer)) as google, pytest.raises(kind, match=sentence) as raised:
        ask(google.url)
    assert len(google.asked) == 1, "each request is paid for: the SDK does not try again by itself"
    assert KEY not in str(raised.value)


def test_a_feature_that_there_is_not() -> None:
    with (
        serving(lambda _: (200, {})) as google,
        pytest.raises(failures.RequestRejection, match="cloud_vision has no feature 'annotate'; write cloud_vision/ "),
    ):
        ask(google.url, features="annotate")
    assert google.asked == []


def test_nobody_listens() -> None:
    with serving(lambda _: (200, {})) as gone:
        pass
    with pytest.raises(failures.ProviderUnavailable, match="The connection to cloud_vision failed"):
        ask(gone.url)
