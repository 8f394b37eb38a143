"""One command of the matrix in its process: `python -m tests.chaos.command COMMAND...`.

`tick`: two looks of the sensor `new_media`, as the daemon takes them, 25 s apart by the clock that it is told. All else
is `mpr`'s. `CHAOS_CLOCK=SECONDS`: the system's clock jumps so far when the command has stored its first object.
"""

from __future__ import annotations

import os
import sys
import time
from types import SimpleNamespace
from typing import Any

from gpu_service.errors import MprError
from mpr_resources.storage.store import Storage


def main() -> None:
    arguments = sys.argv[1:]
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


def _jump(jump_s: float) -> None:
    put, now = Storage.put, time.time

    def put_and_jump(self: Storage, key: str, data: bytes) -> None:
        put(self, key, data)
        time.time = lambda: now() + jump_s

    Storage.put = put_and_jump  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
