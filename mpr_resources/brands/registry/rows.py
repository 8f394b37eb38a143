"""What is done to the registry's tables, on the connection of a transaction. Who may do what and when is not here."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, func, insert, select, update

from gpu_service.errors import BadInput
from mpr_resources.brands.folding import fold_key
from mpr_resources.brands.registry.entries import (
    Airing,
    BrandOrigin,
    BrandRecord,
    BrandSighting,
    Status,
    key_of,
    squeezed,
)
from mpr_resources.brands.registry.known import BrandKnowledge, KnownBrand
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

MAX_PICTURE_BYTES = 5_000_000


class Log:
    """Writes the history. `written`: how many changes."""

    def __init__(self, connection: Connection, who: str) -> None:
        self._connection = connection
        self._who = who
        self.written = 0

    def __call__(self, action: str, brand_id: int, detail: str = "") -> None:
        self._connection.execute(
            insert(change).values(
                time_ms=time.time_ns() // 1_000_000,
                who=self._who,
                action=action,
                brand_id=brand_id,
                name=name_of(self._connection, brand_id),
                detail=detail,
            )
        )
        self.written += 1


def text_row(connection: Connection, text: str):  # type: ignore[no-untyped-def]  # a row of brand_text, or None
    """The row of a text, or None."""
    return connection.execute(select(brand_text).where(brand_text.c.key == key_of(text))).one_or_none()


def owner_of(connection: Connection, text: str) -> int | None:
    """The brand whose name or alias a text is."""
    row = text_row(connection, text)
    return None if row is None else int(row.brand_id)


def brand_of(connection: Connection, name: str) -> int:
    """The brand that a text means.

    Raises:
        BadInput: none.
    """
    owner = owner_of(connection, name)
    if owner is None:
        raise unknown(name, list(connection.execute(select(brand_text.c.text)).scalars()))
    return owner


def unknown(name: str, texts: list[str]) -> BadInput:
    """What to say of a name that no brand has."""
    from mpr_resources.yaml_files.load import nearest  # late: `mpr brands list` is to answer at once

    meant = nearest(name, texts)
    hint = f"did you mean {meant!r}?" if meant else "mpr brands list shows all"
    return BadInput(f"The registry has no brand {name!r}", hint)


def name_of(connection: Connection, brand_id: int) -> str:
    row = select(brand_text.c.text).where(brand_text.c.brand_id == brand_id, brand_text.c.is_name)
    return str(connection.execute(row).scalar_one())


def read_known(connection: Connection) -> BrandKnowledge:
    """What a run has of the registry."""
    texts: dict[int, list[tuple[str, bool, bool]]] = {}
    columns = (brand_text.c.brand_id, brand_text.c.text, brand_text.c.is_name, brand_text.c.from_file)
    for owner, text, is_name, from_file in connection.execute(select(*columns).order_by(brand_text.c.key)):
        texts.setdefault(owner, []).append((text, is_name, from_file))
    brands, never = [], list[str]()
    of_status = select(brand).where(brand.c.status != Status.PROPOSED).order_by(brand.c.id)
    for row in connection.execute(of_status):
        mine = texts[row.id]
        if row.status == Status.EXCLUDED:
            never += [text for text, _, _ in mine]
            continue
        [(name, from_file)] = [(text, from_file) for text, is_name, from_file in mine if is_name]
        aliases = tuple(text for text, is_name, from_file in mine if not is_name and not from_file)
        if aliases or not from_file:
            # What only files say of it, the files say.
            kept = ((), ()) if from_file else (tuple(row.exclude), tuple(row.tags))
            brands.append(KnownBrand(name, aliases, *kept, everywhere=not from_file))
    return BrandKnowledge(tuple(brands), tuple(sorted(never)))


def read_entries(
    connection: Connection, status: Status | None, *, only: int | None = None, content: bool = False
) -> list[BrandRecord]:
    wanted = select(brand)
    if status is not None:
        wanted = wanted.where(brand.c.status == status)
    if only is not None:
        wanted = wanted.where(brand.c.id == only)
    rows = {row.id: row for row in connection.execute(wanted)}
    names: dict[int, tuple[str, bool]] = {}
    aliases: dict[tuple[int, bool], list[str]] = {}
    for row in connection.execute(select(brand_text).order_by(brand_text.c.text)):
        if row.is_name:
            names[row.brand_id] = (row.text, row.from_file)
        else:
            aliases.setdefault((row.brand_id, row.from_file), []).append(row.text)
    pictures: dict[int, list[Reference]] = {}
    columns = (picture.c.brand_id, picture.c.name, *((picture.c.content,) if content else ()))
    for row in connection.execute(select(*columns).order_by(picture.c.name)):
        from gpu_service.routines import Reference  # late, and only where there is a picture

        of_brand = Reference(names[row.brand_id][0], row.name, row.content if content else b"")
        pictures.setdefault(row.brand_id, []).append(of_brand)
    airings: dict[int, dict[str, Airing]] = {}
    for row in connection.execute(select(airing).order_by(airing.c.timeline)):
        airings.setdefault(row.brand_id, {})[row.timeline] = Airing(row.first_ms, row.last_ms)
    entries = [
        BrandRecord(
            name=names[number][0],
            aliases=tuple(aliases.get((number, False), ())),
            listed=tuple(aliases.get((number, True), ())),
            status=Status(row.status),
            source=BrandOrigin(row.source),
            everywhere=not names[number][1],
            exclude=tuple(row.exclude),
            tags=tuple(row.tags),
            pictures=tuple(pictures.get(number, ())),
            airings=airings.get(number, {}),
        )
        for number, row in rows.items()
    ]
    return sorted(entries, key=lambda entry: (entry.name.casefold(), entry.name))


def add(connection: Connection, entry: BrandRecord, log: Log, action: str = "added", detail: str = "") -> int:
    """A new brand; gives its number.

    Raises:
        BadInput: one of its texts is another brand's.
    """
    row = text_row(connection, entry.name)
    if row is not None:
        raise _taken(connection, entry.name, row.brand_id)
    made = connection.execute(
        insert(brand).values(
            status=entry.status, source=entry.source, exclude=list(entry.exclude), tags=list(entry.tags)
        )
    ).inserted_primary_key
    assert made is not None
    number = int(made[0])
    connection.execute(
        insert(brand_text).values(
            key=key_of(entry.name),
            brand_id=number,
            text=squeezed(entry.name),
            is_name=True,
            from_file=not entry.everywhere,
        )
    )
    for text in entry.aliases:
        give(connection, number, text, from_file=False)
    for reference in entry.pictures:
        _put_picture(connection, number, reference)
    for timeline, of_timeline in entry.airings.items():
        put_airing(connection, number, timeline, of_timeline)
    log(action, number, detail or f"{entry.status}, {entry.source}")
    return number


def _taken(connection: Connection, text: str, owner: int) -> BadInput:
    status = connection.execute(select(brand.c.status).where(brand.c.id == owner)).scalar_one()
    name = name_of(connection, owner)
    also = f"is an alias of {name!r}" if fold_key(text) != fold_key(name) else "is"
    remedy = f"to search for it in every timeline: mpr brands confirm {name!r}"
    if also != "is":
        remedy = f"remove it there first: mpr brands alias {name!r} {text!r} --remove"
    return BadInput(f"{text!r} {also} in the registry already ({status})", remedy)


def give(connection: Connection, owner: int, text: str, *, from_file: bool) -> bool:
    """Give a brand an alias. Gives whether it is new.

    Raises:
        BadInput: the text is another brand's.
    """
    row = text_row(connection, text)
    if row is None:
        connection.execute(
            insert(brand_text).values(
                key=key_of(text), brand_id=owner, text=squeezed(text), is_name=False, from_file=from_file
            )
        )
        return True
    if row.brand_id != owner:
        name, mine = name_of(connection, row.brand_id), name_of(connection, owner)
        remedy = (
            f"if the two are one: mpr brands merge {name!r} {mine!r}"
            if row.is_name
            else f"remove it there first: mpr brands alias {name!r} {text!r} --remove"
        )
        raise BadInput(f"{text!r} is {'the brand' if row.is_name else 'an alias of'} {name!r} in the registry", remedy)
    if row.from_file and not from_file and not row.is_name:
        connection.execute(update(brand_text).where(brand_text.c.key == row.key).values(from_file=False))
        return True
    return False


def extend(connection: Connection, entry: BrandRecord, log: Log) -> None:
    """Add to a brand that is there what an import says of it."""
    owner = brand_of(connection, entry.name)
    added = [text for text in entry.aliases if give(connection, owner, text, from_file=False)]
    row = connection.execute(select(brand).where(brand.c.id == owner)).one()
    exclude = list(dict.fromkeys([*row.exclude, *entry.exclude]))
    tags = list(dict.fromkeys([*row.tags, *entry.tags]))
    connection.execute(update(brand).where(brand.c.id == owner).values(exclude=exclude, tags=tags))
    told = [f"alias {text}" for text in added]
    told += [f"exclude {text}" for text in exclude if text not in row.exclude]
    told += [f"tag {text}" for text in tags if text not in row.tags]
    told += [f"picture {one.name}" for one in entry.pictures if _put_picture(connection, owner, one)]
    before = _airings_of_brand(connection, owner)
    for timeline, at in entry.airings.items():
        if timeline not in before:
            put_airing(connection, owner, timeline, at)
            told.append(f"airing in {timeline}")
    if told:
        log("imported", owner, ", ".join(told))
    if entry.status != row.status or entry.everywhere:
        set_status(connection, owner, entry.status, log, everywhere=entry.everywhere)


def set_status(connection: Connection, owner: int, status: Status, log: Log, *, everywhere: bool = True) -> bool:
    """Gives whether anything changed. `everywhere`: its texts count by themselves from now on."""
    before = connection.execute(select(brand.c.status).where(brand.c.id == owner)).scalar_one()
    of_file = brand_text.c.brand_id == owner, brand_text.c.from_file
    listed = connection.execute(select(func.count()).select_from(brand_text).where(*of_file)).scalar_one()
    if before == status and not (listed and everywhere):
        return False
    connection.execute(update(brand).where(brand.c.id == owner).values(status=status))
    if everywhere:
        connection.execute(update(brand_text).where(*of_file).values(from_file=False))
    log(str(status), owner, f"was {before}" if before != status else "now in every timeline")
    return True


def merge(connection: Connection, source: int, target: int) -> None:
    """Give all that a brand has to another, and forget it. What was looked for of either still is."""
    lists = {row.id: row for row in connection.execute(select(brand).where(brand.c.id.in_([source, target])))}
    if lists[source].status == Status.CONFIRMED and lists[target].status != Status.EXCLUDED:
        connection.execute(update(brand).where(brand.c.id == target).values(status=Status.CONFIRMED))
        if not is_listed(connection, source):
            connection.execute(update(brand_text).where(brand_text.c.brand_id == target).values(from_file=False))
    texts = brand_text.c.brand_id == source
    connection.execute(update(brand_text).where(texts).values(brand_id=target, is_name=False, from_file=False))
    columns = (picture.c.sha256, picture.c.name, picture.c.content)
    for digest, name, content in connection.execute(select(*columns).where(picture.c.brand_id == source)).all():
        there = select(picture.c.sha256).where(picture.c.brand_id == target, picture.c.sha256 == digest)
        if connection.execute(there).one_or_none() is None:
            connection.execute(insert(picture).values(brand_id=target, sha256=digest, name=name, content=content))
    connection.execute(delete(picture).where(picture.c.brand_id == source))
    kept = _airings_of_brand(connection, target)
    for timeline, at in _airings_of_brand(connection, source).items():
        put_airing(connection, target, timeline, at.joined(kept.get(timeline, at)))
    connection.execute(delete(airing).where(airing.c.brand_id == source))
    connection.execute(
        update(brand)
        .where(brand.c.id == target)
        .values(
            exclude=list(dict.fromkeys([*lists[target].exclude, *lists[source].exclude])),
            tags=list(dict.fromkeys([*lists[target].tags, *lists[source].tags])),
        )
    )
    connection.execute(update(change).where(change.c.brand_id == source).values(brand_id=target))
    connection.execute(delete(brand).where(brand.c.id == source))


def _put_picture(connection: Connection, owner: int, reference: Reference) -> bool:
    """Gives whether it is new."""
    if len(reference.encoded) > MAX_PICTURE_BYTES:
        raise BadInput(
            f"The picture {reference.name} has more than {MAX_PICTURE_BYTES // 1000000} MB", "make it smaller"
        )
    digest = reference.sha256
    there = select(picture.c.sha256).where(picture.c.brand_id == owner, picture.c.sha256 == digest)
    if connection.execute(there).one_or_none() is not None:
        return False
    connection.execute(
        insert(picture).values(brand_id=owner, sha256=digest, name=reference.name, content=reference.encoded)
    )
    return True


def put_airing(connection: Connection, owner: int, timeline: str, at: Airing) -> None:
    of_timeline = airing.c.brand_id == owner, airing.c.timeline == timeline
    values = {"first_ms": at.first_ms, "last_ms": at.last_ms}
    if not connection.execute(update(airing).where(*of_timeline).values(**values)).rowcount:
        connection.execute(insert(airing).values(brand_id=owner, timeline=timeline, **values))


def airings_of(connection: Connection, timeline: str) -> dict[int, Airing]:
    rows = connection.execute(select(airing).where(airing.c.timeline == timeline))
    return {row.brand_id: Airing(row.first_ms, row.last_ms) for row in rows}


def _airings_of_brand(connection: Connection, owner: int) -> dict[str, Airing]:
    rows = connection.execute(select(airing).where(airing.c.brand_id == owner)).all()
    return {row.timeline: Airing(row.first_ms, row.last_ms) for row in rows}


def is_listed(connection: Connection, owner: int) -> bool:
    """Whether only brand files have this brand."""
    row = select(brand_text.c.from_file).where(brand_text.c.brand_id == owner, brand_text.c.is_name)
    return bool(connection.execute(row).scalar_one())


def seed(connection: Connection, listed: Iterable[Brand], log: Log) -> None:
    """Take over the brands of a brand file; of their aliases those that no other brand has."""
    joined = select(brand_text.c.key, brand_text.c.is_name, brand.c.status).join(brand)
    there = {key: (is_name, status) for key, is_name, status in connection.execute(joined)}
    for one in listed:
        is_name, status = there.get(key_of(one.name), (True, None))
        if not is_name or status == Status.EXCLUDED:  # it was merged into another, or is not wanted
            continue
        if status is None:
            owner = add(
                connection, BrandRecord(one.name, everywhere=False, exclude=one.exclude, tags=one.tags), log, "listed"
            )
        else:
            owner = brand_of(connection, one.name)
        if status == Status.PROPOSED:
            connection.execute(update(brand).where(brand.c.id == owner).values(status=Status.CONFIRMED))
            of_name = brand_text.c.brand_id == owner, brand_text.c.is_name
            connection.execute(update(brand_text).where(*of_name).values(from_file=True))
            log("listed", owner, "was proposed")
        there[key_of(one.name)] = (True, Status.CONFIRMED)
        for text in one.aliases:
            if key_of(text) not in there:
                give(connection, owner, text, from_file=True)
                there[key_of(text)] = (False, Status.CONFIRMED)


def propose(connection: Connection, seen: BrandSighting, timeline: str, log: Log) -> int | None:
    """The brand of this name, proposed when it is new; None where the name cannot be one."""
    try:
        owner = owner_of(connection, seen.name)
    except BadInput:
        return None
    if owner is not None:
        return owner
    source = BrandOrigin(seen.source) if seen.source in set(BrandOrigin) else BrandOrigin.MANUAL
    return add(
        connection,
        BrandRecord(seen.name, status=Status.PROPOSED, source=source),
        log,
        "proposed",
        f"by {seen.source} in {timeline}",
    )
