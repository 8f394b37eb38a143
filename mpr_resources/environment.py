"""Where things are, by the variables of the environment, and who asks. Imports nothing of weight: every command needs
it.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The clone; defaults of what is kept lie in it."""


def storage_url(environ: Mapping[str, str]) -> str:
    """The storage as `MPR_STORAGE_URL` says; a folder in the clone by default."""
    return environ.get("MPR_STORAGE_URL") or str(ROOT / ".mpr" / "storage")


def s3_endpoint_url(environ: Mapping[str, str]) -> str | None:
    """The S3 server as `S3_ENDPOINT_URL` says; None: AWS."""
    return environ.get("S3_ENDPOINT_URL") or None


def storage_web_url(environ: Mapping[str, str]) -> str | None:
    """Where a web server hands out the storage's objects, as `MPR_STORAGE_WEB_URL` says; None: nowhere."""
    return environ.get("MPR_STORAGE_WEB_URL") or None


def database_url(environ: Mapping[str, str]) -> str:
    """The database as `MPR_DATABASE_URL` says; by default a file beside Dagster's own."""
    home = Path(environ.get("DAGSTER_HOME") or ROOT / ".mpr" / "dagster").absolute()
    return environ.get("MPR_DATABASE_URL") or f"sqlite:///{home / 'registry.sqlite'}"


def profiles_path(environ: Mapping[str, str]) -> Path:
    """The folder of profiles as `MPR_PROFILES_DIR` says; `profiles/` in the clone by default."""
    return Path(environ.get("MPR_PROFILES_DIR") or ROOT / "profiles")


def user_name() -> str:
    """Who runs this process; empty where it has no name, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
