"""These tests run by `make test-ray`: they need Ray, and the services that `make test-services` starts."""

from tests.services.conftest import bucket, postgres_url

__all__ = ["bucket", "postgres_url"]
