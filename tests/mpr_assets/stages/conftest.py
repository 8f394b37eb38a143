"""The quick S3 server, for stages that read media from a bucket."""

from __future__ import annotations

from tests.mpr_resources.conftest import moto_url, quick_bucket

__all__ = ["moto_url", "quick_bucket"]
