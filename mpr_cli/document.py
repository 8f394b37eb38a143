"""What a command answers: one document, printed as JSON with `--json` and for people without.

A command returns its document, and prints nothing of it itself. What it prints while it works goes to stderr with
`--json`, so that stdout holds the document alone. Imports nothing of weight: every command needs it.
"""

from __future__ import annotations

import inspect
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict
from functools import wraps
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer
from typer._click.core import Command, Parameter
from typer.core import TyperGroup

from mpr_cli import terminal

OPTION = "--json"


class Document(ABC):
    """Base of the documents, which are frozen dataclasses of texts, numbers, truth values, None, and lists, mappings
    and dataclasses of them. The fields are the keys of the JSON: public, listed in docs/command-line.md.
    """

    @abstractmethod
    def show(self) -> None:
        """Print it for people."""

    @property
    def exit_status(self) -> int:
        """Of the command that answers so."""
        return 0


def document_type(command: Command) -> type[Document] | None:
    """What a command returns, or an iterator of which; None: it does not return documents."""
    if command.callback is None:
        return None
    returned = get_type_hints(inspect.unwrap(command.callback)).get("return")
    [one] = get_args(returned) if get_origin(returned) is Iterator else [returned]
    return one if isinstance(one, type) and issubclass(one, Document) else None


def with_json(command: Command) -> Command:
    """The command, or the group's commands, with the option `--json` where documents are returned, which are printed.

    An iterator's documents are printed as they come: as JSON, one a line.
    """
    if isinstance(command, TyperGroup):
        for below in command.commands.values():
            with_json(below)
    elif document_type(command) is not None:
        command.params.append(_json_option())
        command.callback = _printing(command.callback)
    return command


def _json_option() -> Parameter:
    maker = typer.Typer(add_completion=False)
    maker.command()(_only_option)
    return typer.main.get_command(maker).params[0]


def _only_option(
    as_json: Annotated[
        bool, typer.Option(OPTION, help="print one JSON document; docs/command-line.md has its keys")
    ] = False,
) -> None: ...


def _printing(answer: Any) -> Any:
    @wraps(answer)
    def call(as_json: bool, **arguments: Any) -> None:
        stdout = sys.stdout
        with redirect_stdout(sys.stderr) if as_json else nullcontext():
            answered = answer(**arguments)
            status = 0
            for document in answered if isinstance(answered, Iterator) else [answered]:
                if as_json:
                    terminal.print_json(asdict(document), stdout)
                else:
                    document.show()
                status = document.exit_status
        if status:
            raise typer.Exit(status)

    return call


def asks_for_json(arguments: list[str]) -> bool:
    """Whether a command line has the option; known too where it cannot be parsed."""
    return OPTION in arguments[: arguments.index("--") if "--" in arguments else None]
