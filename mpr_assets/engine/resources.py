"""The resources that a stage's run needs, by the names that Dagster knows them by.

What makes them is in `mpr_assets.definitions`; those for what is done without a run, in
`mpr_assets.runs.local_instance`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gpu_service.routines import Inference
from mpr_resources.database.connection import Database
from mpr_resources.profiles.folder import Profiles
from mpr_resources.progress import Progress
from mpr_resources.storage.io_manager import StorageResource


class LocatedInference(Inference, Protocol):
    """Inference that says where it is. `url`: of its hosts, commas between; empty: this process. `token`: theirs."""

    @property
    def url(self) -> str: ...
    @property
    def token(self) -> str: ...


class RunResources(Protocol):
    """What a run, an observation or a sensor has.

    Attributes:
        progress: who is told how far a stage is; None: the run's log is.
        switches: the stages that the environment switches off, with the reason.
    """

    @property
    def storage(self) -> StorageResource: ...
    @property
    def inference(self) -> LocatedInference: ...
    @property
    def profiles(self) -> Profiles: ...
    @property
    def progress(self) -> Progress | None: ...
    @property
    def switches(self) -> Mapping[str, str]: ...
    @property
    def database(self) -> Database: ...
