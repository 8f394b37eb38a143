"""Storage as Dagster resources: the store itself, and the IO manager that keeps each stage's table in it.

Annotations are evaluated here: Dagster reads from them which field is a resource.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import dagster as dg
from pydantic import Field

from gpu_service.errors import PermanentError, TransientError
from gpu_service.masking import masked_errors
from mpr_resources.step_failure import failure, final_failure, retry
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.pictures import PictureCache
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import StageTable, read_table, to_parquet


class StorageResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The object store, opened when first used, and the run's cache of decoded pictures."""

    url: str = Field(description="a folder, a file:// URL or s3://bucket/prefix")
    s3_endpoint_url: str | None = Field(None, description="for MinIO, R2 and other S3 servers that are not AWS")
    web_url: str | None = Field(default=None, description="http or https address at which its objects are handed out")

    @cached_property
    def storage(self) -> Storage:
        return Storage.open(self.url, s3_endpoint_url=self.s3_endpoint_url, web_url=self.web_url)

    @cached_property
    def cache(self) -> PictureCache:
        return PictureCache()


class TableIOManager(dg.ConfigurableIOManager):
    """One current Parquet object for each stage and timeline: `stages/{stage}/{timeline}.parquet`."""

    store: StorageResource

    def handle_output(self, context: dg.OutputContext, obj: StageTable) -> None:
        key = Keys.table(context.asset_key.path[-1], context.partition_key)
        with _told_to_dagster(context):
            self.store.storage.put(key, to_parquet(obj))
            self.store.storage.delete_below(Keys.parts(context.partition_key, context.asset_key.path[-1]))

    def load_input(self, context: dg.InputContext) -> StageTable | None:
        """None: nothing is stored of it."""
        stage, timeline = context.asset_key.path[-1], context.partition_key
        with _told_to_dagster(context):
            try:
                return read_table(self.store.storage, stage, timeline)
            except MissingObject:
                return None


@contextmanager
def _told_to_dagster(context: dg.InputContext | dg.OutputContext) -> Iterator[None]:
    """What may work later is tried again, what will not is not; either way the step fails with the error's sentence."""
    try:
        with masked_errors():
            yield
    except TransientError as error:
        # The cause is what Dagster shows once it has tried often enough.
        raise retry() from failure(error)
    except PermanentError as error:
        raise final_failure(context.step_context.instance, context.step_context.run_id, error) from error
