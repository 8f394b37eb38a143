from __future__ import annotations

import pytest

from gpu_service.client.retry_after import retry_after_s

HEADERS: dict[str, tuple[dict[str, str], float | None]] = {
    "no header": ({}, None),
    "empty": ({"retry-after": ""}, None),
    "seconds": ({"retry-after": "120"}, 120.0),
    "zero": ({"retry-after": "0"}, 0.0),
    "a fraction": ({"retry-after": " 1.5 "}, 1.5),
    "a date gone by": ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    "negative": ({"retry-after": "-3"}, None),
    "a word": ({"retry-after": "soon"}, None),
    "no end of digits": ({"retry-after": "9" * 400}, None),
    "a year that is none": ({"retry-after": "Wed, 21 Oct 99999 07:28:00 GMT"}, None),
}


@pytest.mark.parametrize("name", HEADERS)
def test_seconds_of_the_header(name: str) -> None:
    headers, seconds = HEADERS[name]
    assert retry_after_s(headers) == seconds


def test_a_date_is_counted_from_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_445_412_450.0)
    assert retry_after_s({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 30.0
