"""schemathesis asks every endpoint what the OpenAPI document allows, and what it does not.

Each answer must be one that the document has: status, type and form; what the document forbids is refused; nothing
is a 500. A document cannot say which bytes are a picture, nor that one setting must be below another: 413, 422 and
424 are proper answers to what it allows.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import httpx2
import hypothesis
import numpy as np
import pytest
import schemathesis
from hypothesis import strategies
from schemathesis import GenerationMode

from gpu_service.host.app import create_app
from gpu_service.host.config import ServiceConfig
from gpu_service.host.registry import ROUTINES
from gpu_service.pictures import encode_jpeg, encode_png
from tests.gpu_service.live import live_server

NOISE = np.random.default_rng(1).integers(0, 256, (40, 60, 3)).astype(np.uint8)
FILES = [encode_png(NOISE), encode_jpeg(NOISE), encode_png(NOISE[:1, :1]), encode_jpeg(NOISE)[:-40], b"", b"no picture"]

schemathesis.openapi.format("binary", strategies.sampled_from(FILES))
schemathesis.openapi.format("byte", strategies.sampled_from([base64.b64encode(file).decode() for file in FILES]))


CONFIG = schemathesis.Config.from_dict(
    {
        "checks": {
            "positive_data_acceptance": {"expected-statuses": ["2xx", "413", "422", "424"]},
            "negative_data_rejection": {"expected-statuses": ["400", "404", "405", "413", "415", "422", "424"]},
        }
    }
)
DOCUMENT = schemathesis.openapi.from_dict(create_app(ROUTINES, ServiceConfig(preload={})).openapi(), config=CONFIG)
CASES = [
    pytest.param(path, method, mode, id=f"{method} {path} {mode.value}")
    for path in DOCUMENT
    for method in DOCUMENT[path]
    for mode in GenerationMode
    if method == "post" or mode.is_positive  # what has no parameters has nothing to get wrong
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with live_server(ServiceConfig(preload={}), ROUTINES) as url:
        yield url


@pytest.mark.parametrize(("path", "method", "mode"), CASES)
def test_the_service_keeps_its_document(url: str, path: str, method: str, mode: GenerationMode) -> None:
    @hypothesis.given(case=DOCUMENT[path][method].as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=8,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=url, timeout=20)

    ask()


def test_the_page_of_the_document_needs_no_internet(url: str) -> None:
    page = httpx2.get(f"{url}/docs").text
    needs = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert [file.rpartition("/")[2] for file in needs] == ["swagger-ui.css", "favicon.png", "swagger-ui-bundle.js"]
    assert [httpx2.get(url + file).status_code for file in needs] == [200, 200, 200]
