"""What the tests of real services share: a bucket and a database of a test's own on the servers of `servers.py`.

They run by `make test-services`, which starts the servers; run alone they say so.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import boto3
import psycopg2
import pytest
from sqlalchemy.engine import make_url

from mpr_resources.storage.store import Storage
from tests.services.servers import (
    POSTGRES_URL,
    S3_KEY,
    S3_SECRET,
    S3_URL,
)


@dataclass(frozen=True)
class Bucket:
    """An empty bucket, and how to reach it. `client`: boto3's, to look at it by another way than ours."""

    name: str
    endpoint_url: str
    key: str
    secret: str

    @property
    def url(self) -> str:
        return f"s3://{self.name}/mpr"

    @property
    def environ(self) -> dict[str, str]:
        return {
            "MPR_STORAGE_URL": self.url,
            "S3_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    @property
    def client(self):
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
        )

    def listing(self, prefix: str = "mpr/") -> dict[str, bytes]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        return {key.removeprefix(prefix): self.read(key) for key in keys}

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket; the environment names its keys."""
    made = Bucket(f"test-{uuid.uuid4().hex[:12]}", _address(S3_URL), _address(S3_KEY), _address(S3_SECRET))
    made.client.create_bucket(Bucket=made.name)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def s3_storage(bucket: Bucket) -> Storage:
    """A storage in a bucket of its own."""
    return Storage.open(bucket.url, s3_endpoint_url=bucket.endpoint_url)


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """An empty database."""
    with database(os.environ) as url:
        yield url


@contextmanager
def database(environ: Mapping[str, str]) -> Iterator[str]:
    """A new database on the server that the environment names; dropped at the end, whoever still uses it."""
    server = make_url(environ[POSTGRES_URL])
    name = f"test_{uuid.uuid4().hex[:12]}"
    administer(server.render_as_string(hide_password=False), f"CREATE DATABASE {name}")
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        administer(server.render_as_string(hide_password=False), f"DROP DATABASE {name} WITH (FORCE)")


def administer(url: str, statement: str) -> None:
    """Run a statement outside of a transaction."""
    connection = psycopg2.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def _address(name: str) -> str:
    if name not in os.environ:
        pytest.fail(f"{name} is not set; run these tests by: make test-services", pytrace=False)
    return os.environ[name]
