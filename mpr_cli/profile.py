"""The commands `profile list`, `profile show`, `profile validate`, `profile duplicate`."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue
from rich.text import Text

from mpr_cli import terminal
from mpr_cli.document import Document
from mpr_resources.environment import profiles_path
from mpr_resources.profiles.listing import description, profile_names
from mpr_resources.yaml_files.syntax import dump

if TYPE_CHECKING:
    from gpu_service.settings import Settings
    from mpr_resources.profiles.folder import Profiles

LOG = logging.getLogger("mpr")

app = typer.Typer(no_args_is_help=True, help="List, show, validate and duplicate profiles.")

ProfileName = Annotated[str, typer.Argument(help="name of a profile")]


ITS_OWN = ("description", "brands", "logos")
"""What a profile says of itself, for which no default is of use."""


@dataclass(frozen=True)
class ListedProfile:
    profile: str
    description: str


@dataclass(frozen=True)
class ProfileList(Document):
    profiles: list[ListedProfile]

    def show(self) -> None:
        for one in self.profiles:
            terminal.out.print(f"{one.profile:20} {one.description}")


@app.command("list")
def profile_list() -> ProfileList:
    """List all profiles with their descriptions."""
    folder = profiles_path(os.environ)
    return ProfileList([ListedProfile(name, description(folder, name)) for name in profile_names(folder)])


@dataclass(frozen=True)
class ShownSetting:
    """`limits`: what it may be, in words. `changed`: whether it is not the default, and has one that is of use."""

    setting: str
    value: object
    default: object
    changed: bool
    description: str
    limits: list[str]

    def lines(self) -> Iterator[Text]:
        """As YAML, with what it is and what it may be as a comment."""
        about = "; ".join(filter(None, [self.description, *self.limits]))
        if about:
            yield terminal.styled(f"# {about}", "dim")
        lines = dump({self.setting: self.value}).rstrip("\n").splitlines()
        if self.changed:
            lines[0] += f"  # not the default: {json.dumps(self.default, ensure_ascii=False)}"
        yield from (terminal.styled(line, "bold yellow" if self.changed else "") for line in lines)


@dataclass(frozen=True)
class ShownSection:
    stage: str
    settings: list[ShownSetting]


@dataclass(frozen=True)
class ShownProfile(Document):
    """`settings`: those of no stage."""

    profile: str
    settings: list[ShownSetting]
    stages: list[ShownSection]

    def show(self) -> None:
        for setting in self.settings:
            for line in setting.lines():
                terminal.out.print(line)
        for section in self.stages:
            terminal.out.print(f"\n{section.stage}:")
            for setting in section.settings:
                for line in setting.lines():
                    terminal.out.print(Text.assemble("  ", line))


@app.command("show")
def profile_show(profile: ProfileName) -> ShownProfile:
    """Show every setting of a profile: value, what it is, what it may be, and whether it is not the default."""
    loaded = _profiles().load(profile)
    head = loaded.model_dump(mode="json", exclude=set(loaded.stages))
    stages = {stage: loaded.section(stage) for stage in loaded.stages}
    sections = [ShownSection(name, _shown(own, own.model_dump(mode="json"))) for name, own in stages.items()]
    return ShownProfile(profile, _shown(loaded, head), sections)


def _shown(model: Settings, values: Mapping[str, JsonValue]) -> list[ShownSetting]:
    from mpr_assets.engine.settings import limits

    defaults = type(model).model_construct().model_dump(mode="json")
    fields = type(model).model_fields
    return [
        ShownSetting(
            setting=name,
            value=value,
            default=defaults[name],
            changed=value != defaults[name] and name not in ITS_OWN,
            description=fields[name].description or "",
            limits=limits(fields[name]),
        )
        for name, value in values.items()
    ]


@dataclass(frozen=True)
class ValidProfile(Document):
    profile: str

    def show(self) -> None:
        terminal.out.print(f"{self.profile} is valid.")


@app.command("validate")
def profile_validate(profile: ProfileName) -> ValidProfile:
    """Validate a profile, its brand file and its logos."""
    folder = _profiles()
    references = folder.references(folder.load(profile))
    from gpu_service.routines.logos.logo_set import weak_references  # late: `list` is to answer at once

    for weak in weak_references(references):
        LOG.warning(weak.sentence)
    return ValidProfile(profile)


@dataclass(frozen=True)
class ProfileDuplicated(Document):
    profile: str
    path: str

    def show(self) -> None:
        terminal.out.print(self.path)


@app.command("duplicate")
def profile_duplicate(profile: ProfileName, new_name: ProfileName) -> ProfileDuplicated:
    """Copy a profile under a new name, to edit the copy."""
    return ProfileDuplicated(new_name, str(_profiles().duplicate(profile, new_name)))


def _profiles() -> Profiles:
    from mpr_assets.runs.local_instance import profiles  # all stages, whose settings a profile holds; `list` needs none

    return profiles()
