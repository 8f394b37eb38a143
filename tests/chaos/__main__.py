"""`make chaos`: every command under every fault; the table is written into docs/reliability.md.

`--only "kill -9:run,disk full"` makes those cells alone and prints them. Exit status 1 where a cell hangs, is silent,
or is not made good by running the command again.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

from mpr_assets.definitions import ROOT
from tests.chaos.faults import faults
from tests.chaos.matrix import Bucket, Cell, Matrix
from tests.chaos.proxy import Proxy
from tests.gpu_service.live import free_port

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- made by make chaos -->", "<!-- to here -->"
OTHER_MODELS = (
    "import sys; from gpu_service.routines.ocr import rapidocr; made = rapidocr.identity; "
    "rapidocr.identity = lambda settings: made(settings) + '-other'; "
    "from gpu_service.__main__ import main; sys.exit(main())"
)


def main() -> int:
    """Exit status: 1 where a cell is bad."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--only", default="", help="FAULT, FAULT:COMMAND or :COMMAND, with commas between")
    asked = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    s3_host, s3_port = server.get_host_and_port()
    direct_url = f"http://{s3_host}:{s3_port}"
    with (
        tempfile.TemporaryDirectory(prefix="mpr-chaos-") as folder,
        _host([]) as host_port,
        _host(["-c", OTHER_MODELS]) as other_port,
        Proxy(s3_port) as s3,
        Proxy(host_port) as host,
    ):

        def bucket() -> Bucket:
            made = Bucket(f"chaos-{uuid.uuid4().hex[:8]}", s3, direct_url)
            keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
            boto3.client("s3", endpoint_url=direct_url, **keys).create_bucket(Bucket=made.name)
            return made

        matrix, cells = Matrix(Path(folder), bucket), []
        try:
            for fault in faults(s3, host, other_port).values():
                for command in fault.commands:
                    if _is_wanted(fault.name, command, asked.only):
                        cells.append(matrix.cell(fault, command))
                        print(_line(cells[-1]), flush=True)
        finally:
            matrix.clear()
    server.stop()
    if not asked.only:
        write_table(cells)
    return 1 if any(cell.is_bad for cell in cells) else 0


def write_table(cells: Sequence[Cell]) -> None:
    """Into the page, between its marks."""
    commands = list(dict.fromkeys(cell.command for cell in cells))
    rows = [f"| fault | {' | '.join(commands)} |", f"| --- |{' --- |' * len(commands)}"]
    for fault in dict.fromkeys(cell.fault for cell in cells):
        found = {cell.command: cell for cell in cells if cell.fault == fault}
        rows.append(f"| {fault} | {' | '.join(_told(found.get(command)) for command in commands)} |")
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(rows) + f"\n\n{END}{rest.split(END)[1]}")


def _told(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    return f"{cell.ended}, {cell.seconds:.0f} s, {'equal' if cell.equal else 'NOT EQUAL'}"


def _line(cell: Cell) -> str:
    return f"{cell.fault} / {cell.command}: {_told(cell)}{' BAD' if cell.is_bad else ''}  {cell.sentence[:400]}"


def _is_wanted(fault: str, command: str, only: str) -> bool:
    if not only:
        return True
    wanted = [part.partition(":") for part in only.split(",")]
    return any(name in ("", fault) and one in ("", command) for name, _, one in wanted)


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


if __name__ == "__main__":
    sys.exit(main())
