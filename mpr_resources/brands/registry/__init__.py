"""The registry of brands: what is known of brands beyond one profile's brand file, shared by all timelines.

A brand has one name, unique as `fold_key` folds it, and aliases; a text belongs to one brand. It is

- `confirmed`: looked for. What brand files list arrives so, and is looked for where they list it; what somebody adds
  or confirms is looked for in every timeline;
- `proposed`: a vision-language model named it, and nobody has said yet whether it is a brand;
- `excluded`: never a brand.

What a run makes of it is in `known`, the tables in `schema`, what is done to them in `rows`, transactions in
`database`, files in `files`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, select

from gpu_service.errors import BadInput
from mpr_resources.brands.folding import fold_key
from mpr_resources.brands.registry import rows
from mpr_resources.brands.registry.entries import (
    Airing,
    BrandOrigin,
    BrandRecord,
    BrandSighting,
    RegistryChange,
    Status,
)
from mpr_resources.brands.registry.known import BrandKnowledge
from mpr_resources.database.connection import Database
from mpr_resources.database.schema import (
    airing,
    brand,
    brand_text,
    change,
    picture,
)

if TYPE_CHECKING:
    from gpu_service.routines import Reference
    from mpr_resources.brands.brand_file import Brand

__all__ = ["Airing", "BrandOrigin", "BrandRecord", "BrandSighting", "Registry", "RegistryChange", "Status"]


class Registry:
    """The registry at a database URL. Nothing is opened or made before it is used.

    Thread-safe, and safe among processes.

    Every method raises BadInput where a name cannot be used as asked, and TransientError or PermanentError where the
    database cannot.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)

    def known(self) -> BrandKnowledge:
        """What a run has of it."""
        if self.database.absent:
            return BrandKnowledge()
        return self.database.read(rows.read_known)

    def entries(self, status: Status | None = None) -> list[BrandRecord]:
        """All brands, or those of a status, by name. Their pictures have no content; see `entry`."""
        if self.database.absent:
            return []
        return self.database.read(lambda connection: rows.read_entries(connection, status))

    def entry(self, name: str) -> BrandRecord:
        """The brand that a name or alias means, with its pictures."""
        if self.database.absent:
            raise rows.unknown(name, [])

        def read(connection: Connection) -> BrandRecord:
            found = rows.brand_of(connection, name)
            [entry] = rows.read_entries(connection, None, only=found, content=True)
            return entry

        return self.database.read(read)

    def pictures(self, names: Iterable[str]) -> list[Reference]:
        """The reference pictures of the confirmed brands among these, under the names given."""
        from gpu_service.routines import Reference  # late: `mpr brands list` is to answer at once

        wanted = {fold_key(name): name for name in names}
        if self.database.absent:
            return []
        query = (
            select(brand_text.c.key, picture.c.name, picture.c.content)
            .join(picture, picture.c.brand_id == brand_text.c.brand_id)
            .join(brand, brand.c.id == brand_text.c.brand_id)
            .where(brand.c.status == Status.CONFIRMED, brand_text.c.is_name, brand_text.c.key.in_(list(wanted)))
        )
        found = self.database.read(lambda connection: connection.execute(query).all())
        return [Reference(wanted[key], name, content) for key, name, content in found]

    def history(self, name: str | None = None) -> list[RegistryChange]:
        """What was done to a brand and to those merged into it, or to all; the latest last."""
        if self.database.absent:
            if name is not None:
                raise rows.unknown(name, [])
            return []

        def read(connection: Connection) -> list[RegistryChange]:
            columns = (change.c.time_ms, change.c.who, change.c.action, change.c.name, change.c.detail)
            query = select(*columns).order_by(change.c.id)
            if name is not None:
                query = query.where(change.c.brand_id == rows.brand_of(connection, name))
            return [RegistryChange(*row) for row in connection.execute(query)]

        return self.database.read(read)

    def add(self, entry: BrandRecord, who: str) -> None:
        """A new brand, or one that only brand files have until now."""

        def write(connection: Connection) -> None:
            log, owner = rows.Log(connection, who), rows.owner_of(connection, entry.name)
            if owner is not None and rows.is_listed(connection, owner):
                rows.extend(connection, entry, log)
            else:
                rows.add(connection, entry, log)

        self.database.write(write)

    def put(self, entries: Sequence[BrandRecord], who: str) -> tuple[int, int]:
        """Add the brands that are not there, and what is said of the others: all or none.

        A brand that is there gets the status, and keeps what it has besides. Gives how many are new, and how many
        changed.
        """

        def write(connection: Connection) -> tuple[int, int]:
            log, new, changed = rows.Log(connection, who), 0, 0
            for entry in entries:
                before = log.written
                if rows.owner_of(connection, entry.name) is None:
                    rows.add(connection, entry, log, "imported")
                    new += 1
                else:
                    rows.extend(connection, entry, log)
                    changed += log.written > before
            return new, changed

        return self.database.write(write)

    def alias(self, name: str, texts: Sequence[str], who: str) -> None:
        """Give a brand aliases."""

        def write(connection: Connection) -> None:
            found = rows.brand_of(connection, name)
            given = [text for text in texts if rows.give(connection, found, text, from_file=False)]
            if given:
                rows.Log(connection, who)("alias", found, ", ".join(given))

        self.database.write(write)

    def forget_alias(self, name: str, texts: Sequence[str], who: str) -> None:
        """Take aliases away from a brand."""

        def write(connection: Connection) -> None:
            found = rows.brand_of(connection, name)
            for text in texts:
                row = rows.text_row(connection, text)
                if row is None or row.brand_id != found:
                    mine = rows.name_of(connection, found)
                    raise BadInput(
                        f"{text!r} is no alias of {mine!r}", f"list its aliases with mpr brands show {mine!r}"
                    )
                if row.is_name:
                    raise BadInput(f"{text!r} is the name of the brand", "merge it into another or exclude it")
                connection.execute(delete(brand_text).where(brand_text.c.key == row.key))
            rows.Log(connection, who)("alias removed", found, ", ".join(texts))

        self.database.write(write)

    def merge(self, name: str, into: str, who: str) -> None:
        """Make a brand an alias of another, which gets all that it has: texts, pictures, airings, history."""

        def write(connection: Connection) -> None:
            source, target = rows.brand_of(connection, name), rows.brand_of(connection, into)
            if source == target:
                raise BadInput(f"{name!r} and {into!r} are already one brand.")
            log = rows.Log(connection, who)
            merged = rows.name_of(connection, source)
            rows.merge(connection, source, target)
            log("merged", target, f"{merged} into {rows.name_of(connection, target)}")

        self.database.write(write)

    def confirm(self, name: str, who: str) -> bool:
        """Look for a brand in every timeline. Gives whether that is new."""

        def write(connection: Connection) -> bool:
            found = rows.brand_of(connection, name)
            return rows.set_status(connection, found, Status.CONFIRMED, rows.Log(connection, who))

        return self.database.write(write)

    def exclude(self, names: Sequence[str], who: str) -> list[str]:
        """Never take these texts for a brand; one that is not there is added. Gives those for which that is new."""

        def write(connection: Connection) -> list[str]:
            log, new = rows.Log(connection, who), []
            for name in names:
                found = rows.owner_of(connection, name)
                if found is None:
                    rows.add(connection, BrandRecord(name, status=Status.EXCLUDED), log, "excluded")
                    new.append(name)
                elif rows.set_status(connection, found, Status.EXCLUDED, log):
                    new.append(name)
            return new

        return self.database.write(write)

    def forget_timeline(self, timeline: str) -> None:
        """Forget what aired in the timeline; the brands themselves stay."""
        self.database.write(lambda connection: connection.execute(delete(airing).where(airing.c.timeline == timeline)))

    def record(self, timeline: str, listed: Iterable[Brand], found: Sequence[BrandSighting], who: str) -> None:
        """Take over what a timeline's report has: the brands of its brand file, those that models named, and airings.

        A listed brand arrives as confirmed, one that is neither listed nor known as proposed. What is there is kept.
        """

        def write(connection: Connection) -> None:
            log = rows.Log(connection, who)
            rows.seed(connection, listed, log)
            airings: dict[int, Airing] = {}
            for seen in found:
                owner = rows.propose(connection, seen, timeline, log)
                if owner is not None:
                    airings[owner] = seen.airing.joined(airings.get(owner, seen.airing))
            before = rows.airings_of(connection, timeline)
            for owner, last in airings.items():
                if before.get(owner) != last:
                    rows.put_airing(connection, owner, timeline, last)
            gone = [owner for owner in before if owner not in airings]
            connection.execute(delete(airing).where(airing.c.timeline == timeline, airing.c.brand_id.in_(gone)))

        self.database.write(write)
