"""One process that makes cells, one after another, beside others that make those of other faults.

Faults of files, of storage in a bucket and of inference hosts have a lane each: they share nothing, and the latter two
mostly wait.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.queues import Queue
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

from mpr_assets.definitions import ROOT
from tests.chaos.faults import faults
from tests.chaos.matrix import Bucket, Cell, Matrix, Needs
from tests.chaos.proxy import Proxy
from tests.gpu_service.live import free_port

OTHER_MODELS = (
    "import sys; from gpu_service.routines.ocr import rapidocr; made = rapidocr.identity; "
    "rapidocr.identity = lambda settings: made(settings) + '-other'; "
    "from gpu_service.__main__ import main; sys.exit(main())"
)


def work(needs: Needs, wanted: Sequence[tuple[str, str]], cells: Queue[Cell]) -> None:
    """Make the cells of these faults and commands; each is told of when it is made."""
    os.environ["COLUMNS"] = "300"  # what is imported before commands are forked asks for it
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"mpr-chaos-{needs}-")))
        s3, host, other_port, direct_url = Proxy(0), Proxy(0), 0, ""
        if needs == "bucket":
            direct_url = stack.enter_context(_s3_server())
            s3 = stack.enter_context(Proxy(int(direct_url.rpartition(":")[2])))
        if needs == "host":
            host = stack.enter_context(Proxy(stack.enter_context(_host([]))))
            other_port = stack.enter_context(_host(["-c", OTHER_MODELS]))
        matrix = Matrix(folder, _buckets(s3, direct_url))
        stack.callback(matrix.clear)
        by_name = faults(s3, host, other_port)
        for name, command in wanted:
            cells.put(matrix.cell(by_name[name], command))


@contextmanager
def _s3_server() -> Iterator[str]:
    """Its URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def _buckets(s3: Proxy, direct_url: str) -> Callable[[], Bucket]:
    def bucket() -> Bucket:
        made = Bucket(f"chaos-{uuid.uuid4().hex[:8]}", s3, direct_url)
        keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
        boto3.client("s3", endpoint_url=direct_url, **keys).create_bucket(Bucket=made.name)
        return made

    return bucket


@contextmanager
def _host(program: Sequence[str]) -> Iterator[int]:
    """The port of an inference host in a process of its own."""
    port = free_port()
    command = [sys.executable, *(program or ["-m", "gpu_service"]), "--port", str(port), "--preload", "none"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield port
    finally:
        process.kill()
        process.wait()
