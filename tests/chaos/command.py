"""One command of the matrix in a process of its own, forked from one that has imported what commands need.

`tick`: two looks of the sensor `new_media`, as the daemon takes them, 25 s apart by the clock that it is told. All else
is `mpr`'s. `CHAOS_CLOCK=SECONDS`: the system's clock jumps so far when the command has stored its first object.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gpu_service.errors import MprError
from mpr_resources.storage.store import Storage

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        *(f"mpr_cli.{name}" for name in ("app", "run", "replay", "scenarios", "export")),
        *(__name__, "mpr_assets.definitions", "mpr_assets.automation.new_media_sensor", "rapidocr", "onnxruntime"),
    ]
)


def start(arguments: Sequence[str], environ: Mapping[str, str], says: Path) -> ForkServerProcess:
    """The process, begun, in a group of its own. `says`: the file that all goes to that it prints."""
    process = FORKS.Process(target=_main, args=(list(arguments), dict(environ), says))
    process.start()
    return process


def _main(arguments: list[str], environ: dict[str, str], says: Path) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environ)
    with says.open("w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    if jump_s := float(os.environ.get("CHAOS_CLOCK", 0)):
        _jump(jump_s)
    if arguments == ["tick"]:
        _tick()
        return
    from mpr_cli import app

    sys.argv = ["mpr", *arguments]
    app.main()


def _tick() -> None:
    import logging

    from sqlalchemy.exc import SQLAlchemyError

    from mpr_assets.automation.new_media import Memory
    from mpr_assets.automation.new_media_sensor import look
    from mpr_assets.definitions import STAGES, media_resource
    from mpr_assets.runs.local_instance import dagster_instance, resources

    try:
        world = resources()
        with dagster_instance() as instance:
            both: Any = SimpleNamespace(**vars(world), media=media_resource(os.environ))
            memory, taken, now_s = Memory(), [], 1_700_000_000.0
            for at_s in (now_s, now_s + 25):
                memory, taken = look(instance, STAGES, both, memory, at_s, logging.getLogger("mpr"))
        print(f"taken: {', '.join(file.key for file in taken)}")
    except MprError as error:  # what Dagster shows of a tick that failed
        sys.exit(f"mpr: {error}")
    except SQLAlchemyError as error:  # of Dagster's own database, and told in its words
        sys.exit(f"mpr: {type(error).__name__}: {error}")


def _jump(jump_s: float) -> None:
    put, now = Storage.put, time.time

    def put_and_jump(self: Storage, key: str, data: bytes) -> None:
        put(self, key, data)
        time.time = lambda: now() + jump_s

    Storage.put = put_and_jump  # type: ignore[method-assign]
