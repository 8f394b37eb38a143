"""The commands `profile list`, `profile show`, `profile validate`, `profile duplicate`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue
from rich.text import Text

from mpr_cli import terminal
from mpr_resources.environment import profiles_path
from mpr_resources.profiles.listing import description, profile_names
from mpr_resources.yaml_files.syntax import dump

if TYPE_CHECKING:
    from gpu_service.settings import Settings
    from mpr_resources.profiles.folder import Profiles

app = typer.Typer(no_args_is_help=True, help="List, show, validate and duplicate profiles.")

ProfileName = Annotated[str, typer.Argument(help="name of a profile")]


ITS_OWN = ("description", "brands", "logos")
"""What a profile says of itself, for which no default is of use."""


@app.command("list")
def profile_list() -> None:
    """List all profiles with their descriptions."""
    folder = profiles_path(os.environ)
    for name in profile_names(folder):
        terminal.out.print(f"{name:20} {description(folder, name)}")


@app.command("show")
def profile_show(profile: ProfileName) -> None:
    """Show every setting of a profile: value, what it is, what it may be, and whether it is not the default."""
    loaded = _profiles().load(profile)
    head = loaded.model_dump(mode="json", exclude=set(loaded.stages))
    for line in _described(loaded, head):
        terminal.out.print(line)
    for stage in loaded.stages:
        terminal.out.print(f"\n{stage}:")
        for line in _described(loaded.section(stage), loaded.section(stage).model_dump(mode="json")):
            terminal.out.print(Text.assemble("  ", line))


def _described(model: Settings, values: Mapping[str, JsonValue]) -> Iterator[Text]:
    """The settings as YAML, with what they are and what they may be as comments."""
    from mpr_assets.engine.settings import limits

    defaults = type(model).model_construct().model_dump(mode="json")
    for name, value in values.items():
        info = type(model).model_fields[name]
        about = "; ".join(filter(None, [info.description, *limits(info)]))
        if about:
            yield terminal.styled(f"# {about}", "dim")
        changed = value != defaults[name] and name not in ITS_OWN
        lines = dump({name: value}).rstrip("\n").splitlines()
        if changed:
            lines[0] += f"  # not the default: {json.dumps(defaults[name], ensure_ascii=False)}"
        yield from (terminal.styled(line, "bold yellow" if changed else "") for line in lines)


@app.command("validate")
def profile_validate(profile: ProfileName) -> None:
    """Validate a profile, its brand file and its logos."""
    folder = _profiles()
    folder.references(folder.load(profile))
    terminal.out.print(f"{profile} is valid.")


@app.command("duplicate")
def profile_duplicate(profile: ProfileName, new_name: ProfileName) -> None:
    """Copy a profile under a new name, to edit the copy."""
    terminal.out.print(str(_profiles().duplicate(profile, new_name)))


def _profiles() -> Profiles:
    from mpr_assets.runs.local_instance import profiles  # all stages, whose settings a profile holds; `list` needs none

    return profiles()
