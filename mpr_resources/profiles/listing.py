"""The profiles of a folder by name, and what each is for, without the settings of any stage. A whole profile is read
and checked in `folder`.
"""

from __future__ import annotations

from pathlib import Path

from gpu_service.errors import BadInput
from mpr_resources.yaml_files.read import read_file
from mpr_resources.yaml_files.syntax import parse


def profile_names(folder: Path) -> list[str]:
    """The names of all profiles, at least one, sorted.

    Raises:
        BadInput: there is none.
    """
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    if not names:
        raise BadInput(f"There is no profile in {folder}", "set MPR_PROFILES_DIR to a folder of profiles")
    return names


def description(folder: Path, name: str) -> str:
    """What a profile is for, as its file says; empty where it does not, or is no profile.

    Raises:
        BadInput: the file cannot be read, or is not YAML.
    """
    path = folder / f"{name}.yaml"
    data = parse(str(path), read_file(path))
    text = data.get("description", "") if isinstance(data, dict) else ""
    return text if isinstance(text, str) else ""
