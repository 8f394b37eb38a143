"""The storage of this machine. Imports no Dagster, whose instance is in `local_instance`."""

from __future__ import annotations

import os

from mpr_resources.environment import s3_endpoint_url, storage_url, storage_web_url
from mpr_resources.storage.store import Storage


def storage() -> Storage:
    """As the environment says."""
    return Storage.open(
        storage_url(os.environ), s3_endpoint_url=s3_endpoint_url(os.environ), web_url=storage_web_url(os.environ)
    )
