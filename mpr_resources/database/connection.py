"""SQLite or PostgreSQL behind one URL: transactions, migrations, errors as sentences.

Writers go one after another on both: SQLite by `BEGIN IMMEDIATE`, PostgreSQL by an advisory lock. They are few and
short, and two that merge the same brands or spend the same money can then neither deadlock nor undo each other's work:
what a writer reads stays so until it has written. Readers wait for nobody and see one moment's state. What the tables
mean is not here.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.pool import NullPool
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from gpu_service.distribution import install_command
from gpu_service.errors import (
    BadInput,
    MissingEngine,
    MprError,
    PermanentError,
    TransientError,
)
from mpr_resources.database.schema import HEAD, VERSION_TABLE
from mpr_resources.environment import make_private

T = TypeVar("T")

MIGRATIONS = Path(__file__).parent / "migrations"
PATIENCE_S = 60.0
"""A writer waits so long for others to finish."""
PAUSE_S = 0.05
CONNECT_S = 10
LOCK = 0x4D5052
"""The number of PostgreSQL's advisory lock: `MPR`."""
WRITES = "mpr_writes"
FOR_GOOD = (
    "no such table",
    "does not exist",
    "authentication failed",
    "file is not a database",
    "malformed",
    "readonly",
)
"""In what a database says of an error that stays until somebody changes something."""


class Database:
    """A database by its URL. Nothing is opened or made before it is used. Thread-safe, and safe among processes.

    Raises:
        BadInput: the URL is of another kind.
    """

    def __init__(self, url: str) -> None:
        self.url = _parsed(url)
        self._ready = False
        self._lock = threading.Lock()

    @property
    def where(self) -> str:
        """The address, without its password."""
        return str(self.file) if self.file else self.url.render_as_string(hide_password=True)

    @property
    def file(self) -> Path | None:
        """The file of a SQLite database."""
        return Path(str(self.url.database)) if self.url.get_backend_name() == "sqlite" else None

    @property
    def absent(self) -> bool:
        """Whether it is a file that nobody has made yet: it reads as empty and need not be made to be read."""
        return self.file is not None and not self.file.exists()

    def read(self, work: Callable[[Connection], T]) -> T:
        """Do the work in a transaction that sees one moment's state.

        Raises:
            TransientError: the database cannot be reached. PermanentError: it cannot be used.
        """
        self._prepare()
        return self._again(lambda: self._read(work))

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do the work in one transaction, after the writers that are at it; all of it or nothing is kept.

        Raises:
            TransientError: the database cannot be reached, or others write for too long. PermanentError: it cannot be
            used.
        """
        self._prepare()
        return self._again(lambda: self._written(work))

    def _read(self, work: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            if self.file is None:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                return work(connection)

    def _written(self, work: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            writing = connection.execution_options(**{WRITES: True})
            with writing.begin():
                if self.file is None:
                    writing.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})
                return work(writing)

    def _again(self, work: Callable[[], T]) -> T:
        """Again while others are in the way."""
        attempts = Retrying(
            retry=retry_if_exception(_is_contention),
            wait=wait_random(0.5 * PAUSE_S, 1.5 * PAUSE_S),
            stop=stop_after_delay(PATIENCE_S),
            reraise=True,
        )
        try:
            return attempts(work)
        except DBAPIError as error:
            raise self._explained(error) from error

    @cached_property
    def _engine(self) -> Engine:
        if self.file is None:
            try:
                # No connection is kept: the processes that look in now and then are many.
                return create_engine(self.url, poolclass=NullPool, connect_args={"connect_timeout": CONNECT_S})
            except ModuleNotFoundError as error:
                raise MissingEngine(
                    "MPR_DATABASE_URL names a PostgreSQL database, whose driver is not installed",
                    f"run: {install_command('team')}",
                ) from error
        engine = create_engine(self.url, poolclass=NullPool, connect_args={"timeout": PATIENCE_S / 2})

        @event.listens_for(engine, "connect")
        def connected(connection: Any, _record: Any) -> None:
            connection.isolation_level = None  # transactions are begun below, not guessed by the driver
            connection.execute("PRAGMA foreign_keys = ON")

        @event.listens_for(engine, "begin")
        def begun(connection: Connection) -> None:
            writes = connection.get_execution_options().get(WRITES)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

        return engine

    def _prepare(self) -> None:
        """Make the database and bring its tables up to date, once."""
        with self._lock:
            if self._ready and not self.absent:
                return
            self._again(self._migrate)
            self._ready = True

    def _migrate(self) -> None:
        if self.file is not None:
            self._make_file(self.file)
        with self._engine.connect() as connection, connection.begin():
            if _revision(connection) == HEAD:
                return
        # Here, since alembic is slow to import, and a database that is up to date needs none of it.
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))

        def upgrade(connection: Connection) -> None:
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise PermanentError(
                    f"The database at {self.where} was made by a newer version of MPR", "update this one"
                ) from error

        self._written(upgrade)

    def _make_file(self, file: Path) -> None:
        try:
            make_private(file.parent)
            with suppress(OSError):  # SQLite would make it for all to read; where it cannot be made, it says why
                os.close(os.open(file, os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise BadInput(
                f"The folder {file.parent} of the database cannot be made ({error.strerror})",
                "set MPR_DATABASE_URL to sqlite:///FILE or postgresql://USER@HOST/NAME",
            ) from error
        try:
            with closing(sqlite3.connect(file, timeout=PATIENCE_S / 2)) as raw:
                raw.execute("PRAGMA journal_mode = WAL")  # so that readers need not wait for a writer
        except sqlite3.Error as error:
            raise DBAPIError("PRAGMA", None, error) from error

    def _explained(self, error: DBAPIError) -> MprError:
        lines = str(error.orig).strip().splitlines()
        reason = (lines[0] if lines else type(error.orig).__name__).rstrip(".")
        password = self.url.password
        reason = reason.replace(str(password), "***") if password else reason
        if "database is locked" in reason:
            return TransientError(f"The database at {self.where} is being written by others", "try again later")
        if any(part in reason for part in FOR_GOOD) or not isinstance(error, OperationalError):
            return PermanentError(
                f"The database at {self.where} cannot be used ({reason})",
                "see whether MPR_DATABASE_URL names the right database and user",
            )
        return TransientError(
            f"The database at {self.where} cannot be reached ({reason})", "check MPR_DATABASE_URL and its server"
        )


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    return found


def _parsed(url: str) -> URL:
    wanted = "set MPR_DATABASE_URL to sqlite:///FILE or postgresql://USER@HOST/NAME"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter where its port is no number
        raise BadInput("MPR_DATABASE_URL is not a URL", f"{wanted}") from None
    kind = parsed.drivername.partition("+")[0]
    if kind in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg2")
    if kind != "sqlite":
        raise BadInput(f"MPR_DATABASE_URL starts with {parsed.drivername}://", f"{wanted}")
    if not parsed.database or parsed.database == ":memory:":
        raise BadInput("MPR_DATABASE_URL names no file", f"{wanted}")
    return parsed.set(drivername="sqlite+pysqlite")


def _is_contention(error: BaseException) -> bool:
    """Whether another writer is in the way, who will have finished soon."""
    return isinstance(error, IntegrityError) or (
        isinstance(error, DBAPIError) and "database is locked" in str(error.orig)
    )
