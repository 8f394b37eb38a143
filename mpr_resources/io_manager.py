"""Storage as Dagster resources: the store itself, and the IO manager that keeps each stage's table in it.

Annotations are evaluated here: Dagster reads from them which field is a resource.
"""

from functools import cached_property

import dagster as dg
from pydantic import Field

from gpu_service.errors import PermanentError
from mpr_resources.frames import PictureCache
from mpr_resources.storage import Keys, MissingObject, Storage
from mpr_resources.tables import StageTable, from_parquet, to_parquet


class StorageResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The object store, opened when first used, and the run's cache of decoded pictures."""

    url: str = Field(description="a folder, a file:// URL or s3://bucket/prefix")
    s3_endpoint_url: str | None = Field(None, description="for MinIO, R2 and other stores that are not AWS")

    @cached_property
    def storage(self) -> Storage:
        return Storage.open(self.url, s3_endpoint_url=self.s3_endpoint_url)

    @cached_property
    def cache(self) -> PictureCache:
        return PictureCache()


class TableIOManager(dg.ConfigurableIOManager):
    """One current Parquet object for each stage and timeline: `stages/{stage}/{timeline}.parquet`."""

    store: StorageResource

    def handle_output(self, context: dg.OutputContext, obj: StageTable) -> None:
        key = Keys.table(context.asset_key.path[-1], context.partition_key)
        self.store.storage.put(key, to_parquet(obj))

    def load_input(self, context: dg.InputContext) -> StageTable:
        stage, timeline = context.asset_key.path[-1], context.partition_key
        storage = self.store.storage
        key = Keys.table(stage, timeline)
        try:
            return from_parquet(storage.get(key), storage.where(key))
        except MissingObject as error:
            where = storage.where(key)
            message = f"{stage} of the timeline {timeline!r} is not stored at {where}; materialize {stage} first."
            raise dg.Failure(message, allow_retries=False) from error
        except PermanentError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
