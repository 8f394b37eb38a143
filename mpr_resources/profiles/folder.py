"""The folder of profiles, and a profile's brands from its brand file and from the registry."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from pydantic import JsonValue

from gpu_service.distribution import CLONE
from gpu_service.errors import BadInput, NotThere
from gpu_service.routines import Reference
from gpu_service.settings import Settings
from mpr_resources.brands.brand_file import (
    BrandList,
    brands_from_folders,
    brands_from_names,
    load_brands,
    load_references,
    unique,
)
from mpr_resources.brands.registry import Registry
from mpr_resources.brands.registry.known import BrandKnowledge, added, looked_for
from mpr_resources.environment import SHIPPED
from mpr_resources.names import check_name
from mpr_resources.profiles.listing import profile_names
from mpr_resources.profiles.profile import Profile, profile_model
from mpr_resources.yaml_files.edit import with_values
from mpr_resources.yaml_files.load import load_model, validate
from mpr_resources.yaml_files.read import read_file

Sections: TypeAlias = Mapping[str, Mapping[str, JsonValue]]
"""Settings by stage."""


class Profiles:
    """The folder of profiles. `registry`: of brands; None: there are those of the brand files alone."""

    def __init__(self, folder: Path, sections: Mapping[str, type[Settings]], registry: Registry | None = None) -> None:
        self.folder = folder
        self.registry = registry
        self._model = profile_model(sections)
        self._read: dict[str, tuple[bytes, Profile]] = {}
        self._editing = threading.Lock()

    def names(self) -> list[str]:
        """The names of all profiles, at least one, sorted.

        Raises:
            BadInput: there is none.
        """
        return profile_names(self.folder)

    def path(self, name: str) -> Path:
        """The file of a profile.

        Raises:
            BadInput: there is none of this name.
        """
        names = self.names()
        if name not in names:
            raise NotThere(f"There is no profile {name!r} in {self.folder}", f"choose one of {', '.join(names)}")
        return self.folder / f"{name}.yaml"

    def load(self, name: str) -> Profile:
        """Read and check a profile.

        Raises:
            BadInput: it is not there, or something in it is wrong; the message names the key.
        """
        path = self.path(name)
        text = read_file(path)
        known = self._read.get(name)
        if known is None or known[0] != text:  # to read YAML takes longer than some stages
            known = self._read[name] = (text, load_model(path, text, self._model))
        return known[1]

    def duplicate(self, name: str, new_name: str) -> Path:
        """Copy a profile under a new name, comments and all.

        Raises:
            BadInput: the new name is taken or cannot be a file name.
        """
        source = self.path(name)
        self.load(name)
        target = self.free_path(new_name)
        self._write(target, source.read_bytes())
        return target

    def duplicate_with(self, name: str, new_name: str, sections: Sections) -> Path:
        """Copy a profile under a new name, with other settings for some stages; comments stay.

        Raises:
            BadInput: the new name is taken or cannot be a file name; or the settings cannot be.
        """
        target = self.free_path(new_name)
        self._write(target, self._edited(name, sections, target).encode())
        return target

    def edit(self, name: str, sections: Sections) -> None:
        """Give some stages of a profile other settings; comments stay.

        Raises:
            BadInput: the settings cannot be; or the profile is not to be written.
        """
        path = self.path(name).resolve()
        self._refuse_shipped()
        with self._editing:
            edited = self._edited(name, sections, path)
            staged = path.with_name(f".{path.name}.{os.getpid()}")
            try:
                staged.write_bytes(edited.encode())
                staged.chmod(path.stat().st_mode)
                staged.replace(path)
            except OSError as error:
                staged.unlink(missing_ok=True)
                raise BadInput(
                    f"The profile {path} cannot be written: {error.strerror}", "choose another place"
                ) from error

    def _edited(self, name: str, sections: Sections, target: Path) -> str:
        """The text of a profile with these settings."""
        before = self.load(name)
        text = read_file(self.path(name)).decode("utf-8-sig")
        made = {}
        for stage, settings in sections.items():
            text = with_values(text, stage, settings)
            section = before.section(stage)
            made[stage] = validate(
                f"the section {stage} of {target}", {**section.model_dump(), **settings}, type(section)
            )
        if load_model(target, text, self._model) != before.model_copy(update=made):
            raise BadInput(f"The profile {name!r} cannot be edited as it is written", "duplicate it and edit the copy")
        return text

    def _refuse_shipped(self) -> None:
        if CLONE is None and self.folder == SHIPPED / "profiles":
            raise BadInput(
                f"The profiles in {self.folder} come with MPR and stay as they are",
                "make a folder with profiles of your own by `mpr init FOLDER`, and go there",
            )

    def free_path(self, new_name: str) -> Path:
        """Where a new profile of this name goes.

        Raises:
            BadInput: the name is taken or cannot be a name; or the profiles are those of the installed package.
        """
        self._refuse_shipped()
        check_name(new_name, "profile name")
        if new_name in self.names():
            raise BadInput(f"There is already a profile {new_name!r} in {self.folder}", "choose another name")
        return self.folder / f"{new_name}.yaml"

    def _write(self, target: Path, text: bytes) -> None:
        try:
            with target.open("xb") as file:
                file.write(text)
        except FileExistsError as error:
            raise BadInput(
                f"There is already a profile {target.stem!r} in {self.folder}", "choose another name"
            ) from error
        except OSError as error:
            raise BadInput(
                f"The profile {target} cannot be written: {error.strerror}", "choose another place"
            ) from error

    def listed(self, profile: Profile, file: Path | None = None) -> BrandList:
        """The brands of the brand file given, of the profile's, or of the folders of logos.

        Raises:
            BadInput: the brand file or a logo in it cannot be used.
        """
        path = file or self.brands_path(profile)
        if path is not None:
            return load_brands(path)
        logos = self.logos_path(profile)
        return brands_from_folders(logos) if logos is not None else BrandList()

    def brand_list(self, profile: Profile, file: Path | None = None) -> BrandList:
        """The brands that are looked for: those listed, with what the registry knows; see `registry.known`.

        Raises:
            BadInput: the brand file or a logo in it cannot be used.
            TransientError, PermanentError: the registry cannot be read.
        """
        return looked_for(self.listed(profile, file), self._known(profile))

    def references(self, profile: Profile, file: Path | None = None) -> list[Reference]:
        """The reference pictures of those brands. What the registry excludes has them still: to leave them out would
        cost a search anew, and no brand comes of them.

        Raises:
            BadInput: the brand file or a logo cannot be used.
            TransientError, PermanentError: the registry cannot be read.
        """
        listed, known, logos = self.listed(profile, file), self._known(profile), self.logos_path(profile)
        found = load_references(listed, logos)
        others = added(listed, known)
        if others and logos is not None:
            found += load_references(brands_from_names(others), logos)
        if self.registry is not None and profile.registry:
            found += self.registry.pictures(brand.name for brand in looked_for(listed, known).brands)
        return unique(found)

    def _known(self, profile: Profile) -> BrandKnowledge:
        return self.registry.known() if self.registry is not None and profile.registry else BrandKnowledge()

    def brands_path(self, profile: Profile) -> Path | None:
        return self.folder / profile.brands if profile.brands else None

    def logos_path(self, profile: Profile) -> Path | None:
        return self.folder / profile.logos if profile.logos else None
