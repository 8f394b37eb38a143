from __future__ import annotations

import socket
import time

import pytest

from gpu_service.client.away import away_sentence, hosts_away
from tests.gpu_service.live import free_port

CASES = {
    "none": ("", []),
    "no address": ("gpu host", []),
    "a port that is none": ("http://127.0.0.1:99999", []),
    "one that listens": ("http://{up}", []),
    "one that refuses": ("http://{down}/", ["http://{down}"]),
    "one of two": ("http://{up}, http://{down}", ["http://{down}"]),
    "a name that is nobody's": ("http://nobody.invalid:8000", ["http://nobody.invalid:8000"]),
}


@pytest.mark.parametrize("case", CASES)
def test_hosts_that_take_no_connection_are_named_at_once(case: str) -> None:
    urls, away = CASES[case]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        places = {"up": f"127.0.0.1:{listener.getsockname()[1]}", "down": f"127.0.0.1:{free_port()}"}
        began = time.monotonic()
        found = hosts_away(urls.format(**places))
        assert time.monotonic() - began < 2
    assert [url for url, _ in found] == [url.format(**places) for url in away]


def test_the_sentence_says_what_the_system_said() -> None:
    try:
        try:
            raise ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 9)")
        except OSError as inner:
            raise RuntimeError("All connection attempts failed") from ExceptionGroup("several", [inner])
    except RuntimeError as error:
        sentence = away_sentence("http://gpu:8000", error)
    assert sentence.startswith("The inference host http://gpu:8000 does not answer (Connection refused); ")
