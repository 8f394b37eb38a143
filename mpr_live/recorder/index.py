"""The list of what lies in a folder of the recorder: `index.json`, and the journal that it is made of.

Other programs read the list, and set `sent_to_agent` in it. An entry is in the journal before it is in the list: a list
that is damaged or gone is made anew from the journal, and numbers go on after those of files, journal and list.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FLAG = "sent_to_agent"
JOURNAL = "index.journal"


class Index:
    """Of one folder. One process writes it.

    Args:
        folder: below the session's.
        name: of a file by its number, like `F{:06d}.jpg`.
        first: the first number.
    """

    def __init__(self, folder: Path, name: str, first: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._name = name
        self._list, self._journal = folder / "index.json", folder / JOURNAL
        self._entries = {int(one["id"]): one for one in self._journalled()}
        shape = re.compile(re.escape(name).replace(re.escape(re.search(r"\{.*\}", name)[0]), r"(\d+)"))  # type: ignore[index]
        there = [int(found[1]) for path in folder.iterdir() if (found := shape.fullmatch(path.name))]
        self._next = max([first - 1, *there, *self._entries, *(int(one["id"]) for one in self._listed())]) + 1
        if self._entries:
            self._write()

    def add(self, data: bytes, facts: Mapping[str, Any]) -> Path:
        """Store the next file, and then name it; gives where it is."""
        number, self._next = self._next, self._next + 1
        path = self._folder / self._name.format(number)
        replace(path, data)
        entry = {"id": number, **facts, "path": f"{self._folder.name}/{path.name}", FLAG: False}
        with self._journal.open("ab") as journal:
            journal.write(json.dumps(entry).encode() + b"\n")
            journal.flush()
            os.fsync(journal.fileno())
        self._entries[number] = entry
        self._write()
        return path

    def _write(self) -> None:
        flags = {int(one["id"]): one.get(FLAG) for one in self._listed()}
        entries = [
            self._entries[at] | {FLAG: bool(flags.get(at, self._entries[at][FLAG]))} for at in sorted(self._entries)
        ]
        replace(self._list, json.dumps(entries, indent=1).encode())

    def _listed(self) -> list[dict[str, Any]]:
        """What the list says; nothing where it is damaged."""
        try:
            found = json.loads(self._list.read_bytes())
        except (OSError, ValueError):
            return []
        return [one for one in found if _is_entry(one)] if isinstance(found, list) else []

    def _journalled(self) -> list[dict[str, Any]]:
        """What the journal says, but for a last line that was broken off."""
        try:
            lines = self._journal.read_bytes().splitlines(keepends=True)
        except OSError:
            return []
        found = []
        for line in lines:
            one = _read(line)
            if _is_entry(one):
                found.append({FLAG: False} | one)
        if lines and not lines[-1].endswith(b"\n"):
            with self._journal.open("ab") as journal:
                journal.write(b"\n")
        return found


def journalled(folder: Path, read_bytes: int) -> tuple[int, list[dict[str, Any]]] | None:
    """What the journal of a folder says, and how long it is; None: it is as long as it was when it was read.

    For those who look at a folder that is written by another process. A line that is being written is left out.
    """
    try:
        data = (folder / JOURNAL).read_bytes() if (folder / JOURNAL).stat().st_size != read_bytes else None
    except FileNotFoundError:
        data = b"" if read_bytes else None
    if data is None:
        return None
    whole = data[: data.rfind(b"\n") + 1]
    return len(whole), [one for line in whole.splitlines() if _is_entry(one := _read(line))]


def _read(line: bytes) -> Any:
    """What a line says; None where it was broken off."""
    try:
        return json.loads(line)
    except ValueError:
        return None


def _is_entry(one: object) -> bool:
    return isinstance(one, dict) and isinstance(one.get("id"), int) and isinstance(one.get("path"), str)


def replace(path: Path, data: bytes) -> None:
    """Write a file so that others see the old one or the new one."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)
