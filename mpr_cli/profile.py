"""The commands `profile list`, `profile show`, `profile validate`, `profile duplicate`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from mpr_cli import terminal
from mpr_resources.environment import profiles_path
from mpr_resources.profiles.listing import description, profile_names
from mpr_resources.yaml_files.syntax import dump

if TYPE_CHECKING:
    from mpr_resources.profiles.folder import Profiles

app = typer.Typer(no_args_is_help=True, help="List, show, validate and duplicate profiles.")

ProfileName = Annotated[str, typer.Argument(help="name of a profile")]


@app.command("list")
def profile_list() -> None:
    """List all profiles with their descriptions."""
    folder = profiles_path(os.environ)
    for name in profile_names(folder):
        terminal.out.print(f"{name:20} {description(folder, name)}")


@app.command("show")
def profile_show(profile: ProfileName) -> None:
    """Show every setting of a profile, defaults included."""
    settings = _profiles().load(profile).model_dump(mode="json")
    terminal.out.print(dump(settings))


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
