"""Claims, budgets, rates and the ledger in a real PostgreSQL, answers and older objects in a real S3 bucket."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mpr_resources.cloud import ledger
from mpr_resources.cloud.ledger import CostSum
from mpr_resources.cloud.old_objects import take_over
from mpr_resources.database import schema
from mpr_resources.database.connection import Database
from mpr_resources.storage.store import Storage
from tests.cloud_server import CloudServer, serving
from tests.mpr_resources.cloud.test_accounts import ROWS, SUMS
from tests.mpr_resources.cloud.test_many_processes import SCENES
from tests.mpr_resources.cloud.test_old_objects import NOW_S, put_budget, put_claim, put_ledger, rows


@pytest.fixture
def cloud() -> Iterator[CloudServer]:
    with serving() as server:
        yield server


@pytest.mark.parametrize("scene", SCENES)
def test_many_processes(scene: str, s3_storage: Storage, postgres_url: str, cloud: CloudServer) -> None:
    SCENES[scene](s3_storage, postgres_url, cloud)


@pytest.mark.parametrize("by", SUMS)
def test_the_ledger_sums_up(postgres_url: str, by: ledger.By) -> None:
    database = Database(postgres_url)
    assert ledger.sums(database, by) == [CostSum("all", 0, 0, 0, 0, 0, 0, 0)]
    database.write(lambda connection: ledger.enter(connection, ROWS))
    assert ledger.sums(database, by) == SUMS[by]


def test_what_older_versions_kept_is_taken_over_once_by_four_at_once(s3_storage: Storage, postgres_url: str) -> None:
    put_ledger(s3_storage, 40)
    put_budget(s3_storage, "timeline/a", (39, 273), (40, 280))
    put_claim(s3_storage, NOW_S + 1000)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: take_over(Database(postgres_url), s3_storage), range(4)))
    database = Database(postgres_url)
    assert len(rows(database, schema.ledger_row)) == 40
    assert [row[:4] for row in rows(database, schema.spending)] == [("timeline", "a", 40, 280)]
    assert len(rows(database, schema.claim)) == 1
    assert len(rows(database, schema.old_storage)) == 1
