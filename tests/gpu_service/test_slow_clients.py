"""Clients that hold a connection without a request: they end, and hold up nobody."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx2
import pytest

from gpu_service.host import slow_clients
from tests.gpu_service.live import live_server


def test_200_clients_with_half_sent_headers_hold_up_no_other_and_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_clients, "HEADERS_TIMEOUT_S", 1.0)
    with live_server() as url, ExitStack() as stack:
        slow = [stack.enter_context(_connection(url)) for _ in range(200)]
        for one in slow:
            one.sendall(b"POST /mean HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half")
        assert httpx2.get(f"{url}/health", timeout=1).status_code == 200
        assert [one.recv(1) for one in slow] == [b""] * 200


@pytest.mark.parametrize(
    "sent", [b"", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /he"], ids=["nothing", "second request"]
)
def test_a_connection_without_whole_headers_is_closed(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_clients, "HEADERS_TIMEOUT_S", 0.2)
    with live_server() as url, _connection(url) as connection:
        connection.sendall(sent)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.count(b"HTTP/1.1 200 OK") == (1 if sent else 0)


def test_headers_without_end_are_cut_off() -> None:
    endless = b"GET /health HTTP/1.1\r\n" + (b"X: " + b"y" * 4096 + b"\r\n") * 5000
    with live_server() as url, _connection(url) as connection, pytest.raises(OSError, match=r"reset|Broken pipe"):
        connection.sendall(endless)


def _connection(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=5)
