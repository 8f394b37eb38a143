"""The client against live servers: good ones, and ones that misbehave as servers do."""

from __future__ import annotations

import gc
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from gpu_service.client.http import ClientConfig, HttpInference
from gpu_service.client.local import LocalInference
from gpu_service.errors import (
    BadInput,
    MissingEngine,
    MprError,
    PermanentError,
    TransientError,
)
from gpu_service.host.config import ServiceConfig
from gpu_service.host.registry import ROUTINES
from gpu_service.pictures import Picture, encode_jpeg
from gpu_service.routines import Inference, Reference
from gpu_service.wire import FieldAnswer, NoItem
from tests.gpu_service.live import (
    MEAN,
    MeanItem,
    MeanSettings,
    free_port,
    live_server,
)

SOON = ClientConfig(give_up_after_s=0.5, batch_pictures=2)
ROOT = Path(__file__).parents[2]


def greys(count: int) -> list[tuple[str, Picture, MeanItem]]:
    return [(f"picture {i}", Picture(pixels=np.full((6, 8, 3), i % 256, np.uint8)), MeanItem()) for i in range(count)]


def means(inference: Inference, count: int, settings: MeanSettings | None = None) -> list[float]:
    answers = list(inference.map(MEAN, greys(count), settings or MeanSettings()))
    assert [token for token, _ in answers] == [f"picture {i}" for i in range(count)]
    return [answer.mean for _, answer in answers]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with live_server() as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[HttpInference]:
    with HttpInference([url], config=SOON) as client:
        yield client


@pytest.mark.parametrize("count", [0, 1, 2, 3, 41])
def test_answers_come_in_order(client: HttpInference, count: int) -> None:
    assert means(client, count) == [float(i) for i in range(count)]


def test_no_pictures_need_no_host() -> None:
    with HttpInference(["http://127.0.0.1:9"]) as client:
        assert means(client, 0) == []


def test_reading_ahead_is_bounded(url: str) -> None:
    taken: list[int] = []

    def endless() -> Iterator[tuple[int, Picture, MeanItem]]:
        for number in itertools.count():
            taken.append(number)
            yield number, greys(1)[0][1], MeanItem(add=number % 1000)

    config = ClientConfig(batch_pictures=3, requests_in_flight=2)
    with HttpInference([url], config=config) as client:
        answers = client.map(MEAN, endless(), MeanSettings())
        for expected in range(20):
            token, answer = next(answers)
            assert (token, answer.mean) == (expected, expected)
            assert len(taken) <= expected + 1 + 3 * (2 + 1)  # what is in flight, and the batch being made


def test_a_failing_source_is_the_callers_failure(client: HttpInference) -> None:
    def broken() -> Iterator[tuple[str, Picture, MeanItem]]:
        yield from greys(5)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(client.map(MEAN, broken(), MeanSettings()))


def test_ending_early_ends_at_once(url: str) -> None:
    with HttpInference([url], config=ClientConfig(batch_pictures=1)) as client:
        answers = client.map(MEAN, greys(64), MeanSettings(sleep_ms=500))
        assert next(answers)[1].mean == 0
        began = time.monotonic()
    assert time.monotonic() - began < 0.4


SCENE = np.random.default_rng(5).integers(0, 256, (90, 120, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(Picture(pixels=SCENE), id="pixels"),
        pytest.param(Picture(encoded=encode_jpeg(SCENE)), id="JPEG"),
    ],
)
def test_the_same_answer_as_in_this_process(client: HttpInference, picture: Picture) -> None:
    references = [Reference("Acme", "a.png", b"123"), Reference("Bolt", "b.png", b"4567")]
    for inference in (client, LocalInference()):
        [(_, answer)] = inference.map(MEAN, [(0, picture, MeanItem(add=2))], MeanSettings(scale=3), references)
        debugged, pictures = inference.debug(MEAN, picture, MeanItem(add=2), MeanSettings(scale=3), references)
        assert answer.mean == float(picture.pixels.mean()) * 3 + 2
        assert answer.references == ("Acme/a.png/3", "Bolt/b.png/4")
        assert debugged == answer
        assert list(pictures) == ["grey", "half"]
        assert np.array_equal(pictures["half"], picture.pixels[::2, ::2])
        assert inference.identity(MEAN, MeanSettings()) == "mean/1"


def test_pixels_may_travel_as_jpeg(url: str) -> None:
    with HttpInference([url], config=ClientConfig(lossless=False)) as client:
        [(_, answer)] = client.map(MEAN, [(0, Picture(pixels=SCENE), MeanItem())], MeanSettings())
    assert answer.mean != float(SCENE.mean())
    assert answer.mean == pytest.approx(float(SCENE.mean()), abs=3)


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        (MeanSettings(fail="bad_input"), BadInput, "The picture is upside down."),
        (MeanSettings(fail="missing"), MissingEngine, "The engine `yolo` needs the extra `yolo`."),
        (MeanSettings(fail="bug"), PermanentError, "The routine mean failed on the host"),
        (MeanSettings(fail="transient"), TransientError, r"has not answered /mean for [0-9.]+ s"),
    ],
)
def test_errors_of_the_host_are_the_errors_here(
    client: HttpInference, url: str, settings: MeanSettings, error: type[MprError], sentence: str
) -> None:
    with pytest.raises(error, match=f"{url}.*{sentence}"):
        means(client, 5, settings)


@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_refused_token_is_permanent(token: str) -> None:
    with (
        live_server(ServiceConfig(preload={}, token="secret")) as url,
        HttpInference([url], token) as client,
        pytest.raises(PermanentError, match="set INFERENCE_TOKEN"),
    ):
        means(client, 1)


def test_a_routine_that_the_host_has_not_is_permanent(client: HttpInference) -> None:
    with pytest.raises(PermanentError, match="refuses /ocr/identity: There is nothing at this path"):
        client.identity(ROUTINES["ocr"], ROUTINES["ocr"].settings())


Reply = tuple[int, dict[str, str], bytes]


@contextmanager
def scripted(reply: Callable[[int], Reply | None], port: int = 0) -> Iterator[tuple[str, list[float]]]:
    """A server that gives `reply(n)` to its n-th request, or hangs up on None; and when it was asked."""
    asked: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(time.monotonic())
            answer = reply(len(asked))
            if answer is None:
                self.connection.close()
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A connection that was closed on purpose."""

    server = Server(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answered(identity: str = "mean/1", count: int = 1) -> Reply:
    body = {
        "routine": "mean",
        "identity": identity,
        "ms": {"queue_ms": 0, "decode_ms": 0, "run_ms": 0},
        "answers": [{"mean": 7.0, "batch": 1}] * count,
    }
    return 200, {}, msgpack.packb(body)


@pytest.mark.parametrize("trouble", [408, 425, 429, 502, 503, 504, None], ids=str)
def test_transient_trouble_is_tried_again(trouble: int | None) -> None:
    def reply(n: int) -> Reply | None:
        if n > 2:
            return answered()
        return None if trouble is None else (trouble, {}, b"")

    with scripted(reply) as (url, asked), HttpInference([url], config=ClientConfig(give_up_after_s=10)) as client:
        assert means(client, 1) == [7.0]
    assert len(asked) == 3
    assert asked[1] - asked[0] > 0.1
    assert asked[2] - asked[1] > 0.2  # backoff


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 413, 418, 422, 424, 500, 501])
def test_what_is_not_transient_is_not_tried_again(status: int) -> None:
    with (
        scripted(lambda _: (status, {"Location": "/elsewhere"}, b"<html>a proxy</html>")) as (url, asked),
        HttpInference([url]) as client,
    ):
        with pytest.raises(PermanentError, match=f"{url} answers /mean with {status}.*check INFERENCE_URL"):
            means(client, 1)
        assert len(asked) == 1


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        pytest.param((200, {}, b""), "in an unknown form", id="empty"),
        pytest.param((200, {}, b"<html>"), "in an unknown form", id="HTML"),
        pytest.param((200, {}, msgpack.packb({"answers": []})), "in an unknown form", id="other form"),
        pytest.param(answered(count=0), "gave 0 answers to 1 pictures", id="too few"),
        pytest.param(answered(count=2), "gave 2 answers to 1 pictures", id="too many"),
    ],
)
def test_an_answer_that_is_none_is_never_an_empty_result(reply: Reply, sentence: str) -> None:
    with (
        scripted(lambda _: reply) as (url, _),
        HttpInference([url]) as client,
        pytest.raises(PermanentError, match=sentence),
    ):
        means(client, 1)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(form: str) -> None:
    from email.utils import formatdate

    def reply(n: int) -> Reply:
        after = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
        return (503, {"Retry-After": after}, b"") if n == 1 else answered()

    with scripted(reply) as (url, asked), HttpInference([url]) as client:
        assert means(client, 1) == [7.0]
    assert 1 <= asked[1] - asked[0] < 4


def test_hosts_with_other_models_are_not_mixed() -> None:
    with (
        scripted(lambda _: answered("mean/1")) as (one, _),
        scripted(lambda _: answered("mean/2")) as (two, _),
        HttpInference([one, two], config=ClientConfig(batch_pictures=1)) as client,
        pytest.raises(PermanentError, match=f"come from different models.*({one}: mean/1|{two}: mean/2)"),
    ):
        means(client, 4)


def test_several_hosts_are_used_evenly_and_a_dead_one_is_left_out_and_comes_back() -> None:
    late_port = free_port()
    config = ClientConfig(batch_pictures=1, requests_in_flight=1)
    with ExitStack() as stack:
        one, asked_one = stack.enter_context(scripted(lambda _: answered()))
        two, asked_two = stack.enter_context(scripted(lambda _: answered()))
        client = stack.enter_context(HttpInference([one, two, f"http://127.0.0.1:{late_port}"], config=config))
        assert means(client, 60) == [7.0] * 60
        assert len(asked_one) + len(asked_two) == 60
        assert 20 <= len(asked_one) <= 40
        _, asked_late = stack.enter_context(scripted(lambda _: answered(), late_port))
        until = time.monotonic() + 8
        while not asked_late and time.monotonic() < until:
            means(client, 6)
            time.sleep(0.02)
        assert asked_late


@pytest.mark.parametrize("hosts", [1, 2])
def test_dead_hosts_fail_in_the_configured_time_and_are_named(hosts: int, caplog: pytest.LogCaptureFixture) -> None:
    urls = [f"http://127.0.0.1:{free_port()}" for _ in range(hosts)]
    began, started = time.monotonic(), time.time()
    with (
        HttpInference(urls, config=SOON) as client,
        pytest.raises(TransientError, match=f"{', '.join(urls)}.*/mean for [0-9.]+ s.*ConnectError.*see that it runs"),
    ):
        means(client, 10)
    assert 0.5 <= time.monotonic() - began < 2.5
    # At once, each once, and that they are waited for.
    said = [record.getMessage().partition(";")[0] for record in caplog.records]
    assert sorted(said) == sorted(f"The inference host {url} does not answer (Connection refused)" for url in urls)
    assert all(record.created - started < 0.5 for record in caplog.records)


@contextmanager
def dripping() -> Iterator[str]:
    """A server that begins an answer and goes on with a byte each 50 ms, without end."""
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(1 << 20)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not ended.wait(0.05):
                connection.sendall(b"x")

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def silent() -> Iterator[str]:
    """A server that takes connections and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("server", [silent, dripping])
def test_a_host_that_never_finishes_an_answer_fails_in_the_configured_time(
    server: Callable[[], AbstractContextManager[str]],
) -> None:
    config = ClientConfig(answer_timeout_s=0.3, give_up_after_s=0.5)
    began = time.monotonic()
    with server() as url, HttpInference([url], config=config) as client:
        with pytest.raises(TransientError) as raised:
            means(client, 1)
        took_s = time.monotonic() - began
    assert 0.5 <= took_s < 4
    said = re.search(
        r"has not answered /mean for ([\d.]+) s \(the last time: no whole answer within", str(raised.value)
    )
    assert said
    assert float(said[1]) == pytest.approx(took_s, abs=0.5)


def test_a_closed_client_can_be_used_again_and_leaves_no_threads(url: str) -> None:
    client = HttpInference([url])
    for _ in range(3):
        assert means(client, 3) == [0, 1, 2]
        client.close()
    client.close()
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name == "inference-client"]


def test_several_threads_share_a_client(url: str) -> None:
    results: dict[int, list[float]] = {}
    with HttpInference([url]) as client:

        def work(number: int) -> None:
            results[number] = means(client, 30)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == {number: [float(i) for i in range(30)] for number in range(6)}


def test_a_full_queue_is_waited_for() -> None:
    config = ServiceConfig(preload={}, queue_pictures=2, threads=1)
    with live_server(config) as url, HttpInference([url], config=ClientConfig(batch_pictures=1)) as client:
        assert means(client, 6, MeanSettings(sleep_ms=10)) == [float(i) for i in range(6)]


@contextmanager
def service_process(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m gpu_service` of this checkout."""
    command = [sys.executable, "-m", "gpu_service", "--port", str(port), "--host", "127.0.0.1", "--preload", "none"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_service_killed_in_the_middle_and_started_again_gives_the_same_result() -> None:
    routine: Any = ROUTINES["segment_field"]
    rng = np.random.default_rng(3)
    pitch = np.full((120, 160, 3), (40, 160, 40), np.uint8)
    pictures = [
        Picture(pixels=np.vstack([rng.integers(0, 256, (i, 160, 3)).astype(np.uint8), pitch])) for i in range(60)
    ]
    asked = [(number, picture, NoItem()) for number, picture in enumerate(pictures)]
    expected = list(LocalInference().map(routine, asked, routine.settings()))
    assert len({answer.share for _, answer in expected}) > 10
    port = free_port()
    found: list[tuple[int, FieldAnswer]] = []
    config = ClientConfig(batch_pictures=4, requests_in_flight=2)
    with ExitStack() as stack:
        first = stack.enter_context(service_process(port))
        client = stack.enter_context(HttpInference([f"http://127.0.0.1:{port}"], config=config))
        for numbered in client.map(routine, asked, routine.settings()):
            found.append(numbered)
            if len(found) == 12:
                os.kill(first.pid, signal.SIGKILL)
                first.wait()
                threading.Timer(0.2, lambda: stack.enter_context(service_process(port))).start()
    assert found == expected
