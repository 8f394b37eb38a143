"""Brand files and reference pictures: which brands are looked for, and what they look like.

How a brand is recognised in text or pixels is not here. A brand file is YAML:

    languages: [en, de]         # of the text around the names; English where none is given
    brands:
      - name: Acme              # a bare `- Acme` will do
        aliases: [Acme Corp]    # other texts that mean the brand
        exclude: [Acme Street]  # texts in which the name does not mean the brand
        logos: [acme.svg]       # reference pictures, relative to this file
        tags: [sponsor]

Case, diacritics, punctuation and spaces do not count when names are compared; but common words of the languages are
not taken for a name with a space too many.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import cv2
from pydantic import field_validator, model_validator

from gpu_service.errors import BadInput
from gpu_service.pictures import decode, rasterise, read_file, refuse_large
from gpu_service.routines import Reference
from gpu_service.settings import Settings
from mpr_resources.brands.folding import fold_key
from mpr_resources.yaml_files.load import load_file

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".svg"})
OTHER_PICTURES = frozenset({".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".ico", ".eps", ".ai", ".pdf", ".psd"})
"""Files that somebody may well take for reference pictures, and that are refused rather than passed over."""


Language: TypeAlias = Literal["ar", "de", "en", "es", "eu", "fa", "fr", "it", "lv", "nl", "pt", "ru"]
"""By ISO 639-1: those of whose words `mpr_assets.text.common_words` has a dictionary."""
DEFAULT_LANGUAGES: tuple[Language, ...] = ("en",)


class Brand(Settings):
    """A brand as a brand file describes it. Texts have their white space squeezed."""

    name: str
    aliases: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    logos: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_bare_name(cls, value: object) -> object:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, bool | int | float):
            raise ValueError(f"{str(value).lower()} is no text; put it in quotes")
        return value

    @field_validator("name")
    @classmethod
    def _squeeze_name(cls, name: str) -> str:
        return _squeezed(name)

    @field_validator("aliases", "exclude", "logos", "tags")
    @classmethod
    def _squeeze_each(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_squeezed(text) for text in texts)

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text that means the brand: its name, then its aliases."""
        return (self.name, *self.aliases)


class BrandFile(Settings):
    """What a brand file holds."""

    brands: tuple[Brand, ...]
    languages: tuple[Language, ...] = DEFAULT_LANGUAGES


@dataclass(frozen=True)
class BrandList:
    """The brands that are looked for.

    Attributes:
        folder: where the brands' `logos` are relative to.
        never: texts that are never taken for a brand.
        any_logo: whether the label of every logo is a brand; so it is where nobody lists any.
        languages: of the text around the names: what is a common word in one of them is no misread name.
    """

    brands: tuple[Brand, ...] = ()
    folder: Path = Path()
    never: tuple[str, ...] = ()
    any_logo: bool = False
    languages: tuple[Language, ...] = DEFAULT_LANGUAGES

    @cached_property
    def version(self) -> str:
        """SHA-256 of what the list says; not of comments, the order of keys, of brands or of aliases.

        The reference pictures' pixels are not in it: `references_hash` has those.
        """
        meaning = sorted(
            [brand.name, *(sorted(set(texts)) for texts in (brand.aliases, brand.exclude, brand.logos, brand.tags))]
            for brand in self.brands
        )
        if self.never or (self.any_logo and self.brands):
            meaning.append(["", sorted(set(self.never)), [str(self.any_logo)]])
        if set(self.languages) != set(DEFAULT_LANGUAGES):
            meaning.append(["", "languages", sorted(set(self.languages))])
        return hashlib.sha256(json.dumps(meaning, ensure_ascii=False).encode()).hexdigest()

    def never_means_one(self, text: str) -> bool:
        """Whether a text, however it is spelt, is never taken for a brand."""
        return fold_key(text) in self._never_keys

    @cached_property
    def _never_keys(self) -> frozenset[str]:
        return frozenset(fold_key(text) for text in self.never)

    def named(self, name: str) -> Brand | None:
        """The brand that a name or alias means, however it is spelt; None when there is none."""
        return self._by_key.get(fold_key(name))

    @cached_property
    def _by_key(self) -> dict[str, Brand]:
        return {fold_key(text): brand for brand in self.brands for text in brand.texts}


def load_brands(path: Path) -> BrandList:
    """The brands of a brand file.

    Raises:
        BadInput: the file cannot be read or is not a brand file; a name is empty or is there twice; a logo is missing
            or is no picture. The message names the file, the brand and the remedy.
    """
    file = load_file(path, BrandFile)
    brands = BrandList(file.brands, path.parent, languages=file.languages)
    check_names(brands.brands, str(path))
    for brand in brands.brands:
        for logo in brand.logos:
            read_reference(brand.name, path.parent / logo, logo)
    return brands


def brands_from_names(names: Iterable[str]) -> BrandList:
    """A list of brands that have only names.

    Raises:
        BadInput: a name is empty or is there twice.
    """
    brands = tuple(Brand(name=name) for name in names)
    check_names(brands, "the list of brands")
    return BrandList(brands)


def brands_from_folders(logos_dir: Path) -> BrandList:
    """A brand for each folder of reference pictures: what is looked for where there is no brand file.

    Raises:
        BadInput: see `load_references`.
    """
    names = {fold_key(folder.name): folder.name for folder in reversed(_folders(logos_dir)) if _pictures(folder)}
    return brands_from_names(sorted(names.values()))


def load_references(brands: BrandList, logos_dir: Path | None) -> list[Reference]:
    """Every reference picture of the brands: those that the brand file names, and those in `logos_dir/BRAND/`.

    A folder belongs to the brand whose name or alias it bears, however spelt. The brand list decides what is looked
    for: folders of other brands are passed over. Where the list is empty every folder
    is used, as the brand of its name. A picture that is there twice is given once. Sorted by brand and name.

    Raises:
        BadInput: `logos_dir` is no folder, or holds a picture that is in no brand's folder; a picture is missing, or
            is not a PNG, JPEG, WebP or SVG that can be decoded.
    """
    found = [read_reference(brand.name, brands.folder / logo, logo) for brand in brands.brands for logo in brand.logos]
    if logos_dir is not None:
        wanted = brands if brands.brands else brands_from_folders(logos_dir)
        for folder in _folders(logos_dir):
            brand = wanted.named(folder.name)
            if brand is not None:
                found += [read_reference(brand.name, file, file.name) for file in _pictures(folder)]
    return unique(found)


def unique(references: Iterable[Reference]) -> list[Reference]:
    """The pictures, each of a brand once, sorted by brand and name."""
    found = sorted(references, key=lambda one: (one.brand, one.name))
    return list({(one.brand, one.sha256): one for one in reversed(found)}.values())[::-1]


def references_hash(references: Iterable[Reference]) -> str:
    """SHA-256 of whose pictures they are and of their bytes, whatever their order and file names."""
    meaning = sorted([one.brand, one.sha256] for one in references)
    return hashlib.sha256(json.dumps(meaning, ensure_ascii=False).encode()).hexdigest()


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def check_names(brands: Sequence[Brand], where: str) -> None:
    """See that no text is empty, there twice or of two brands. `where` says in messages where they are from.

    Raises:
        BadInput: see `load_brands`.
    """
    owners: dict[str, tuple[int, str]] = {}
    for number, brand in enumerate(brands):
        _check_texts(number, brand, where)
        for text in brand.texts:
            owner, other = owners.setdefault(fold_key(text), (number, text))
            if owner != number:
                raise BadInput(
                    f"{where}: {text!r} of the brand {brand.name!r} is the same as {other!r} of the "
                    f"brand {brands[owner].name!r} (case, spaces and punctuation do not count)",
                    "leave it with one of them",
                )


def _check_texts(number: int, brand: Brand, where: str) -> None:
    """See that a brand's own texts can be looked for and are not there twice."""
    seen: set[str] = set()
    for kind, text in _labelled_texts(brand):
        label = f"the name of brands[{number}]" if kind == "name" else f"an {kind} of {brand.name!r}"
        if not text:
            raise BadInput(f"{where}: {label} is empty", "write the text as it appears")
        if not any(character.isalnum() for character in fold_key(text)):
            raise BadInput(f"{where}: {label}, {text!r}, has no letter or digit", "give it one")
        if text.casefold() in seen:
            raise BadInput(f"{where}: {text!r} is listed twice in the brand {brand.name!r}", "remove one of the two")
        seen.add(text.casefold())
    own = {fold_key(text) for text in brand.texts}
    for text in brand.exclude:
        if fold_key(text) in own:
            raise BadInput(f"{where}: {brand.name!r} excludes {text!r}, which is itself", "exclude longer texts only")


def _labelled_texts(brand: Brand) -> Iterator[tuple[str, str]]:
    yield "name", brand.name
    for alias in brand.aliases:
        yield "alias", alias
    for text in brand.exclude:
        yield "exclude text", text


def _folders(logos_dir: Path) -> list[Path]:
    if not logos_dir.is_dir():
        raise BadInput(
            f"{logos_dir} is not a folder", "create it, with a folder of pictures for each brand, or name another"
        )
    entries = sorted(one for one in logos_dir.iterdir() if not one.name.startswith("."))
    for entry in entries:
        if entry.is_file() and entry.suffix.lower() in PICTURES:
            raise BadInput(f"{entry} is in no brand's folder", f"move it to {logos_dir / 'BRAND' / entry.name}")
        if entry.is_dir() and not any(character.isalnum() for character in fold_key(entry.name)):
            raise BadInput(f"{entry} has a name without letters or digits", "name the folder for its brand")
    return [one for one in entries if one.is_dir()]


def _pictures(folder: Path) -> list[Path]:
    files = sorted(one for one in folder.iterdir() if one.is_file() and not one.name.startswith("."))
    for file in files:
        if file.suffix.lower() in OTHER_PICTURES:
            raise BadInput(f"{file} is not a PNG, JPEG, WebP or SVG picture", "convert it or remove it")
    return [one for one in files if one.suffix.lower() in PICTURES]


def read_reference(brand: str, file: Path, name: str) -> Reference:
    """Read a picture and see that it can be decoded. `name`: what it is called from then on.

    Raises:
        BadInput: it cannot be read or is no picture.
    """
    what = f"the logo {file} of the brand {brand!r}"
    if file.suffix.lower() not in PICTURES:
        raise BadInput(f"{what} is not a PNG, JPEG, WebP or SVG file", "convert it")
    try:
        encoded = read_file(file)
    except BadInput as error:
        raise BadInput(f"{what} cannot be used: {error.what}", error.remedy) from None
    except FileNotFoundError:
        raise BadInput(f"{what} does not exist", "correct the path, which is relative to the brand file") from None
    except OSError as error:
        raise BadInput(f"{what} cannot be read: {error.strerror}", "check its permissions") from None
    return reference_of(brand, encoded, name, what, svg=file.suffix.lower() == ".svg")


def reference_of(brand: str, encoded: bytes, name: str, what: str, *, svg: bool) -> Reference:
    """A reference picture from its file's bytes, which can be decoded. `what`: it is called in messages.

    Raises:
        BadInput: it is no picture.
    """
    try:
        picture = rasterise(encoded, 64) if svg else encoded
        refuse_large(picture)
        decode(picture)
    except ValueError as error:
        raise BadInput(f"{what} cannot be used: {error}", "give another PNG, JPEG, WebP or SVG picture") from None
    except (BadInput, cv2.error):
        raise BadInput(f"{what} cannot be decoded", "it is empty, damaged or not what its name says it is") from None
    return Reference(brand, name, encoded)
