"""docs/command-line.md as the commands and their documents make it; `tests/test_docs.py` compares.

`python -m tests.command_line_page` writes the part of the page below `## Commands` anew.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from typer._click.core import Command
from typer.core import TyperGroup

from mpr_cli.app import COMMANDS, DeferredCommand
from mpr_cli.document import OPTION, document_type
from mpr_resources.environment import ROOT

PAGE = ROOT / "docs" / "command-line.md"
HEADING = "## Commands\n"
RUN = "run: python -m tests.command_line_page"
WORDS = {str: "text", int: "integer", float: "number", bool: "true or false", NoneType: "null", object: "any value"}


def commands() -> Iterator[tuple[str, Command]]:
    """Every command by its words, with its module imported."""
    for name, entry in COMMANDS.items():
        command = DeferredCommand(name, entry).loaded()
        if isinstance(command, TyperGroup):
            yield from ((f"{name} {below}", command.commands[below]) for below in command.commands)
        else:
            yield name, command


def form(kind: Any) -> str:
    """A type of a document as the page shows it.

    >>> form(dict[str, list[int | None]])
    '{text: [integer or null]}'
    """
    if kind in WORDS:
        return WORDS[kind]
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(form(one) for one in get_args(kind))
    if get_origin(kind) is list:
        return f"[{form(get_args(kind)[0])}]"
    if get_origin(kind) is dict:
        key, value = get_args(kind)
        return f"{{{form(key)}: {form(value)}}}"
    if is_dataclass(kind):
        return f"{{{', '.join(f'{name}: {form(one)}' for name, one in fields_of(kind).items())}}}"
    if isinstance(kind, type) and issubclass(kind, str):  # an enumeration of words
        return WORDS[str]
    raise TypeError(f"{kind} is no type of a document")


def fields_of(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {name: hints[name] for name in kind.__dataclass_fields__}


def notes(kind: Any) -> Iterator[str]:
    """What is said of the keys of a type and of those in it: docstrings that somebody wrote."""
    if is_dataclass(kind):
        said = kind.__doc__ or ""
        if not said.startswith(f"{kind.__name__}("):  # else dataclasses made it
            yield " ".join(said.split())
        for one in fields_of(kind).values():
            yield from notes(one)
    for one in get_args(kind):
        yield from notes(one)


def usage(words: str, command: Command) -> str:
    """The command with its arguments.

    >>> from mpr_cli.app import COMMANDS, DeferredCommand
    >>> usage("costs", DeferredCommand("costs", COMMANDS["costs"]).loaded())
    'mpr costs'
    """
    parts = [f"mpr {words}"]
    for param in command.params:
        if param.param_type_name == "argument":
            name = param.metavar or (param.name or "").upper()
            parts.append(name if param.required or name.startswith("[") else f"[{name}]")
    return " ".join(parts)


def section(words: str, command: Command, before: dict[object, str]) -> str:
    """A command as the page has it. `before`: the documents above it, with their commands."""
    options = [param.opts[0] for param in command.params if param.param_type_name == "option"]
    given = [f"`{one}`" for one in options if one not in (OPTION, "--help")]
    lines = [f"### `{usage(words, command)}`", "", str(command.help)]
    if given:
        lines += [f"Options: {', '.join(given)}."]
    kind = document_type(command)
    if kind in before:
        lines += ["", f"The same as of `{before[kind]}`."]
    elif kind is not None:
        before[kind] = f"mpr {words}"
        shown = textwrap.fill(form(kind), 110, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        lines += ["", "```", shown, "```"]
        said = list(dict.fromkeys(notes(kind)))
        if said:
            lines += ["", *textwrap.wrap(" ".join(said), 120, break_long_words=False, break_on_hyphens=False)]
    return "\n".join(lines)


def written() -> str:
    """The page as it is to be below its heading."""
    before: dict[object, str] = {}
    return "\n\n".join(section(words, command, before) for words, command in commands()) + "\n"


def fits(value: Any, kind: Any) -> bool:
    """Whether a value of JSON is of a type of a document."""
    if get_origin(kind) in (Union, UnionType):
        return any(fits(value, one) for one in get_args(kind))
    if get_origin(kind) is list:
        return isinstance(value, list) and all(fits(one, get_args(kind)[0]) for one in value)
    if get_origin(kind) is dict:
        return isinstance(value, dict) and all(fits(one, get_args(kind)[1]) for one in value.values())
    if is_dataclass(kind):
        fields = fields_of(kind)
        named = isinstance(value, dict) and list(value) == list(fields)
        return named and all(fits(value[name], one) for name, one in fields.items())
    if issubclass(kind, str):  # a word of an enumeration too
        return isinstance(value, str)
    return kind is object or type(value) is kind or (kind is float and type(value) is int)


if __name__ == "__main__":
    head = PAGE.read_text().partition(HEADING)[0]
    PAGE.write_text(f"{head.rstrip()}\n\n{HEADING}\n{written()}")
