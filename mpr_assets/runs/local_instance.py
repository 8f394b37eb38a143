"""The Dagster instance of this machine, and the resources of a run for what is done without one."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from filelock import FileLock, Timeout
from sqlalchemy.exc import SQLAlchemyError

from gpu_service.errors import BadInput
from gpu_service.models import parse_files
from mpr_assets.definitions import (
    database,
    profiles_folder,
    storage_resource,
    switched_off,
)
from mpr_resources.dagster_internals import repair_versions
from mpr_resources.database.connection import Database
from mpr_resources.environment import dagster_home, dagster_settings, make_private
from mpr_resources.inference.resource import InferenceResource
from mpr_resources.profiles.folder import Profiles
from mpr_resources.progress import Progress
from mpr_resources.storage.io_manager import StorageResource
from mpr_resources.yaml_files.read import read_file
from mpr_resources.yaml_files.syntax import parse

PATIENCE_S = 5.0
"""How long a command that can do without it waits for an inference host."""

OPENING_S = 60.0
"""How long a command waits for others that open the same `DAGSTER_HOME`."""

LOG = logging.getLogger("mpr")


def profiles() -> Profiles:
    return profiles_folder(os.environ)


@dataclass(frozen=True)
class Resources:
    """What a stage is given by Dagster, for what is done without a run."""

    storage: StorageResource
    inference: InferenceResource
    profiles: Profiles
    progress: Progress | None
    switches: Mapping[str, str]
    database: Database


def resources(progress: Progress | None = None, *, patience_s: float = 60.0) -> Resources:
    """As the environment says. An inference host that is away is waited for so long."""
    inference = InferenceResource(
        url=os.environ.get("INFERENCE_URL", ""),
        # As it is: outside a run Dagster does not look up the variable that would stand for it.
        token=os.environ.get("INFERENCE_TOKEN", ""),
        give_up_after_s=patience_s,
        models=parse_files(os.environ.get("INFERENCE_MODELS", "")),
        device=os.environ.get("INFERENCE_DEVICE") or "auto",
    )
    switches = switched_off(os.environ)
    return Resources(storage_resource(os.environ), inference, profiles(), progress, switches, database(os.environ))


def dagster_instance() -> dg.DagsterInstance:
    """The instance at `DAGSTER_HOME`; by default as `environment` says; made and set up when it is not there.

    Raises:
        BadInput: it cannot be made or opened.
    """
    home = dagster_home(os.environ)
    os.environ["DAGSTER_HOME"] = str(home)
    settings = home / "dagster.yaml"
    if settings.exists():
        parse(str(settings), read_file(settings))
    lock = home / "opening.lock"
    try:
        make_private(home)
        # One process at a time: two that make its databases at once spoil them for good.
        with FileLock(lock, timeout=OPENING_S, fallback_to_soft=False):
            return _opened(home)
    except (OSError, SQLAlchemyError, sqlite3.Error, Timeout, dg.DagsterError) as error:
        with suppress(OSError):
            lock.unlink()  # a folder that cannot be used is left as it was
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise BadInput(
            f"Dagster's folder {home} cannot be used ({reason})",
            "set DAGSTER_HOME to a writable folder, with a valid dagster.yaml or none",
        ) from error


def _opened(home: Path) -> dg.DagsterInstance:
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.unlink(missing_ok=True)
        settings.symlink_to(dagster_settings())
    repair_versions(home)
    return dg.DagsterInstance.get()
