"""The brand registry in a real PostgreSQL: what SQLite's tests show of one database, of the other."""

from __future__ import annotations

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from bench.registry import measure
from gpu_service.errors import PermanentError, TransientError
from mpr_resources.brands.brand_file import Brand
from mpr_resources.brands.registry import (
    Airing,
    BrandRecord,
    BrandSighting,
    Registry,
)
from mpr_resources.brands.registry.known import KnownBrand
from tests.services.conftest import administer


def test_it_makes_its_tables_beside_others_and_keeps_what_it_is_told(postgres_url: str) -> None:
    # Dagster's own have a table of this name.
    administer(postgres_url, "CREATE TABLE alembic_version (version_num varchar(32))")
    registry = Registry(postgres_url)
    assert registry.entries() == []
    registry.add(BrandRecord("Acme", ("Akme",), airings={"cup": Airing(1, 2)}), "ann")
    registry.record("match", [Brand(name="Ajax")], [BrandSighting("Zarvox", "cloud_vlm", Airing(5, 9))], "run 1")
    registry.merge("zarvox", "AKME", "bob")
    again = Registry(postgres_url.replace("postgresql+psycopg2://", "postgresql://"))
    assert again.entry("Zarvox").airings == {"cup": Airing(1, 2), "match": Airing(5, 9)}
    assert again.known().brands == (KnownBrand("Acme", ("Akme", "Zarvox")),)
    assert [change.action for change in again.history("acme")] == ["added", "proposed", "merged"]


def test_processes_that_add_merge_and_read_lose_nothing(postgres_url: str) -> None:
    figures = measure(postgres_url, 5.0, 4)
    assert figures["problems"] == []
    assert figures["merges"] > 0
    assert figures["changes"] > 20


@pytest.mark.parametrize(
    ("change", "kind", "sentence"),
    [
        pytest.param({"database": "nowhere"}, PermanentError, 'database "nowhere" does not exist', id="no database"),
        pytest.param({"port": 1}, TransientError, "cannot be reached (connection to server at", id="no server"),
        pytest.param({"password": "canary", "username": "nobody"}, PermanentError, "nobody", id="a user unknown"),
    ],
)
def test_what_cannot_be_used_says_so(
    postgres_url: str, change: dict[str, object], kind: type[Exception], sentence: str
) -> None:
    url = make_url(postgres_url).set(**change).render_as_string(hide_password=False)  # type: ignore[arg-type]
    with pytest.raises(kind) as refused:
        Registry(url).add(BrandRecord("Acme"), "ann")
    assert sentence in str(refused.value)
    assert "canary" not in str(refused.value)


def test_a_user_who_may_not_write(postgres_url: str) -> None:
    Registry(postgres_url).add(BrandRecord("Acme"), "ann")
    name = f"reader_{make_url(postgres_url).database}"
    administer(postgres_url, f"CREATE ROLE {name} LOGIN PASSWORD 'canary'")
    try:
        administer(postgres_url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
        reader = Registry(make_url(postgres_url).set(username=name, password="canary").render_as_string(False))
        assert [entry.name for entry in reader.entries()] == ["Acme"]
        with pytest.raises(PermanentError, match="permission denied"):
            reader.add(BrandRecord("Ajax"), "ann")
    finally:
        administer(postgres_url, f"DROP OWNED BY {name}")
        administer(postgres_url, f"DROP ROLE {name}")


def test_a_connection_that_is_cut_is_said_and_the_next_call_has_another(postgres_url: str) -> None:
    registry = Registry(postgres_url)
    registry.add(BrandRecord("Acme"), "ann")

    def cut_off(connection: object) -> None:
        own = connection.connection.dbapi_connection  # type: ignore[attr-defined]
        with psycopg2.connect(make_url(postgres_url).set(drivername="postgresql").render_as_string(False)) as other:
            other.cursor().execute("SELECT pg_terminate_backend(%s)", (own.info.backend_pid,))
        other.close()
        connection.exec_driver_sql("SELECT 1")  # type: ignore[attr-defined]

    with pytest.raises(TransientError, match="cannot be reached"):
        registry.database.write(cut_off)
    assert [entry.name for entry in registry.entries()] == ["Acme"]
