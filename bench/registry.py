"""The brand registry under load: processes that add, merge, record and read at once, then a look at what is left.

    python -m bench.registry [--seconds 60] [--processes 8] [--url URL]...

One JSON line a database; without --url a SQLite file of its own. Every change that a process was told is done must be
there at the end: each alias and airing once, at the brand that all merges lead to, and in the history. Exit status 1
where one is not, or where a process was shown an error.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpu_service.errors import BadInput, MprError
from mpr_resources.brands.brand_file import Brand
from mpr_resources.brands.folding import fold_key
from mpr_resources.brands.registry import (
    Airing,
    BrandRecord,
    BrandSighting,
    Registry,
)

NAMES = 40
"""That all processes fight over at a time, spelt in many ways."""
WINDOW = 50
"""After so many operations of a process half of its names are new ones: merges leave ever fewer."""


@dataclass
class Done:
    """What a process was told is done."""

    aliases: list[str] = field(default_factory=list)
    airings: dict[str, set[str]] = field(default_factory=dict)
    merges: int = 0
    adds: int = 0
    refused: int = 0
    reads: int = 0
    errors: list[str] = field(default_factory=list)
    waits_ms: list[float] = field(default_factory=list)


def work(url: str, number: int, seconds: float) -> Done:
    """One process: changes of all kinds in a random order. What it is refused as a user would be is no error."""
    registry, pick, done = Registry(url), random.Random(number), Done()
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        began_s = time.monotonic()
        try:
            _one(registry, pick, number, done)
        except BadInput:
            done.refused += 1
        except Exception as error:
            done.errors.append(f"{type(error).__name__}: {error}")
        done.waits_ms.append(1000 * (time.monotonic() - began_s))
    return done


def _one(registry: Registry, pick: random.Random, number: int, done: Done) -> None:
    operation = len(done.waits_ms)
    name, serial = _spelt(pick, operation), f"{number}-{operation}"
    what = pick.choices(("add", "alias", "merge", "record", "read"), (3, 3, 1, 2, 3))[0]
    if what == "add":
        registry.add(BrandRecord(name), f"process {number}")
        done.adds += 1
    elif what == "alias":
        registry.alias(name, [f"alias {serial}"], f"process {number}")
        done.aliases.append(f"alias {serial}")
    elif what == "merge":
        registry.merge(name, _spelt(pick, operation), f"process {number}")
        done.merges += 1
    elif what == "record":
        timeline = f"timeline {serial}"
        found = [BrandSighting(name, "cloud_vlm", Airing(operation, operation + 1))]
        registry.record(timeline, [Brand(name=_spelt(pick, operation))], found, f"process {number}")
        done.airings[timeline] = {name}
    else:
        if pick.random() < 0.5:
            registry.known()
        else:
            _consistent(registry.entries())
        done.reads += 1


def _spelt(pick: random.Random, operation: int) -> str:
    first = operation // WINDOW * NAMES // 2
    name = f"Brand {first + pick.randrange(NAMES)} Co"
    return pick.choice((name, name.upper(), name.replace(" ", "-"), name.lower()))


def _consistent(entries: list[BrandRecord]) -> None:
    """See that no text is two brands'."""
    keys = Counter(fold_key(text) for entry in entries for text in (entry.name, *entry.aliases, *entry.listed))
    twice = [key for key, count in keys.items() if count > 1]
    if twice:
        raise ValueError(f"of two brands: {twice}")


def problems(registry: Registry, done: list[Done]) -> list[str]:
    """What of the changes that were told to be done is not there."""
    entries = registry.entries()
    found = [error for one in done for error in one.errors]
    try:
        _consistent(entries)
    except ValueError as error:
        found.append(str(error))
    owner = {fold_key(text): entry.name for entry in entries for text in (entry.name, *entry.aliases, *entry.listed)}
    airs = {(timeline, entry.name) for entry in entries for timeline in entry.airings}
    for one in done:
        found += [f"lost the alias {alias}" for alias in one.aliases if fold_key(alias) not in owner]
        for timeline, names in one.airings.items():
            found += [f"lost {timeline}" for name in names if (timeline, owner.get(fold_key(name))) not in airs]
    actions = Counter(change.action for change in registry.history())
    actions["added"] += actions["confirmed"]  # brands that only a brand file had, and that somebody adds
    for action, told in (
        ("added", sum(one.adds for one in done)),
        ("merged", sum(one.merges for one in done)),
        ("alias", sum(len(one.aliases) for one in done)),
    ):
        if actions[action] != told:
            found.append(f"{told} times {action}, but {actions[action]} in the history")
    return found


def measure(url: str, seconds: float, processes: int) -> dict[str, Any]:
    """Let the processes loose on an empty registry, and see what is left."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        done = pool.starmap(work, [(url, number, seconds) for number in range(processes)], chunksize=1)
    registry = Registry(url)
    wrong = problems(registry, done)
    waits_ms = sorted(wait for one in done for wait in one.waits_ms)
    return {
        "bench": "registry",
        "database": registry.database.url.get_backend_name(),
        "processes": processes,
        "seconds": seconds,
        "operations": len(waits_ms),
        "changes": sum(one.adds + one.merges + len(one.aliases) + len(one.airings) for one in done),
        "merges": sum(one.merges for one in done),
        "refused": sum(one.refused for one in done),
        "brands": len(registry.entries()),
        "median_ms": round(waits_ms[len(waits_ms) // 2], 1),
        "longest_ms": round(waits_ms[-1], 1),
        "problems": wrong[:10],
    }


def main() -> int:
    """Exit status 0 when nothing was lost and nobody was shown an error."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--url", action="append", help="an empty database; again for more")
    asked = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for url in asked.url or [f"sqlite:///{Path(folder) / 'registry.sqlite'}"]:
            try:
                figures = measure(url, asked.seconds, asked.processes)
            except MprError as error:
                sys.stderr.write(f"bench.registry: {error}\n")
                return 2
            sys.stdout.write(json.dumps(figures) + "\n")
            failed |= bool(figures["problems"])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
