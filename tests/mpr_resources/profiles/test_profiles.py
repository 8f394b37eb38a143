from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import AliasChoices, Field

from gpu_service.errors import BadInput
from gpu_service.pictures import encode_png
from gpu_service.settings import Settings
from mpr_resources.profiles.folder import Profiles
from tests.mpr_resources.storage.test_pictures import picture


class Read(Settings):
    side_px: int = Field(960, ge=32, le=4096, validation_alias=AliasChoices("side_px", "edge_px"))
    enabled: bool = True


@pytest.fixture
def profiles(tmp_path: Path) -> Profiles:
    (tmp_path / "empty.yaml").write_text("description: nothing said")
    (tmp_path / "small.yaml").write_text("# with a comment\ndescription: small\nread: {side_px: 64}\n")
    (tmp_path / "notes.txt").write_text("no profile")
    return Profiles(tmp_path, {"read": Read})


def test_a_section_left_out_has_its_defaults(profiles: Profiles) -> None:
    profile = profiles.load("empty")
    assert profile.section("read") == Read()
    assert profile.stages == ["read"]
    assert profiles.brand_list(profile).brands == ()
    assert profiles.references(profile) == []


def test_a_section_says_only_what_differs(profiles: Profiles) -> None:
    assert profiles.names() == ["empty", "small"]
    assert profiles.load("small").section("read") == Read(side_px=64)


def test_a_setting_may_have_its_old_name(profiles: Profiles, tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text("read: {edge_px: 64}\n")
    assert profiles.load("old").section("read") == Read(side_px=64)


UNUSABLE = {
    "both names": (
        "read: {side_px: 64, edge_px: 64}",
        "old.yaml: read: `edge_px` is an old name of `side_px`, which is set twice that way; remove one of the two.",
    ),
    "out of range": ("read: {edge_px: 1}", "old.yaml: read.edge_px is 1, which is out of range; give 32 to 4096."),
    "misspelt": ("read: {sid_px: 64}", "unknown key `sid_px` in old.yaml at read; did you mean `side_px`?"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_setting_is_named_as_it_was_written(name: str, profiles: Profiles, tmp_path: Path) -> None:
    text, says = UNUSABLE[name]
    (tmp_path / "old.yaml").write_text(text)
    with pytest.raises(BadInput) as error:
        profiles.load("old")
    assert str(error.value).replace(f"{tmp_path}/", "") == says


REFUSED = {
    "unknown": ("smal", "There is no profile 'smal' in .*; choose one of empty, small."),
    "a path": ("../small", "There is no profile '../small'"),
    "empty name": ("", "There is no profile ''"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_profile_that_is_not_there_is_refused(name: str, profiles: Profiles) -> None:
    asked, says = REFUSED[name]
    with pytest.raises(BadInput, match=says):
        profiles.load(asked)


def test_no_profiles_at_all(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"There is no profile in .*; set MPR_PROFILES_DIR"):
        Profiles(tmp_path / "none", {}).load("generic")


def test_a_copy_keeps_every_byte(profiles: Profiles) -> None:
    copy = profiles.duplicate("small", "größer-2")
    assert copy.read_bytes() == (profiles.folder / "small.yaml").read_bytes()
    assert profiles.load("größer-2") == profiles.load("small")


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "x" * 300, "empty"])
def test_a_copy_that_cannot_be_is_refused(name: str, profiles: Profiles) -> None:
    before = sorted(profiles.folder.iterdir())
    with pytest.raises(BadInput):
        profiles.duplicate("small", name)
    assert sorted(profiles.folder.iterdir()) == before


def test_a_profile_that_is_wrong_is_not_copied(profiles: Profiles) -> None:
    (profiles.folder / "wrong.yaml").write_text("read: {side_px: 1}")
    with pytest.raises(BadInput, match=r"read.side_px is 1, which is out of range; give 32 to 4096"):
        profiles.duplicate("wrong", "copy")
    assert not (profiles.folder / "copy.yaml").exists()


def test_brands_are_the_given_files_the_profiles_or_the_folders(profiles: Profiles) -> None:
    folder = profiles.folder
    (folder / "logos" / "Acme").mkdir(parents=True)
    (folder / "logos" / "Acme" / "sign.png").write_bytes(encode_png(picture(9).pixels))
    (folder / "own.yaml").write_text("brands: [Other]")
    (folder / "given.yaml").write_text("brands: [Acme, Third]")
    (folder / "folders.yaml").write_text("logos: logos")
    (folder / "file.yaml").write_text("logos: logos\nbrands: own.yaml")

    def found(profile: str, file: Path | None) -> tuple[list[str], list[str]]:
        read = profiles.load(profile)
        brands = [brand.name for brand in profiles.brand_list(read, file).brands]
        return brands, [reference.brand for reference in profiles.references(read, file)]

    assert found("folders", None) == (["Acme"], ["Acme"])
    assert found("file", None) == (["Other"], [])
    assert found("file", folder / "given.yaml") == (["Acme", "Third"], ["Acme"])
