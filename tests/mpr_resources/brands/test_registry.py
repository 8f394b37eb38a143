from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from bench.registry import measure
from gpu_service.errors import (
    BadInput,
    MissingEngine,
    MprError,
    PermanentError,
    TransientError,
)
from gpu_service.routines import Reference
from mpr_resources.brands.brand_file import Brand, BrandList
from mpr_resources.brands.registry import (
    Airing,
    BrandOrigin,
    BrandRecord,
    BrandSighting,
    Registry,
    Status,
)
from mpr_resources.brands.registry.files import read_entries, write_entries
from mpr_resources.brands.registry.known import (
    BrandKnowledge,
    KnownBrand,
    added,
    looked_for,
)
from mpr_resources.database.connection import MIGRATIONS
from mpr_resources.database.schema import HEAD

LOGO = Reference("Acme", "acme.png", cv2.imencode(".png", np.full((16, 16, 3), 90, np.uint8))[1].tobytes())
FULL = BrandRecord(
    "Acme",
    ("Acme Corp",),
    Status.CONFIRMED,
    BrandOrigin.OCR,
    exclude=("Acme Street",),
    tags=("car",),
    pictures=(LOGO,),
    airings={"match": Airing(500, 2000)},
)


def at(folder: Path) -> Registry:
    return Registry(f"sqlite:///{folder / 'registry.sqlite'}")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return at(tmp_path)


def texts(registry: Registry) -> dict[str, tuple[str, ...]]:
    return {entry.name: (*entry.aliases, *entry.listed) for entry in registry.entries()}


def told(registry: Registry, name: str | None = None) -> list[tuple[str, str, str]]:
    return [(change.who, change.action, change.name) for change in registry.history(name)]


# empty


def test_an_empty_registry_knows_nothing_and_makes_no_file(registry: Registry, tmp_path: Path) -> None:
    assert registry.known() == BrandKnowledge()
    assert registry.entries() == []
    assert registry.history() == []
    assert registry.pictures(["Acme"]) == []
    assert list(tmp_path.iterdir()) == []


# changes


def test_all_that_was_added_is_shown(registry: Registry) -> None:
    registry.add(FULL, "ann")
    assert registry.entry("ACME-corp") == FULL
    assert told(registry, "acme") == [("ann", "added", "Acme")]


def change(registry: Registry, how: str) -> None:
    """A change, written as the command line has it."""
    verb, *names = how.split(" ")
    {
        "add": lambda: registry.add(BrandRecord(names[0], tuple(names[1:])), "bob"),
        "alias": lambda: registry.alias(names[0], names[1:], "bob"),
        "forget": lambda: registry.forget_alias(names[0], names[1:], "bob"),
        "merge": lambda: registry.merge(names[0], names[1], "bob"),
        "confirm": lambda: registry.confirm(names[0], "bob"),
        "exclude": lambda: registry.exclude(names, "bob"),
        "report": lambda: registry.record("t", [], [BrandSighting(names[0], "cloud_vlm", Airing(0, 9))], "run 1"),
        "list": lambda: registry.record("t", [Brand(name=names[0], aliases=tuple(names[1:]))], [], "run 1"),
    }[verb]()


WHAT_COMES_OF_IT: dict[str, tuple[list[str], dict[str, tuple[str, ...]], BrandKnowledge]] = {
    "nothing": ([], {}, BrandKnowledge()),
    "added": (["add Acme ACM"], {"Acme": ("ACM",)}, BrandKnowledge((KnownBrand("Acme", ("ACM",)),))),
    "an alias": (["add Acme", "alias acme ACM"], {"Acme": ("ACM",)}, BrandKnowledge((KnownBrand("Acme", ("ACM",)),))),
    "an alias taken away": (["add Acme ACM", "forget acme acm"], {"Acme": ()}, BrandKnowledge((KnownBrand("Acme"),))),
    "merged": (
        ["add Acme ACM", "add Ajax AJ", "merge AJ acm"],
        {"Acme": ("ACM", "AJ", "Ajax")},
        BrandKnowledge((KnownBrand("Acme", ("ACM", "AJ", "Ajax")),)),
    ),
    "merged into what only a brand file has": (
        ["list Acme", "add Ajax", "merge Ajax Acme"], {"Acme": ("Ajax",)},
        BrandKnowledge((KnownBrand("Acme", ("Ajax",)),)),
    ),
    "a proposal merged into what only a brand file has": (
        ["list Acme", "report Ajax", "merge Ajax Acme"],
        {"Acme": ("Ajax",)},
        BrandKnowledge((KnownBrand("Acme", ("Ajax",), everywhere=False),)),
    ),
    "merged into a proposal": (
        ["report Acme", "add Ajax", "merge Ajax Acme"], {"Acme": ("Ajax",)},
        BrandKnowledge((KnownBrand("Acme", ("Ajax",)),)),
    ),
    "merged into what is excluded": (
        ["exclude Acme", "add Ajax", "merge Ajax Acme"], {"Acme": ("Ajax",)}, BrandKnowledge(never=("Acme", "Ajax")),
    ),
    "excluded": (["add Acme ACM", "exclude acm"], {"Acme": ("ACM",)}, BrandKnowledge(never=("ACM", "Acme"))),
    "excluded before it was known": (["exclude FIFA"], {"FIFA": ()}, BrandKnowledge(never=("FIFA",))),
    "excluded and confirmed": (["exclude Acme", "confirm Acme"], {"Acme": ()}, BrandKnowledge((KnownBrand("Acme"),))),
    "a model named it": (["report Zarvox"], {"Zarvox": ()}, BrandKnowledge()),
    "a model named it and somebody confirmed": (
        ["report Zarvox", "confirm ZARVOX"], {"Zarvox": ()}, BrandKnowledge((KnownBrand("Zarvox"),)),
    ),
    "a brand file lists it": (["list Acme ACM"], {"Acme": ("ACM",)}, BrandKnowledge()),
    "a brand file lists it and somebody adds it": (
        ["list Acme ACM", "add Acme"], {"Acme": ("ACM",)}, BrandKnowledge((KnownBrand("Acme", ("ACM",)),)),
    ),
    "a brand file lists it and somebody gives it an alias": (
        ["list Acme ACM", "alias Acme Akme"],
        {"Acme": ("Akme", "ACM")},
        BrandKnowledge((KnownBrand("Acme", ("Akme",), everywhere=False),)),
    ),
    "a brand file lists what a model named": (["report Acme", "list Acme ACM"], {"Acme": ("ACM",)}, BrandKnowledge()),
    "a brand file lists what is excluded": (["exclude Acme", "list Acme ACM"], {"Acme": ()},
        BrandKnowledge(never=("Acme",))),
    "a brand file lists what was merged": (
        ["add Acme", "add Ajax", "merge Ajax Acme", "list Ajax AJ"],
        {"Acme": ("Ajax",)},
        BrandKnowledge((KnownBrand("Acme", ("Ajax",)),)),
    ),
    "two brand files differ": (["list Acme ACM", "list ACM Acme"], {"Acme": ("ACM",)}, BrandKnowledge()),
    "a model writes what nobody can look for": (["report ?!"], {}, BrandKnowledge()),
}  # fmt: skip


@pytest.mark.parametrize("case", WHAT_COMES_OF_IT)
def test_what_comes_of_changes(registry: Registry, case: str) -> None:
    changes, expected, known = WHAT_COMES_OF_IT[case]
    for one in changes:
        change(registry, one)
    assert texts(registry) == expected
    assert registry.known() == known
    before = told(registry)
    for one in changes:
        if one.startswith(("list", "report", "exclude")) and "confirm" not in " ".join(changes):
            change(registry, one)
    assert told(registry) == before, "what already exists is no change"


REFUSED = {
    "unknown": ("confirm Akme", "The registry has no brand 'Akme'; did you mean 'Acme'?"),
    "unknown and like none": ("alias Quux x", "The registry has no brand 'Quux'; mpr brands list shows all."),
    "there already": ("add ACME", "'ACME' is in the registry already (confirmed); "),
    "an alias of another": ("add AJ", "'AJ' is an alias of 'Ajax' in the registry already (confirmed); "),
    "the name of another": ("alias Acme Ajax", "'Ajax' is the brand 'Ajax' in the registry; if the two are one: "),
    "a new brand's alias": ("add New AJ", "'AJ' is an alias of 'Ajax' in the registry; remove it there first"),
    "itself": ("merge Ajax AJ", "'Ajax' and 'AJ' are already one brand."),
    "no letter": ("add ?!", "'?!' has no letter or digit; give the text as it appears."),
    "endless": ("add " + 201 * "x", "has more than 200 letters"),
    "the name as an alias": ("forget Ajax ajax", "'ajax' is the name of the brand; merge it into another"),
    "another's alias": (
        "forget Acme AJ",
        "'AJ' is no alias of 'Acme'; list its aliases with mpr brands show 'Acme'.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_changes_nothing(registry: Registry, case: str) -> None:
    how, sentence = REFUSED[case]
    change(registry, "add Acme")
    change(registry, "add Ajax AJ")
    before = (registry.entries(), registry.history())
    with pytest.raises(BadInput) as refused:
        change(registry, how)
    assert sentence in str(refused.value)
    assert (registry.entries(), registry.history()) == before


def test_a_merge_keeps_all_that_both_had(registry: Registry) -> None:
    registry.add(FULL, "ann")
    other = BrandRecord("Akme", exclude=("Akme Road",), tags=("car", "bus"), pictures=(LOGO,))
    registry.add(other, "ann")
    for timeline, first_ms in (("match", 100), ("cup", 700)):
        registry.record(timeline, [], [BrandSighting("Akme", "ocr", Airing(first_ms, 900))], "run 1")
    registry.record(
        "match",
        [],
        [BrandSighting("Akme", "ocr", Airing(100, 900)), BrandSighting("Acme", "ocr", Airing(500, 2000))],
        "r",
    )
    registry.merge("Akme", "Acme", "bob")
    merged = registry.entry("Acme")
    assert merged.aliases == ("Acme Corp", "Akme")
    assert (merged.exclude, merged.tags) == (("Acme Street", "Akme Road"), ("car", "bus"))
    assert merged.airings == {"match": Airing(100, 2000), "cup": Airing(700, 900)}
    assert merged.pictures == (LOGO,)
    assert told(registry, "akme") == [("ann", "added", "Acme"), ("ann", "added", "Akme"), ("bob", "merged", "Acme")]


def test_a_timeline_has_the_airings_of_its_last_report(registry: Registry) -> None:
    def report(*found: tuple[str, int, int]) -> dict[str, dict[str, Airing]]:
        registry.record(
            "match", [], [BrandSighting(n, "cloud_vlm", Airing(first, last)) for n, first, last in found], "run 1"
        )
        return {entry.name: dict(entry.airings) for entry in registry.entries()}

    assert report(("Acme", 0, 10), ("Ajax", 5, 9)) == {
        "Acme": {"match": Airing(0, 10)},
        "Ajax": {"match": Airing(5, 9)},
    }
    assert report(("ACME", 2, 4), ("acme", 3, 8)) == {"Acme": {"match": Airing(2, 8)}, "Ajax": {}}
    assert [entry.source for entry in registry.entries()] == [BrandOrigin.CLOUD_VLM] * 2
    assert [one.detail for one in registry.history()] == ["by cloud_vlm in match"] * 2


# a brand file and the registry

ACME, AJAX = Brand(name="Acme", aliases=("ACM",)), Brand(name="Ajax")
COMBINED: dict[str, tuple[list[Brand], BrandKnowledge, list[Brand], list[str]]] = {
    "nothing": ([], BrandKnowledge(), [], []),
    "a brand file alone": ([ACME, AJAX], BrandKnowledge(), [ACME, AJAX], []),
    "the registry alone": (
        [], BrandKnowledge((KnownBrand("Zarvox", ("ZX",)),)), [Brand(name="Zarvox", aliases=("ZX",))], ["Zarvox"],
    ),
    "one more": ([ACME], BrandKnowledge((KnownBrand("Zarvox"),)), [ACME, Brand(name="Zarvox")], ["Zarvox"]),
    "the same": ([ACME], BrandKnowledge((KnownBrand("acme"),)), [ACME], []),
    "an alias": (
        [ACME],
        BrandKnowledge((KnownBrand("ACME", ("Akme",), everywhere=False),)),
        [Brand(name="Acme", aliases=("ACM", "Akme"))],
        [],
    ),
    "an alias of what no file lists": ([AJAX],
        BrandKnowledge((KnownBrand("Acme", ("Akme",), everywhere=False),)), [AJAX], []),
    "merged": (
        [ACME, AJAX],
        BrandKnowledge((KnownBrand("Acme", ("Ajax",)),)), [Brand(name="Acme", aliases=("ACM", "Ajax"))], [],
    ),
    "merged into what no file lists": (
        [AJAX],
        BrandKnowledge((KnownBrand("Zarvox", ("Ajax",)),)), [Brand(name="Zarvox", aliases=("Ajax",))], ["Zarvox"],
    ),
    "excluded": ([ACME, AJAX], BrandKnowledge(never=("Ajax",)), [ACME], []),
    "an alias excluded": ([ACME], BrandKnowledge(never=("acm",)), [Brand(name="Acme")], []),
    "the file's alias is the registry's brand": (
        [ACME], BrandKnowledge((KnownBrand("ACM", ("AC Ltd",)),)), [Brand(name="Acme", aliases=("ACM", "AC Ltd"))], [],
    ),
    "the file's brand is the registry's alias of another": (
        [Brand(name="Akme", aliases=("AK",)), ACME],
        BrandKnowledge((KnownBrand("Ajax", ("AK",)),)),
        [Brand(name="Akme", aliases=("AK",)), ACME, AJAX],
        ["Ajax"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", COMBINED)
def test_how_a_brand_file_and_the_registry_combine(case: str) -> None:
    listed, known, expected, more = COMBINED[case]
    brands = looked_for(BrandList(tuple(listed)), known)
    assert list(brands.brands) == expected
    assert brands.never == known.never
    assert added(BrandList(tuple(listed)), known) == more
    changed = expected != listed or bool(known.never)
    assert (brands.version != BrandList(tuple(listed)).version) == changed


# files


def test_an_export_is_imported_as_it_was(tmp_path: Path) -> None:
    one, other = at(tmp_path / "one"), at(tmp_path / "other")
    one.add(FULL, "ann")
    one.exclude(["FIFA"], "ann")
    one.record("cup", [Brand(name="Ajax", aliases=("AJ",))], [], "run 1")
    one.alias("Ajax", ["Ayax"], "ann")
    one.record("cup", [], [BrandSighting("Zarvox", "local_vlm", Airing(1, 2))], "run 1")
    whole = [one.entry(entry.name) for entry in one.entries()]
    write_entries(tmp_path / "all.yaml", whole)
    assert other.put(read_entries(tmp_path / "all.yaml"), "ann") == (4, 0)
    again = [other.entry(entry.name) for entry in other.entries()]
    assert [(e.name, e.aliases, e.status, e.source, e.everywhere, e.airings) for e in again] == [
        (e.name, e.aliases, e.status, e.source, e.everywhere, e.airings) for e in whole
    ]
    assert [p.encoded for e in again for p in e.pictures] == [LOGO.encoded]
    assert other.known() == one.known()
    assert other.put(read_entries(tmp_path / "all.yaml"), "ann") == (0, 0)


def test_csv_has_all_but_pictures_and_airings(registry: Registry, tmp_path: Path) -> None:
    registry.put([FULL, BrandRecord("Ajax", ("A, J", "Jax"), Status.PROPOSED, BrandOrigin.LOCAL_VLM)], "ann")
    write_entries(tmp_path / "all.csv", registry.entries())
    assert (tmp_path / "all.csv").read_text().splitlines() == [
        "name,aliases,exclude,tags,status,source,everywhere",
        "Acme,Acme Corp,Acme Street,car,confirmed,ocr,true",
        'Ajax,"A, J | Jax",,,proposed,local_vlm,true',
    ]
    assert registry.put(read_entries(tmp_path / "all.csv"), "ann") == (0, 0)


IMPORTS = {
    "a brand file": ("x.yaml", "brands: [Ajax, {name: New, aliases: [Neo]}]", (1, 0)),
    "what is there learns": ("x.yaml", "brands: [{name: ajax, aliases: [AJ], status: excluded}]", (0, 1)),
    "CSV of a spreadsheet": ("x.csv", "\ufeffname,aliases\r\nNew,Neo | N\r\n", (1, 0)),
    "empty": ("x.yaml", "brands: []", (0, 0)),
    "another kind": ("x.txt", "", "ends neither in .csv nor in .yaml; give it one of the two"),
    "not there": ("", "", "does not exist; check the path."),
    "one brand twice": ("x.yaml", "brands: [New, NEW]", "'NEW' of the brand 'NEW' is the same as 'New'"),
    "another's alias": ("x.yaml", "brands: [First, {name: New, aliases: [Ajax]}]", "'Ajax' is the brand 'Ajax' in the"),
    "no such status": ("x.yaml", "brands: [{name: New, status: great}]", 'brands[0].status is "great"; give one of'),
    "no such column": ("x.csv", "name;aliases\nNew;", "has the column 'name;aliases'; the first line lists columns"),
    "a cell too many": ("x.csv", "name,aliases\nNew,a,b\n", "line 2: it has not as many cells"),
    "not true or false": ("x.csv", "name,everywhere\nNew,maybe\n", 'line 2: everywhere is "maybe"; give true or false'),
    "not text": ("x.csv", b"\xff\xfe\x00", "is not a text file in UTF-8; save it as CSV UTF-8."),
    "a logo that is not there": ("x.yaml", "brands: [{name: New, logos: [x.png]}]", "does not exist; correct the path"),
}


@pytest.mark.parametrize("case", IMPORTS)
def test_imports(registry: Registry, tmp_path: Path, case: str) -> None:
    name, content, expected = IMPORTS[case]
    registry.add(BrandRecord("Ajax"), "ann")
    before = registry.entries()
    path = tmp_path / (name or "missing.yaml")
    if name:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if isinstance(expected, tuple):
        assert registry.put(read_entries(path), "ann") == expected
        return
    with pytest.raises(BadInput) as refused:
        registry.put(read_entries(path), "ann")
    assert expected in str(refused.value)
    assert registry.entries() == before, "all or nothing"


def test_what_a_cell_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="separates texts in CSV; export to YAML"):
        write_entries(tmp_path / "x.csv", [BrandRecord("Acme", ("A|B",))])


# the database

URLS: dict[str, tuple[str, type[MprError], str]] = {
    "empty": ("", BadInput, "MPR_DATABASE_URL is not a URL; set MPR_DATABASE_URL to sqlite:///FILE or postgresql://"),
    "a port that is no number": (
        "postgresql://u:canary@h:port/d",
        BadInput,
        "MPR_DATABASE_URL is not a URL; set MPR_DATABASE_URL to sqlite:///FILE or postgresql://",
    ),
    "another kind": ("mysql://u:canary@h/d", BadInput, "MPR_DATABASE_URL starts with mysql://; set"),
    "in memory": ("sqlite://", BadInput, "MPR_DATABASE_URL names no file; set"),
    "a folder that cannot be": (
        "sqlite:////dev/null/x/r.sqlite",
        BadInput,
        "/dev/null/x of the database cannot be",
    ),
    "a folder": ("sqlite:///{tmp}", PermanentError, "cannot be used (unable to open database file)"),
    "no database": ("sqlite:///{tmp}/text", PermanentError, "cannot be used (file is not a database)"),
    "of a later version": ("sqlite:///{tmp}/later", PermanentError, "made by a newer version of MPR; update this one."),
}


@pytest.mark.parametrize("case", URLS)
def test_a_database_that_cannot_be_used(tmp_path: Path, case: str) -> None:
    url, kind, sentence = URLS[case]
    (tmp_path / "text").write_text("name: Acme\n" * 100)
    at_later = Registry(f"sqlite:///{tmp_path / 'later'}")
    at_later.add(BrandRecord("Acme"), "ann")
    with sqlite3.connect(tmp_path / "later") as later:
        later.execute("UPDATE mpr_alembic_version SET version_num = '9999'")
    later.close()
    for call in (lambda r: r.known(), lambda r: r.add(BrandRecord("Ajax"), "ann")):
        if case == "a folder that cannot be" and call.__code__.co_names[0] == "known":
            continue  # a file that is not there reads as empty
        with pytest.raises(kind) as refused:
            call(Registry(url.format(tmp=tmp_path)))
        assert sentence in str(refused.value)
        assert "canary" not in str(refused.value)


def test_others_that_write_for_too_long(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpr_resources.database.connection.PATIENCE_S", 0.3)
    registry.add(BrandRecord("Acme"), "ann")
    other = sqlite3.connect(str(registry.database.file), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TransientError, match="is being written by others; try again later"):
        registry.add(BrandRecord("Ajax"), "ann")
    assert texts(registry) == {"Acme": ()}, "readers wait for nobody"
    other.rollback()
    other.close()
    registry.add(BrandRecord("Ajax"), "ann")


def test_a_driver_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg2", None)
    with pytest.raises(MissingEngine, match=r"pip install '\.\[team\]'"):
        Registry("postgresql://u@127.0.0.1:1/d").known()


def test_the_steps_lead_to_the_tables_as_they_are_declared(registry: Registry) -> None:
    registry.add(BrandRecord("Acme"), "ann")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(f"sqlite:///{registry.database.file}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.check(config)
        command.downgrade(config, "base")
        command.upgrade(config, "head")
    engine.dispose()
    assert registry.entries() == []


def test_many_who_make_it_at_once(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def one(number: int) -> None:
        try:
            at(tmp_path).add(BrandRecord(f"Brand {number}"), "ann")
        except BaseException as error:
            errors.append(error)

    def together(work: Callable[[int], None]) -> None:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    together(one)
    assert (errors, len(at(tmp_path).entries())) == ([], 8)


def test_processes_that_add_merge_and_read_lose_nothing(tmp_path: Path) -> None:
    for seconds in (1.5, 6, 24):  # on a busy machine the processes come to little in a short time
        figures = measure(f"sqlite:///{tmp_path / f'{seconds}.sqlite'}", seconds, 3)
        assert figures["problems"] == []
        if figures["merges"] > 0 and figures["changes"] > 20:
            break
    assert figures["merges"] > 0
    assert figures["changes"] > 20


def test_the_schema_names_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD
