"""A TCP proxy before a real server, that is away, hangs, is slow or answers rubbish, as it is told."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Literal, TypeAlias

Mode: TypeAlias = Literal["through", "away", "hangs", "slow", "garbage", "500"]
SLOW_S = 2.0
GARBAGE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n" + bytes(range(40))
ANSWER_500 = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n"
    b'{"error":"It broke.","kind":"other"}'
)


class Proxy:
    """Listens on loopback for as long as the `with` block lasts. `mode` and `target_port` may change at any time."""

    def __init__(self, target_port: int) -> None:
        self.target_port = self.first_port = target_port
        self.mode: Mode = "through"
        self.port = 0
        self._open: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Proxy:
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.set("away")

    def set(self, mode: Mode) -> None:
        """From now on. Where the server is to be away, connections are refused, and those that are open cut off."""
        was, self.mode = self.mode, mode
        if mode == "away":
            for one in (self._listener, *self._open):
                _close(one)
            self._open.clear()
        elif was == "away":
            self._listen()

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._open.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target_port))
        except OSError:
            _close(client)
            return
        self._open.append(server)
        threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()
        self._pump(client, server, True)

    def _pump(self, one: socket.socket, other: socket.socket, asks: bool) -> None:
        last_s = 0.0
        try:
            while data := one.recv(2**16):
                while self.mode == "hangs":
                    time.sleep(0.2)
                if asks and self.mode in ("garbage", "500"):
                    one.sendall(GARBAGE if self.mode == "garbage" else ANSWER_500)
                    break
                # What comes after a pause is another request.
                if asks and self.mode == "slow" and time.monotonic() - last_s > 0.05:
                    time.sleep(SLOW_S)
                last_s = time.monotonic()
                other.sendall(data)
        except OSError:
            pass
        finally:
            _close(one)
            _close(other)


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
