"""Where things are, by the variables of the environment, the project that a command is given in, and who asks. Imports
nothing of weight: every command needs it.

What is stored lies in the project's folder `.mpr`, profiles and Dagster's settings beside it. A project is a folder
that `mpr init` laid out, or a clone. Where there is neither, what is stored lies in the user's folder for data, and
profiles and settings are those that come with MPR.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from gpu_service.distribution import CLONE
from gpu_service.distribution import ROOT as ROOT
from gpu_service.errors import BadInput

SHIPPED = CLONE or Path(__file__).resolve().parent / "shipped"
"""Where `profiles/`, `dagster.yaml` and `workspace.yaml` are as they come with MPR: the clone's, or the package's."""

GRAPH = "mpr_assets.definitions"
"""What Dagster loads; a folder whose `workspace.yaml` names it is a project."""


def project_folder() -> Path | None:
    """The nearest project from the working directory up; else the clone that MPR runs from, if it does."""
    try:
        here = Path.cwd()
    except OSError:  # it was deleted
        return CLONE
    return next((folder for folder in (here, *here.parents) if _is_project(folder)), CLONE)


def _is_project(folder: Path) -> bool:
    try:
        return GRAPH in (folder / "workspace.yaml").read_text(errors="replace")
    except OSError:
        return False


def state_folder() -> Path:
    """Where what is stored lies by default: `.mpr` in the project, else the user's folder."""
    project = project_folder()
    if project is not None:
        return project / ".mpr"
    from platformdirs import user_data_path

    return user_data_path("mpr", appauthor=False)


def make_private(folder: Path) -> None:
    """Make a folder for state, and those above it that are missing, which this user alone may enter.

    One that is there stays as it is: who made it decides who may read it.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(exist_ok=True)


def storage_url(environ: Mapping[str, str]) -> str:
    """The storage as `MPR_STORAGE_URL` says; a folder by default."""
    return environ.get("MPR_STORAGE_URL") or str(state_folder() / "storage")


def s3_endpoint_url(environ: Mapping[str, str]) -> str | None:
    """The S3 server as `S3_ENDPOINT_URL` says; None: AWS."""
    return environ.get("S3_ENDPOINT_URL") or None


def storage_web_url(environ: Mapping[str, str]) -> str | None:
    """Where a web server hands out the storage's objects, as `MPR_STORAGE_WEB_URL` says; None: nowhere."""
    return environ.get("MPR_STORAGE_WEB_URL") or None


def dagster_home(environ: Mapping[str, str]) -> Path:
    """Dagster's folder as `DAGSTER_HOME` says, absolute."""
    return Path(environ.get("DAGSTER_HOME") or state_folder() / "dagster").absolute()


def dagster_settings() -> Path:
    """The `dagster.yaml` for a folder of Dagster's that has none: the project's, else the one that comes with MPR."""
    return _of_project("dagster.yaml")


def database_url(environ: Mapping[str, str]) -> str:
    """The database as `MPR_DATABASE_URL` says; by default a file beside Dagster's own."""
    return environ.get("MPR_DATABASE_URL") or f"sqlite:///{dagster_home(environ) / 'registry.sqlite'}"


def profiles_path(environ: Mapping[str, str]) -> Path:
    """The folder of profiles as `MPR_PROFILES_DIR` says; else the project's, else the one that comes with MPR."""
    return Path(environ.get("MPR_PROFILES_DIR") or _of_project("profiles"))


def _of_project(name: str) -> Path:
    project = project_folder()
    return project / name if project is not None and (project / name).exists() else SHIPPED / name


def read_env_file(environ: MutableMapping[str, str]) -> None:
    """Set what the project's `.env` says, as `dagster dev` does; what is set already stays.

    Raises:
        BadInput: the file cannot be read.
    """
    project = project_folder()
    if project is None or not (project / ".env").is_file():
        return
    from dotenv import dotenv_values

    try:
        values = dotenv_values(project / ".env")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{project / '.env'} cannot be read ({error})", "correct it") from error
    for name, value in values.items():
        if value is not None:
            environ.setdefault(name, value)


def user_name() -> str:
    """Who runs this process; empty where it has no name, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
