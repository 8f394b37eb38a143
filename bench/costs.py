"""`mpr costs` on a ledger of many requests, against `mpr --help`, which starts and does nothing.

    python -m bench.costs [--requests 100000] [--runs 5] [--url URL]

One JSON line; without --url a SQLite file of its own. `query_s` is the sum alone, in one process; `over_start_s` what
`mpr costs` takes beyond `mpr --help`, medians of both, run in turn. Exit status 1 where that is a second or more.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from mpr_resources.cloud import ledger
from mpr_resources.cloud.ledger import LedgerRow
from mpr_resources.database.connection import Database

MODELS = (("anthropic", "claude-haiku-5-5"), ("openai", "gpt-small"), ("gemini", "flash"), ("groq", "scout"))
TIMELINES = 500
DAYS = 90
AT_ONCE = 10_000
MOST_S = 1.0
MPR = "from mpr_cli.app import main; main()"


def fill(database: Database, requests: int) -> None:
    """Enter so many requests of three months."""
    pick = random.Random(1)
    for start in range(0, requests, AT_ONCE):
        rows = [_row(pick) for _ in range(min(AT_ONCE, requests - start))]
        database.write(partial(ledger.enter, rows=rows))


def _row(pick: random.Random) -> LedgerRow:
    provider, model = pick.choice(MODELS)
    time_ms = 1_780_000_000_000 + pick.randrange(DAYS * ledger.DAY_MS)
    return LedgerRow(
        id=ledger.new_id(time_ms),
        time_ms=time_ms,
        timeline=f"match-{pick.randrange(TIMELINES)}",
        stage="escalate_cloud",
        provider=provider,
        model=model,
        crops=4,
        tokens_in=pick.randrange(500, 5000),
        tokens_out=pick.randrange(50, 500),
        tokens_cached=400,
        micro_usd=pick.randrange(100, 5000),
        milliseconds=pick.randrange(500, 5000),
        outcome=pick.choice((ledger.ANSWERED, ledger.ANSWERED, ledger.ANSWERED, "timeout")),
        run=f"run-{pick.randrange(5000)}",
    )


def timed_s(arguments: list[str], environ: dict[str, str]) -> float:
    """A command, from its start to its end."""
    began_s = time.monotonic()
    subprocess.run([sys.executable, "-c", MPR, *arguments], env=environ, check=True, capture_output=True)
    return time.monotonic() - began_s


def query_s(database: Database) -> dict[str, float]:
    """The sums alone."""
    taken: dict[str, float] = {}
    ways: tuple[ledger.By, ...] = ("provider", "timeline", "day")
    for by in ways:
        began_s = time.monotonic()
        ledger.sums(database, by)
        taken[by] = round(time.monotonic() - began_s, 3)
    return taken


def main() -> int:
    """Exit status 0 when `mpr costs` takes less than a second over its start."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--url", help="an empty database")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = asked.url or f"sqlite:///{Path(folder) / 'registry.sqlite'}"
        database = Database(url)
        fill(database, asked.requests)
        environ = os.environ | {"MPR_DATABASE_URL": url, "MPR_STORAGE_URL": str(Path(folder) / "storage")}
        costs_s, start_s = [], []
        for _ in range(asked.runs):
            start_s.append(timed_s(["--help"], environ))
            costs_s.append(timed_s(["costs"], environ))
        over_s = statistics.median(costs_s) - statistics.median(start_s)
        figures = {
            "bench": "costs",
            "database": database.url.get_backend_name(),
            "requests": asked.requests,
            "start_s": round(statistics.median(start_s), 2),
            "costs_s": round(statistics.median(costs_s), 2),
            "over_start_s": round(over_s, 2),
            "ratio": round(statistics.median(costs_s) / statistics.median(start_s), 2),
            "query_s": query_s(database),
        }
    sys.stdout.write(json.dumps(figures) + "\n")
    return int(over_s >= MOST_S)


if __name__ == "__main__":
    sys.exit(main())
