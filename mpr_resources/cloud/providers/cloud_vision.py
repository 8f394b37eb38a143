"""Google Cloud Vision, by its SDK `google-cloud-vision` over REST: logos and text, for each picture by itself.

It is no language model: it is told nothing and asked nothing, and its answers are put into the words of `prompt`. What
it is billed by, a feature of a picture, stands for a token.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from mpr_resources.cloud.providers import (
    Completion,
    Request,
    Usage,
    failures,
)

NAME = "cloud_vision"
HOST = "https://vision.googleapis.com"
FEATURES = ("LOGO_DETECTION", "TEXT_DETECTION")
MOST_PICTURES = 16
"""Of a request, by Google's limit."""
READ_CONFIDENCE = 0.5
"""Of a picture in which text is read and no logo is known: there is no score for that."""


class CloudVision:
    """See `Provider`."""

    def __init__(self, key: str, base_url: str | None) -> None:
        try:
            import requests
            from google.api_core import exceptions
            from google.auth import api_key
            from google.cloud import vision
            from google.cloud.vision_v1.services.image_annotator.transports import ImageAnnotatorRestTransport
            from google.protobuf import json_format
        except ImportError as error:
            raise failures.no_sdk(NAME) from error
        self._errors: Any = exceptions
        self._http: Any = requests.exceptions
        auth: Any = api_key
        self._parse_error: Any = json_format.ParseError
        self._key = key
        address = urlsplit(base_url or HOST)
        transport = ImageAnnotatorRestTransport(
            host=address.netloc, url_scheme=address.scheme, credentials=auth.Credentials(key)
        )
        transport._session._refresh_status_codes = ()  # a key cannot be renewed: a request is sent once
        self._client: Any = vision.ImageAnnotatorClient(transport=transport)

    def ask(self, ask: Request) -> Completion:
        """See `Provider.ask`. Pictures that are context are not sent."""
        shown = numbered(ask.parts)
        features = [{"type_": name} for name in FEATURES]
        answers: list[dict[str, object]] = []
        for start in range(0, len(shown), MOST_PICTURES):
            wanted: list[dict[str, object]] = [
                {"image": {"content": picture}, "features": features}
                for picture in shown[start : start + MOST_PICTURES]
            ]
            found = self._annotated(ask, wanted, Usage((start + len(wanted)) * len(FEATURES)))
            answers += [_answer(number, one) for number, one in enumerate(found, start=start + 1)]
        return Completion(json.dumps({"answers": answers}), Usage(len(shown) * len(FEATURES)))

    def close(self) -> None:
        self._client.transport.close()

    def _annotated(self, ask: Request, wanted: list[dict[str, object]], usage: Usage) -> list[Any]:
        """What Google found in each picture. `usage`: with those pictures and with all that were sent before them."""
        try:
            given = self._client.batch_annotate_images(
                request={"requests": wanted}, retry=None, timeout=ask.timeout_s
            ).responses
        except (self._http.Timeout, self._errors.RetryError):
            raise failures.timed_out(NAME, ask.timeout_s) from None
        except self._errors.GoogleAPICallError as error:
            answer = error.response
            headers = {} if answer is None else answer.headers
            status = int(error.code or 500)
            raise failures.of_status(NAME, ask.model, status, headers, {"message": error.message}, self._key) from None
        except (self._parse_error, self._http.JSONDecodeError):
            raise failures.unreadable(NAME, usage) from None
        except (self._http.RequestException, ConnectionError):
            raise failures.cut_off(NAME) from None
        except (self._errors.GoogleAPIError, ValueError, TypeError):
            raise failures.unreadable(NAME, usage) from None
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


def _answer(number: int, found: Any) -> dict[str, object]:
    """One picture's logos and text in the words of `prompt`: its surest logo is the brand."""
    text = found.text_annotations[0].description if found.text_annotations else ""
    surest = max(found.logo_annotations, key=lambda logo: logo.score, default=None)
    if surest is None:
        outcome, brand, confidence = ("unknown" if text else "none"), "", READ_CONFIDENCE
    else:
        outcome, brand, confidence = "brand", surest.description, surest.score
    return {"picture": number, "outcome": outcome, "brand": brand, "confidence": confidence, "text": text}


open_ = CloudVision
