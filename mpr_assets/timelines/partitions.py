"""The one partitioning of the graph: a partition a timeline. Registering a timeline adds its spec and its partition."""

from __future__ import annotations

import dagster as dg

from gpu_service.errors import BadInput
from mpr_assets.timelines.spec import TimelineSpec
from mpr_assets.timelines.spec_store import load_spec
from mpr_resources.run_queue import note_profile
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage

timelines = dg.DynamicPartitionsDefinition(name="timelines")


def register(instance: dg.DagsterInstance, storage: Storage, spec: TimelineSpec, *, replace: bool = False) -> None:
    """Store the spec, then add the partition: a partition always has its spec.

    Raises:
        BadInput: another timeline of this name is registered and `replace` is false.
    """
    key, encoded = Keys.spec(spec.name), spec.model_dump_json(indent=2).encode()
    if replace:
        storage.put(key, encoded)
    elif not storage.create(key, encoded):
        there = load_spec(storage, spec.name)
        if there != spec:
            if not _is_of_other_media(there, spec):
                raise BadInput(
                    f"The timeline {spec.name!r} is already registered with other chunks, profile or brands",
                    "give another --name, or --replace to change it",
                )
            storage.put(key, encoded)
    note_profile(instance, spec.name, spec.profile)
    instance.add_dynamic_partitions(str(timelines.name), [spec.name])


def _is_of_other_media(before: TimelineSpec, spec: TimelineSpec) -> bool:
    """Whether the same is asked for, of files that changed: stages then see it, as where there is no version."""
    return bool(before.version and spec.version) and before.model_copy(update={"version": spec.version}) == spec


def registered(instance: dg.DagsterInstance) -> list[str]:
    """The names of all timelines, sorted."""
    return sorted(instance.get_dynamic_partitions(str(timelines.name)))
