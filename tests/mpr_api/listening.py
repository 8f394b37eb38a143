"""Listens to server-sent events, for tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2


@dataclass(frozen=True)
class Heard:
    """An event as it came. `id`: None where it had none."""

    name: str
    data: dict[str, Any]
    id: int | None

    def short(self) -> tuple[str, ...]:
        """Name, and the words that tell it from its like."""
        told = {
            "stage": [self.data.get("stage"), self.data.get("status")],
            "run": [self.data.get("status")],
            "end": [self.data.get("status")],
            "detection": [self.data.get("stage")],
        }
        return (self.name, *map(str, told.get(self.name, [])))


def heard(lines: Iterator[str]) -> Iterator[Heard]:
    """The events of a stream's lines."""
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield Heard(fields["event"], json.loads(fields["data"]), int(fields["id"]) if "id" in fields else None)
            fields = {}


def listen(api: httpx2.Client, path: str, after: int | None = None) -> list[Heard]:
    """All events until the stream ends."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with api.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-cache", "no")
        return list(heard(answer.iter_lines()))
