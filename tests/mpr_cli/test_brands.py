from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from gpu_service.pictures import encode_png
from mpr_cli import app
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.tables import from_parquet
from tests.cloud_server import KEY, said, serving
from tests.gpu_service.test_detect import COMB, KITE, comb, ground, one, put
from tests.world import BRAND, NAMES, PROFILE

Mpr = Callable[..., str]
BELOW = ["match_brands", "escalate_vlm", "escalate_cloud", "corrections", "compile_report", "evaluation"]
ASKING = "escalate_cloud: {{enabled: true, models: [{model}], crops_per_request: 1}}\n"


@pytest.fixture
def mpr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mpr:
    """What a command says; `status`: its exit status."""
    monkeypatch.setenv("MPR_DATABASE_URL", f"sqlite:///{tmp_path / 'registry.sqlite'}")

    def run(*argv: str, status: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["mpr", *argv])
        with pytest.raises(SystemExit) as end:
            app.main()
        said = capsys.readouterr()
        assert (end.value.code or 0) == status, said.err
        return said.out + said.err

    return run


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


def test_an_empty_registry_says_so(mpr: Mpr, tmp_path: Path) -> None:
    assert mpr("brands", "list") == "The registry is empty.\n"
    assert mpr("brands", "history") == "There are no changes yet.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_brand_from_first_to_last(mpr: Mpr, tmp_path: Path) -> None:
    mpr("brands", "add", "Acme Motors", "--alias", "Acme", "--exclude", "Acme Street")
    mpr("brands", "alias", "acme", "Akme", "ACM")
    mpr("brands", "alias", "acme", "acm", "--remove")
    mpr("brands", "add", "Ajax", "--source", "ocr")
    mpr("brands", "merge", "Ajax", "akme")
    mpr("brands", "exclude", "FIFA", "acme")
    assert "ACME was already excluded." in mpr("brands", "exclude", "ACME")
    assert "FIFA is searched for in every timeline." in mpr("brands", "confirm", "FIFA")
    assert rows(mpr("brands", "list"))[1:] == [
        ["Acme Motors", "excluded", "manual", "nowhere", "Acme, Ajax, Akme"],
        ["FIFA", "confirmed", "manual", "everywhere"],
    ]
    assert rows(mpr("brands", "list", "--status", "confirmed"))[1:] == [["FIFA", "confirmed", "manual", "everywhere"]]
    assert "never when   Acme Street" in mpr("brands", "show", "AKME")
    assert [row[2] for row in rows(mpr("brands", "history", "Acme"))[1:]] == [
        "added", "alias", "alias removed", "added", "merged", "excluded",
    ]  # fmt: skip
    for name in ("all.yaml", "all.csv"):
        assert "2 brands written" in mpr("brands", "export", str(tmp_path / name))
        assert "0 new, 0 changed." in mpr("brands", "import", str(tmp_path / name))


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        pytest.param(["show", "Acme"], "mpr: The registry has no brand 'Acme'; mpr brands list shows all.", id="none"),
        pytest.param(["list", "--status", "new"], "mpr: 'new' is not a status of brands; choose one of", id="a status"),
        pytest.param(["add", "A", "--source", "x"], "mpr: 'x' is not a source of brands; choose one of", id="a source"),
        pytest.param(["add", " "], "is empty; write the text as it appears.", id="an empty name"),
        pytest.param(["add", "A", "--alias", "a"], "is listed twice in the brand 'A'; remove one", id="a name twice"),
        pytest.param(["add", "A", "--logo", "/none.png"], "/none.png of the brand 'A' does not exist", id="a logo"),
        pytest.param(["import", "/none.csv"], "mpr: /none.csv does not exist; check the path.", id="a file"),
        pytest.param(["export", "/none/x.csv"], "mpr: /none/x.csv cannot be written", id="a folder"),
        pytest.param(["export", "x.txt"], "mpr: x.txt ends neither in .csv nor in .yaml", id="a kind of file"),
    ],
)
def test_refused_with_one_sentence(mpr: Mpr, tmp_path: Path, argv: list[str], sentence: str) -> None:
    said = mpr("brands", *argv, status=2)
    assert sentence in said
    assert "Traceback" not in said


def test_a_password_is_shown_nowhere(mpr: Mpr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPR_DATABASE_URL", "postgresql://me:canary@127.0.0.1:1/mpr")
    said = mpr("brands", "add", "Acme", status=2)
    assert "cannot be reached" in said
    assert "canary" not in said


# the registry in a run, as its user goes through it


def states(said: str) -> dict[str, str]:
    """Each stage's state in what `mpr status` says."""
    return {line.split()[0]: line.split()[1] for line in said.splitlines()[2:] if line[0] != " "}


def exposures(folder: Path, timeline: str) -> list[tuple[str, str]]:
    table = from_parquet((folder / "storage" / Keys.table("compile_report", timeline)).read_bytes(), timeline)
    return table.rows.select("brand", "source").rows()


def test_what_a_model_names_is_proposed_and_read_once_it_is_confirmed(
    mpr: Mpr, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles = tmp_path / "profiles"
    (profiles / "prices").mkdir(parents=True)
    (profiles / "prices" / "models.yaml").write_text(
        "openai/m: {input: 1, output: 4}\nanthropic/m: {input: 1, output: 4}"
    )
    (profiles / "asking.yaml").write_text(PROFILE + ASKING.format(model="anthropic/m"))
    (profiles / "closed.yaml").write_text(PROFILE + "registry: false\n")
    (profiles / "none.yaml").write_text("brands: [Nowhere Airlines]\n")
    for name, folder in (("MPR_STORAGE_URL", "storage"), ("DAGSTER_HOME", "dagster"), ("MPR_PROFILES_DIR", "profiles")):
        monkeypatch.setenv(name, str(tmp_path / folder))
    brands = ("--brands", str(profiles / "none.yaml"))
    with serving() as cloud:
        cloud.answer = lambda request: said(len(request.pictures), brand="ACME motors", text=BRAND)
        cloud.script = lambda request, number: "401" if request.provider == "anthropic" else "success"
        for name, value in cloud.environ().items():
            monkeypatch.setenv(name, value)

        # A provider that refuses the key: what failed goes on with another, for this run, then in the profile.
        failed = mpr("run", str(inputs / "clip.mp4"), "--name", "a", "--profile", "asking", *brands, status=1)
        assert "anthropic refuses the key in ANTHROPIC_API_KEY" in failed
        assert "continues with escalate_cloud" in mpr("retry", "a", "--set", "models=[openai/m]")
        (profiles / "asking.yaml").write_text(PROFILE + ASKING.format(model="openai/m"))
        asked = len(cloud.requests)
        assert exposures(tmp_path, "a") == [("ACME motors", "cloud_vlm")]
        mpr("run", str(inputs / "clip.mp4"), "--name", "b", "--profile", "closed", *brands)
        fresh = dict.fromkeys(NAMES, "fresh")
        assert states(mpr("status", "a")) == fresh, "a proposal changes nothing"
        listed = rows(mpr("brands", "list"))[1:]
        assert listed == [
            ["ACME motors", "proposed", "cloud_vlm", "nowhere", "1"],
            ["Nowhere Airlines", "confirmed", "manual", "where a brand file lists it"],
        ]

        # Confirmed: stale from matching on, and only where the registry is used; text is not read anew.
        mpr("brands", "confirm", BRAND)
        below = fresh | dict.fromkeys(BELOW, "stale")
        assert (states(mpr("status", "a")), states(mpr("status", "b"))) == (below, fresh)
        replayed = mpr("replay", "a", "match_brands")
        assert "match_brands: " in replayed
        assert "run_ocr: " not in replayed
        assert states(mpr("status", "a")) == fresh
        assert exposures(tmp_path, "a") == [("ACME motors", "ocr")]
        assert "aired in     a, 00:00:00.000 to 00:00:02.000" in mpr("brands", "show", BRAND)

        # Excluded: neither read nor asked about, nor believed.
        mpr("brands", "exclude", BRAND)
        assert states(mpr("status", "a")) == below
        mpr("replay", "a", "match_brands")
        assert exposures(tmp_path, "a") == []
        found = from_parquet((tmp_path / "storage" / Keys.table("match_brands", "a")).read_bytes(), "a").rows
        assert set(found["reason"].to_list()) == {"excluded"}
        assert "aired in" not in mpr("brands", "show", BRAND)
        assert len(cloud.requests) == asked

    # A key is nowhere: not in the registry, not in the storage, not in Dagster's own.
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "registry.sqlite" for path in kept)
    assert [path for path in kept if KEY.encode() in path.read_bytes()] == []


DISC = np.full((120, 120, 3), 255, np.uint8)
cv2.circle(DISC, (60, 60), 45, (20, 20, 20), -1)
PLAIN = (
    "The logo disc.png of Kite is a plain shape that many things have, so what it finds counts less: give the logo "
    "with its lettering, or crops of photographs with what is around it."
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Profiles with two brands, and pictures with the first, the second and none."""
    monkeypatch.setenv("MPR_PROFILES_DIR", str(tmp_path))
    (tmp_path / "generic.yaml").write_text("description: two brands\nbrands: brands.yaml\n")
    (tmp_path / "boards.yaml").write_text("description: text\nbrands: brands.yaml\ndetect_objects: {engines: [yolo]}\n")
    (tmp_path / "brands.yaml").write_text(
        "brands:\n  - {name: Kite, aliases: [Kyte], logos: [kite.png, disc.png]}\n"
        "  - {name: Comb, logos: [comb.png]}\n  - Nowhere Airlines\n"
    )
    for name, encoded in (("kite", KITE.encoded), ("comb", COMB.encoded), ("disc", encode_png(DISC))):
        (tmp_path / f"{name}.png").write_bytes(encoded)
    with_kite, with_comb = ground("plain"), ground("plain")
    one(with_kite)
    put(with_comb, comb(), (150, 90), 100, (235, 235, 235))
    for name, picture in (("one", with_kite), ("other", with_comb), ("none", ground("plain"))):
        (tmp_path / f"{name}.png").write_bytes(encode_png(picture))
    return tmp_path


def test_a_table_says_what_is_found_and_what_is_weak(mpr: Mpr, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    said = rows(mpr("brands", "test", "kyte", "one.png", "other.png", "none.png"))
    assert [row[:2] for row in said[1:4]] == [["one.png", "yes"], ["other.png", "no, but Comb"], ["none.png", "no"]]
    assert said[1][3:] == ["53,28 94x94", "kite.png"]
    assert said[5] == ["Kite is found in 1 of 3 (threshold 0.50)."]
    assert [[*row[:2], *row[3:]] for row in said[8:10]] == [["disc.png", "0", "weak"], ["kite.png", "1"]]
    assert said[11] == [PLAIN]


def test_the_same_as_json(mpr: Mpr, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    document = json.loads(mpr("brands", "test", "Kite", "one.png", "--json"))
    assert (document["brand"], document["threshold"]) == ("Kite", 0.5)
    [picture] = document["pictures"]
    assert picture["found"] is True
    assert picture["score"] > 0.9
    assert (picture["reference"], picture["taken_for"]) == ("kite.png", None)
    assert [(one["reference"], one["weak"]) for one in document["references"]] == [
        ("disc.png", PLAIN),
        ("kite.png", None),
    ]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["Zarvox", "one.png"], "'Zarvox' is no brand of the profile generic"),
        (["Nowhere Airlines", "one.png"], "Nowhere Airlines has no reference picture"),
        (["Kite", "gone.png"], "gone.png cannot be read: No such file or directory"),
        (["Kite", "brands.yaml"], "brands.yaml is no picture that can be decoded"),
        (["Kite", "one.png", "--profile", "boards"], "does not look for logos by pictures"),
    ],
    ids=["no brand", "no reference", "no file", "no picture", "no engine"],
)
def test_what_cannot_be_tested(
    argv: list[str],
    says: str,
    mpr: Mpr,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    assert says in mpr("brands", "test", *argv, status=2)


def test_a_weak_reference_is_named_where_it_is_given(mpr: Mpr, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    mpr("profile", "validate", "generic")
    mpr("brands", "add", "Disc", "--logo", str(folder / "disc.png"))
    assert caplog.messages == [PLAIN, PLAIN.replace("Kite", "Disc")]
