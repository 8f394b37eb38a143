"""What a page of the web can have its visitor's browser ask of the host: nothing."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from gpu_service.host.config import ServiceConfig
from tests.gpu_service.live import live_server

TOKEN = {"Authorization": "Bearer secret"}
CASES = {
    "a program": ({}, 422, 422),
    "localhost": ({"Host": "localhost:8000"}, 422, 422),
    "version 6": ({"Host": "[::1]:8000"}, 422, 422),
    "a name that leads here": ({"Host": "evil.example"}, 403, 422),
    "one that begins like it": ({"Host": "127.0.0.1.evil.example"}, 403, 422),
    "no name": ({"Host": "["}, 403, 422),
    "a page of another server": ({"Origin": "https://evil.example"}, 403, 403),
    "a page of another port": ({"Host": "localhost:8000", "Origin": "http://localhost:3000"}, 403, 403),
    "a page that hides where it is from": ({"Origin": "null"}, 403, 403),
    "an origin that is none": ({"Origin": "http://["}, 403, 403),
    "a page of that name": ({"Host": "evil.example", "Origin": "http://evil.example"}, 403, 422),
}
"""Headers, and the status of a request without a picture: at a host without a token, at one with."""


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[str, str]]:
    """One without a token, one with."""
    with live_server() as open_url, live_server(ServiceConfig(preload={}, token="secret")) as guarded_url:
        yield open_url, guarded_url


@pytest.mark.parametrize("name", CASES)
def test_who_is_answered(hosts: tuple[str, str], name: str) -> None:
    headers, *expected = CASES[name]
    answers = [httpx2.post(f"{url}/mean", json={}, headers={**headers, **TOKEN}) for url in hosts]
    assert [answer.status_code for answer in answers] == expected
    assert {answer.json()["kind"] for answer in answers if answer.status_code == 403} <= {"refused"}


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "POST"])
def test_no_answer_lets_other_pages_read_it(hosts: tuple[str, str], method: str) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for url in hosts:
        for path in ("/health", "/mean"):
            answer = httpx2.request(method, url + path, headers={**asked, **TOKEN})
            assert not [header for header in answer.headers if header.startswith("access-control")]
            assert method != "OPTIONS" or answer.status_code == 405
