"""`make chaos`: every command under every fault; the table in docs/reliability.md is brought up to date cell by cell.

`--only "kill -9:run,disk full"` makes those cells alone. Exit status 1 where a cell hangs, is silent, or is not made
good by running the command again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import queue
import sys
import time
from collections.abc import Iterator, Mapping
from multiprocessing.queues import Queue
from typing import get_args

from mpr_assets.definitions import ROOT
from tests.chaos.faults import faults
from tests.chaos.lane import work
from tests.chaos.matrix import ALL_COMMANDS, Cell, Fault, Needs
from tests.chaos.proxy import Proxy

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- made by make chaos -->", "<!-- to here -->"
SPAWN = multiprocessing.get_context("spawn")
NOT_MADE, MEANS_NOTHING = "–", ""


def main() -> int:
    """Exit status: 1 where a cell is bad."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--only", default="", help="FAULT, FAULT:COMMAND or :COMMAND, with commas between")
    asked = parser.parse_args()
    began_s = time.monotonic()
    all_faults = faults(Proxy(0), Proxy(0), 0)
    wanted = [
        (fault, command)
        for fault in all_faults.values()
        for command in fault.commands
        if _is_wanted(fault.name, command, asked.only)
    ]
    bad, made = 0, 0
    for cell in _made(wanted):
        print(_line(cell), flush=True)
        write_table({(cell.fault, cell.command): _told(cell)}, all_faults)
        made += 1
        bad += cell.is_bad
    took_min = (time.monotonic() - began_s) / 60
    print(f"{made} of {len(wanted)} cells in {took_min:.0f} minutes, {bad} of them bad", flush=True)
    return 1 if bad or made < len(wanted) else 0


def _made(wanted: list[tuple[Fault, str]]) -> Iterator[Cell]:
    """The cells as they are made, in as many processes as faults need different things."""
    cells: Queue[Cell] = SPAWN.Queue()
    lanes = []
    for needs in get_args(Needs):
        if names := [(fault.name, command) for fault, command in wanted if fault.needs == needs]:
            lanes.append(SPAWN.Process(target=work, args=(needs, names, cells)))
            lanes[-1].start()
    while True:
        is_over = not any(lane.is_alive() for lane in lanes)
        try:
            yield cells.get(timeout=0 if is_over else 1)
        except queue.Empty:
            if is_over:
                return


def write_table(made: Mapping[tuple[str, str], str], all_faults: Mapping[str, Fault]) -> None:
    """Into the page, between its marks; what was made before stays."""
    before, rest = PAGE.read_text().split(BEGIN)
    table, after = rest.split(END)
    told = _cells(table) | made
    rows = [f"| fault | {' | '.join(ALL_COMMANDS)} |", f"| --- |{' --- |' * len(ALL_COMMANDS)}"]
    for name, fault in all_faults.items():
        here = [
            told.get((name, command), NOT_MADE) if command in fault.commands else MEANS_NOTHING
            for command in ALL_COMMANDS
        ]
        rows.append(f"| {name} | {' | '.join(here)} |")
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(rows) + f"\n\n{END}{after}")


def _cells(table: str) -> dict[tuple[str, str], str]:
    rows = [[part.strip() for part in line.strip().strip("|").split("|")] for line in table.splitlines() if "|" in line]
    if not rows:
        return {}
    (_, *commands), _, *rest = rows
    return {
        (fault, command): told for fault, *all_told in rest for command, told in zip(commands, all_told, strict=True)
    }


def _told(cell: Cell) -> str:
    return f"{cell.ended}, {cell.seconds:.0f} s, {'equal' if cell.equal else 'NOT EQUAL'}"


def _line(cell: Cell) -> str:
    return f"{cell.fault} / {cell.command}: {_told(cell)}{' BAD' if cell.is_bad else ''}  {cell.sentence[:400]}"


def _is_wanted(fault: str, command: str, only: str) -> bool:
    if not only:
        return True
    wanted = [part.partition(":") for part in only.split(",")]
    return any(name in ("", fault) and one in ("", command) for name, _, one in wanted)


if __name__ == "__main__":
    sys.exit(main())
