from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from gpu_service.errors import BadInput
from gpu_service.routines import Reference
from mpr_resources.brands.brand_file import (
    Brand,
    BrandList,
    brands_from_folders,
    brands_from_names,
    load_brands,
    load_references,
    references_hash,
)

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path d="M0 0h20v20z"/></svg>'
HUGE_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="100000" height="100000"><path d="M0 0h9v9z"/></svg>'


def picture(extension: str, shade: int = 200) -> bytes:
    return cv2.imencode(extension, np.full((16, 16, 3), shade, np.uint8))[1].tobytes()


def brand_file(folder: Path, text: str) -> Path:
    path = folder / "brands.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


GOOD = {
    "none": ("brands: []", ()),
    "bare_names": ("brands: [Acme, On]", (Brand(name="Acme"), Brand(name="On"))),
    "all_keys": (
        "brands:\n- {name: Acme, aliases: [Acme Corp], exclude: [Acme Street], tags: [sponsor]}",
        (Brand(name="Acme", aliases=("Acme Corp",), exclude=("Acme Street",), tags=("sponsor",)),),
    ),
    "white_space_is_squeezed": ('brands: ["  Acme \\n Corp "]', (Brand(name="Acme Corp"),)),
    "digits_only": ("brands: ['360', 2022-02-01]", (Brand(name="360"), Brand(name="2022-02-01"))),
    "other_spelling_of_itself": (
        "brands: [{name: Coca-Cola, aliases: [Coca Cola]}]",
        (Brand(name="Coca-Cola", aliases=("Coca Cola",)),),
    ),
    "plus_tells_apart": ("brands: [Disney, Disney+]", (Brand(name="Disney"), Brand(name="Disney+"))),
    "other_script": ("brands: [東京, Москва]", (Brand(name="東京"), Brand(name="Москва"))),
}


@pytest.mark.parametrize("name", GOOD)
def test_reads(name: str, tmp_path: Path) -> None:
    text, expected = GOOD[name]
    assert load_brands(brand_file(tmp_path, text)).brands == expected


FOLDED = "(case, spaces and punctuation do not count); leave it with one of them."
BAD = {
    "empty_file": ("", "{file} is empty; it needs at least `brands`."),
    "unknown_key": (
        "brands: [{name: A1}, {name: B1}, {nmae: C1}]",
        "unknown key `nmae` in {file} at brands[2]; did you mean `name`?",
    ),
    "no_name": ("brands: [{aliases: [x]}]", "{file}: brands[0] has no `name`; add it."),
    "number_as_name": ("brands: [{name: 7}]", "{file}: brands[0].name is 7; give text (put it in quotes)."),
    "number_as_bare_name": ("brands: [Acme, 3]", "{file}: brands[1]: 3 is no text; put it in quotes."),
    "truth_as_bare_name": ("brands: [true]", "{file}: brands[0]: true is no text; put it in quotes."),
    "unknown_language": (
        "languages: [english]\nbrands: [Acme]",
        '{file}: languages[0] is "english"; give one of `ar`, `de`, `en`, `es`, `eu`, `fa`, `fr`, `it`, `lv`, `nl`, '
        "`pt`, `ru`.",
    ),
    "aliases_no_list": (
        "brands: [{name: Acme, aliases: Corp}]",
        '{file}: brands[0].aliases is "Corp"; give a list.',
    ),
    "empty_name": ("brands: [Acme, '']", "{file}: the name of brands[1] is empty; write the text as it appears."),
    "blank_name": ("brands: ['  ']", "{file}: the name of brands[0] is empty; write the text as it appears."),
    "no_letters": ("brands: ['!?']", "{file}: the name of brands[0], '!?', has no letter or digit; give it one."),
    "only_symbols": ("brands: ['&']", "{file}: the name of brands[0], '&', has no letter or digit; give it one."),
    "empty_alias": (
        "brands: [{name: Acme, aliases: ['']}]",
        "{file}: an alias of 'Acme' is empty; write the text as it appears.",
    ),
    "same_name_twice": (
        "brands: [Acme, Acme]",
        "{file}: 'Acme' of the brand 'Acme' is the same as 'Acme' of the brand 'Acme' " + FOLDED,
    ),
    "same_name_folded": (
        "brands: [Café Noir, CAFE-NOIR]",
        "{file}: 'CAFE-NOIR' of the brand 'CAFE-NOIR' is the same as 'Café Noir' of the brand 'Café Noir' " + FOLDED,
    ),
    "alias_of_another": (
        "brands: [{name: Acme, aliases: [AC]}, {name: Beta, aliases: [ac]}]",
        "{file}: 'ac' of the brand 'Beta' is the same as 'AC' of the brand 'Acme' " + FOLDED,
    ),
    "alias_is_name_of_another": (
        "brands: [Acme, {name: Beta, aliases: [acme]}]",
        "{file}: 'acme' of the brand 'Beta' is the same as 'Acme' of the brand 'Acme' " + FOLDED,
    ),
    "alias_twice": (
        "brands: [{name: Acme, aliases: [AC, ac]}]",
        "{file}: 'ac' is listed twice in the brand 'Acme'; remove one of the two.",
    ),
    "alias_is_own_name": (
        "brands: [{name: Acme, aliases: [ACME]}]",
        "{file}: 'ACME' is listed twice in the brand 'Acme'; remove one of the two.",
    ),
    "excludes_itself": (
        "brands: [{name: Acme Air, exclude: [AcmeAir]}]",
        "{file}: 'Acme Air' excludes 'AcmeAir', which is itself; exclude longer texts only.",
    ),
    "missing_logo": (
        "brands: [{name: Acme, logos: [acme.png]}]",
        "the logo {folder}/acme.png of the brand 'Acme' does not exist; "
        "correct the path, which is relative to the brand file.",
    ),
    "logo_of_gigabytes": (
        "brands: [{name: Acme, logos: [huge.png]}]",
        "the logo {folder}/huge.png of the brand 'Acme' cannot be used: {folder}/huge.png is larger than 100 MB; "
        "is it really a picture?",
    ),
    "logo_of_other_type": (
        "brands: [{name: Acme, logos: [acme.gif]}]",
        "the logo {folder}/acme.gif of the brand 'Acme' is not a PNG, JPEG, WebP or SVG file; convert it.",
    ),
    "empty_logo": (
        "brands: [{name: Acme, logos: [empty.png]}]",
        "the logo {folder}/empty.png of the brand 'Acme' cannot be decoded; "
        "it is empty, damaged or not what its name says it is.",
    ),
    "broken_svg": (
        "brands: [{name: Acme, logos: [broken.svg]}]",
        "the logo {folder}/broken.svg of the brand 'Acme' cannot be used: it is not XML: unclosed token: "
        "line 1, column 0; give another PNG, JPEG, WebP or SVG picture.",
    ),
    "svg_of_no_size": (
        "brands: [{name: Acme, logos: [flat.svg]}]",
        "the logo {folder}/flat.svg of the brand 'Acme' cannot be used: SVG has an invalid size; "
        "give another PNG, JPEG, WebP or SVG picture.",
    ),
    "text_as_jpeg": (
        "brands: [{name: Acme, logos: [text.jpg]}]",
        "the logo {folder}/text.jpg of the brand 'Acme' cannot be decoded; "
        "it is empty, damaged or not what its name says it is.",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses(name: str, tmp_path: Path) -> None:
    text, said = BAD[name]
    for file, content in {
        "acme.gif": b"GIF89a",
        "empty.png": b"",
        "broken.svg": b"<svg",
        "flat.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="0" height="9"/>',
        "text.jpg": b"no picture",
    }.items():
        put(tmp_path / file, content)
    with (tmp_path / "huge.png").open("wb") as huge:
        huge.truncate(20 * 10**9)  # of holes: it takes no room
    path = brand_file(tmp_path, text)
    with pytest.raises(BadInput) as caught:
        load_brands(path)
    assert str(caught.value) == said.format(file=path, folder=tmp_path)


def test_names_make_a_list() -> None:
    assert brands_from_names(["Acme", "Beta"]) == BrandList((Brand(name="Acme"), Brand(name="Beta")))


def test_names_are_found_however_spelt() -> None:
    brands = BrandList((Brand(name="Coca-Cola", aliases=("Coke",)),))
    assert [brands.named(text) for text in ("COCA COLA", "cocacola", "coke", "Pepsi")] == [*brands.brands * 3, None]


ONE = "brands:\n- name: Acme\n  aliases: [AC, Acme Corp]\n- name: Beta\n"
SAME = {
    "comments": "# hello\nbrands:\n- name: Acme # yes\n  aliases: [AC, Acme Corp]\n- name: Beta\n",
    "order_of_keys": "brands:\n- aliases: [AC, Acme Corp]\n  name: Acme\n- name: Beta\n",
    "order_of_brands_and_aliases": "brands: [Beta, {name: Acme, aliases: [Acme Corp, AC]}]",
    "said_defaults": ONE + "  tags: []\n",
}
OTHER = {
    "an_alias_less": "brands: [{name: Acme, aliases: [AC]}, Beta]",
    "a_tag": ONE + "  tags: [x]\n",
    "an_exclusion": ONE + "  exclude: [Beta test]\n",
    "spelling_of_a_name": ONE.replace("Beta", "BETA"),
    "alias_moved": "brands: [{name: Acme, aliases: [AC]}, {name: Beta, aliases: [Acme Corp]}]",
}


@pytest.mark.parametrize("name", [*SAME, *OTHER])
def test_hash_is_of_meaning(name: str, tmp_path: Path) -> None:
    one = load_brands(brand_file(tmp_path, ONE)).version
    other = load_brands(brand_file(tmp_path, {**SAME, **OTHER}[name])).version
    assert (one == other) == (name in SAME)


def test_no_references() -> None:
    assert load_references(BrandList(), None) == []


def test_references_of_a_brand_file_and_of_folders(tmp_path: Path) -> None:
    put(tmp_path / "art" / "acme.svg", SVG)
    brands = load_brands(
        brand_file(tmp_path, "brands: [{name: Acme Air, aliases: [AA], logos: [art/acme.svg]}, {name: Beta}]")
    )
    logos = tmp_path / "logos"
    files = {
        "ACME-AIR/b.png": picture(".png", 1),
        "ACME-AIR/a.jpeg": picture(".jpg", 2),
        "ACME-AIR/again.svg": SVG,
        "ACME-AIR/NOTE.txt": b"where they are from",
        "ACME-AIR/.hidden.png": b"",
        "aa/c.webp": picture(".webp", 3),
        "Gamma/d.png": picture(".png", 4),
        "Delta/NOTE.txt": b"none yet",
        "README.md": b"",
    }
    for file, content in files.items():
        put(logos / file, content)
    assert load_references(brands, logos) == [
        Reference("Acme Air", "a.jpeg", files["ACME-AIR/a.jpeg"]),
        Reference("Acme Air", "again.svg", SVG),
        Reference("Acme Air", "b.png", files["ACME-AIR/b.png"]),
        Reference("Acme Air", "c.webp", files["aa/c.webp"]),
    ]


def test_every_folder_is_used_where_no_brand_is_listed(tmp_path: Path) -> None:
    put(tmp_path / "Gamma" / "a.svg", SVG)
    put(tmp_path / "Acme" / "a.svg", SVG)
    put(tmp_path / "ACME" / "b.svg", SVG + b" ")
    (tmp_path / "Empty").mkdir()
    found = load_references(BrandList(), tmp_path)
    assert [(one.brand, one.name) for one in found] == [("ACME", "a.svg"), ("ACME", "b.svg"), ("Gamma", "a.svg")]
    assert brands_from_folders(tmp_path) == brands_from_names(["ACME", "Gamma"])


def test_drawing_that_asks_for_too_much_memory_is_read(tmp_path: Path) -> None:
    put(tmp_path / "Acme" / "huge.svg", HUGE_SVG)
    assert [one.name for one in load_references(BrandList(), tmp_path)] == ["huge.svg"]


BAD_FOLDERS = {
    "no_folder": (
        {},
        "{logos} is not a folder; create it, with a folder of pictures for each brand, or name another.",
    ),
    "loose_picture": (
        {"acme.png": b""},
        "{logos}/acme.png is in no brand's folder; move it to {logos}/BRAND/acme.png.",
    ),
    "name_without_letters": (
        {"--/a.png": b""},
        "{logos}/-- has a name without letters or digits; name the folder for its brand.",
    ),
    "other_picture": (
        {"Acme/a.tiff": b""},
        "{logos}/Acme/a.tiff is not a PNG, JPEG, WebP or SVG picture; convert it or remove it.",
    ),
    "damaged_picture": (
        {"Acme/a.png": picture(".png")[:20]},
        "the logo {logos}/Acme/a.png of the brand 'Acme' cannot be decoded; "
        "it is empty, damaged or not what its name says it is.",
    ),
}


@pytest.mark.parametrize("name", BAD_FOLDERS)
def test_refuses_folders(name: str, tmp_path: Path) -> None:
    files, said = BAD_FOLDERS[name]
    logos = tmp_path / "logos"
    for file, content in files.items():
        put(logos / file, content)
    with pytest.raises(BadInput) as caught:
        load_references(BrandList(), logos)
    assert str(caught.value) == said.format(logos=logos)


def test_hash_of_references_is_of_brands_and_pixels() -> None:
    a, b = Reference("Acme", "a.svg", b"1"), Reference("Beta", "b.svg", b"2")
    assert references_hash([a, b]) == references_hash([b, Reference("Acme", "renamed.svg", b"1")])
    assert references_hash([a, b]) != references_hash([a, Reference("Beta", "b.svg", b"3")])
